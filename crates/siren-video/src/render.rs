//! Evaluation of a field at the frames of a clip, at any frame rate and size.

use serde::{Deserialize, Serialize};
use siren_core::field::Siren;
use siren_core::signal::{CoordinateRule, Grid, SignalMetadata};
use siren_core::{Error, Result};
use siren_picture::Size;

use crate::Video;
use crate::config::MAX_RATE;
use crate::voxels::level_from_value;

/// Pixels per evaluation of the field; it bounds the memory that a large frame takes.
const PIXELS_PER_CHUNK: usize = 1 << 16;

/// Size, rate and coordinates of the fitted clip, from which a field is rendered. The number of channels is the field's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoMetadata {
    /// Number of frames.
    pub frames: usize,
    /// Rows per frame.
    pub height: usize,
    /// Columns per frame.
    pub width: usize,
    /// Frame rate, in frames per second.
    pub rate: f64,
    /// How time, rows and columns map to coordinates.
    pub coordinates: CoordinateRule,
}

impl SignalMetadata for VideoMetadata {
    const VERSION: u32 = 1;
}

/// The times and pixels at which a field is rendered. The first frame is the first of the fitted clip; the last one is at its last
/// frame, or less than one rendered frame before it.
#[derive(Clone, Debug)]
pub struct Playback {
    grid: Grid,
    size: Size,
    rate: f64,
    frames: usize,
    /// Distance of two rendered frames, in frames of the fitted clip.
    step: f64,
}

impl Playback {
    /// Returns the playback of a fitted clip at its own frame rate and size.
    ///
    /// # Errors
    /// [`Error::Shape`] if the clip has no frames, rows or columns; [`Error::InvalidValue`] if its rate is not above 0 and at most
    /// [`MAX_RATE`].
    pub fn new(clip: &VideoMetadata) -> Result<Self> {
        check_rate(clip.rate)?;
        let sides = [clip.frames, clip.height, clip.width];
        let grid = Grid::new(&sides, clip.coordinates)?;
        Ok(Self::from_grid(grid, clip.rate))
    }

    /// Returns the playback of a clip that is fitted, at its own frame rate and size.
    pub(crate) fn of_clip(video: &Video) -> Self {
        Self::from_grid(video.grid().clone(), video.clip().rate())
    }

    /// Returns the playback at the points of a grid of frames, rows and columns.
    fn from_grid(grid: Grid, rate: f64) -> Self {
        let sides = grid.sides();
        Self {
            size: Size {
                height: sides[1],
                width: sides[2],
            },
            rate,
            frames: sides[0],
            step: 1.0,
            grid,
        }
    }

    /// Returns a playback of the same duration at another frame rate: frames are exactly `1 / rate` seconds apart.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `rate` is not above 0 and at most [`MAX_RATE`] frames per second.
    pub fn at_rate(self, rate: f64) -> Result<Self> {
        check_rate(rate)?;
        let step = self.step * self.rate / rate;
        let last = (self.grid.sides()[0] - 1) as f64 / step;
        Ok(Self {
            rate,
            // The margin keeps a rounding error from dropping the last frame.
            frames: (last + 1e-9).floor() as usize + 1,
            step,
            ..self
        })
    }

    /// Returns a playback of the same frames at another resolution.
    ///
    /// # Errors
    /// [`Error::Shape`] if a side is zero.
    pub fn at_size(self, size: Size) -> Result<Self> {
        let sides = [self.grid.sides()[0], size.height, size.width];
        Ok(Self {
            grid: self.grid.resampled(&sides)?,
            size,
            ..self
        })
    }

    /// Returns the number of rendered frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Returns the frame rate, in frames per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns the size of a rendered frame.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns the time from the first frame of the fitted clip to its last one, in seconds.
    #[must_use]
    pub fn duration_seconds(&self) -> f64 {
        let intervals = (self.grid.sides()[0] - 1) as f64;
        intervals / (self.rate * self.step)
    }

    /// Returns the time coordinate of a frame. At the clip's own rate it equals that of the grid's points.
    #[must_use]
    pub fn time(&self, frame: usize) -> f64 {
        self.time_of_fitted_frame(frame as f64 * self.step)
    }

    /// Returns the time coordinate of a time in seconds after the first frame.
    #[must_use]
    pub fn time_from_seconds(&self, seconds: f64) -> f64 {
        self.time_of_fitted_frame(seconds * (self.rate * self.step))
    }

