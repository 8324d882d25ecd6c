//! WAV files: reads integer PCM of every width, floats, A-law and µ-law; writes 32-bit floats incrementally.

mod format;
mod read;
mod riff;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use siren_core::file::PartialFile;
use siren_core::{Error, Result};

pub use self::read::WavFile;
pub(crate) use self::riff::is_wav;
use crate::sound::{MAX_CHANNELS, MAX_RATE};

/// Bytes of a written WAV file before its samples, without the first eight, which the RIFF length does not count.
const HEADER_BYTES: u32 = 60;
/// Largest number of samples, over all channels, of a written WAV file: its RIFF length is a 32-bit integer.
const MAX_FILE_SAMPLES: usize = ((u32::MAX - HEADER_BYTES) / 4) as usize;

/// Writer of a WAV file of 32-bit floats that takes the samples in several parts, in constant memory.
///
/// The samples go to `<path>.tmp`, which [`finish`](Self::finish) renames to `path`. Dropping the writer without
/// finishing removes the temporary file.
pub struct WavFileWriter {
    writer: Option<WavWriter<BufWriter<File>>>,
    partial: PartialFile,
    /// Number of announced samples that are not yet written.
    samples_left: usize,
}

impl WavFileWriter {
    /// Creates a file that will hold `frames` frames of `channels` channels at `rate` Hz.
    ///
    /// # Errors
    /// [`Error::Signal`] if the file is not named `.wav`, or if the rate, the number of channels or the number of samples is
    /// outside the limits of a WAV file; [`Error::Io`] if the file cannot be created.
    pub fn create(path: &Path, rate: u32, channels: usize, frames: usize) -> Result<Self> {
        let extension = path.extension().unwrap_or_default();
        if !extension.eq_ignore_ascii_case("wav") {
            let message = "cannot be written: sounds are written as WAV files; expected a name that ends in .wav";
            return Err(Error::signal(path, message));
        }
        let samples = frames.saturating_mul(channels);
        let fits = (1..=MAX_RATE).contains(&rate)
            && (1..=MAX_CHANNELS).contains(&channels)
            && (1..=MAX_FILE_SAMPLES).contains(&samples);
        if !fits {
            let message = format!(
                "{frames} frames of {channels} channels at {rate} Hz cannot be written: expected 1 to {MAX_FILE_SAMPLES} samples \
                 in all, of 1 to {MAX_CHANNELS} channels, at 1 to {MAX_RATE} Hz"
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
            writer: Some(writer.map_err(|error| write_error(&partial, error))?),
            partial,
            samples_left: samples,
        })
    }

    /// Appends interleaved samples, frame by frame.
    ///
    /// # Errors
    /// [`Error::Shape`] if the samples exceed the announced number; [`Error::Io`] if the file cannot be written (full disk).
    pub fn push(&mut self, samples: &[f32]) -> Result<()> {
        if samples.len() > self.samples_left {
            let excess = samples.len() - self.samples_left;
            return Err(sample_count_error(format!("{excess} more")));
        }
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for &sample in samples {
            let written = writer.write_sample(sample);
            written.map_err(|error| write_error(&self.partial, error))?;
        }
        self.samples_left -= samples.len();
        Ok(())
    }

    /// Completes the file and gives it its final name, replacing an older file of that name.
    ///
    /// # Errors
    /// [`Error::Shape`] if samples are missing; [`Error::Io`] if the end of the file cannot be written or the file cannot be
    /// renamed.
    pub fn finish(mut self) -> Result<()> {
        if self.samples_left > 0 {
            let missing = self.samples_left;
            return Err(sample_count_error(format!("{missing} fewer")));
        }
        if let Some(writer) = self.writer.take() {
            let finished = writer.finalize();
            finished.map_err(|error| write_error(&self.partial, error))?;
        }
        self.partial.keep()
    }
}

/// Builds the error for a number of samples other than the announced one.
fn sample_count_error(got: String) -> Error {
    Error::Shape {
        what: "samples of a WAV file",
        expected: "the announced number".to_owned(),
        got,
    }
}

/// Converts an error of the WAV encoder to one that names the file.
fn write_error(partial: &PartialFile, error: hound::Error) -> Error {
    partial.write_error(match error {
        hound::Error::IoError(error) => error,
        other => std::io::Error::other(other),
    })
}

#[cfg(test)]
mod foreign;
#[cfg(test)]
mod tests;
