//! The `[signal]` and `[objective]` tables of a clip's config.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::signal::{CoordinateRule, Sampling, SubsetSampling};
use siren_core::{Error, Result};
use siren_picture::picture::MAX_SIDE;

/// Most voxels that a step sees.
const MAX_POINTS: usize = 1 << 24;
/// Highest frame rate, in frames a second.
pub const MAX_RATE: f64 = 1e6;

/// `[signal]`: which clip, and which part of it.
///
/// Coordinates are time, row and column, each on [−1, 1] as the authors'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoSignal {
    /// A clip: a folder of pictures in natural order (`2.png` before `10.png`; hidden files are left out), a GIF, a Y4M file, a NumPy
    /// array, or, with FFmpeg, whatever it opens. An array is `(frames, height, width, 3)`, or `(frames, height, width)` for gray, of
    /// integers from 0 to 255 or floats in [0, 1]. Without a path, the embedded clip is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Side of the embedded clip in pixels; of no effect beside `path`. Default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Frames a second. Of what has no clock of its own (a folder, an array), how fast it is played; default: 25. Any other file is
    /// resampled to it, each frame shown as long as it lasts; default: its own rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Where the part that is fitted begins, in seconds.
    pub start: f64,
    /// How long that part is, in seconds. Default: to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<f64>,
    /// Of the part, fit the first frame of so many.
    pub stride: usize,
    /// Keep only this many pixels a side, from the center.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
    /// Resize so that the shorter side has this many pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// How the three axes map to coordinates.
    pub coordinates: CoordinateRule,
    /// Voxels drawn per step. Default: 16,384, with replacement (the authors draw 0.38 % of the clip).
    pub sampling: Sampling,
    /// How many frames are evaluated, evenly spaced from the first to the last.
    pub evaluated_frames: usize,
}

impl Default for VideoSignal {
    fn default() -> Self {
        Self {
            path: None,
            size: None,
            rate: None,
            start: 0.0,
            length: None,
            stride: 1,
            crop: None,
            resize: None,
            coordinates: CoordinateRule::default(),
            sampling: Sampling::Subset(SubsetSampling {
                points: 16_384,
                replacement: true,
            }),
            evaluated_frames: 16,
        }
    }
}

impl Table for VideoSignal {
    fn validate(&self) -> Result<()> {
        if !(self.start.is_finite() && self.start >= 0.0) {
            let expected = "a time of at least 0 seconds";
            return Err(Error::invalid("signal.start", self.start, expected));
        }
        for (key, value, most, unit) in [
            ("signal.length", self.length, 1e9, "seconds"),
            ("signal.rate", self.rate, MAX_RATE, "frames a second"),
        ] {
            let value = value.unwrap_or(1.0);
            if !(value > 0.0 && value <= most) {
                let expected = format!("above 0, at most {most} {unit}");
                return Err(Error::invalid(key, value, &expected));
            }
        }
        for (key, value, most) in [
            ("signal.size", self.size.unwrap_or(1), 1024),
            ("signal.stride", self.stride, 1_000_000),
            ("signal.crop", self.crop.unwrap_or(1), MAX_SIDE),
            ("signal.resize", self.resize.unwrap_or(1), MAX_SIDE),
            ("signal.evaluated_frames", self.evaluated_frames, 1_000_000),
        ] {
            if !(1..=most).contains(&value) {
                return Err(Error::invalid(key, value, &format!("1 to {most}")));
            }
        }
        self.sampling.validate(MAX_POINTS)
    }

    fn resolve_paths(&mut self, base: &Path) {
        if let Some(path) = &mut self.path {
            *path = base.join(&path);
        }
    }
}

/// `[objective]`: the value error; there is nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoObjective {}

impl Table for VideoObjective {
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}
