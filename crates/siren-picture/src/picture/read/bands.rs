//! Large PNG and TIFF files, which are decoded in bands of rows into a temporary file.
//!
//! A band goes through the same functions as a whole picture, so that both have the same values. Files that a band decoder does not take are
//! decoded as a whole, which also reports everything that is wrong with a file before its pixels.

mod png_rows;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use image::metadata::Orientation;
use siren_core::Result;

use super::samples::Samples;
use super::{BIG_TIFF, DecodedFile};
use crate::memory::available_memory;
use crate::picture::values::FileWriter;
use crate::picture::{Background, ColorMode, LARGE_PICTURE, Picture, Values};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const TIFF: [&[u8; 4]; 2] = [b"II*\0", b"MM\0*"];
/// Bytes of samples that are decoded at once, if the file allows it.
const BAND: usize = 1 << 22;
/// Bytes of the buffer of a file that is read.
const READ_AHEAD: usize = 1 << 18;
/// Bytes of samples of a picture that is always decoded as a whole.
const SMALL: u64 = 1 << 24;

/// How files are decoded in bands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bands {
    background: Background,
    color: ColorMode,
    /// Bytes of samples from which a picture is large.
    least: u64,
    /// Bytes of samples of a band of PNG.
    band: usize,
}

impl Bands {
    /// Makes the rules for this computer, on which a picture is also large if it needs half of the free memory.
    pub(super) fn new(background: Background, color: ColorMode) -> Self {
        Self {
            background,
            color,
            least: LARGE_PICTURE.min((available_memory() / 2).max(SMALL)),
            band: BAND,
        }
    }

    /// Reads the first picture of a file in bands of rows, if it is large and a file of PNG or TIFF that can be read so.
    ///
    /// # Errors
    /// [`Error::Signal`] if pixels are missing or damaged, or the picture is too large; [`Error::Io`] if the temporary file cannot be written.
    pub(super) fn read(&self, path: &Path) -> Result<Option<DecodedFile>> {
        // A file that cannot be opened is reported by the reader of whole files.
        let Ok(mut file) = File::open(path) else {
            return Ok(None);
        };
        let mut start = [0; 8];
        if file.read_exact(&mut start).is_err() || file.seek(SeekFrom::Start(0)).is_err() {
            return Ok(None);
        }
        let file = BufReader::with_capacity(READ_AHEAD, file);
        if start == PNG {
            png_rows::read(path, file, self)
        } else if TIFF
            .iter()
            .chain(&BIG_TIFF)
            .any(|mark| start.starts_with(*mark))
        {
            super::tiff::bands::read(path, file, self)
        } else {
            Ok(None)
        }
    }

    /// Returns whether a picture whose samples need so many bytes is decoded in bands.
    pub(super) fn is_large(&self, bytes: u64) -> bool {
        bytes >= self.least
    }
}

/// A picture in a temporary file, to which bands of rows are added.
pub(super) struct BandWriter {
    bands: Bands,
    writer: FileWriter,
    height: usize,
    width: usize,
    channels: usize,
}

impl BandWriter {
    pub(super) fn new(bands: &Bands, width: usize) -> Result<Self> {
        Ok(Self {
            bands: *bands,
            writer: FileWriter::create()?,
            height: 0,
            width,
            channels: 0,
        })
    }

    /// Adds the samples of the next rows.
    pub(super) fn push(&mut self, samples: Samples) -> Result<()> {
        let band = samples.into_picture(self.bands.background, Orientation::NoTransforms);
        let band = band.with_color_mode(self.bands.color);
        self.height += band.height;
        self.channels = band.channels;
        self.writer.push(&band.values)
    }

    /// Returns the picture of all rows.
    pub(super) fn finish(self) -> Picture {
        Picture {
            height: self.height,
            width: self.width,
            channels: self.channels,
            values: Values::File(self.writer.finish()),
        }
    }
}

#[cfg(test)]
mod tests;
