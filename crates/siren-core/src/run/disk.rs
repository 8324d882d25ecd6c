//! Writing so that a crash leaves the old file or the new one, never half of one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes to `<path>.tmp`, syncs, renames over `path`, and syncs the folder.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = Path::new(&name);
    let written = File::create(temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(temporary, path));
    if let Err(source) = renamed {
        // The half-written file would only puzzle the user; the error that matters is the first one.
        let _ = fs::remove_file(temporary);
        return Err(Error::io("write", path)(source));
    }
    sync_folder(path)
}

/// A rename survives a power failure only once its folder is synced; only Unix can open one for that.
fn sync_folder(path: &Path) -> Result<()> {
    #[cfg(unix)]
    if let Some(parent) = path.parent() {
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        let folder = File::open(parent).and_then(|folder| folder.sync_all());
        folder.map_err(Error::io("sync", parent))?;
    }
    Ok(())
}

/// Reads a text file that a user may have given.
pub(super) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}
