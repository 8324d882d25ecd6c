//! Writing so that a crash leaves the old file or the new one, never half of one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Makes a folder whole or not at all: `fill` makes it under a temporary name beside its place, where nothing is, and it is renamed.
///
/// # Errors
/// That of `fill`; also if the disk refuses, or something is in the folder's place.
pub fn make_folder<E: From<Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(Error::io("create the folder", parent))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = parent.join(format!(".{name}.{}", std::process::id()));
    // A process of the same number may have been killed here: in containers numbers repeat. Errors on the way to the user are not hidden.
    let _ = fs::remove_dir_all(&staged);
    let made = fill(&staged).and_then(|()| {
        Ok(fs::rename(&staged, path).map_err(Error::io("create the folder", path))?)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&staged);
    }
    made
}

/// Writes to `<path>.tmp`, syncs, renames over `path`, and syncs the folder.
///
/// # Errors
/// [`Error::Io`] if the disk refuses; `path` is then what it was before.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
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

/// Reads a text file.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}
