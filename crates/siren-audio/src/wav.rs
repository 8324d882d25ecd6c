//! WAV files: every PCM width in, 32-bit floats out, piece by piece.

mod format;
mod read;
mod riff;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use siren_core::run::PartialFile;
use siren_core::{Error, Result};

pub use self::read::WavFile;
pub(crate) use self::riff::is_wav;
use crate::sound::{MAX_CHANNELS, MAX_RATE};

/// Bytes of a WAV file before its samples, less the eight that its length does not count.
const HEADER_BYTES: u32 = 60;
/// Most samples, over all channels, of a WAV file, whose length is a number of 32 bits.
const MAX_FILE_VALUES: usize = ((u32::MAX - HEADER_BYTES) / 4) as usize;

/// Writes a WAV file of 32-bit floats piece by piece, holding none of them.
///
/// The samples go to `<path>.tmp`, which [`finish`](Self::finish) renames to `path`; dropping the stream without
/// finishing removes it.
pub struct WavStream {
    writer: Option<WavWriter<BufWriter<File>>>,
    partial: PartialFile,
    values_left: usize,
}

impl WavStream {
    /// Starts a file that will hold so many frames.
    ///
    /// # Errors
    /// [`Error::Signal`] if the file is not named `.wav`, or cannot hold so much; [`Error::Io`] if it cannot be created.
    pub fn create(path: &Path, rate: u32, channels: usize, frames: usize) -> Result<Self> {
        let extension = path.extension().unwrap_or_default();
        if !extension.eq_ignore_ascii_case("wav") {
            let message =
                "cannot be written: expected a name that ends in .wav, the format of the file";
            return Err(Error::signal(path, message));
        }
        let values = frames.saturating_mul(channels);
        let fits = (1..=MAX_RATE).contains(&rate)
            && (1..=MAX_CHANNELS).contains(&channels)
            && (1..=MAX_FILE_VALUES).contains(&values);
        if !fits {
            let message = format!(
                "{frames} frames of {channels} channels at {rate} Hz cannot be written: a WAV file holds 1 to \
                 {MAX_FILE_VALUES} samples of at most {MAX_CHANNELS} channels, at 1 to {MAX_RATE} Hz"
            );
            return Err(Error::signal(path, message));
        }
        let (partial, file) = PartialFile::create(path)?;
        let spec = WavSpec {
            channels: channels as u16,
            sample_rate: rate,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        let writer = WavWriter::new(BufWriter::new(file), spec);
        Ok(Self {
            writer: Some(writer.map_err(|error| failed(&partial, error))?),
            partial,
            values_left: values,
        })
    }

    /// Appends samples, frame by frame.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are more than were announced; [`Error::Io`] if the file cannot be written (full disk).
    pub fn push(&mut self, values: &[f32]) -> Result<()> {
        if values.len() > self.values_left {
            return Err(other_count(format!(
                "{} more",
                values.len() - self.values_left
            )));
        }
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for &value in values {
            let written = writer.write_sample(value);
            written.map_err(|error| failed(&self.partial, error))?;
        }
        self.values_left -= values.len();
        Ok(())
    }

    /// Completes the file and gives it its final name, replacing an older file of that name.
    ///
    /// # Errors
    /// [`Error::Shape`] if samples are missing; [`Error::Io`] if the end cannot be written or the file not renamed.
    pub fn finish(mut self) -> Result<()> {
        if self.values_left > 0 {
            return Err(other_count(format!("{} fewer", self.values_left)));
        }
        if let Some(writer) = self.writer.take() {
            let finished = writer.finalize();
            finished.map_err(|error| failed(&self.partial, error))?;
        }
        self.partial.keep()
    }
}

fn other_count(got: String) -> Error {
    Error::Shape {
        what: "samples of a WAV file",
        expected: "as many as were announced".to_owned(),
        got,
    }
}

/// The error for a failed write.
fn failed(partial: &PartialFile, error: hound::Error) -> Error {
    partial.write_error(match error {
        hound::Error::IoError(error) => error,
        other => std::io::Error::other(other),
    })
}

#[cfg(test)]
mod foreign;
#[cfg(test)]
mod tests;
