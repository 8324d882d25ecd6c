//! A set of pictures on disk: a folder of pictures, or a folder with one folder of pictures per person.

use std::ops::Range;
use std::path::{Path, PathBuf};

use siren_core::file::{Listing, has_extension};
use siren_core::{Error, Result};

/// File name extensions of pictures.
const EXTENSIONS: [&str; 12] = [
    "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pnm", "pbm",
];

/// The picture files of a set in natural order, folder by folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PictureFiles {
    pub(crate) paths: Vec<PathBuf>,
    /// Names of the pictures in split files: `1.png`, or `anna/1.png` for a picture in a folder.
    pub(crate) names: Vec<String>,
    /// The folders of the set that contain pictures; empty if the pictures are directly in the set.
    pub(crate) folders: Vec<Folder>,
}

/// A folder within a set; its pictures stay together in a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) name: String,
    /// Indices of its pictures within the set.
    pub(crate) pictures: Range<usize>,
}

impl PictureFiles {
    /// Lists the pictures of a set. Skips hidden files and files without the extension of a picture.
    ///
    /// # Errors
    /// If there are no pictures, pictures both in the set and in a folder of it, or folders within folders.
    pub(crate) fn of(set: &Path) -> Result<Self> {
        let listing = listing(set)?;
        let mut inner = Vec::new();
        for path in &listing.folders {
            inner.push((path, self::listing(path)?));
        }
        if listing.files.is_empty() {
            return Self::of_folders(set, &inner);
        }
        let is_used = |inner: &Listing| !(inner.files.is_empty() && inner.folders.is_empty());
        if let Some((path, _)) = inner.iter().find(|(_, inner)| is_used(inner)) {
            let message = format!(
                "has pictures ({}) and a folder with more files (`{}`): move all pictures into folders, one per person, or remove the folder",
                listing.files.len(),
                name(path)
            );
            return Err(Error::signal(set, message));
        }
        Ok(Self {
            names: listing.files.iter().map(|path| name(path)).collect(),
            paths: listing.files,
            folders: Vec::new(),
        })
    }

    fn of_folders(set: &Path, inner: &[(&PathBuf, Listing)]) -> Result<Self> {
        let mut files = Self {
            paths: Vec::new(),
            names: Vec::new(),
            folders: Vec::new(),
        };
        for (path, listing) in inner {
            let folder = name(path);
            if let Some(deeper) = listing.folders.first() {
                let message = format!(
                    "contains the folder `{folder}/{}`, expected pictures directly in the folders of a set, one folder per person: \
                     move its pictures to `{folder}`, or remove it",
                    name(deeper)
                );
                return Err(Error::signal(set, message));
            }
            if let (true, Some(other)) = (listing.files.is_empty(), listing.others.first()) {
                let message = format!(
                    "has no pictures in a format that can be read (but `{}`), expected pictures of one person: convert the files, or remove the \
                     folder",
                    name(other)
                );
                return Err(Error::signal(path, message));
            }
            let first = files.paths.len();
            let names = listing.files.iter().map(|path| name(path));
            files
                .names
                .extend(names.map(|name| format!("{folder}/{name}")));
            files.paths.extend(listing.files.iter().cloned());
            if first < files.paths.len() {
                files.folders.push(Folder {
                    name: folder,
                    pictures: first..files.paths.len(),
                });
            }
        }
        if files.paths.is_empty() {
            let message = "has no pictures, expected a folder of PNG, JPEG, WebP, BMP, TIFF, GIF or PNM files";
            return Err(Error::signal(set, message));
        }
        Ok(files)
    }
}

fn listing(folder: &Path) -> Result<Listing> {
    Listing::of(folder, |path| has_extension(path, &EXTENSIONS))
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a folder with empty files of these names, and folders for names that end in `/`.
    fn set(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
            } else {
                std::fs::write(path, "").unwrap();
            }
        }
        folder
    }

    #[test]
    fn pictures_are_listed_in_natural_order_without_hidden_files() {
        let names = [
            "10.png",
            "2.jpg",
            "1.PNG",
            "._1.PNG",
            ".x.png",
            "Thumbs.db",
            "a.txt",
            "empty/",
            "notes/b.txt",
        ];
        let set = set(&names);
        let files = PictureFiles::of(set.path()).unwrap();
        assert_eq!(files.names, ["1.PNG", "2.jpg", "10.png"]);
        assert_eq!(
            files.paths,
            files
                .names
                .iter()
                .map(|n| set.path().join(n))
                .collect::<Vec<_>>()
        );
        assert!(files.folders.is_empty());
    }

    #[test]
    fn folders_with_pictures_are_listed_in_natural_order() {
        let names = [
            "s10/1.pgm",
            "s2/10.pgm",
            "s2/9.pgm",
            "s2/._9.pgm",
            "s1/1.pgm",
            "empty/",
            ".git/1.png",
            "README.txt",
        ];
        let set = set(&names);
        let files = PictureFiles::of(set.path()).unwrap();
        assert_eq!(
            files.names,
            ["s1/1.pgm", "s2/9.pgm", "s2/10.pgm", "s10/1.pgm"]
        );
        let folder = |name: &str, pictures| Folder {
            name: name.to_owned(),
            pictures,
        };
        assert_eq!(
            files.folders,
            [folder("s1", 0..1), folder("s2", 1..3), folder("s10", 3..4)]
        );
    }

    #[test]
    fn misplaced_or_unreadable_pictures_are_errors_that_name_their_folder() {
        for (names, words) in [
            (&["1.png", "more/2.png"][..], ["pictures (1)", "`more`"]),
            (&["1.png", "more/deep/2.png"], ["pictures (1)", "`more`"]),
            (
                &["a/1.png", "b/day/1.png"],
                ["`b/day`", "move its pictures"],
            ),
            (&["a/1.png", "b/1.heic"], ["b: has no pictures", "`1.heic`"]),
            (&["a/", "b/"], ["has no pictures", "PNG"]),
            (&["notes.txt"], ["has no pictures", "PNG"]),
        ] {
            let set = set(names);
            let message = PictureFiles::of(set.path()).unwrap_err().to_string();
            for word in words {
                assert!(message.contains(word), "{message}");
            }
        }
    }
}