    /// Returns the time coordinate of a position in frames of the fitted clip.
    fn time_of_fitted_frame(&self, fitted: f64) -> f64 {
        let intervals = self.grid.sides()[0] - 1;
        if intervals == 0 {
            return 0.0;
        }
        self.grid.extent(0) * (2.0 * (fitted / intervals as f64) - 1.0)
    }

    /// Evaluates the field at the pixels of the frame at a time coordinate, in the field's precision.
    ///
    /// `consume` receives the values `(chunk pixels × channels,)` of each chunk of pixels in row-major order.
    pub(crate) fn for_each_chunk(
        &self,
        field: &Siren,
        time: f64,
        mut consume: impl FnMut(&[f64]),
    ) -> Result<()> {
        let Size { height, width } = self.size;
        let point = |pixel: usize| {
            let (row, column) = (pixel / width, pixel % width);
            [time, self.grid.coord(1, row), self.grid.coord(2, column)]
        };
        for start in (0..height * width).step_by(PIXELS_PER_CHUNK) {
            let end = (start + PIXELS_PER_CHUNK).min(height * width);
            let coords: Vec<f64> = (start..end).flat_map(point).collect();
            consume(&field.values(&coords)?);
        }
        Ok(())
    }

    /// Returns the values of one frame, `(height, width, channels)`, in [−1, 1] where the fit is good.
    pub(crate) fn values(&self, field: &Siren, frame: usize) -> Result<Vec<f64>> {
        let mut frame_values = Vec::with_capacity(self.levels_per_frame(field));
        self.for_each_chunk(field, self.time(frame), |values| {
            frame_values.extend_from_slice(values);
        })?;
        Ok(frame_values)
    }

    /// Returns one frame as levels of 0 to 255, `(height, width, channels)`.
    pub(crate) fn levels(&self, field: &Siren, frame: usize) -> Result<Vec<u8>> {
        let mut levels = Vec::with_capacity(self.levels_per_frame(field));
        self.for_each_chunk(field, self.time(frame), |values| {
            levels.extend(values.iter().map(|&y| level_from_value(y as f32)));
        })?;
        Ok(levels)
    }

    /// Returns the number of levels of a frame: height × width × channels.
    pub(crate) fn levels_per_frame(&self, field: &Siren) -> usize {
        self.size.height * self.size.width * field.out_features()
    }
}

/// Checks a frame rate in frames per second.
pub(crate) fn check_rate(rate: f64) -> Result<()> {
    if rate > 0.0 && rate <= MAX_RATE {
        return Ok(());
    }
    let expected = format!("above 0, at most {MAX_RATE} frames per second");
    Err(Error::invalid("rate", rate, &expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playback(frames: usize, rate: f64) -> Playback {
        let clip = VideoMetadata {
            frames,
            height: 2,
            width: 3,
            rate,
            coordinates: CoordinateRule::Stretch,
        };
        Playback::new(&clip).unwrap()
    }

    #[test]
    fn playback_at_any_rate_starts_at_the_first_frame_and_ends_within_the_fitted_duration() {
        let fitted = playback(31, 15.0);
        for (rate, frames, last) in [
            (15.0, 31, 1.0),
            (30.0, 61, 1.0),
            (7.5, 16, 1.0),
            (29.97, 60, 0.968_635),
        ] {
            let other = fitted.clone().at_rate(rate).unwrap();
            assert_eq!(other.frames(), frames, "{rate}");
            assert!((other.time(0) + 1.0).abs() < 1e-12);
            assert!(
                (other.time(frames - 1) - last).abs() < 2e-3,
                "{}",
                other.time(frames - 1)
            );
            // Two seconds are two units of the coordinate.
            assert!((other.time(1) - other.time(0) - 1.0 / rate).abs() < 1e-12);
        }
        for rate in [0.0, -1.0, f64::NAN, 1e9] {
            assert!(fitted.clone().at_rate(rate).is_err());
        }
        assert_eq!(playback(1, 25.0).at_rate(50.0).unwrap().frames(), 1);
        let twice = fitted.clone().at_rate(7.0).unwrap().at_rate(30.0).unwrap();
        assert_eq!(twice.frames(), 61);
        assert!((twice.duration_seconds() - 2.0).abs() < 1e-12);
        assert!((twice.time_from_seconds(1.0) - twice.time(30)).abs() < 1e-12);
    }
}
