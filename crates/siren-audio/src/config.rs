//! The `[signal]` and `[objective]` tables of a sound's config.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::signal::Sampling;
use siren_core::{Error, Result};

use crate::sound::{MAX_RATE, MAX_SAMPLES};

/// The sound, and which part of it is fitted.
///
/// Amplitudes are divided by the largest absolute amplitude, so that targets are in [−1, 1], as in the authors' code. Time is one coordinate on
/// [−1, 1], whatever the duration: a longer sound needs a higher `field.first_omega_0`. 3000 is good for a few seconds of music.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudioSignalConfig {
    /// The sound file: WAV, FLAC, MP3, Ogg Vorbis or AIFF. Default: the embedded piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Start of the part that is fitted, in seconds.
    pub start: f64,
    /// Duration of that part, in seconds. Default: to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<f64>,
    /// Sample rate to which that part is resampled (band-limited), in Hz. Default: the rate of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// How several channels are fitted.
    pub channels: Channels,
    /// Which samples each step uses.
    pub sampling: Sampling,
}

/// How several channels are fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// Their mean is fitted, as in the authors' code.
    #[default]
    Mix,
    /// Each channel is an output of the field.
    Each,
}

impl Table for AudioSignalConfig {
    fn validate(&self) -> Result<()> {
        if !(self.start.is_finite() && self.start >= 0.0) {
            let expected = "a time of at least 0 seconds";
            return Err(Error::invalid("signal.start", self.start, expected));
        }
        if let Some(length) = self.length
            && !(length.is_finite() && length > 0.0)
        {
            let expected = "a time above 0 seconds";
            return Err(Error::invalid("signal.length", length, expected));
        }
        let rate = self.rate.unwrap_or(1);
        if !(1..=MAX_RATE).contains(&rate) {
            let expected = format!("1 to {MAX_RATE} Hz");
            return Err(Error::invalid("signal.rate", rate, &expected));
        }
        self.sampling.validate(MAX_SAMPLES)
    }

    fn resolve_paths(&mut self, base: &Path) {
        if let Some(path) = &mut self.path {
            *path = base.join(&path);
        }
    }
}

impl AudioSignalConfig {
    /// Returns the range of frames that is fitted, of a sound of `frames` frames at `rate` Hz.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the part begins or ends after the sound, or is shorter than a frame.
    pub fn part(&self, rate: u32, frames: usize) -> Result<Range<usize>> {
        let rate = f64::from(rate);
        let first = (self.start * rate).round();
        if first >= frames as f64 {
            let expected = format!(
                "less than the {} seconds that the sound lasts",
                floor_to_microsecond(frames as f64 / rate)
            );
            return Err(Error::invalid("signal.start", self.start, &expected));
        }
        let first = first as usize;
        let remaining = frames - first;
        let Some(length) = self.length else {
            return Ok(first..frames);
        };
        let count = (length * rate).round();
        if !(1.0..=remaining as f64).contains(&count) {
            let expected = format!(
                "at least one frame, and at most the {} seconds that there are after `signal.start`",
                floor_to_microsecond(remaining as f64 / rate)
            );
            return Err(Error::invalid("signal.length", length, &expected));
        }
        Ok(first..first + count as usize)
    }
}

/// Rounds seconds down to a microsecond, so that a time in a message, given back as a `signal.length`, does not exceed the sound.
pub(crate) fn floor_to_microsecond(seconds: f64) -> f64 {
    (seconds * 1e6).floor() / 1e6
}

/// The mean squared error of the amplitude.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioObjectiveConfig {}

impl Table for AudioObjectiveConfig {
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(start: f64, length: Option<f64>) -> AudioSignalConfig {
        AudioSignalConfig {
            start,
            length,
            ..AudioSignalConfig::default()
        }
    }

    #[test]
    fn negative_and_infinite_times_are_rejected_by_key() {
        for start in [-0.1, f64::NAN, f64::INFINITY] {
            let message = signal(start, None).validate().unwrap_err().to_string();
            assert!(message.starts_with("`signal.start`"), "{message}");
        }
        for length in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let message = signal(0.0, Some(length)).validate().unwrap_err();
            assert!(message.to_string().starts_with("`signal.length`"));
        }
        assert!(signal(0.0, None).validate().is_ok());
        assert!(signal(1.5, Some(1e-3)).validate().is_ok());
    }

    #[test]
    fn a_part_is_counted_in_whole_frames_and_ends_with_the_sound() {
        let part = |start, length| signal(start, length).part(1000, 500);
        assert_eq!(part(0.0, None).unwrap(), 0..500);
        assert_eq!(part(0.1, None).unwrap(), 100..500);
        assert_eq!(part(0.1, Some(0.0204)).unwrap(), 100..120);
        assert_eq!(part(0.499, Some(0.001)).unwrap(), 499..500);
        for start in [0.5, 0.4996, 7.0, 1e300] {
            let message = part(start, None).unwrap_err().to_string();
            assert!(message.starts_with("`signal.start`") && message.contains("0.5 seconds"));
        }
        for length in [0.402, 1e300, 1e-9] {
            let message = part(0.1, Some(length)).unwrap_err().to_string();
            assert!(message.starts_with("`signal.length`"), "{message}");
            assert!(message.contains("at most the 0.4 seconds"), "{message}");
        }
    }
}
