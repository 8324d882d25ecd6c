//! A set of square pictures of one size in memory, with its split into training, validation and test.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use siren_core::{Error, Result};
use siren_picture::memory::available_memory;
use siren_picture::{ColorMode, Picture};

use crate::config::HyperSignal;
use crate::context::Contexts;
use crate::folder::PictureFiles;
use crate::reconstruction::coords;
use crate::split::Parts;
use crate::{scene, split};

/// Default number of embedded pictures.
const DEFAULT_PICTURES: usize = 2048;
/// Fraction of the available memory that the pictures may take.
const MEMORY_SHARE: f64 = 0.8;

/// Square pictures of one size, with one byte per pixel and channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Pixels per side.
    pub side: usize,
    /// Number of channels, 1 or 3.
    pub channels: usize,
    /// Row-major values, `(count, side, side, channels)`.
    pub values: Vec<u8>,
    /// Indices of the training pictures.
    pub training: Vec<usize>,
    /// Indices of the validation pictures, whose PSNR selects the best parameters.
    pub validation: Vec<usize>,
    /// Indices of the test pictures.
    pub test: Vec<usize>,
}

impl Dataset {
    /// Opens the pictures that a config names.
    ///
    /// # Errors
    /// If there are too few pictures, one of them cannot be read, the split names others, or they do not fit into memory, which is checked before
    /// any picture is decoded.
    pub fn open(signal: &HyperSignal) -> Result<Self> {
        let Some(folder) = &signal.path else {
            return embedded(signal);
        };
        let files = PictureFiles::of(folder)?;
        check_memory(files.paths.len(), signal)?;
        let parts = split::parts(folder, &files, &signal.split)?;
        let pictures = files.paths.par_iter().map(|file| open_square(file, signal));
        let pictures = pictures.collect::<Result<Vec<_>>>()?;
        Ok(Self::new(&pictures, signal, parts))
    }

    fn new(pictures: &[Picture], signal: &HyperSignal, parts: Parts) -> Self {
        let any_color = pictures.iter().any(|picture| picture.channels == 3);
        let channels = match signal.color {
            ColorMode::Gray => 1,
            ColorMode::Rgb => 3,
            ColorMode::Auto => 1 + 2 * usize::from(any_color),
        };
        let bytes = pictures.iter().flat_map(|picture| {
            let repeat = if picture.channels < channels {
                channels
            } else {
                1
            };
            let values = picture.values.iter();
            values
                .flat_map(move |&value| std::iter::repeat_n((255.0 * value).round() as u8, repeat))
        });
        let [training, validation, test] = parts;
        Self {
            side: signal.size,
            channels,
            values: bytes.collect(),
            training,
            validation,
            test,
        }
    }

    /// Returns the number of pixels of a picture.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.side * self.side
    }

    /// Returns the values of a picture, `(side, side, channels)`.
    ///
    /// # Panics
    /// If `picture` is not an index of the set.
    #[must_use]
    pub fn bytes(&self, picture: usize) -> &[u8] {
        let len = self.pixels() * self.channels;
        &self.values[picture * len..(picture + 1) * len]
    }

    /// Returns the pictures with these indices as targets in [−1, 1]; `seen` holds the indices of the observed pixels of each.
    ///
    /// # Errors
    /// Only from candle.
    pub fn contexts(
        &self,
        pictures: &[usize],
        seen: Vec<Vec<u32>>,
        device: &Device,
    ) -> Result<Contexts> {
        let bytes = pictures.iter().flat_map(|&picture| self.bytes(picture));
        let values: Vec<f32> = bytes
            .map(|&byte| 2.0 * f32::from(byte) / 255.0 - 1.0)
            .collect();
        let shape = (pictures.len(), self.pixels(), self.channels);
        Ok(Contexts {
            pictures: Tensor::from_vec(values, shape, device)?,
            coords: coords(self.side, DType::F32, device)?,
            seen,
            codes: None,
        })
    }
}

/// Draws the embedded pictures.
fn embedded(signal: &HyperSignal) -> Result<Dataset> {
    let count = signal.pictures.unwrap_or(DEFAULT_PICTURES);
    check_memory(count, signal)?;
    if let Some(file) = &signal.split.file {
        let message = "lists picture files, but the config names no folder of pictures: give `signal.path` too, or remove `signal.split.file`";
        return Err(Error::signal(file, message));
    }
    let parts = split::random(count, &signal.split)
        .map_err(|message| Error::invalid("signal.pictures", count, &message))?;
    let pictures = (0..count as u64).into_par_iter().map(|index| {
        let picture = scene::face(index, signal.size);
        if signal.color == ColorMode::Gray {
            picture.luma()
        } else {
            picture
        }
    });
    Ok(Dataset::new(&pictures.collect::<Vec<_>>(), signal, parts))
}

/// Opens a picture, crops it to the square at its center and resizes it to `signal.size`.
pub(crate) fn open_square(file: &Path, signal: &HyperSignal) -> Result<Picture> {
    center_square(&Picture::open(file, signal.color)?, signal)
}

/// Opens a mask, cropped and resized as [`open_square`] does with the picture.
pub(crate) fn open_square_mask(file: &Path, signal: &HyperSignal) -> Result<Picture> {
    center_square(&Picture::open_mask(file)?, signal)
}

fn center_square(picture: &Picture, signal: &HyperSignal) -> Result<Picture> {
    let side = picture.height.min(picture.width);
    Ok(picture
        .crop_center(side, side)?
        .resize(signal.size, signal.size))
}

/// Checks that `count` pictures fit into memory: four bytes for each decoded value and one for the stored one, with three channels.
fn check_memory(count: usize, signal: &HyperSignal) -> Result<()> {
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
    use super::*;

    #[test]
    fn one_color_picture_turns_all_pictures_into_rgb() {
        let picture = |channels: usize| Picture {
            height: 4,
            width: 4,
            channels,
            values: (0..16 * channels)
                .map(|index| index as f32 / 48.0)
                .collect(),
        };
        let signal = HyperSignal {
            size: 4,
            ..HyperSignal::default()
        };
        let pictures = [picture(1), picture(3), picture(1)];
        let parts = || [vec![0], vec![1], vec![2]];
        let dataset = Dataset::new(&pictures, &signal, parts());
        assert_eq!((dataset.channels, dataset.values.len()), (3, 3 * 48));
        assert_eq!(dataset.bytes(0)[3..6], [5, 5, 5]);
        assert_eq!(dataset.bytes(1)[3..6], [16, 21, 27]);
        let dataset = Dataset::new(&pictures[..1], &signal, parts());
        assert_eq!(dataset.channels, 1);
    }
}
