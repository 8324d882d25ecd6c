//! Pictures of one size in memory, and how they are split.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use siren_core::run::available_memory;
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture};

use crate::config::HyperSignal;
use crate::context::Contexts;
use crate::folder::PictureFiles;
use crate::reconstruction::coords;
use crate::split::Parts;
use crate::{scene, split};

/// Embedded pictures where nothing else is said.
const DEFAULT_PICTURES: usize = 2048;
/// Of the pictures in memory, so much may be used.
const MEMORY_SHARE: f64 = 0.8;

/// Square pictures, one byte a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Pixels a side.
    pub side: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `(count, side, side, channels)`.
    pub values: Vec<u8>,
    /// Which are trained on.
    pub training: Vec<usize>,
    /// Which choose the best parameters.
    pub validation: Vec<usize>,
    /// Which are only scored.
    pub test: Vec<usize>,
}

impl Dataset {
    /// The pictures that a config names.
    ///
    /// # Errors
    /// If there are too few, one cannot be read, the split names others, or they do not fit into memory, which is said before any is
    /// decoded.
    pub fn open(signal: &HyperSignal) -> Result<Self> {
        let Some(folder) = &signal.path else {
            return embedded(signal);
        };
        let files = PictureFiles::of(folder)?;
        fits(files.paths.len(), signal)?;
        let parts = split::parts(folder, &files, &signal.split)?;
        let pictures = files.paths.par_iter().map(|file| prepared(file, signal));
        let pictures = pictures.collect::<Result<Vec<_>>>()?;
        Ok(Self::new(&pictures, signal, parts))
    }

    fn new(
        pictures: &[Picture],
        signal: &HyperSignal,
        [training, validation, test]: Parts,
    ) -> Self {
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
        Self {
            side: signal.size,
            channels,
            values: bytes.collect(),
            training,
            validation,
            test,
        }
    }

    /// Pixels of a picture.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.side * self.side
    }

    /// Bytes of a picture.
    ///
    /// # Panics
    /// If there is no such picture.
    #[must_use]
    pub fn bytes(&self, at: usize) -> &[u8] {
        let len = self.pixels() * self.channels;
        &self.values[at * len..(at + 1) * len]
    }

    /// Some pictures as targets in [−1, 1], of each of which these pixels are seen.
    ///
    /// # Errors
    /// Only from candle.
    pub fn contexts(
        &self,
        pictures: &[usize],
        seen: Vec<Vec<u32>>,
        device: &Device,
    ) -> Result<Contexts> {
        let bytes = pictures.iter().flat_map(|&at| self.bytes(at));
        let numbers: Vec<f32> = bytes
            .map(|&byte| 2.0 * f32::from(byte) / 255.0 - 1.0)
            .collect();
        let shape = (pictures.len(), self.pixels(), self.channels);
        Ok(Contexts {
            pictures: Tensor::from_vec(numbers, shape, device)?,
            coords: coords(self.side, DType::F32, device)?,
            seen,
            codes: None,
        })
    }
}

/// The embedded pictures.
fn embedded(signal: &HyperSignal) -> Result<Dataset> {
    let count = signal.pictures.unwrap_or(DEFAULT_PICTURES);
    fits(count, signal)?;
    if let Some(file) = &signal.split.file {
        let message = "names files, and the embedded pictures are none: give `signal.path` too";
        return Err(Error::signal(file, message));
    }
    let parts = split::dealt(count, &signal.split)
        .map_err(|message| Error::invalid("signal.pictures", count, &message))?;
    let pictures = (0..count as u64).into_par_iter().map(|at| {
        let picture = scene::face(at, signal.size);
        if signal.color == ColorMode::Gray {
            picture.luma()
        } else {
            picture
        }
    });
    Ok(Dataset::new(&pictures.collect::<Vec<_>>(), signal, parts))
}

/// The square in the middle, at the size of the config.
pub(crate) fn prepared(file: &Path, signal: &HyperSignal) -> Result<Picture> {
    middle_square(&Picture::open(file, signal.color)?, signal)
}

/// The mask of a picture, as [`prepared`] makes it of the picture.
pub(crate) fn prepared_mask(file: &Path, signal: &HyperSignal) -> Result<Picture> {
    middle_square(&Picture::open_mask(file)?, signal)
}

fn middle_square(picture: &Picture, signal: &HyperSignal) -> Result<Picture> {
    let side = picture.height.min(picture.width);
    Ok(picture
        .crop_center(side, side)?
        .resize(signal.size, signal.size))
}

/// Refuses what memory does not hold: pictures are decoded to floats first, then kept as bytes.
fn fits(count: usize, signal: &HyperSignal) -> Result<()> {
    let available = MEMORY_SHARE * available_memory() as f64;
    let needed = count as f64 * (signal.size * signal.size * 3 * 5) as f64;
    if needed <= available {
        return Ok(());
    }
    let gigabytes = |bytes: f64| bytes / f64::from(1 << 30);
    let expected = format!(
        "less: {count} pictures of that size take {:.1} GiB, and {:.1} GiB are free",
        gigabytes(needed),
        gigabytes(available)
    );
    Err(Error::invalid("signal.size", signal.size, &expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colored_picture_makes_all_of_them_colored() {
        let picture = |channels: usize| Picture {
            height: 4,
            width: 4,
            channels,
            values: (0..16 * channels).map(|at| at as f32 / 48.0).collect(),
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
