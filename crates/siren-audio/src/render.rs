//! Evaluation of a field at the times of a sound, at any sample rate.

use serde::{Deserialize, Serialize};
use siren_core::field::Siren;
use siren_core::signal::SignalMetadata;
use siren_core::{Error, Result};

use crate::sound::MAX_RATE;

/// Number of frames evaluated at once. This bounds the memory that a long sound takes.
const CHUNK_FRAMES: usize = 1 << 16;

/// Properties of the fitted sound that rendering needs. The number of channels is that of the field's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioMetadata {
    /// Sample rate in Hz.
    pub rate: u32,
    /// Number of frames.
    pub frames: usize,
    /// Amplitude of a field value of 1: the largest absolute amplitude of the fitted sound.
    pub peak: f32,
}

impl SignalMetadata for AudioMetadata {
    const VERSION: u32 = 1;
}

/// Times at which a field is evaluated: at equal intervals from the first frame of the fitted sound to its last one, or to
/// less than an interval before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Sample rate in Hz.
    rate: u32,
    /// Number of frames.
    frames: usize,
    /// Sample rate of the fitted sound in Hz.
    fitted_rate: u32,
    /// Number of frames of the fitted sound minus one. These intervals span the coordinates from −1 to 1.
    fitted_intervals: usize,
}

impl Timeline {
    /// Returns the times of the frames of a fitted sound.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the sound has no frames, or its rate is outside 1 to [`MAX_RATE`].
    pub fn new(sound: &AudioMetadata) -> Result<Self> {
        check_rate(sound.rate)?;
        let Some(intervals) = sound.frames.checked_sub(1) else {
            return Err(Error::invalid("frames", 0, "at least one frame"));
        };
        Ok(Self {
            rate: sound.rate,
            frames: sound.frames,
            fitted_rate: sound.rate,
            fitted_intervals: intervals,
        })
    }

    /// Returns the same duration at another rate. The interval between frames is exactly `1 / rate` seconds, so the pitch does
    /// not change.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the rate is outside 1 to [`MAX_RATE`].
    pub fn at_rate(self, rate: u32) -> Result<Self> {
        check_rate(rate)?;
        let last = self.fitted_intervals as u128 * u128::from(rate) / u128::from(self.fitted_rate);
        Ok(Self {
            rate,
            frames: last as usize + 1,
            ..self
        })
    }

    /// Returns the number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Returns the sample rate in Hz.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Returns the coordinate of a frame in [−1, 1]. At the fitted rate, coordinates equal those of the grid that was fitted.
    #[must_use]
    pub fn coord(&self, frame: usize) -> f64 {
        self.coord_of_fitted_frame(
            frame as f64 * f64::from(self.fitted_rate) / f64::from(self.rate),
        )
    }

    /// Returns the coordinate of a time in seconds after the first frame. Times beyond the sound have coordinates beyond 1.
    #[must_use]
    pub fn coord_from_seconds(&self, seconds: f64) -> f64 {
        self.coord_of_fitted_frame(seconds * f64::from(self.fitted_rate))
    }

    /// Returns the coordinate of a position in frames of the fitted sound.
    fn coord_of_fitted_frame(&self, fitted: f64) -> f64 {
        if self.fitted_intervals == 0 {
            return 0.0;
        }
        2.0 * (fitted / self.fitted_intervals as f64) - 1.0
    }

    /// Evaluates a field chunk by chunk, in constant memory and in the field's precision.
    ///
    /// `consume` receives each chunk's interleaved values `(chunk frames × channels,)` in order of time.
    ///
    /// # Errors
    /// If the field has other than one coordinate, and those of `consume`.
    pub fn for_each_chunk(
        &self,
        field: &Siren,
        mut consume: impl FnMut(&[f64]) -> Result<()>,
    ) -> Result<()> {
        for start in (0..self.frames).step_by(CHUNK_FRAMES) {
            let end = (start + CHUNK_FRAMES).min(self.frames);
            let coords: Vec<f64> = (start..end).map(|frame| self.coord(frame)).collect();
            consume(&field.values(&coords)?)?;
        }
        Ok(())
    }
}

