//! A fitted clip.

use std::path::Path;

use siren_core::field::Siren;
use siren_core::{Error, Result};
use siren_picture::memory::available_memory;
use siren_picture::{Picture, Size};

use crate::clip::{CHANNELS, Clip};
use crate::render::{Playback, VideoMetadata};
use crate::sink;

/// A fitted clip: a field of three coordinates, time, row and column, with the facts of the clip from which it is rendered.
///
/// Coordinates are in [−1, 1], from the first frame to the last one, top to bottom and left to right (with
/// [`CoordinateRule::Aspect`](siren_core::signal::CoordinateRule) the longest of the three alone). Values are in [−1, 1], from black to
/// full intensity.
#[derive(Debug)]
pub struct ClipField {
    siren: Siren,
    metadata: VideoMetadata,
    playback: Playback,
}

impl ClipField {
    /// Puts a fitted field and the metadata of its clip, [`Video::metadata`](crate::Video::metadata), together.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has other than three coordinates, or other than 1 or 3 channels; the errors of [`Playback::new`].
    pub fn new(siren: Siren, metadata: VideoMetadata) -> Result<Self> {
        let shape = (siren.in_features(), siren.out_features());
        if shape != (3, 1) && shape != (3, CHANNELS) {
            return Err(Error::Shape {
                what: "field of a clip",
                expected: "3 coordinates (time, row, column), and 1 or 3 channels".to_owned(),
                got: format!("{} and {}", shape.0, shape.1),
            });
        }
        Ok(Self {
            playback: Playback::new(&metadata)?,
            siren,
            metadata,
        })
    }

