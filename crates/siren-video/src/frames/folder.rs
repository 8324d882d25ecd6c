//! A folder of pictures.

use std::path::{Path, PathBuf};

use image::RgbImage;
use siren_core::run::{Listing, has_extension};
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture};

use super::{Frames, other_size};

/// Names of pictures end so.
const EXTENSIONS: [&str; 10] = [
    "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "ppm", "pgm", "pnm",
];

/// The pictures of a folder in natural order (`2.png` before `10.png`); hidden files are left out.
pub(super) struct Folder {
    paths: std::vec::IntoIter<PathBuf>,
    count: usize,
    rate: f64,
    size: Option<(u32, u32)>,
    note: Option<String>,
}

impl Folder {
    pub(super) fn open(folder: &Path, rate: f64) -> Result<Self> {
        let listing = Listing::of(folder, |path| has_extension(path, &EXTENSIONS))?;
        let subfolder = listing.folders.first();
        if listing.files.is_empty() {
            let hint = subfolder.map_or_else(String::new, |first| {
                format!(
                    "; it has {} folders in it, of which one may be the clip: `signal.path = \"{}\"`",
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
                "its folders ({} and others like it) are not part of the clip",
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

impl Frames for Folder {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        Some(self.count)
    }

    fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    fn next(&mut self) -> Result<Option<RgbImage>> {
        let Some(path) = self.paths.next() else {
            return Ok(None);
        };
        let picture = Picture::open(&path, ColorMode::Rgb)?;
        let size = (picture.width as u32, picture.height as u32);
        let first = *self.size.get_or_insert(size);
        if size != first {
            return Err(other_size(&path, first, size));
        }
        let bytes = picture.values.iter().map(|y| (255.0 * y).round() as u8);
        Ok(RgbImage::from_raw(size.0, size.1, bytes.collect()))
    }

    fn notes(&self) -> Vec<String> {
        self.note.iter().cloned().collect()
    }
}
