//! Atomic writes: a crash leaves the old file or the new one, never a part of a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Makes a folder completely or not at all. `fill` creates it at a temporary path beside `path`, where nothing exists; it is then renamed.
///
/// # Errors
/// The error of `fill`; [`Error::Io`] if the operating system refuses, or `path` exists.
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
    // A killed process of the same id may have left the folder: in containers ids repeat. If it cannot be removed, `fill` fails with the
    // reason.
    let _ = fs::remove_dir_all(&staged);
    let made = fill(&staged).and_then(|()| {
        Ok(fs::rename(&staged, path).map_err(Error::io("create the folder", path))?)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&staged);
    }
    made
}

/// Writes a file completely or not at all: writes to `<path>.tmp`, syncs, renames it to `path`, and syncs the folder.
///
/// # Errors
/// [`Error::Io`] if the operating system refuses; `path` is then unchanged.
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
        // An error here would hide the first one.
        let _ = fs::remove_file(temporary);
        return Err(Error::io("write", path)(source));
    }
    sync_folder(path)
}

/// Syncs the folder of a file: a rename survives a power failure only then. Only Unix can open a folder for that.
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
