//! Writes a clip as an animated GIF.

use std::fs::File;
use std::io::{BufWriter, Error as IoError, Write};
use std::path::Path;

use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};
use rayon::prelude::*;
use siren_core::file::PartialFile;
use siren_core::{Error, Result};
use siren_picture::Size;

use super::Sink;

/// Speed of the choice of each frame's palette: 1 is slowest and best, 30 fastest.
const SPEED: i32 = 10;
/// Most frames that wait to be written.
const MOST_PENDING: usize = 8;
/// Longest duration of a frame, in hundredths of a second.
const MAX_DELAY: u64 = 60_000;

/// A writer of an endlessly repeated GIF, whose frames last a whole number of hundredths of a second.
pub(super) struct GifSink {
    encoder: Encoder<BufWriter<File>>,
    partial: PartialFile,
    /// Width and height in pixels.
    sides: [u16; 2],
    rate: f64,
    /// Duration of the frames so far, in hundredths of a second.
    elapsed: u64,
    frames: u64,
    /// Levels `(height, width, 3)` of the frames that are not written yet, and the duration of each in hundredths of a second. All threads encode them
    /// together.
    pending: Vec<(Vec<u8>, u16)>,
}

impl GifSink {
    pub(super) fn create(path: &Path, size: Size, rate: f64) -> Result<Self> {
        let (Ok(width), Ok(height)) = (u16::try_from(size.width), u16::try_from(size.height))
        else {
            return Err(Error::signal(path, too_large(size)));
        };
        let (partial, file) = PartialFile::create(path)?;
        let encoder = Encoder::new(BufWriter::new(file), width, height, &[]);
        let encoder = encoder.and_then(|mut encoder| {
            encoder.set_repeat(Repeat::Infinite)?;
            Ok(encoder)
        });
        Ok(Self {
            encoder: encoder.map_err(|error| write_error(&partial, error))?,
            partial,
            sides: [width, height],
            rate,
            elapsed: 0,
            frames: 0,
            pending: Vec::new(),
        })
    }

    /// Returns the duration of the next frame, in hundredths of a second. Each is the difference of two rounded times, so that rounding errors do not add up over the clip.
    fn next_delay(&mut self) -> u16 {
        self.frames += 1;
        let end = (100.0 * self.frames as f64 / self.rate).round() as u64;
        let hundredths = end.saturating_sub(self.elapsed).max(1);
        self.elapsed += hundredths;
        hundredths.min(MAX_DELAY) as u16
    }

    /// Writes the pending frames.
    fn flush(&mut self) -> Result<()> {
        let [width, height] = self.sides;
        let encoded = std::mem::take(&mut self.pending).into_par_iter();
        let encoded = encoded.map(|(levels, delay)| {
            let mut frame = Frame::from_rgb_speed(width, height, &levels, SPEED);
            frame.delay = delay;
            frame.dispose = DisposalMethod::Background;
            frame.make_lzw_pre_encoded();
            frame
        });
        for frame in encoded.collect::<Vec<_>>() {
            let written = self.encoder.write_lzw_pre_encoded_frame(&frame);
            written.map_err(|error| write_error(&self.partial, error))?;
        }
        Ok(())
    }
}

impl Sink for GifSink {
    fn push(&mut self, frame: &[u8]) -> Result<()> {
        let delay = self.next_delay();
        self.pending.push((frame.to_vec(), delay));
        if self.pending.len() < rayon::current_num_threads().min(MOST_PENDING) {
            return Ok(());
        }
        self.flush()
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()?;
        let Self {
            encoder, partial, ..
        } = *self;
        let written = encoder
            .into_inner()
            .map_err(|error| write_error(&partial, error));
        let flushed = written?.flush();
        flushed.map_err(|error| partial.write_error(error))?;
        partial.keep()
    }
}

fn too_large(size: Size) -> String {
    format!(
        "cannot be written: a GIF has at most {} pixels a side, and the frames have {} × {} (height × width); choose a smaller size",
        u16::MAX,
        size.height,
        size.width
    )
}

fn write_error(partial: &PartialFile, error: EncodingError) -> Error {
    partial.write_error(match error {
        EncodingError::Io(error) => error,
        other => IoError::other(other),
    })
}
