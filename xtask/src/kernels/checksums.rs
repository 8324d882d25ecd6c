//! Checksums of a folder of kernels, by which a test finds stale PTX without a compiler.
//!
//! `cargo xtask kernels --write` writes them. The tests of the crate that ships the PTX can include this file by `#[path]`
//! and assert that [`stale`] returns nothing, since it depends on `crc32c` alone, and its tests on `tempfile`.

use std::fs;
use std::io;
use std::path::Path;

/// The file of the checksums, in the folder.
pub const FILE: &str = "checksums.txt";

const HEAD: &str = "# CRC-32C of each file, by `cargo xtask kernels --write`.\n";

/// Sources, variants, and the PTX made of them.
const EXTENSIONS: [&str; 5] = ["cu", "cuh", "h", "ptx", "toml"];

/// Returns the text of the checksums of the files in `folder`: a comment, then a line `<crc32c> <name>` per file, sorted by name.
///
/// Carriage returns are not counted, so that a checkout with the line ends of Windows has the same checksums.
///
/// # Errors
/// If the folder or a file in it cannot be read.
pub fn of_folder(folder: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let name = path.file_name().and_then(|name| name.to_str());
        if let (Some(extension), Some(name)) = (extension, name)
            && EXTENSIONS.contains(&extension)
        {
            let mut bytes = fs::read(&path)?;
            bytes.retain(|&byte| byte != b'\r');
            lines.push((name.to_owned(), crc32c::crc32c(&bytes)));
        }
    }
    lines.sort();
    let lines = lines
        .iter()
        .map(|(name, sum)| format!("{sum:08x} {name}\n"));
    Ok(HEAD.to_owned() + &lines.collect::<String>())
}

/// Returns one sentence for each file of `folder` that changed, came or went since the checksums were written.
///
/// # Errors
/// If the folder or a file in it cannot be read. A folder without checksums is none.
pub fn stale(folder: &Path) -> io::Result<Vec<String>> {
    let recorded = match fs::read_to_string(folder.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(vec![format!("{FILE}: missing")]);
        }
        Err(error) => return Err(error),
    };
    let present = of_folder(folder)?;
    let (recorded, present) = (entries(&recorded), entries(&present));
    let mut faults = Vec::new();
    for (name, sum) in &present {
        match recorded.iter().find(|(other, _)| other == name) {
            None => faults.push(format!("{name}: not in {FILE}")),
            Some((_, other)) if other != sum => {
                faults.push(format!("{name}: changed since {FILE} was written"));
            }
            Some(_) => {}
        }
    }
    let gone = |name: &str| present.iter().all(|(other, _)| *other != name);
    let gone = recorded.iter().filter(|(name, _)| gone(name));
    faults.extend(gone.map(|(name, _)| format!("{name}: in {FILE}, but not in the folder")));
    Ok(faults)
}

/// Returns the names and checksums of the lines of a file of checksums.
fn entries(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(sum, name)| (name, sum))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn files_are_listed_by_name_with_their_crc32c() {
        // 0xe3069283 is the CRC-32C of "123456789" in the catalog of CRC algorithms.
        let folder = folder_of(&[("b.cuh", ""), ("a.cu", "123456789"), ("notes.md", "x")]);
        let text = of_folder(folder.path()).unwrap();
        assert_eq!(text, format!("{HEAD}e3069283 a.cu\n00000000 b.cuh\n"));
    }

    #[test]
    fn line_ends_do_not_matter_and_everything_else_does() {
        let sum = |text| of_folder(folder_of(&[("a.cu", text)]).path()).unwrap();
        assert_eq!(sum("a\nb\n"), sum("a\r\nb\r\n"));
        assert_ne!(sum("a\nb\n"), sum("a\nb \n"));
    }

    #[test]
    fn changed_new_and_missing_files_are_named() {
        let folder = folder_of(&[("a.cu", "1"), ("b.ptx", "2"), ("variants.toml", "3")]);
        let path = folder.path();
        assert_eq!(stale(path).unwrap(), ["checksums.txt: missing"]);
        fs::write(path.join(FILE), of_folder(path).unwrap()).unwrap();
        assert!(stale(path).unwrap().is_empty());

        fs::write(path.join("a.cu"), "4").unwrap();
        fs::write(path.join("new.cuh"), "5").unwrap();
        fs::remove_file(path.join("b.ptx")).unwrap();
        assert_eq!(
            stale(path).unwrap(),
            [
                "a.cu: changed since checksums.txt was written",
                "new.cuh: not in checksums.txt",
                "b.ptx: in checksums.txt, but not in the folder",
            ]
        );
    }
}
