//! Output files that have their final name only once they are complete.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::write::sync_folder;
use crate::error::{Error, Result};

/// Returns the path of the file that writing to `path` creates or replaces: the target of a link, `path` itself otherwise.
///
/// # Errors
/// [`Error::Io`] if `path` is a folder, a device or a pipe, or a link whose target does not exist.
pub fn replaceable(path: &Path) -> Result<PathBuf> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(path.to_path_buf());
    };
    let (target, metadata) = if metadata.is_symlink() {
        let target = fs::canonicalize(path).map_err(Error::io("write", path))?;
        let metadata = fs::metadata(&target).map_err(Error::io("write", path))?;
        (target, metadata)
    } else {
        (path.to_path_buf(), metadata)
    };
    if metadata.is_file() {
        return Ok(target);
    }
    let cause = if metadata.is_dir() {
        "it is a folder; give the name of a file in it"
    } else {
        "it is a device or a pipe; give the name of a file"
    };
    Err(Error::io("write", path)(std::io::Error::other(cause)))
}

/// A file that is written as `<target>.tmp` and renamed by [`keep`](Self::keep). It is removed when dropped before that.
pub struct PartialFile {
    target: PathBuf,
    temporary: PathBuf,
    kept: bool,
}

impl PartialFile {
    /// Creates the temporary file beside `target`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be created (missing or read-only folder), or `target` is a folder or a device.
    pub fn create(target: &Path) -> Result<(Self, File)> {
        let target = replaceable(target)?;
        let mut name = target.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
        let partial = Self {
            target,
            temporary,
            kept: false,
        };
        Ok((partial, file))
    }

    /// Returns the temporary path, for encoders that open files by path.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Makes the error of a failed write.
    #[must_use]
    pub fn write_error(&self, error: std::io::Error) -> Error {
        Error::io("write", &self.temporary)(error)
    }

    /// Checks that the file ends with `tail`: some encoders do not report a full disk.
    ///
    /// # Errors
    /// [`Error::Io`] if the file ends otherwise or cannot be read.
    pub fn ensure_ends_with<const N: usize>(&self, tail: &[u8; N]) -> Result<()> {
        let read_end = || {
            let mut file = File::open(&self.temporary)?;
            let mut end = [0; N];
            file.seek(SeekFrom::End(-(N as i64)))?;
            file.read_exact(&mut end)?;
            Ok(end)
        };
        let end = read_end().map_err(|error| self.write_error(error))?;
        if end == *tail {
            return Ok(());
        }
        let cause = "the end of the file did not reach the disk; is it full?";
        Err(self.write_error(std::io::Error::other(cause)))
    }

    /// Writes the content to the disk, renames the file to its final name, and syncs the folder.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be synced or renamed.
    pub fn keep(mut self) -> Result<()> {
        // Windows syncs writable files only.
        let file = File::options().append(true).open(&self.temporary);
        file.and_then(|file| file.sync_all())
            .map_err(|error| self.write_error(error))?;
        fs::rename(&self.temporary, &self.target).map_err(Error::io("write", &self.target))?;
        self.kept = true;
        sync_folder(&self.target)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.kept {
            // A destructor cannot report an error.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
