//! A field as a sound, at any rate.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use siren_core::field::{Order, Siren};
use siren_core::run::SignalMetadata;
use siren_core::{Error, Result};

use crate::Audio;
use crate::draw::Tracks;
use crate::sound::MAX_RATE;
use crate::wav::WavStream;

/// Frames evaluated at once: what is held in memory of a long sound.
const CHUNK_FRAMES: usize = 1 << 16;

/// What playing a field needs to know of the sound that was fitted; the field knows its channels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioMetadata {
    /// Frames a second.
    pub rate: u32,
    /// How many.
    pub frames: usize,
    /// The amplitude that a value of 1 stands for.
    pub peak: f32,
}

impl SignalMetadata for AudioMetadata {
    const VERSION: u32 = 1;
}

/// When a field is heard: from the first frame of the fitted sound to the last one, or less than a frame before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Frames a second.
    rate: u32,
    /// How many.
    frames: usize,
    /// Frames a second of the fitted sound.
    fitted_rate: u32,
    /// Of the fitted sound: frames less one, which span the coordinates from −1 to 1.
    fitted_intervals: usize,
}

impl Timeline {
    /// The times of the fitted sound's own frames.
    fn own(rate: u32, frames: usize) -> Self {
        Self {
            rate,
            frames,
            fitted_rate: rate,
            fitted_intervals: frames - 1,
        }
    }

    /// The same time at another rate. A frame is exactly one `rate`-th of a second after the one before, so that the
    /// pitch stays the same.
    fn at_rate(self, rate: u32) -> Self {
        let last = self.fitted_intervals as u128 * u128::from(rate) / u128::from(self.fitted_rate);
        Self {
            rate,
            frames: last as usize + 1,
            ..self
        }
    }

    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Frames a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The coordinate of a frame; that of the grid's points where the rate is the fitted sound's own.
    fn coord(&self, frame: usize) -> f64 {
        if self.fitted_intervals == 0 {
            return 0.0;
        }
        let fitted = frame as f64 * f64::from(self.fitted_rate) / f64::from(self.rate);
        2.0 * (fitted / self.fitted_intervals as f64) - 1.0
    }

    fn coords(&self, start: usize, len: usize) -> Result<Tensor> {
        let coords: Vec<f64> = (start..start + len)
            .map(|frame| self.coord(frame))
            .collect();
        Ok(Tensor::from_vec(coords, (len, 1), &Device::Cpu)?.to_dtype(DType::F32)?)
    }
}

impl AudioMetadata {
    /// The fitted time at a rate, or at the sound's own.
    ///
    /// # Errors
    /// If there is no such rate.
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
    pub(crate) fn own_timeline(&self) -> Timeline {
        Timeline::own(self.sound.rate, self.sound.frames())
    }
}

/// The values of a field, frame by frame, in pieces; memory stays constant.
pub(crate) fn pieces(
    field: &Siren,
    timeline: &Timeline,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    for start in (0..timeline.frames).step_by(CHUNK_FRAMES) {
        let coords = timeline.coords(start, CHUNK_FRAMES.min(timeline.frames - start))?;
        let coords = coords.to_device(field.parameters().device())?;
        let values = field.evaluate(&coords, &Order::Value)?.value()?;
        take(&values.flatten_all()?.to_vec1::<f32>()?)?;
    }
    Ok(())
}

/// Writes a field as a WAV file of 32-bit floats, in constant memory; a value of 1 has the amplitude `peak`, that of the fitted sound.
///
/// # Errors
/// If the file is not named `.wav`, cannot hold so much, or cannot be written.
pub fn render(peak: f32, field: &Siren, timeline: &Timeline, path: &Path) -> Result<()> {
    let channels = field.out_features();
    let mut stream = WavStream::create(path, timeline.rate, channels, timeline.frames)?;
    pieces(field, timeline, |values| {
        let amplitudes: Vec<f32> = values.iter().map(|y| y * peak).collect();
        stream.push(&amplitudes)
    })?;
    stream.finish()
}

/// What a finished run leaves to listen to and to look at: the target, the fit, and the fit less the target, all in the
/// sound's own amplitude, and pictures of the three.
pub(crate) fn artifacts(audio: &Audio, field: &Siren, folder: &Path) -> Result<()> {
    audio.sound.save(&folder.join("target.wav"))?;
    let timeline = audio.own_timeline();
    let (rate, channels) = (audio.sound.rate, audio.sound.channels);
    let create =
        |name: &str| WavStream::create(&folder.join(name), rate, channels, timeline.frames);
    let (mut fit, mut error) = (create("value.wav")?, create("error.wav")?);
    let mut tracks = Tracks::default();
    let mut truth = audio.sound.values.chunks_exact(channels);
    pieces(field, &timeline, |values| {
        for (values, truth) in values.chunks_exact(channels).zip(truth.by_ref()) {
            let amplitudes: Vec<f32> = values.iter().map(|y| y * audio.peak).collect();
            let errors: Vec<f32> = amplitudes.iter().zip(truth).map(|(y, t)| y - t).collect();
            fit.push(&amplitudes)?;
            error.push(&errors)?;
            for (track, frame) in tracks.0.iter_mut().zip([truth, &amplitudes, &errors]) {
                track.push(frame.iter().sum::<f32>() / (channels as f32 * audio.peak));
            }
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
    fn the_own_rate_gives_the_coordinates_that_were_fitted() {
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
    fn any_rate_keeps_the_pitch_and_ends_within_the_fitted_time() {
        let own = Timeline::own(8000, 8001);
        for rate in [1, 7999, 8000, 11_025, 44_100, 48_000, MAX_RATE] {
            let other = own.at_rate(rate);
            // One second at so many frames a second, both ends included.
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
    fn pieces_join_without_a_seam() {
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
        pieces(&field, &timeline, |piece| {
            assert!(piece.len() <= CHUNK_FRAMES);
            values.extend_from_slice(piece);
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
    fn a_single_frame_stays_one_at_any_rate() {
        let other = Timeline::own(1000, 1).at_rate(48_000);
        assert_eq!(other.frames(), 1);
        assert!(other.coord(0).abs() < f64::EPSILON);
    }
}
