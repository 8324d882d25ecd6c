//! A folder of pictures.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture};

use super::{Frames, other_size};

/// Names of pictures end so.
const EXTENSIONS: [&str; 10] = [
    "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "ppm", "pgm", "pnm",
];

/// The pictures of a folder in the order of their names, in which numbers count by their value: `2.png` before `10.png`.
pub(super) struct Folder {
    paths: std::vec::IntoIter<PathBuf>,
    count: usize,
    rate: f64,
    size: Option<(u32, u32)>,
}

impl Folder {
    pub(super) fn open(folder: &Path, rate: f64) -> Result<Self> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let path = entry.map_err(Error::io("read", folder))?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let is_picture =
                extension.is_some_and(|own| EXTENSIONS.iter().any(|e| own.eq_ignore_ascii_case(e)));
            if is_picture {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            let message =
                "is a folder without pictures, expected frames such as 0001.png, 0002.png";
            return Err(Error::signal(folder, message));
        }
        paths.sort_by_cached_key(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (pieces(&name), name)
        });
        Ok(Self {
            count: paths.len(),
            paths: paths.into_iter(),
            rate,
            size: None,
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
}

/// Runs of digits as numbers, and what is between them.
fn pieces(name: &str) -> Vec<(String, u64)> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (before, from) = rest.split_at(text);
        let digits = from
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(from.len());
        let (number, after) = from.split_at(digits);
        pieces.push((before.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_their_value() {
        let mut names = ["f10.png", "f2.png", "f1.png", "a.png", "f2b.png"];
        names.sort_by_cached_key(|name| pieces(name));
        assert_eq!(names, ["a.png", "f1.png", "f2.png", "f2b.png", "f10.png"]);
    }
}
