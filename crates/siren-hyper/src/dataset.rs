//! A set of square pictures of one size in memory, with its split into training, validation and test.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use siren_core::{Error, Result};
use siren_picture::memory::available_memory;
use siren_picture::{ColorMode, Picture};

use crate::config::{HyperSignalConfig, SIDES};
use crate::context::ContextBatch;
use crate::folder::PictureFiles;
use crate::reconstruction::coords;
use crate::scene;
use crate::split::{self, Split};

/// Default number of embedded pictures.
const DEFAULT_PICTURES: usize = 2048;
/// Fraction of the available memory that the pictures may take.
const MEMORY_SHARE: f64 = 0.8;

/// Square pictures of one size, with one byte per pixel and channel, and their split.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    side: usize,
    channels: usize,
    /// Row-major values, `(count, side, side, channels)`.
    values: Vec<u8>,
    split: Split,
}

impl Dataset {
    /// Makes a set of pictures in memory: all square, of one size from 4 × 4 to 256 × 256 pixels. If any of them is in color, gray values
    /// are repeated for red, green and blue. Values are rounded to 8 bits.
    ///
    /// # Errors
    /// [`Error::Shape`] if a picture is not square, differs in size from the first, or has values outside [0, 1]; [`Error::InvalidValue`]
    /// if a part of the split has no picture, or an index that no picture has or that occurs twice.
    pub fn new(pictures: &[Picture], split: Split) -> Result<Self> {
        split.check(pictures.len())?;
        let side = pictures.first().map_or(0, |picture| picture.height);
        if !SIDES.contains(&side) {
            let expected = format!("{} to {} pixels per side", SIDES.start(), SIDES.end());
            return Err(Error::invalid("size of the pictures", side, &expected));
        }
        for (index, picture) in pictures.iter().enumerate() {
            check_picture(picture, index, side)?;
        }
        let any_color = pictures.iter().any(|picture| picture.channels == 3);
        let channels = if any_color { 3 } else { 1 };
        let values = pictures.iter().flat_map(|picture| {
            let repeat = channels / picture.channels;
            let values = picture.values.iter();
            values.flat_map(move |value| std::iter::repeat_n((255.0 * value).round() as u8, repeat))
        });
        Ok(Self {
            side,
            channels,
            values: values.collect(),
            split,
        })
    }

    /// Opens the pictures that a config names: those of a folder, or the embedded faces.
    ///
    /// # Errors
    /// If there are too few pictures, one of them cannot be read, the split names others, or they do not fit into memory, which is checked
    /// before any picture is decoded.
    pub fn open(signal: &HyperSignalConfig) -> Result<Self> {
        let Some(folder) = &signal.path else {
            return embedded(signal);
        };
        let files = PictureFiles::of(folder)?;
        check_memory(files.paths.len(), signal)?;
        let split = split::of_files(folder, &files, &signal.split)?;
        let pictures = files.paths.par_iter().map(|file| open_square(file, signal));
        Self::new(&pictures.collect::<Result<Vec<_>>>()?, split)
    }

    /// Returns the number of pixels per side of a picture.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// Returns the number of channels, 1 or 3.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the number of pixels of a picture.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.side * self.side
    }

    /// Returns the indices of the pictures for training, validation and test.
    #[must_use]
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// Returns the row-major values of all pictures, `(count, side, side, channels)`.
    #[must_use]
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// Returns the row-major values of a picture, `(side, side, channels)`.
    ///
    /// # Panics
    /// If `picture` is not an index of the set.
    #[must_use]
    pub fn bytes(&self, picture: usize) -> &[u8] {
        let len = self.pixels() * self.channels;
        &self.values[picture * len..(picture + 1) * len]
    }

    /// Returns the pictures with these indices as targets in [−1, 1]. `observed` holds the row-major indices of the observed pixels of each.
    ///
    /// # Errors
    /// Only from candle.
    ///
    /// # Panics
    /// If one of `pictures` is not an index of the set.
    pub fn contexts(
        &self,
        pictures: &[usize],
        observed: Vec<Vec<u32>>,
        dtype: DType,
        device: &Device,
    ) -> Result<ContextBatch> {
        let bytes = pictures.iter().flat_map(|&picture| self.bytes(picture));
        let values: Vec<f32> = bytes
            .map(|&byte| 2.0 * f32::from(byte) / 255.0 - 1.0)
            .collect();
        let shape = (pictures.len(), self.pixels(), self.channels);
        Ok(ContextBatch {
            pictures: Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?,
            coords: coords(self.side, dtype, device)?,
            observed,
            codes: None,
        })
    }
}

/// Checks that a picture has `side × side` pixels, 1 or 3 channels, and values in [0, 1].
fn check_picture(picture: &Picture, index: usize, side: usize) -> Result<()> {
    let Picture {
        height,
        width,
        channels,
        values,
    } = picture;
    let fail = |expected: String, got: String| Error::Shape {
        what: "pictures of a set",
        expected,
        got: format!("{got} in picture {index}, counted from 0"),
    };
    let is_square = (*height, *width) == (side, side);
    if !is_square || ![1, 3].contains(channels) || values.len() != side * side * channels {
        let expected = format!("{side} × {side} pixels, as in the first, of 1 or 3 channels");
        let got = format!(
            "{height} × {width} pixels, {channels} channels and {} values",
            values.len()
        );
        return Err(fail(expected, got));
    }
    match values.iter().find(|value| !(0.0..=1.0).contains(value)) {
        Some(value) => Err(fail("values from 0 to 1".to_owned(), value.to_string())),
        None => Ok(()),
    }
}

