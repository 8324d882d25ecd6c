//! The `[signal]` and `[objective]` tables of a clip's config.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::signal::{CoordinateRule, Sampling, SubsetSampling};
use siren_core::{Error, Result};
use siren_picture::picture::MAX_SIDE;

/// Largest number of voxels of a step.
const MAX_POINTS: usize = 1 << 24;
/// Highest frame rate, in frames a second.
pub const MAX_RATE: f64 = 1e6;

/// The clip, and which part of it is fitted.
///
/// The coordinates are time, row and column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoSignalConfig {
    /// The clip: a folder of pictures in natural order (`2.png` before `10.png`; hidden files are left out), a GIF, a Y4M file, a NumPy array,
    /// or, with FFmpeg, any video file that FFmpeg opens. An array has the shape `(frames, height, width, 3)`, or `(frames, height, width)`
    /// for gray, with integers from 0 to 255 or floats in [0, 1]. Default: the embedded clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Side of the embedded clip in pixels; ignored if `path` is set. Default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Frame rate in frames per second. A folder or an array, which have no clock, is played at this rate; default: 25. Any other clip is
    /// resampled to it, each frame shown as long as it lasts; default: the rate of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Start of the part that is fitted, in seconds.
    pub start: f64,
    /// Duration of that part, in seconds. Default: to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<f64>,
    /// Fits only every n-th frame, beginning with the first.
    pub stride: usize,
    /// Crops the frames to a square of this side at their center, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
    /// Resizes the frames, after cropping, so that their shorter side has this many pixels. Default: no resizing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// How time, rows and columns map to coordinates.
    pub coordinates: CoordinateRule,
    /// Which voxels (pixels of frames) each step uses. The authors draw 0.38 % of the clip.
    pub sampling: Sampling,
    /// Number of frames that are evaluated, evenly spaced from the first to the last.
    pub evaluated_frames: usize,
}

impl Default for VideoSignalConfig {
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

impl Table for VideoSignalConfig {
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

/// The mean squared error of the pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoObjectiveConfig {}

impl Table for VideoObjectiveConfig {
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}
