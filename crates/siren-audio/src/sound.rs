//! A sound in memory.

use std::ops::Range;
use std::path::Path;

use siren_core::{Error, Result};

use crate::config::shown;
use crate::wav::WavStream;

/// Largest number of samples, over all channels, of a sound that is fitted.
pub const MAX_VALUES: usize = 1 << 27;
/// Highest sample rate that is read or written, in Hz.
pub const MAX_RATE: u32 = 10_000_000;
/// Largest number of channels that is read or written.
pub const MAX_CHANNELS: usize = 32;

/// A sampled sound. A frame is one sample of every channel.
///
/// [`Sound::new`] checks the fields. A value built as a literal is checked by the methods that return a [`Result`]; the
/// others treat a sound with `channels: 0` as one without frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Sample rate in Hz (frames per second), 1 to [`MAX_RATE`].
    pub rate: u32,
    /// Number of channels, 1 to [`MAX_CHANNELS`]: 1 for mono, 2 for stereo.
    pub channels: usize,
    /// Interleaved samples `(frames × channels,)`, frame by frame; an amplitude of 1 is full scale.
    pub values: Vec<f32>,
}

impl Sound {
    /// Builds a sound from interleaved samples `(frames × channels,)`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `rate` is outside 1 to [`MAX_RATE`] or `channels` outside 1 to [`MAX_CHANNELS`];
    /// [`Error::Shape`] if the number of samples is not a multiple of `channels`.
    pub fn new(rate: u32, channels: usize, values: Vec<f32>) -> Result<Self> {
        let sound = Self {
            rate,
            channels,
            values,
        };
        sound.validate()?;
        Ok(sound)
    }

    /// Checks the rate, the number of channels and the number of samples.
    fn validate(&self) -> Result<()> {
        if !(1..=MAX_RATE).contains(&self.rate) {
            let expected = format!("a sample rate of 1 to {MAX_RATE} Hz");
            return Err(Error::invalid("rate", self.rate, &expected));
        }
        if !(1..=MAX_CHANNELS).contains(&self.channels) {
            let expected = format!("1 to {MAX_CHANNELS} channels");
            return Err(Error::invalid("channels", self.channels, &expected));
        }
        if !self.values.len().is_multiple_of(self.channels) {
            return Err(Error::Shape {
                what: "samples of a sound",
                expected: format!("a multiple of the {} channels", self.channels),
                got: format!("{} samples", self.values.len()),
            });
        }
        Ok(())
    }

    /// Returns the number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.values.len().checked_div(self.channels).unwrap_or(0)
    }

    /// Returns the largest absolute amplitude.
    #[must_use]
    pub fn peak(&self) -> f32 {
        self.values.iter().fold(0.0, |peak, y| peak.max(y.abs()))
    }

    /// Copies a range of frames.
    ///
    /// # Panics
    /// If the range reaches beyond the last frame.
    #[must_use]
    pub fn part(&self, frames: Range<usize>) -> Self {
        let values = frames.start * self.channels..frames.end * self.channels;
        Self {
            values: self.values[values].to_vec(),
            ..*self
        }
    }

    /// Returns the mean of the channels as a sound of one channel.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn mixed(&self) -> Result<Self> {
        self.validate()?;
        let mean = |frame: &[f32]| {
            let sum: f64 = frame.iter().copied().map(f64::from).sum();
            (sum / frame.len() as f64) as f32
        };
        let values = self.values.chunks_exact(self.channels).map(mean).collect();
        Self::new(self.rate, 1, values)
    }

    /// Checks that every sample is finite. `first` is the index in the file of the sound's first frame, for the message.
    pub(crate) fn check_finite(&self, path: &Path, first: usize) -> Result<()> {
        let Some(index) = self.values.iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        let seconds = (first + index / self.channels) as f64 / f64::from(self.rate);
        let message = format!(
            "the sample at {seconds} seconds is {}, expected a finite number; repair it in an editor, or leave it out with \
             `signal.start` and `signal.length`",
            self.values[index]
        );
        Err(Error::signal(path, message))
    }

    /// Writes the sound as a WAV file of 32-bit floats.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`WavStream`].
    pub fn save(&self, path: &Path) -> Result<()> {
        self.validate()?;
        let mut stream = WavStream::create(path, self.rate, self.channels, self.frames())?;
        stream.push(&self.values)?;
        stream.finish()
    }
}

/// Builds the error for a file that ends before its sound does.
///
/// `reason` is the beginning of the message. `available` is the range of frames from the first one that was requested to
/// the last one in the file.
pub(crate) fn ends_early(path: &Path, reason: &str, available: Range<usize>, rate: u32) -> Error {
    let seconds = |frames: usize| shown(frames as f64 / f64::from(rate));
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
        assert_eq!(Sound::new(8000, 2, vec![0.5; 6]).unwrap().frames(), 3);
    }

    #[test]
    fn a_literal_with_zero_channels_is_an_error_and_not_a_panic() {
        let sound = Sound {
            rate: 8000,
            channels: 0,
            values: vec![0.5; 4],
        };
        assert_eq!(sound.frames(), 0);
        assert!(sound.mixed().is_err());
        let folder = tempfile::tempdir().unwrap();
        let error = sound.save(&folder.path().join("a.wav")).unwrap_err();
        assert!(error.to_string().contains("`channels` is 0"), "{error}");
    }
}
