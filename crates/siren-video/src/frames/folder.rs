//! Reads a folder of pictures as a clip.

use std::path::{Path, PathBuf};

use image::RgbImage;
use siren_core::file::{Listing, has_extension};
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture, Size};

use super::{Frames, size_mismatch};

/// Extensions of files that are read as pictures.
const EXTENSIONS: [&str; 10] = [
    "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "ppm", "pgm", "pnm",
];

/// A reader of the pictures of a folder in natural order (`2.png` before `10.png`), without hidden files.
pub(super) struct FolderFrames {
    paths: std::vec::IntoIter<PathBuf>,
    count: usize,
    rate: f64,
    size: Option<Size>,
    note: Option<String>,
}

impl FolderFrames {
    pub(super) fn open(folder: &Path, rate: f64) -> Result<Self> {
        let listing = Listing::of(folder, |path| has_extension(path, &EXTENSIONS))?;
        let subfolder = listing.folders.first();
        if listing.files.is_empty() {
            let hint = subfolder.map_or_else(String::new, |first| {
                format!(
                    "; it has {} subfolders, one of which may be the clip: `signal.path = \"{}\"`",
                    listing.folders.len(),
                    first.display()
                )
            });
            let message = format!(
                "is a folder without pictures, expected frames such as 0001.png, 0002.png{hint}"
            );
            return Err(Error::signal(folder, message));
        }
        let note = subfolder.map(|first| {
            format!(
                "its subfolders, such as {}, are not part of the clip",
                first.display()
            )
        });
        Ok(Self {
            count: listing.files.len(),
            paths: listing.files.into_iter(),
            rate,
            size: None,
            note,
        })
    }
}

impl Frames for FolderFrames {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        Some(self.count)
    }

    fn size(&self) -> Option<Size> {
        self.size
    }

    fn read_next(&mut self) -> Result<Option<RgbImage>> {
        let Some(path) = self.paths.next() else {
            return Ok(None);
        };
        let picture = Picture::open(&path, ColorMode::Rgb)?;
        let size = Size {
            height: picture.height,
            width: picture.width,
        };
        let first = *self.size.get_or_insert(size);
        if size != first {
            return Err(size_mismatch(&path, first, size));
        }
        let levels = picture.values.iter().map(|y| (255.0 * y).round() as u8);
        let (width, height) = (size.width as u32, size.height as u32);
        Ok(RgbImage::from_raw(width, height, levels.collect()))
    }

    fn notes(&self) -> Vec<String> {
        self.note.iter().cloned().collect()
    }
}
