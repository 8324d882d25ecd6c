//! Pictures of one size in memory, and how they are split.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use siren_core::run::available_memory;
use siren_core::signal::step_rng;
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture};

use crate::config::{HyperSignal, Split};
use crate::context::Contexts;
use crate::reconstruction::coords;
use crate::scene;

/// Embedded pictures where nothing else is said.
const DEFAULT_PICTURES: usize = 2048;
/// Names of files that are taken for pictures.
const EXTENSIONS: [&str; 12] = [
    "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pnm", "pbm",
];
/// [`step_rng`] purpose of the split, which is the same for every seed of a config.
const SPLIT: u8 = 18;
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
        let files = pictures_in(folder)?;
        fits(files.len(), signal)?;
        let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
        let parts = match &signal.split.file {
            Some(file) => listed(file, folder, &names)?,
            None => dealt(names.len(), &signal.split)
                .map_err(|message| Error::signal(folder, message))?,
        };
        let pictures = files.par_iter().map(|file| prepared(file, signal));
        let pictures = pictures.collect::<Result<Vec<_>>>()?;
        Ok(Self::new(&pictures, signal, parts))
    }

    fn new(
        pictures: &[Picture],
        signal: &HyperSignal,
        [training, validation, test]: [Vec<usize>; 3],
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
    let parts = dealt(count, &signal.split)
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
    let picture = Picture::open(file, signal.color)?;
    let side = picture.height.min(picture.width);
    Ok(picture
        .crop_center(side, side)?
        .resize(signal.size, signal.size))
}

/// Files with names of pictures, in the order of their names; hidden ones are left out.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_picture = EXTENSIONS.iter().any(|known| extension == *known);
        if is_picture && !file_name(&path).starts_with('.') && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let message =
            "has no pictures: give a folder of PNG, JPEG, WebP, BMP, TIFF, GIF or PNM files";
        return Err(Error::signal(folder, message));
    }
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Training, validation and test as a split file says.
fn listed(file: &Path, folder: &Path, names: &[String]) -> Result<[Vec<usize>; 3]> {
    let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
    let places: HashMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), at))
        .collect();
    let mut parts: [Vec<usize>; 3] = Default::default();
    let mut absent = Vec::new();
    let mut seen = vec![false; names.len()];
    for (line, text) in text
        .lines()
        .enumerate()
        .filter(|(_, text)| !text.trim().is_empty())
    {
        let fail = |message: String| Error::signal(file, format!("line {}: {message}", line + 1));
        let words: Vec<&str> = text.split_whitespace().collect();
        let (name, part) = match words[..] {
            [name, part] => (name, part.parse::<usize>().ok().filter(|&part| part < 3)),
            _ => ("", None),
        };
        let Some(part) = part else {
            let expected =
                "expected the name of a picture, then 0 (training), 1 (validation) or 2 (test)";
            return Err(fail(format!("{expected}, got `{text}`")));
        };
        match places.get(name) {
            Some(&at) if seen[at] => return Err(fail(format!("`{name}` has a line already"))),
            Some(&at) => {
                seen[at] = true;
                parts[part].push(at);
            }
            None => absent.push(name),
        }
    }
    if let Some(first) = absent.first() {
        let message = format!(
            "names {} pictures that are not in {} (the first is `{first}`): take them out, or bring the files",
            absent.len(),
            folder.display()
        );
        return Err(Error::signal(file, message));
    }
    let kinds = ["training (0)", "validation (1)", "test (2)"];
    match kinds.iter().zip(&parts).find(|(_, part)| part.is_empty()) {
        Some((kind, _)) => Err(Error::signal(
            file,
            format!("has no picture for {kind}: each part needs one"),
        )),
        None => Ok(parts),
    }
}

/// Training, validation and test at random, always in the same way for as many pictures; neighbors that belong together stay so.
fn dealt(count: usize, split: &Split) -> Result<[Vec<usize>; 3], String> {
    let groups = count.div_ceil(split.together);
    if groups < 3 {
        return Err(format!(
            "at least 3 pictures (or 3 times `signal.split.together = {}`), for training, validation and test; there are {count}",
            split.together
        ));
    }
    let part = |fraction: f64| ((fraction * groups as f64).round() as usize).max(1);
    let test = part(split.test).min(groups - 2);
    let validation = part(split.validation).min(groups - test - 1);
    let mut order: Vec<usize> = (0..groups).collect();
    order.shuffle(&mut step_rng(0, SPLIT, 0));
    let pictures = |groups: &[usize]| {
        let mut all: Vec<usize> = groups
            .iter()
            .flat_map(|group| group * split.together..count.min((group + 1) * split.together))
            .collect();
        all.sort_unstable();
        all
    };
    let (test, rest) = order.split_at(test);
    let (validation, training) = rest.split_at(validation);
    Ok([pictures(training), pictures(validation), pictures(test)])
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
    fn neighbors_that_belong_together_are_never_split() {
        let split = Split {
            together: 10,
            ..Split::default()
        };
        let parts = dealt(340, &split).unwrap();
        assert_eq!(parts.each_ref().map(Vec::len), [280, 30, 30]);
        for part in &parts {
            for ten in part.chunks(10) {
                assert!(ten[0] % 10 == 0 && ten[9] == ten[0] + 9, "{ten:?}");
            }
        }
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..340));
    }

    #[test]
    fn a_split_gives_every_part_something_or_says_what_is_missing() {
        let split = Split::default();
        assert_eq!(dealt(3, &split).unwrap().map(|part| part.len()), [1, 1, 1]);
        assert!(
            dealt(2, &split)
                .unwrap_err()
                .contains("at least 3 pictures")
        );
    }

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