    /// Writes the field and the metadata to a `.safetensors` file, whole or not at all.
    ///
    /// # Errors
    /// As [`Siren::save_with`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.siren.save_with(&self.metadata, path)
    }

    /// Reads what [`save`](Self::save) wrote, in the precision of the file, to the CPU.
    ///
    /// # Errors
    /// As [`Siren::open_with`] and [`new`](Self::new).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (siren, metadata) = Siren::open_with(path)?;
        Self::new(siren, metadata)
    }

    /// Returns the field.
    #[must_use]
    pub fn siren(&self) -> &Siren {
        &self.siren
    }

    /// Returns the facts of the fitted clip.
    #[must_use]
    pub fn metadata(&self) -> VideoMetadata {
        self.metadata
    }

    /// Returns the frames and pixels of the fitted clip; [`Playback::at_rate`] and [`Playback::at_size`] choose others.
    #[must_use]
    pub fn playback(&self) -> Playback {
        self.playback.clone()
    }

    /// Returns the values `(n × channels,)`, row-major, at coordinates `(n × 3,)`: time, row, column.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of coordinates is no multiple of 3.
    pub fn values(&self, coords: &[f64]) -> Result<Vec<f64>> {
        self.siren.values(coords)
    }

    /// Returns the derivatives of the values with respect to time, row and column, `(n × channels × 3,)`, row-major, at coordinates
    /// `(n × 3,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of coordinates is no multiple of 3.
    pub fn gradients(&self, coords: &[f64]) -> Result<Vec<f64>> {
        self.siren.gradients(coords)
    }

    /// Renders one frame in memory, at a time in seconds after the first frame; frame `k` of the fitted clip is at `k / rate` seconds. Values
    /// are mapped to [0, 1] and clipped.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the time is not within the clip, or the size is none of a picture in memory.
    pub fn frame(&self, seconds: f64, size: Size) -> Result<Picture> {
        let duration = self.playback.duration_seconds();
        if !(0.0..=duration).contains(&seconds) {
            let expected = format!("a time within the clip, 0 to {duration} seconds");
            return Err(Error::invalid("seconds", seconds, &expected));
        }
        size.must_fit_in_memory()?;
        let playback = self.playback().at_size(size)?;
        let time = playback.time_from_seconds(seconds);
        let mut values = Vec::with_capacity(playback.levels_per_frame(&self.siren));
        playback.for_each_chunk(&self.siren, time, |chunk| {
            values.extend(
                chunk
                    .iter()
                    .map(|y| (0.5 * (y + 1.0)).clamp(0.0, 1.0) as f32),
            );
        })?;
        Ok(picture(values, size, self.siren.out_features()))
    }

    /// Renders a clip in memory.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the clip does not fit into the available memory; [`for_each_frame`](Self::for_each_frame) and
    /// [`render_to`](Self::render_to) hold one frame at a time.
    pub fn render(&self, playback: &Playback) -> Result<Clip> {
        let frame = playback.levels_per_frame(&self.siren);
        let bytes = playback.frames().saturating_mul(frame);
        let memory = available_memory();
        if bytes as u64 > memory {
            let expected = format!(
                "a frame rate and a size of which all frames fit into the {} MiB of free memory; these take {} MiB",
                memory >> 20,
                bytes >> 20
            );
            return Err(Error::invalid("rate", playback.rate(), &expected));
        }
        let mut levels = Vec::with_capacity(bytes);
        self.for_each_frame(playback, |_, frame| {
            levels.extend_from_slice(frame);
            Ok(())
        })?;
        let Size { height, width } = playback.size();
        let channels = self.siren.out_features();
        Clip::new(
            playback.frames(),
            height,
            width,
            channels,
            playback.rate(),
            levels,
        )
    }

    /// Renders a clip frame by frame. `consume` receives the index and the levels of 0 to 255, `(height, width, channels)`, of each frame.
    ///
    /// # Errors
    /// Those of `consume`; if the field cannot be evaluated.
    pub fn for_each_frame(
        &self,
        playback: &Playback,
        mut consume: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        for index in 0..playback.frames() {
            consume(index, &playback.levels(&self.siren, index)?)?;
        }
        Ok(())
    }

    /// Renders a clip to a file or a folder, whose format [`sink::create`] chooses by the extension of `path`. Memory holds one frame at a
    /// time. `on_frame` is called with the index of every frame after it is written.
    ///
    /// # Errors
    /// If the extension is unknown, the field cannot be evaluated, or the file cannot be written.
    pub fn render_to(
        &self,
        playback: &Playback,
        path: impl AsRef<Path>,
        mut on_frame: impl FnMut(usize),
    ) -> Result<()> {
        let mut sink = sink::create(path.as_ref(), playback.size(), playback.rate())?;
        self.for_each_frame(playback, |index, levels| {
            sink.push(levels)?;
            on_frame(index);
            Ok(())
        })?;
        sink.finish()
    }
}

