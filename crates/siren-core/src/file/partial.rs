//! Files that a user asked for by name: whole under that name, or not there at all.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The file that writing to `path` makes or replaces: a link is followed; a folder or a device is an error.
///
/// # Errors
/// [`Error::Io`] that says what stands there.
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

/// A file being written as `<target>.tmp`, removed when dropped unless [`keep`](Self::keep) gave it its name.
pub struct PartialFile {
    target: PathBuf,
    temporary: PathBuf,
    kept: bool,
}

impl PartialFile {
    /// Creates the temporary file beside `target`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created (missing or read-only folder), or `target` is a folder or a device.
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

    /// The file's name while it is written, for what opens files by their names.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The error for a failed write.
    #[must_use]
    pub fn write_error(&self, error: std::io::Error) -> Error {
        Error::io("write", &self.temporary)(error)
    }

    /// Errs unless the file ends with `tail`: some encoders cannot report a full disk.
    ///
    /// # Errors
    /// If the end is another one, or cannot be read.
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

    /// Gives the file its final name, once its content is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be synced or renamed.
    pub fn keep(mut self) -> Result<()> {
        // Windows syncs writable files only.
        let file = File::options().append(true).open(&self.temporary);
        file.and_then(|file| file.sync_all())
            .map_err(|error| self.write_error(error))?;
        fs::rename(&self.temporary, &self.target).map_err(Error::io("write", &self.target))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing better can be done about a file that will not go away.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
