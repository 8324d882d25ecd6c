//! Listings of folders: without hidden files, names in natural order.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Names, in lower case, of files and folders that operating systems and their tools create, besides those that start with a dot.
const CLUTTER: [&str; 8] = [
    "$recycle.bin",
    "@eadir",
    "__macosx",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "system volume information",
    "thumbs.db",
];

/// Entries of a folder in [`natural_order`], without hidden ones (see [`is_hidden`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files that the caller asked for, and dangling links of such names, so that opening them fails with their name.
    pub files: Vec<PathBuf>,
    /// Folders, and links to folders.
    pub folders: Vec<PathBuf>,
    /// All other entries.
    pub others: Vec<PathBuf>,
}

impl Listing {
    /// Lists `folder` without its subfolders' entries. Files for which `wanted` returns true are in `files`.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed.
    pub fn of(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
            let path = entry.map_err(Error::io("list", folder))?.path();
            if is_hidden(path.file_name().unwrap_or_default()) {
                continue;
            }
            let group = match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => &mut listing.folders,
                Ok(metadata) if !metadata.is_file() => &mut listing.others,
                _ if wanted(&path) => &mut listing.files,
                _ => &mut listing.others,
            };
            group.push(path);
        }
        for group in [
            &mut listing.files,
            &mut listing.folders,
            &mut listing.others,
        ] {
            group.sort_by(|a, b| natural_order(a, b));
        }
        Ok(listing)
    }
}

/// Returns whether the name of a path has one of these extensions, given in lower case and without dots. The case of the name is ignored.
#[must_use]
pub fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let own = path.extension().unwrap_or_default();
    extensions.iter().any(|e| own.eq_ignore_ascii_case(e))
}

/// Returns whether listings leave out a file or folder of this name: names that start with a dot, such as `.DS_Store` and `._0001.png`, and
/// names that operating systems create, such as `Thumbs.db`.
#[must_use]
pub fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || CLUTTER.contains(&name.to_ascii_lowercase().as_str())
}

/// Compares two paths folder by folder, names without their extensions first. Runs of digits in names are compared as numbers: `2.png`,
/// `10.png`, `10 (2).png`.
#[must_use]
pub fn natural_order(a: &Path, b: &Path) -> Ordering {
    let names = a.components().zip(b.components());
    let compare = |a: &OsStr, b: &OsStr| {
        let stem_a = Path::new(a).file_stem().unwrap_or(a);
        let stem_b = Path::new(b).file_stem().unwrap_or(b);
        compare_names(stem_a, stem_b)
            .then_with(|| compare_names(a, b))
            .then_with(|| a.cmp(b))
    };
    names
        .map(|(a, b)| compare(a.as_os_str(), b.as_os_str()))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.components().count().cmp(&b.components().count()))
}

/// Compares two names, runs of digits as numbers.
fn compare_names(a: &OsStr, b: &OsStr) -> Ordering {
    let (a, b) = (a.to_string_lossy(), b.to_string_lossy());
    let (mut a, mut b) = (a.as_ref(), b.as_ref());
    while let (Some(first), Some(second)) = (a.chars().next(), b.chars().next()) {
        let order = if first.is_ascii_digit() && second.is_ascii_digit() {
            let (own, other) = (take_number(&mut a), take_number(&mut b));
            own.len().cmp(&other.len()).then_with(|| own.cmp(other))
        } else {
            (a, b) = (&a[first.len_utf8()..], &b[second.len_utf8()..]);
            first.cmp(&second)
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Removes the leading digits of a name and returns them without leading zeros, so that of two numbers the longer one is larger.
fn take_number<'a>(name: &mut &'a str) -> &'a str {
    let is_digit = |c: char| c.is_ascii_digit();
    let rest = name.trim_start_matches(is_digit);
    let digits = &name[..name.len() - rest.len()];
    *name = rest;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        paths.sort_by(|a, b| natural_order(a, b));
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn digits_in_names_are_compared_as_numbers_of_any_length() {
        for order in [
            &["1.png", "2.png", "10.png", "30.png"][..],
            &["a.png", "f1.png", "f2.png", "f2b.png", "f10.png"],
            &["007.png", "8.png", "009.png", "010.png", "10.png"],
            &["x.png", "x (1).png", "x (2).png", "x (10).png"],
            &["a9/10.png", "a10/2.png", "a10/10.png", "b/1.png"],
            &["a", "a/1.png", "a.b"],
            &["v1.2", "v1.10", "v2.1"],
            &["t99999999999999999999998", "t99999999999999999999999"],
            &["犬2.png", "犬10.png", "猫1.png"],
        ] {
            let mut names = order.to_vec();
            names.reverse();
            assert_eq!(sorted(&names), order);
            names.rotate_left(1);
            assert_eq!(sorted(&names), order);
        }
    }

    #[test]
    fn a_listing_separates_wanted_files_folders_and_others_and_omits_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "10.png",
            "2.PNG",
            "1.jpeg",
            "._1.png",
            ".thumb.png",
            ".DS_Store",
            "Thumbs.db",
            "Desktop.ini",
            "notes.txt",
            "png",
        ] {
            fs::write(at(name), "").unwrap();
        }
        for name in ["b", "a.png", ".git", "__MACOSX", "@eaDir"] {
            fs::create_dir(at(name)).unwrap();
        }
        let listing =
            Listing::of(folder.path(), |path| has_extension(path, &["png", "jpeg"])).unwrap();
        assert_eq!(listing.files, ["1.jpeg", "2.PNG", "10.png"].map(at));
        assert_eq!(listing.folders, ["a.png", "b"].map(at));
        assert_eq!(listing.others, ["notes.txt", "png"].map(at));
        let missing = Listing::of(&at("none"), |_| true).unwrap_err();
        assert!(missing.to_string().contains("none"), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_listed_as_its_target_and_a_dangling_link_as_a_file() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink(at("real"), at("linked")).unwrap();
        symlink(at("gone"), at("1.png")).unwrap();
        let listing = Listing::of(folder.path(), |path| has_extension(path, &["png"])).unwrap();
        assert_eq!(listing.files, [at("1.png")]);
        assert_eq!(listing.folders, ["linked", "real"].map(at));
    }
}
