//! Writes a clip as an animated GIF.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, Rgba, RgbaImage};
use siren_core::file::PartialFile;
use siren_core::{Error, Result};
use siren_picture::Size;

use super::Sink;

/// Speed of the choice of each frame's palette: 1 is slowest and best, 30 fastest.
const SPEED: i32 = 10;
/// Longest side of a GIF, in pixels.
const MAX_SIDE: usize = 65_535;

/// A writer of an endlessly repeated GIF, whose frames last a whole number of hundredths of a second.
pub(super) struct GifSink {
    encoder: Option<GifEncoder<BufWriter<File>>>,
    partial: PartialFile,
    size: Size,
    rate: f64,
    /// Duration of the frames written so far, in hundredths of a second.
    elapsed: u64,
    frames_written: u64,
}

impl GifSink {
    pub(super) fn create(path: &Path, size: Size, rate: f64) -> Result<Self> {
        if size.height.max(size.width) > MAX_SIDE {
            let message = too_large(size);
            return Err(Error::signal(path, message));
        }
        let (partial, file) = PartialFile::create(path)?;
        let mut encoder = GifEncoder::new_with_speed(BufWriter::new(file), SPEED);
        let repeats = encoder.set_repeat(Repeat::Infinite);
        repeats.map_err(|error| write_error(&partial, error))?;
        Ok(Self {
            encoder: Some(encoder),
            partial,
            size,
            rate,
            elapsed: 0,
            frames_written: 0,
        })
    }
}

impl Sink for GifSink {
    fn push(&mut self, frame: &[u8]) -> Result<()> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        let width = self.size.width;
        let pixel = |x: u32, y: u32| {
            let red = 3 * (y as usize * width + x as usize);
            Rgba([frame[red], frame[red + 1], frame[red + 2], 255])
        };
        let picture = RgbaImage::from_fn(width as u32, self.size.height as u32, pixel);
        // Each delay is the difference of two rounded times, so that rounding errors do not add up over the clip.
        self.frames_written += 1;
        let end = (100.0 * self.frames_written as f64 / self.rate).round() as u64;
        let hundredths = end.saturating_sub(self.elapsed).max(1);
        self.elapsed += hundredths;
        let delay = Delay::from_numer_denom_ms((10 * hundredths).min(600_000) as u32, 1);
        let encoded = encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay));
        encoded.map_err(|error| write_error(&self.partial, error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        // Dropping the encoder writes the file's last byte and ignores a failure, so that the byte is checked below.
        drop(self.encoder.take());
        self.partial.ensure_ends_with(b";")?;
        self.partial.keep()
    }
}

fn too_large(size: Size) -> String {
    format!(
        "cannot be written: a GIF has at most {MAX_SIDE} pixels a side, and the frames have {} × {} (height × width); choose a smaller size",
        size.height, size.width
    )
}

fn write_error(partial: &PartialFile, error: image::ImageError) -> Error {
    partial.write_error(match error {
        image::ImageError::IoError(error) => error,
        other => std::io::Error::other(other),
    })
}
