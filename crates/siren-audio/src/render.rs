//! Evaluates a field as a sound at any sample rate and writes it to WAV files.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use siren_core::field::{Order, Siren};
use siren_core::signal::SignalMetadata;
use siren_core::{Error, Result};

use crate::Audio;
use crate::draw::Tracks;
use crate::sound::MAX_RATE;
use crate::wav::WavStream;

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
    /// Returns the times of the fitted sound's frames.
    fn own(rate: u32, frames: usize) -> Self {
        Self {
            rate,
            frames,
            fitted_rate: rate,
            fitted_intervals: frames - 1,
        }
    }

    /// Returns the same duration at another rate. The interval between frames is exactly `1 / rate` seconds, so the pitch does
    /// not change.
    fn at_rate(self, rate: u32) -> Self {
        let last = self.fitted_intervals as u128 * u128::from(rate) / u128::from(self.fitted_rate);
        Self {
            rate,
            frames: last as usize + 1,
            ..self
        }
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
    fn coord(&self, frame: usize) -> f64 {
        if self.fitted_intervals == 0 {
            return 0.0;
        }
        let fitted = frame as f64 * f64::from(self.fitted_rate) / f64::from(self.rate);
        2.0 * (fitted / self.fitted_intervals as f64) - 1.0
    }

    /// Returns the coordinates `(len, 1)` of `len` frames from `start`, computed in f64 and rounded to f32.
    fn coords(&self, start: usize, len: usize) -> Result<Tensor> {
        let coords: Vec<f64> = (start..start + len)
            .map(|frame| self.coord(frame))
            .collect();
        Ok(Tensor::from_vec(coords, (len, 1), &Device::Cpu)?.to_dtype(DType::F32)?)
    }
}

impl AudioMetadata {
    /// Returns the times of frames at `rate` Hz, or at the fitted sound's rate if `rate` is `None`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for `--rate` if the rate is outside 1 to [`MAX_RATE`].
    pub fn timeline(&self, rate: Option<u32>) -> Result<Timeline> {
        let own = Timeline::own(self.rate, self.frames);
        match rate {
            None => Ok(own),
            Some(rate) if (1..=MAX_RATE).contains(&rate) => Ok(own.at_rate(rate)),
            Some(rate) => Err(Error::invalid(
                "--rate",
                rate,
                &format!("1 to {MAX_RATE} Hz"),
            )),
        }
    }
}

impl Audio {
    /// Returns the times of the fitted sound's frames.
    pub(crate) fn own_timeline(&self) -> Timeline {
        Timeline::own(self.sound.rate, self.sound.frames())
    }
}

/// Evaluates a field chunk by chunk, in constant memory.
///
/// `consume` receives each chunk's interleaved values `(chunk frames × channels,)` in order of time.
pub(crate) fn pieces(
    field: &Siren,
    timeline: &Timeline,
    mut consume: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    for start in (0..timeline.frames).step_by(CHUNK_FRAMES) {
        let coords = timeline.coords(start, CHUNK_FRAMES.min(timeline.frames - start))?;
        let coords = coords.to_device(field.parameters().device())?;
        let values = field.evaluate(&coords, &Order::Value)?.value()?;
        consume(&values.flatten_all()?.to_vec1::<f32>()?)?;
    }
    Ok(())
}

/// Writes a field as a WAV file of 32-bit floats, in constant memory. Field values are multiplied by `peak`, the largest
/// amplitude of the fitted sound.
///
/// # Errors
/// [`Error::Signal`] if the file is not named `.wav` or the samples exceed the limits of a WAV file; [`Error::Io`] if it
/// cannot be written.
pub fn render(peak: f32, field: &Siren, timeline: &Timeline, path: &Path) -> Result<()> {
    let channels = field.out_features();
    let mut stream = WavStream::create(path, timeline.rate, channels, timeline.frames)?;
    pieces(field, timeline, |values| {
        let amplitudes: Vec<f32> = values.iter().map(|y| y * peak).collect();
        stream.push(&amplitudes)
    })?;
    stream.finish()
}