/// Draws the embedded pictures.
fn embedded(signal: &HyperSignalConfig) -> Result<Dataset> {
    let count = signal.pictures.unwrap_or(DEFAULT_PICTURES);
    check_memory(count, signal)?;
    if let Some(file) = &signal.split.file {
        let message = "lists picture files, but the config names no folder of pictures: give `signal.path` too, or remove `signal.split.file`";
        return Err(Error::signal(file, message));
    }
    let split = split::random(count, &signal.split)
        .map_err(|message| Error::invalid("signal.pictures", count, &message))?;
    let pictures = (0..count as u64).into_par_iter().map(|index| {
        let picture = scene::face(index, signal.size);
        if signal.color == ColorMode::Gray {
            picture.luma()
        } else {
            picture
        }
    });
    Dataset::new(&pictures.collect::<Vec<_>>(), split)
}

/// Opens a picture, crops it to the square at its center and resizes it to `signal.size`.
fn open_square(file: &Path, signal: &HyperSignalConfig) -> Result<Picture> {
    center_square(&Picture::open(file, signal.color)?, signal.size)
}

/// Crops a picture to the square at its center and resizes it to `side × side` pixels.
pub(crate) fn center_square(picture: &Picture, side: usize) -> Result<Picture> {
    let shorter = picture.height.min(picture.width);
    Ok(picture.crop_center(shorter, shorter)?.resize(side, side))
}

/// Checks that `count` pictures fit into memory: four bytes for each decoded value and one for the stored one, with three channels.
fn check_memory(count: usize, signal: &HyperSignalConfig) -> Result<()> {
    let available = MEMORY_SHARE * available_memory() as f64;
    let needed = count as f64 * (signal.size * signal.size * 3 * 5) as f64;
    if needed <= available {
        return Ok(());
    }
    let gigabytes = |bytes: f64| bytes / f64::from(1 << 30);
    let expected = format!(
        "a smaller size: {count} pictures of this size need {:.1} GiB of memory, and {:.1} GiB may be used",
        gigabytes(needed),
        gigabytes(available)
    );
    Err(Error::invalid("signal.size", signal.size, &expected))
}

#[cfg(test)]
mod tests {
    use siren_picture::Values;

    use super::*;

    /// Returns a picture of 4 × 4 pixels whose values increase.
    fn picture(channels: usize) -> Picture {
        let values = (0..16 * channels).map(|index| index as f32 / 48.0);
        Picture {
            height: 4,
            width: 4,
            channels,
            values: values.collect(),
        }
    }

    fn split() -> Split {
        Split {
            training: vec![0],
            validation: vec![1],
            test: vec![2],
        }
    }

    /// Returns the values of a picture with another fourth one.
    fn with_value(picture: &Picture, value: f32) -> Values {
        let mut values = picture.values.to_floats().into_owned();
        values[3] = value;
        values.into()
    }

    #[test]
    fn one_color_picture_turns_all_pictures_into_rgb() {
        let dataset = Dataset::new(&[picture(1), picture(3), picture(1)], split()).unwrap();
        assert_eq!((dataset.channels, dataset.values.len()), (3, 3 * 48));
        assert_eq!(dataset.bytes(0)[3..6], [5, 5, 5]);
        assert_eq!(dataset.bytes(1)[3..6], [16, 21, 27]);
        let dataset = Dataset::new(&[picture(1), picture(1), picture(1)], split()).unwrap();
        assert_eq!(dataset.channels, 1);
    }

    #[test]
    fn pictures_and_splits_that_do_not_fit_together_are_refused() {
        let good = || vec![picture(1), picture(1), picture(1)];
        let mut wide = good();
        wide[1].width = 5;
        let mut bright = good();
        bright[2].values = with_value(&bright[2], 1.5);
        let mut unknown = good();
        unknown[2].values = with_value(&unknown[2], f32::NAN);
        for (pictures, words) in [
            (wide, "4 × 5 pixels, 1 channels and 16 values in picture 1"),
            (bright, "values from 0 to 1, got 1.5 in picture 2"),
            (unknown, "got NaN in picture 2"),
            (
                good()[..2].to_vec(),
                "`split` is with 2, expected indices below 2",
            ),
            (Vec::new(), "`split` is with 0"),
        ] {
            let message = Dataset::new(&pictures, split()).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        let twice = Split {
            test: vec![0],
            ..split()
        };
        let message = Dataset::new(&good(), twice).unwrap_err().to_string();
        assert!(message.contains("each at most once"), "{message}");
        let none = Split {
            test: Vec::new(),
            ..split()
        };
        let message = Dataset::new(&good(), none).unwrap_err().to_string();
        assert!(message.contains("without test (2)"), "{message}");
    }
}
