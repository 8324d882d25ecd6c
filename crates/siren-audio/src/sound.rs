//! A sound in memory.

use std::ops::Range;
use std::path::Path;

use siren_core::{Error, Result};

use crate::config::floor_to_microsecond;
use crate::wav::WavFileWriter;

/// Largest number of samples, over all channels, of a sound that is fitted, or rendered in memory.
pub const MAX_SAMPLES: usize = 1 << 27;
/// Highest sample rate that is read or written, in Hz.
pub const MAX_RATE: u32 = 10_000_000;
/// Largest number of channels that is read or written.
pub const MAX_CHANNELS: usize = 32;

/// A sampled sound. A frame is one sample of every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Sample rate in Hz (frames per second), 1 to [`MAX_RATE`].
    rate: u32,
    /// Number of channels, 1 to [`MAX_CHANNELS`].
    channels: usize,
    /// Interleaved samples `(frames × channels,)`.
    samples: Vec<f32>,
}

impl Sound {
    /// Makes a sound of interleaved samples `(frames × channels,)`, frame by frame; an amplitude of 1 is full scale. `rate` is in Hz.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `rate` is outside 1 to [`MAX_RATE`] or `channels` outside 1 to [`MAX_CHANNELS`];
    /// [`Error::Shape`] if the number of samples is not a multiple of `channels`.
    pub fn new(rate: u32, channels: usize, samples: Vec<f32>) -> Result<Self> {
        if !(1..=MAX_RATE).contains(&rate) {
            let expected = format!("a sample rate of 1 to {MAX_RATE} Hz");
            return Err(Error::invalid("rate", rate, &expected));
        }
        if !(1..=MAX_CHANNELS).contains(&channels) {
            let expected = format!("1 to {MAX_CHANNELS} channels");
            return Err(Error::invalid("channels", channels, &expected));
        }
        if !samples.len().is_multiple_of(channels) {
            return Err(Error::Shape {
                what: "samples of a sound",
                expected: format!("a multiple of the {channels} channels"),
                got: format!("{} samples", samples.len()),
            });
        }
        Ok(Self {
            rate,
            channels,
            samples,
        })
    }

    /// Returns the sample rate in Hz (frames per second).
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Returns the number of channels: 1 for mono, 2 for stereo.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// Returns the duration in seconds: the number of frames over the rate.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.frames() as f64 / f64::from(self.rate)
    }

    /// Returns the interleaved samples `(frames × channels,)`.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Returns the interleaved samples `(frames × channels,)` without a copy.
    #[must_use]
    pub fn into_samples(self) -> Vec<f32> {
        self.samples
    }

    /// Returns the largest absolute amplitude.
    #[must_use]
    pub fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, y| peak.max(y.abs()))
    }

    /// Copies a range of frames.
    ///
    /// # Panics
    /// If the range reaches beyond the last frame.
    #[must_use]
    pub fn part(&self, frames: Range<usize>) -> Self {
        let samples = frames.start * self.channels..frames.end * self.channels;
        Self {
            samples: self.samples[samples].to_vec(),
            ..*self
        }
    }

    /// Returns the mean of the channels as a sound of one channel.
    #[must_use]
    pub fn mixed(&self) -> Self {
        let mean = |frame: &[f32]| {
            let sum: f64 = frame.iter().copied().map(f64::from).sum();
            (sum / frame.len() as f64) as f32
        };
        Self {
            rate: self.rate,
            channels: 1,
            samples: self.samples.chunks_exact(self.channels).map(mean).collect(),
        }
    }

    /// Checks that every sample is finite. `first` is the index in the file of the sound's first frame, for the message.
    pub(crate) fn check_finite(&self, path: &Path, first: usize) -> Result<()> {
        let Some(index) = self.samples.iter().position(|y| !y.is_finite()) else {
            return Ok(());
        };
        let seconds = (first + index / self.channels) as f64 / f64::from(self.rate);
        let message = format!(
            "the sample at {seconds} seconds is {}, expected a finite number; repair it in an editor, or leave it out with \
             `signal.start` and `signal.length`",
            self.samples[index]
        );
        Err(Error::signal(path, message))
    }

    /// Writes the sound as a WAV file of 32-bit floats, whole or not at all.
    ///
    /// # Errors
    /// As [`WavFileWriter::create`], [`WavFileWriter::push`] and [`WavFileWriter::finish`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut writer = WavFileWriter::create(path, self.rate, self.channels, self.frames())?;
        writer.push(&self.samples)?;
        writer.finish()
    }
}

/// Builds the error for a file that ends before its sound does.
///
/// `reason` is the beginning of the message. `available` is the range of frames from the first one that was requested to
/// the last one in the file.
pub(crate) fn ends_early(path: &Path, reason: &str, available: Range<usize>, rate: u32) -> Error {
    let seconds = |frames: usize| floor_to_microsecond(frames as f64 / f64::from(rate));
    let advice = if available.is_empty() {
        "or choose an earlier part with `signal.start` and `signal.length`".to_owned()
    } else {
        format!(
            "or fit the part that can be read with `signal.length = {}`",
            seconds(available.len())
        )
    };
    let message = format!(
        "{reason}; the sound ends after {} frames ({} seconds); copy the file again, {advice}",
        available.end,
        seconds(available.end)
    );
    Error::signal(path, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_rejects_an_invalid_rate_channel_count_or_sample_count() {
        for (rate, channels, samples, message) in [
            (8000, 0, 4, "`channels` is 0, expected 1 to 32 channels"),
            (8000, 33, 33, "`channels` is 33"),
            (0, 1, 4, "`rate` is 0"),
            (u32::MAX, 1, 4, "`rate` is 4294967295"),
            (8000, 2, 3, "a multiple of the 2 channels, got 3 samples"),
        ] {
            let error = Sound::new(rate, channels, vec![0.5; samples]).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        let sound = Sound::new(8000, 2, vec![0.5; 6]).unwrap();
        assert_eq!(
            (sound.rate(), sound.channels(), sound.frames()),
            (8000, 2, 3)
        );
        assert_eq!(sound.into_samples(), [0.5; 6]);
    }
}