/// Writes the artifacts of a finished run: `target.wav`, `value.wav` (the fit) and `error.wav` (fit minus target), all in the
/// amplitude of the input, and pictures of their waveforms and spectrograms.
///
/// # Errors
/// If the field cannot be evaluated or a file cannot be written.
pub(crate) fn artifacts(audio: &Audio, field: &Siren, folder: &Path) -> Result<()> {
    audio.sound.save(&folder.join("target.wav"))?;
    let timeline = audio.own_timeline();
    let (rate, channels) = (audio.sound.rate, audio.sound.channels);
    let create =
        |name: &str| WavStream::create(&folder.join(name), rate, channels, timeline.frames);
    let (mut fit, mut error) = (create("value.wav")?, create("error.wav")?);
    let mut tracks = Tracks::default();
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / (channels as f32 * audio.peak);
    let mut targets = audio.sound.values.chunks_exact(channels);
    pieces(field, &timeline, |values| {
        for (values, target) in values.chunks_exact(channels).zip(targets.by_ref()) {
            let amplitudes: Vec<f32> = values.iter().map(|y| y * audio.peak).collect();
            let errors: Vec<f32> = amplitudes.iter().zip(target).map(|(y, t)| y - t).collect();
            fit.push(&amplitudes)?;
            error.push(&errors)?;
            tracks.target.push(mean(target));
            tracks.fit.push(mean(&amplitudes));
            tracks.error.push(mean(&errors));
        }
        Ok(())
    })?;
    fit.finish()?;
    error.finish()?;
    tracks.save_waveforms(&folder.join("waveforms.png"))?;
    tracks.save_spectrograms(rate, &folder.join("spectrograms.png"))
}

#[cfg(test)]
mod tests {
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::signal::{CoordinateRule, Grid};

    use super::*;

    #[test]
    fn coordinates_at_the_fitted_rate_equal_those_of_the_fitted_grid() {
        for frames in [1, 2, 1000, 44_101] {
            let grid = Grid::new(&[frames], CoordinateRule::Stretch).unwrap();
            let own = Timeline::own(44_100, frames);
            assert_eq!(own.at_rate(44_100), own);
            let coords = own.coords(0, frames).unwrap();
            let fitted = grid.coords(0, frames, DType::F32).unwrap();
            assert_eq!(
                coords.to_vec2::<f32>().unwrap(),
                fitted.to_vec2::<f32>().unwrap()
            );
        }
    }

    #[test]
    fn frames_at_any_rate_are_one_period_apart_and_end_within_the_fitted_duration() {
        let own = Timeline::own(8000, 8001);
        for rate in [1, 7999, 8000, 11_025, 44_100, 48_000, MAX_RATE] {
            let other = own.at_rate(rate);
            // The duration is one second, and both ends are included.
            assert_eq!(other.frames(), rate as usize + 1);
            let step = other.coord(1) - other.coord(0);
            assert!((step - 2.0 / f64::from(rate)).abs() < 1e-12, "{rate}");
            assert!((other.coord(rate as usize) - 1.0).abs() < 1e-12);
        }
        let odd = Timeline::own(1000, 500).at_rate(333);
        assert_eq!(odd.frames(), 167);
        let last = odd.coord(166);
        assert!(last <= 1.0 && last > 1.0 - 2.0 * 1000.0 / 333.0 / 499.0);
    }

    #[test]
    fn chunks_cover_every_frame_in_order_without_gaps() {
        let config = SirenConfig {
            hidden_features: 1,
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
        let field = config.load(shape, find, DType::F32, &Device::Cpu).unwrap();
        let timeline = Timeline::own(1000, 1001).at_rate(2 * CHUNK_FRAMES as u32 + 9);
        let mut values = Vec::new();
        pieces(&field, &timeline, |chunk| {
            assert!(chunk.len() <= CHUNK_FRAMES);
            values.extend_from_slice(chunk);
            Ok(())
        })
        .unwrap();
        assert_eq!(values.len(), 2 * CHUNK_FRAMES + 10);
        for (frame, &value) in values.iter().enumerate() {
            let expected = (40.0 * timeline.coord(frame)).sin();
            assert!((f64::from(value) - expected).abs() < 1e-5, "{frame}");
        }
    }

    #[test]
    fn a_sound_of_one_frame_has_one_frame_at_any_rate() {
        let other = Timeline::own(1000, 1).at_rate(48_000);
        assert_eq!(other.frames(), 1);
        assert!(other.coord(0).abs() < f64::EPSILON);
    }
}
