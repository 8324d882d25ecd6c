//! A field as a clip, at any frame rate and size.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use siren_core::field::{Order, Siren};
use siren_core::run::SignalMetadata;
use siren_core::signal::{CoordinateRule, Grid};
use siren_core::{Error, Result};
use siren_picture::{Picture, Size};

use crate::Video;
use crate::clip::CHANNELS;
use crate::config::MAX_RATE;
use crate::evaluate::psnr;
use crate::sink::{self, Sink};
use crate::voxels::byte;

/// Pixels evaluated at once: what is held in memory of a large frame.
const BAND: usize = 1 << 16;

/// What playing a field needs to know of the clip that was fitted; the field knows its channels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoMetadata {
    /// How many frames.
    pub frames: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Frames a second.
    pub rate: f64,
    /// How time, rows and columns map to coordinates.
    pub coordinates: CoordinateRule,
}

impl SignalMetadata for VideoMetadata {
    const VERSION: u32 = 1;
}

/// When and where a field is seen: from the first frame of the fitted clip to the last one, or less than a frame before it.
#[derive(Clone, Debug)]
pub struct Playback {
    grid: Grid,
    size: Size,
    rate: f64,
    frames: usize,
    /// Frames of the fitted clip from one frame to the next.
    step: f64,
}

impl Playback {
    /// The frames of a fitted clip as it was.
    ///
    /// # Errors
    /// If it has none.
    pub fn new(clip: VideoMetadata) -> Result<Self> {
        let sides = [clip.frames, clip.height, clip.width];
        let grid = Grid::new(&sides, clip.coordinates)?;
        Ok(Self::on(grid, clip.rate))
    }

    /// The fitted clip's own frames.
    #[must_use]
    pub fn own(video: &Video) -> Self {
        Self::on(video.grid.clone(), video.clip.rate)
    }

    /// At the points of a grid of frames, rows and columns.
    fn on(grid: Grid, rate: f64) -> Self {
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

    /// The same time at another frame rate: a frame is exactly one `rate`-th of a second after the one before.
    ///
    /// # Errors
    /// If there is no such rate.
    pub fn at_rate(self, rate: f64) -> Result<Self> {
        if !(rate > 0.0 && rate <= MAX_RATE) {
            let expected = format!("above 0, at most {MAX_RATE} frames a second");
            return Err(Error::invalid("--fps", rate, &expected));
        }
        let step = self.rate / rate;
        let last = (self.grid.sides()[0] - 1) as f64 / step;
        Ok(Self {
            rate,
            // A rounding error is no reason to lose the last frame.
            frames: (last + 1e-9).floor() as usize + 1,
            step,
            ..self
        })
    }

    /// The same place in other pixels.
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

    /// How many frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Frames a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Pixels.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The coordinate of a frame; that of the grid's points at the clip's own rate.
    fn time(&self, frame: usize) -> f64 {
        let intervals = self.grid.sides()[0] - 1;
        if intervals == 0 {
            return 0.0;
        }
        self.grid.extent(0) * (2.0 * (frame as f64 * self.step / intervals as f64) - 1.0)
    }

    /// The values of one frame, pixel by pixel, in pieces.
    fn pieces(&self, field: &Siren, frame: usize, mut take: impl FnMut(&[f32])) -> Result<()> {
        let time = self.time(frame) as f32;
        let Size { height, width } = self.size;
        let (rows, columns) = (self.grid.axis(1), self.grid.axis(2));
        for start in (0..height * width).step_by(BAND) {
            let end = (start + BAND).min(height * width);
            let point = |at: usize| [time, rows[at / width], columns[at % width]];
            let coords: Vec<f32> = (start..end).flat_map(point).collect();
            let coords = Tensor::from_vec(coords, (end - start, 3), &Device::Cpu)?;
            let coords = coords.to_device(field.parameters().device())?;
            let values = field.evaluate(&coords, &Order::Value)?.value()?;
            take(
                &values
                    .to_dtype(DType::F32)?
                    .flatten_all()?
                    .to_vec1::<f32>()?,
            );
        }
        Ok(())
    }

    /// The values of one frame, `(height, width, 3)`.
    pub(crate) fn values(&self, field: &Siren, frame: usize) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(self.size.height * self.size.width * CHANNELS);
        self.pieces(field, frame, |values| all.extend_from_slice(values))?;
        Ok(all)
    }

    /// One frame as it is shown, `(height, width, 3)`.
    fn bytes(&self, field: &Siren, frame: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.size.height * self.size.width * CHANNELS);
        self.pieces(field, frame, |values| {
            bytes.extend(values.iter().map(|&y| byte(y)));
        })?;
        Ok(bytes)
    }
}

/// Plays a field into a file or a folder, one frame in memory at a time; `tick` is called after each.
///
/// # Errors
/// If the format is not written here, or the file cannot be.
pub fn render(
    field: &Siren,
    playback: &Playback,
    path: &Path,
    mut tick: impl FnMut(usize),
) -> Result<()> {
    let mut sink = sink::create(path, playback.size, playback.rate)?;
    for frame in 0..playback.frames {
        sink.push(&playback.bytes(field, frame)?)?;
        tick(frame);
    }
    sink.finish()
}

/// What a finished run leaves to look at: the clip, the fit and ten times their difference side by side, the PSNR of every frame, and
/// the frame in the middle.
pub(crate) fn artifacts(video: &Video, field: &Siren, folder: &Path) -> Result<()> {
    let own = Playback::own(video);
    let Size { height, width } = own.size;
    let wide = Size {
        height,
        width: 3 * width,
    };
    let mut sink: Box<dyn Sink> = sink::create(&folder.join("comparison.gif"), wide, own.rate)?;
    let mut table = "frame,psnr_db\n".to_owned();
    for at in 0..own.frames {
        let (truth, values) = (video.clip.frame(at), own.values(field, at)?);
        let fit: Vec<u8> = values.iter().map(|&y| byte(y)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{at},{}", psnr(truth, &values));
        if at == own.frames / 2 {
            for (name, bytes) in [("target.png", truth), ("value.png", &fit)] {
                picture(bytes, own.size, video.clip.channels).save(&folder.join(name))?;
            }
        }
        let mut joined = Vec::with_capacity(truth.len() * 3);
        let row = width * video.clip.channels;
        for (truth, fit) in truth.chunks_exact(row).zip(fit.chunks_exact(row)) {
            joined.extend_from_slice(truth);
            joined.extend_from_slice(fit);
            let off = truth
                .iter()
                .zip(fit)
                .map(|(a, b)| a.abs_diff(*b).saturating_mul(10));
            joined.extend(off);
        }
        sink.push(&joined)?;
    }
    sink.finish()?;
    let path = folder.join("frames.csv");
    fs::write(&path, table).map_err(Error::io("write", path))
}

fn picture(bytes: &[u8], Size { height, width }: Size, channels: usize) -> Picture {
    Picture {
        height,
        width,
        channels,
        values: bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
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
    fn any_rate_begins_with_the_first_frame_and_ends_within_the_fitted_time() {
        let own = playback(31, 15.0);
        for (rate, frames, last) in [
            (15.0, 31, 1.0),
            (30.0, 61, 1.0),
            (7.5, 16, 1.0),
            (29.97, 60, 0.968_635),
        ] {
            let other = own.clone().at_rate(rate).unwrap();
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
            assert!(own.clone().at_rate(rate).is_err());
        }
        assert_eq!(playback(1, 25.0).at_rate(50.0).unwrap().frames(), 1);
    }
}