/// Checks a sample rate in Hz.
fn check_rate(rate: u32) -> Result<()> {
    if (1..=MAX_RATE).contains(&rate) {
        return Ok(());
    }
    Err(Error::invalid("rate", rate, &format!("1 to {MAX_RATE} Hz")))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::signal::{CoordinateRule, Grid};

    use super::*;

    /// Returns the times of the frames of a sound at its own rate.
    fn own(rate: u32, frames: usize) -> Timeline {
        let peak = 1.0;
        Timeline::new(&AudioMetadata { rate, frames, peak }).unwrap()
    }

    #[test]
    fn rates_out_of_range_and_sounds_without_frames_are_rejected() {
        for rate in [0, MAX_RATE + 1] {
            let message = own(8000, 10).at_rate(rate).unwrap_err().to_string();
            assert!(message.contains("expected 1 to 10000000 Hz"), "{message}");
        }
        let empty = AudioMetadata {
            rate: 8000,
            frames: 0,
            peak: 1.0,
        };
        assert!(Timeline::new(&empty).is_err());
    }

    #[test]
    fn coordinates_at_the_fitted_rate_equal_those_of_the_fitted_grid() {
        for frames in [1, 2, 1000, 44_101] {
            let grid = Grid::new(&[frames], CoordinateRule::Stretch).unwrap();
            let fitted = own(44_100, frames);
            assert_eq!(fitted.at_rate(44_100).unwrap(), fitted);
            let coords: Vec<f64> = (0..frames).map(|frame| fitted.coord(frame)).collect();
            let expected = grid.coords(0, frames, DType::F64).unwrap();
            assert_eq!(
                coords,
                expected.flatten_all().unwrap().to_vec1::<f64>().unwrap()
            );
        }
    }

    #[test]
    fn frames_at_any_rate_are_one_period_apart_and_end_within_the_fitted_duration() {
        let fitted = own(8000, 8001);
        for rate in [1, 7999, 8000, 11_025, 44_100, 48_000, MAX_RATE] {
            let other = fitted.at_rate(rate).unwrap();
            // The duration is one second, and both ends are included.
            assert_eq!(other.frames(), rate as usize + 1);
            let step = other.coord(1) - other.coord(0);
            assert!((step - 2.0 / f64::from(rate)).abs() < 1e-12, "{rate}");
            assert!((other.coord(rate as usize) - 1.0).abs() < 1e-12);
        }
        let odd = own(1000, 500).at_rate(333).unwrap();
        assert_eq!(odd.frames(), 167);
        let last = odd.coord(166);
        assert!(last <= 1.0 && last > 1.0 - 2.0 * 1000.0 / 333.0 / 499.0);
    }

    /// Returns the field `sin(40 t)`.
    fn wave(dtype: DType) -> Siren {
        let config = SirenConfig {
            hidden_features: 1.into(),
            hidden_layers: 0,
            first_omega_0: 40.0.into(),
            ..SirenConfig::default()
        };
        let shape = FieldShape {
            in_features: 1,
            out_features: 1,
            samples_per_side: None,
        };
        let find = |name: &str| {
            let tensor = if name.ends_with("weight") {
                Tensor::new(&[[1.0_f64]], &Device::Cpu)
            } else {
                Tensor::new(&[0.0_f64], &Device::Cpu)
            };
            Some(tensor.unwrap())
        };
        config.load(shape, find, dtype, &Device::Cpu).unwrap()
    }

    #[test]
    fn chunks_cover_every_frame_in_order_in_the_precision_of_the_field() {
        let rate = 2 * CHUNK_FRAMES as u32 + 9;
        let timeline = own(1000, 1001).at_rate(rate).unwrap();
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
            let mut values = Vec::new();
            let collect = |chunk: &[f64]| {
                assert!(chunk.len() <= CHUNK_FRAMES);
                values.extend_from_slice(chunk);
                Ok(())
            };
            timeline.for_each_chunk(&wave(dtype), collect).unwrap();
            assert_eq!(values.len(), 2 * CHUNK_FRAMES + 10);
            for (frame, value) in values.iter().enumerate() {
                let expected = (40.0 * timeline.coord(frame)).sin();
                assert!((value - expected).abs() < tolerance, "{frame}");
            }
        }
    }

    #[test]
    fn a_sound_of_one_frame_has_one_frame_at_any_rate() {
        let other = own(1000, 1).at_rate(48_000).unwrap();
        assert_eq!(other.frames(), 1);
        assert!(other.coord(0).abs() < f64::EPSILON);
    }
}
