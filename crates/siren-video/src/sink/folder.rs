//! Writes a clip as a folder of PNG files.

use std::fs;
use std::path::{Path, PathBuf};

use image::{ExtendedColorType, save_buffer};
use siren_core::{Error, Result};
use siren_picture::Size;

use super::Sink;

/// A writer of `000001.png`, `000002.png`, … to a new folder, which has a temporary name until it is finished.
pub(super) struct FolderSink {
    target: PathBuf,
    temporary: PathBuf,
    size: Size,
    written: usize,
}

impl FolderSink {
    pub(super) fn create(path: &Path, size: Size) -> Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            let message = "already exists: give a new name for the folder of frames";
            return Err(Error::signal(path, message));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        fs::create_dir(&temporary).map_err(Error::io("create", &temporary))?;
        Ok(Self {
            target: path.to_path_buf(),
            temporary,
            size,
            written: 0,
        })
    }
}

impl Sink for FolderSink {
    fn push(&mut self, frame: &[u8]) -> Result<()> {
        self.written += 1;
        let path = self.temporary.join(format!("{:06}.png", self.written));
        let (width, height) = (self.size.width as u32, self.size.height as u32);
        let saved = save_buffer(&path, frame, width, height, ExtendedColorType::Rgb8);
        saved.map_err(|error| Error::signal(&path, format!("cannot be written: {error}")))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        fs::rename(&self.temporary, &self.target).map_err(Error::io("write", &self.target))
    }
}

impl Drop for FolderSink {
    fn drop(&mut self) {
        // `finish` has renamed the folder, so that this removes unfinished ones only.
        let _ = fs::remove_dir_all(&self.temporary);
    }
}