/// Makes a picture of values in [0, 1], `(height, width, channels)`.
pub(crate) fn picture(values: Vec<f32>, size: Size, channels: usize) -> Picture {
    Picture {
        height: size.height,
        width: size.width,
        channels,
        values: values.into(),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::signal::{Sampling, Stream};
    use siren_core::train::Fit;

    use super::*;
    use crate::{Video, VideoSignalConfig};

    /// Returns a gray clip of six frames of 5 × 7 pixels that become brighter from left to right and from the first to the last.
    fn ramp() -> Clip {
        let level = |index: u8| 6 * (index % 7) + 30 * (index / 35);
        Clip::new(6, 5, 7, 1, 12.0, (0..210).map(level).collect()).unwrap()
    }

    fn fitted(dtype: DType) -> (Video, ClipField) {
        let signal = VideoSignalConfig {
            sampling: Sampling::Whole,
            ..VideoSignalConfig::default()
        };
        let video = Video::new(ramp(), &signal, 0).unwrap();
        let mut config = video.recipe();
        config.train.steps = 150;
        config.field.hidden_features = 16.into();
        config.field.hidden_layers = 1;
        config.field.first_omega_0 = 3.0.into();
        let mut fit = Fit::on(&video, &config, dtype, &Device::Cpu).unwrap();
        fit.run().unwrap();
        let psnr_db = fit.evaluate().unwrap()[0].value;
        assert!(psnr_db > 30.0, "{dtype:?}: {psnr_db} dB");
        let field = video.field(fit.into_model()).unwrap();
        (video, field)
    }

    #[test]
    fn a_clip_is_fitted_evaluated_rendered_and_saved_in_either_precision() {
        let folder = tempfile::tempdir().unwrap();
        for dtype in [DType::F32, DType::F64] {
            let (video, field) = fitted(dtype);
            assert_eq!(field.siren().parameters().dtype(), dtype);
            let own = field.render(&field.playback()).unwrap();
            assert_eq!(own.size(), video.clip().size());
            let pairs = own.levels().iter().zip(video.clip().levels());
            let largest = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(largest < 64, "{dtype:?}: {largest}");

            // Frame 2 by its time, its levels, and the values at the same coordinates.
            let picture = field.frame(2.0 / 12.0, own.size()).unwrap();
            let time = 2.0 * 2.0 / 5.0 - 1.0;
            for (pixel, &level) in own.frame(2).iter().enumerate() {
                let (row, column) = ((pixel / 7) as f64, (pixel % 7) as f64);
                let coords = [time, row / 2.0 - 1.0, column / 3.0 - 1.0];
                let value = 0.5 * (field.values(&coords).unwrap()[0] + 1.0);
                assert!((f64::from(picture.values.at(pixel)) - value).abs() < 1e-6);
                assert!((255.0 * value - f64::from(level)).abs() < 0.51);
            }
            let gradients = field.gradients(&[0.0; 6]).unwrap();
            assert_eq!(gradients.len(), 6);
            assert!(gradients[0] > 0.0 && gradients[2] > 0.0, "{gradients:?}");

            let path = folder.path().join("a.safetensors");
            field.save(&path).unwrap();
            let opened = ClipField::open(&path).unwrap();
            assert_eq!(opened.metadata(), video.metadata());
            assert_eq!(opened.siren().parameters().dtype(), dtype);
            let size = Size {
                height: 10,
                width: 14,
            };
            let playback = opened.playback().at_rate(24.0).unwrap();
            let playback = playback.at_size(size).unwrap();
            let rendered = opened.render(&playback).unwrap();
            assert_eq!((rendered.frames(), rendered.size()), (11, size));
            assert_eq!(rendered, field.render(&playback).unwrap());

            let path = folder.path().join(format!("{dtype:?}"));
            opened.render_to(&playback, &path, |_| ()).unwrap();
            let written = Clip::open(&path).unwrap();
            let gray: Vec<u8> = written.levels().iter().copied().step_by(3).collect();
            assert_eq!(gray, rendered.levels());
        }
    }

    #[test]
    fn fields_of_other_signals_and_times_outside_the_clip_are_rejected() {
        let siren = |in_features| {
            let shape = FieldShape {
                in_features,
                out_features: 1,
                samples_per_side: None,
            };
            let config = SirenConfig {
                hidden_features: 2.into(),
                ..SirenConfig::default()
            };
            let mut rng = Stream::PARAMETERS.rng(0, 0);
            config.init(shape, &mut rng, DType::F32, &Device::Cpu)
        };
        let video = Video::new(ramp(), &VideoSignalConfig::default(), 0).unwrap();
        let error = ClipField::new(siren(2).unwrap(), video.metadata()).unwrap_err();
        assert!(error.to_string().contains("3 coordinates"), "{error}");
        let field = ClipField::new(siren(3).unwrap(), video.metadata()).unwrap();
        let size = video.clip().size();
        assert!(field.frame(5.0 / 12.0, size).is_ok());
        for seconds in [-0.1, 0.5, f64::NAN] {
            let error = field.frame(seconds, size).unwrap_err().to_string();
            assert!(error.contains("within the clip"), "{error}");
        }
        for side in [0, 1 << 20] {
            let size = Size {
                height: side,
                width: side,
            };
            let error = field.frame(0.0, size).unwrap_err().to_string();
            assert!(error.contains("1 to 100000000 pixels"), "{error}");
        }
    }
}
