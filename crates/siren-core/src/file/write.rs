//! Atomic writes: a crash leaves the old file or the new one, never a part of a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Makes a folder completely or not at all: `fill` fills an empty folder with a temporary name beside `path`, which is then renamed. What
/// killed processes left of the same folder is removed.
///
/// # Errors
/// The error of `fill`; [`Error::Io`] if the operating system refuses, or `path` exists.
pub fn make_folder<E: From<Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let parent = parent_of(path);
    make_parents(parent)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    remove_leftovers(parent, &name);
    let staged = staged_path(path);
    // A killed process of the same id may have left the folder: in containers ids repeat. If it cannot be removed, creating it fails with the
    // reason.
    let _ = fs::remove_dir_all(&staged);
    let created = fs::create_dir(&staged).map_err(Error::io("create the folder", &staged));
    let made = created.map_err(E::from).and_then(|()| {
        // Tells other processes that the folder is not a leftover. Not every system can lock a folder.
        let handle = File::open(&staged);
        let _ = handle.as_ref().map(File::try_lock);
        fill(&staged)?;
        fs::rename(&staged, path).map_err(Error::io("create the folder", path))?;
        Ok(sync_folder(path)?)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&staged);
    }
    made
}

/// Returns the temporary name of a folder that this process makes or removes.
fn staged_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent_of(path).join(format!(".{name}.{}", std::process::id()))
}

/// Removes a folder as far as possible. It is renamed first, so that a power failure leaves it whole, or under a name that the next
/// [`make_folder`] removes.
pub fn remove_folder(path: &Path) {
    let staged = staged_path(path);
    // The caller reports another error, which a failure to remove must not hide.
    if fs::rename(path, &staged).is_ok() {
        let _ = sync_folder(path);
        let _ = fs::remove_dir_all(&staged);
    }
}

/// Removes the folders `.NAME.NUMBER` whose processes were killed before they could be renamed. Those of living processes are locked.
fn remove_leftovers(parent: &Path, name: &str) {
    let prefix = format!(".{name}.");
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let own = entry.file_name();
        let number = own.to_str().and_then(|own| own.strip_prefix(&prefix));
        let is_staged = number.is_some_and(|number| number.parse::<u32>().is_ok());
        if is_staged && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Creates a folder and those above it that are missing, so that they survive a power failure.
fn make_parents(folder: &Path) -> Result<()> {
    let missing = folder
        .ancestors()
        .take_while(|one| !one.as_os_str().is_empty() && !one.exists());
    let missing: Vec<&Path> = missing.collect();
    fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    missing.into_iter().rev().try_for_each(sync_folder)
}

/// Returns the folder in which a path lies.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
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

/// Syncs the folder in which a file or folder lies: that it was created or renamed survives a power failure only then.
///
/// # Errors
/// [`Error::Io`] with the folder.
pub fn sync_folder(path: &Path) -> Result<()> {
    // Only Unix can open a folder for that.
    #[cfg(unix)]
    {
        let parent = parent_of(path);
        let folder = File::open(parent).and_then(|folder| folder.sync_all());
        folder.map_err(Error::io("sync", parent))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Reads a text file.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_folder_left_by_a_killed_process_is_removed_and_that_of_a_living_one_is_not() {
        let desk = tempfile::tempdir().unwrap();
        let path = |name: &str| desk.path().join(name);
        for name in [".run.1", ".run.2", ".run.x", ".other.3"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("file"), "").unwrap();
        }
        let living = File::open(path(".run.2")).unwrap();
        living.try_lock().unwrap();
        let fill =
            |staged: &Path| fs::write(staged.join("a"), "b").map_err(Error::io("write", staged));
        make_folder(&path("run"), fill).unwrap();
        let names = fs::read_dir(desk.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".other.3", ".run.2", ".run.x", "run"]);
        assert_eq!(fs::read_to_string(path("run/a")).unwrap(), "b");
        remove_folder(&path("run"));
        assert!(!path("run").exists());
        assert_eq!(fs::read_dir(desk.path()).unwrap().count(), 3);
        let failing = |_: &Path| Err(Error::NoConstraints);
        assert!(make_folder(&path("deep/er/run"), failing).is_err());
        assert_eq!(fs::read_dir(path("deep/er")).unwrap().count(), 0);
    }
}
