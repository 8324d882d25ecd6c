//! A sound in memory.

use std::ops::Range;
use std::path::Path;

use siren_core::{Error, Result};

use crate::config::shown;
use crate::wav::WavStream;

/// Most samples, over all channels, of a sound that is fitted.
pub const MAX_VALUES: usize = 1 << 27;
/// Highest rate that is read or written, in samples a second.
pub const MAX_RATE: u32 = 10_000_000;
/// Most channels that are read or written.
pub const MAX_CHANNELS: usize = 32;

/// A sound; a frame is one sample of every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Frames a second.
    pub rate: u32,
    /// 1 for mono, 2 for stereo.
    pub channels: usize,
    /// Frame by frame; 1 is full scale.
    pub values: Vec<f32>,
}

impl Sound {
    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.values.len() / self.channels
    }

    /// The largest absolute amplitude.
    #[must_use]
    pub fn peak(&self) -> f32 {
        self.values.iter().fold(0.0, |peak, y| peak.max(y.abs()))
    }

    /// Some of the frames.
    ///
    /// # Panics
    /// If there are no such frames.
    #[must_use]
    pub fn part(&self, frames: Range<usize>) -> Self {
        let values = frames.start * self.channels..frames.end * self.channels;
        Self {
            values: self.values[values].to_vec(),
            ..*self
        }
    }

    /// The mean of the channels.
    #[must_use]
    pub fn mixed(&self) -> Self {
        let mean = |frame: &[f32]| {
            let sum: f64 = frame.iter().copied().map(f64::from).sum();
            (sum / frame.len() as f64) as f32
        };
        Self {
            rate: self.rate,
            channels: 1,
            values: self.values.chunks_exact(self.channels).map(mean).collect(),
        }
    }

    /// Checks that every value is a number; the first frame is the one of this index in the file.
    pub(crate) fn check_finite(&self, path: &Path, first: usize) -> Result<()> {
        let Some(at) = self.values.iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        let seconds = (first + at / self.channels) as f64 / f64::from(self.rate);
        let message = format!(
            "a sample at {seconds} seconds is {}, not a finite number; repair it in an editor, or leave it out with \
             `signal.start` and `signal.length`",
            self.values[at]
        );
        Err(Error::signal(path, message))
    }

    /// Writes 32-bit floats.
    ///
    /// # Errors
    /// As [`WavStream`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut stream = WavStream::create(path, self.rate, self.channels, self.frames())?;
        stream.push(&self.values)?;
        stream.finish()
    }
}

/// The error for a file that ends before its sound does. `why` ends with the subject of "ends"; `there` are the frames from
/// the first one that was asked for to the last one in the file.
pub(crate) fn ends_early(path: &Path, why: &str, there: Range<usize>, rate: u32) -> Error {
    let seconds = |frames: usize| shown(frames as f64 / f64::from(rate));
    let advice = if there.is_empty() {
        "or choose a part before that with `signal.start` and `signal.length`".to_owned()
    } else {
        format!(
            "or fit what is there with `signal.length = {}`",
            seconds(there.len())
        )
    };
    let message = format!(
        "{why} ends after {} frames ({} seconds); copy it again, {advice}",
        there.end,
        seconds(there.end)
    );
    Error::signal(path, message)
}
