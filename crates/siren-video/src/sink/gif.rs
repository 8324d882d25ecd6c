//! An animated GIF.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, Rgba, RgbaImage};
use siren_core::run::PartialFile;
use siren_core::{Error, Result};
use siren_picture::Size;

use super::Sink;

/// Colors are chosen for each frame; 1 is slowest and best, 30 fastest.
const SPEED: i32 = 10;
/// Longest side that the format has.
const MAX_SIDE: usize = 65_535;

/// Endlessly repeated, each frame for a whole number of hundredths of a second.
pub(super) struct Gif {
    encoder: Option<GifEncoder<BufWriter<File>>>,
    partial: PartialFile,
    size: Size,
    rate: f64,
    /// Hundredths of a second that the frames so far are shown.
    shown: u64,
    written: u64,
}

impl Gif {
    pub(super) fn create(path: &Path, size: Size, rate: f64) -> Result<Self> {
        if size.height.max(size.width) > MAX_SIDE {
            let message = format!("a GIF has at most {MAX_SIDE} pixels a side");
            return Err(Error::signal(path, message));
        }
        let (partial, file) = PartialFile::create(path)?;
        let mut encoder = GifEncoder::new_with_speed(BufWriter::new(file), SPEED);
        let repeats = encoder.set_repeat(Repeat::Infinite);
        repeats.map_err(|error| failed(&partial, error))?;
        Ok(Self {
            encoder: Some(encoder),
            partial,
            size,
            rate,
            shown: 0,
            written: 0,
        })
    }
}

impl Sink for Gif {
    fn push(&mut self, frame: &[u8]) -> Result<()> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        let width = self.size.width;
        let pixel = |x: u32, y: u32| {
            let at = 3 * (y as usize * width + x as usize);
            Rgba([frame[at], frame[at + 1], frame[at + 2], 255])
        };
        let picture = RgbaImage::from_fn(width as u32, self.size.height as u32, pixel);
        // Delays differ by a hundredth, so that the whole keeps its pace.
        self.written += 1;
        let until = (100.0 * self.written as f64 / self.rate).round() as u64;
        let hundredths = until.saturating_sub(self.shown).max(1);
        self.shown += hundredths;
        let delay = Delay::from_numer_denom_ms((10 * hundredths).min(600_000) as u32, 1);
        let encoded = encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay));
        encoded.map_err(|error| failed(&self.partial, error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        // Dropping the encoder writes the file's last byte, and tells nobody whether it could.
        drop(self.encoder.take());
        self.partial.ensure_ends_with(b";")?;
        self.partial.keep()
    }
}

fn failed(partial: &PartialFile, error: image::ImageError) -> Error {
    partial.write_error(match error {
        image::ImageError::IoError(error) => error,
        other => std::io::Error::other(other),
    })
}
