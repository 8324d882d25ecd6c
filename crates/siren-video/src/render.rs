//! Renders a fitted field as a clip, at any frame rate and size.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use siren_core::field::{Order, Siren};
use siren_core::signal::{CoordinateRule, Grid, SignalMetadata};
use siren_core::{Error, Result};
use siren_picture::{Picture, Size};

use crate::Video;
use crate::clip::CHANNELS;
use crate::config::MAX_RATE;
use crate::evaluate::psnr;
use crate::sink::{self, Sink};
use crate::voxels::level_from_value;

/// Pixels per evaluation of the field; it bounds the memory that a large frame takes.
const PIXELS_PER_CHUNK: usize = 1 << 16;

/// Size, rate and coordinates of the fitted clip, as a run folder stores them for rendering. The number of channels is the field's.
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
    /// Creates the playback of a fitted clip at its own frame rate and size.
    ///
    /// # Errors
    /// If the clip has no frames, rows or columns.
    pub fn new(clip: VideoMetadata) -> Result<Self> {
        let sides = [clip.frames, clip.height, clip.width];
        let grid = Grid::new(&sides, clip.coordinates)?;
        Ok(Self::from_grid(grid, clip.rate))
    }

    /// Creates the playback of an open clip at its own frame rate and size.
    #[must_use]
    pub fn own(video: &Video) -> Self {
        Self::from_grid(video.grid.clone(), video.clip.rate)
    }

    /// Creates the playback at the points of a grid of frames, rows and columns.
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
    /// If `rate` is not above 0 and at most [`MAX_RATE`] frames per second.
    pub fn at_rate(self, rate: f64) -> Result<Self> {
        if !(rate > 0.0 && rate <= MAX_RATE) {
            let expected = format!("above 0, at most {MAX_RATE} frames per second");
            return Err(Error::invalid("--fps", rate, &expected));
        }
        let step = self.rate / rate;
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
    /// If a side is zero.
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

    /// Returns the time coordinate of a frame. At the clip's own rate it equals that of the grid's points.
    fn time(&self, frame: usize) -> f64 {
        let intervals = self.grid.sides()[0] - 1;
        if intervals == 0 {
            return 0.0;
        }
        self.grid.extent(0) * (2.0 * (frame as f64 * self.step / intervals as f64) - 1.0)
    }

    /// Evaluates one frame in chunks of pixels in row-major order, and passes the values of each to `consume`.
    fn for_each_chunk(
        &self,
        field: &Siren,
        frame: usize,
        mut consume: impl FnMut(&[f32]),
    ) -> Result<()> {
        let time = self.time(frame) as f32;
        let Size { height, width } = self.size;
        let (rows, columns) = (self.grid.axis(1), self.grid.axis(2));
        for start in (0..height * width).step_by(PIXELS_PER_CHUNK) {
            let end = (start + PIXELS_PER_CHUNK).min(height * width);
            let point = |pixel: usize| [time, rows[pixel / width], columns[pixel % width]];
            let coords: Vec<f32> = (start..end).flat_map(point).collect();
            let coords = Tensor::from_vec(coords, (end - start, 3), &Device::Cpu)?;
            let coords = coords.to_device(field.parameters().device())?;
            let values = field.evaluate(&coords, &Order::Value)?.value()?;
            consume(
                &values
                    .to_dtype(DType::F32)?
                    .flatten_all()?
                    .to_vec1::<f32>()?,
            );
        }
        Ok(())
    }

    /// Evaluates the field at the pixels of one frame. Returns values of shape `(height, width, channels)`, in [−1, 1] where the fit is good.
    pub(crate) fn values(&self, field: &Siren, frame: usize) -> Result<Vec<f32>> {
        let mut frame_values = Vec::with_capacity(self.size.height * self.size.width * CHANNELS);
        self.for_each_chunk(field, frame, |values| {
            frame_values.extend_from_slice(values);
        })?;
        Ok(frame_values)
    }

    /// Evaluates one frame as levels of 0 to 255, `(height, width, channels)`.
    fn levels(&self, field: &Siren, frame: usize) -> Result<Vec<u8>> {
        let mut levels = Vec::with_capacity(self.size.height * self.size.width * CHANNELS);
        self.for_each_chunk(field, frame, |values| {
            levels.extend(values.iter().map(|&y| level_from_value(y)));
        })?;
        Ok(levels)
    }
}

/// Renders a field to a file or a folder, whose format [`sink::create`] chooses by the extension of `path`. Memory holds one frame at a
/// time. `on_frame` is called with the index of every frame after it is written.
///
/// # Errors
/// If the extension is unknown, the field cannot be evaluated, or the file cannot be written.
pub fn render(
    field: &Siren,
    playback: &Playback,
    path: &Path,
    mut on_frame: impl FnMut(usize),
) -> Result<()> {
    let mut sink = sink::create(path, playback.size, playback.rate)?;
    for frame in 0..playback.frames {
        sink.push(&playback.levels(field, frame)?)?;
        on_frame(frame);
    }
    sink.finish()
}

/// Writes the artifacts of a finished run: `comparison.gif` (clip, fit and ten times their difference side by side), `frames.csv` (PSNR of
/// every frame), and the middle frame of the clip (`target.png`) and of the fit (`value.png`).
pub(crate) fn artifacts(video: &Video, field: &Siren, folder: &Path) -> Result<()> {
    let playback = Playback::own(video);
    let Size { height, width } = playback.size;
    let wide = Size {
        height,
        width: 3 * width,
    };
    let mut sink: Box<dyn Sink> =
        sink::create(&folder.join("comparison.gif"), wide, playback.rate)?;
    let mut table = "frame,psnr_db\n".to_owned();
    for index in 0..playback.frames {
        let (target, values) = (video.clip.frame(index), playback.values(field, index)?);
        let fit: Vec<u8> = values.iter().map(|&y| level_from_value(y)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{index},{}", psnr(target, &values));
        if index == playback.frames / 2 {
            for (name, levels) in [("target.png", target), ("value.png", &fit)] {
                picture_from_levels(levels, playback.size, video.clip.channels)
                    .save(folder.join(name))?;
            }
        }
        let mut joined = Vec::with_capacity(target.len() * 3);
        let row = width * video.clip.channels;
        for (target, fit) in target.chunks_exact(row).zip(fit.chunks_exact(row)) {
            joined.extend_from_slice(target);
            joined.extend_from_slice(fit);
            let difference = target
                .iter()
                .zip(fit)
                .map(|(a, b)| a.abs_diff(*b).saturating_mul(10));
            joined.extend(difference);
        }
        sink.push(&joined)?;
    }
    sink.finish()?;
    let path = folder.join("frames.csv");
    fs::write(&path, table).map_err(Error::io("write", path))
}

fn picture_from_levels(levels: &[u8], size: Size, channels: usize) -> Picture {
    Picture {
        height: size.height,
        width: size.width,
        channels,
        values: levels
            .iter()
            .map(|&level| f32::from(level) / 255.0)
            .collect(),
    }
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
        Playback::new(clip).unwrap()
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
    }
}
