//! A fitted sound.

use std::path::Path;

use siren_core::field::Siren;
use siren_core::{Error, Result};

use crate::render::{AudioMetadata, Timeline};
use crate::sound::{MAX_SAMPLES, Sound};
use crate::wav::WavFileWriter;

/// A fitted sound: a field of one coordinate, time, with the facts of the sound from which it is rendered.
///
/// The coordinate is in [−1, 1], from the first frame of the fitted sound to its last one; [`coord_from_seconds`](Self::coord_from_seconds)
/// converts. Values are amplitudes divided by [`AudioMetadata::peak`].
#[derive(Debug)]
pub struct SoundField {
    siren: Siren,
    metadata: AudioMetadata,
    timeline: Timeline,
}

impl SoundField {
    /// Puts a fitted field and the metadata of its sound, [`Audio::metadata`](crate::Audio::metadata), together.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has other than one coordinate; [`Error::InvalidValue`] if the metadata is that of no sound.
    pub fn new(siren: Siren, metadata: AudioMetadata) -> Result<Self> {
        if siren.in_features() != 1 {
            return Err(Error::Shape {
                what: "coordinates of the field of a sound",
                expected: "1, time".to_owned(),
                got: siren.in_features().to_string(),
            });
        }
        Ok(Self {
            timeline: Timeline::new(&metadata)?,
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

    /// Returns the facts of the fitted sound.
    #[must_use]
    pub fn metadata(&self) -> AudioMetadata {
        self.metadata
    }

    /// Returns the times of the fitted sound's frames.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// Returns the coordinate of a time in seconds after the first frame.
    #[must_use]
    pub fn coord_from_seconds(&self, seconds: f64) -> f64 {
        self.timeline.coord_from_seconds(seconds)
    }

    /// Returns the values `(n × channels,)`, row-major, at coordinates `(n,)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn values(&self, coords: &[f64]) -> Result<Vec<f64>> {
        self.siren.values(coords)
    }

    /// Returns the derivatives of the values with respect to the coordinate, `(n × channels,)`, row-major, at coordinates `(n,)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn gradients(&self, coords: &[f64]) -> Result<Vec<f64>> {
        self.siren.gradients(coords)
    }

    /// Renders the sound in memory at `rate` Hz. The duration and the pitch do not change.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the rate is outside 1 to [`MAX_RATE`](crate::sound::MAX_RATE), or the sound has more than
    /// [`MAX_SAMPLES`] samples at it: [`render_to`](Self::render_to) then writes it to a file.
    pub fn render(&self, rate: u32) -> Result<Sound> {
        let timeline = self.timeline.at_rate(rate)?;
        let channels = self.siren.out_features();
        let count = timeline.frames().saturating_mul(channels);
        if count > MAX_SAMPLES {
            let expected =
                format!("a rate at which the sound has at most {MAX_SAMPLES} samples in all");
            return Err(Error::invalid("rate", rate, &expected));
        }
        let mut samples = Vec::with_capacity(count);
        timeline.for_each_chunk(&self.siren, |values| {
            samples.extend(values.iter().map(|&y| amplitude(y, self.metadata.peak)));
            Ok(())
        })?;
        Sound::new(rate, channels, samples)
    }

    /// Writes the sound at `rate` Hz as a WAV file of 32-bit floats, in constant memory.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the rate is outside 1 to [`MAX_RATE`](crate::sound::MAX_RATE); [`Error::Signal`] if the file is not named
    /// `.wav` or the samples exceed the limits of a WAV file; [`Error::Io`] if it cannot be written.
    pub fn render_to(&self, rate: u32, path: impl AsRef<Path>) -> Result<()> {
        let timeline = self.timeline.at_rate(rate)?;
        let channels = self.siren.out_features();
        let mut writer = WavFileWriter::create(path.as_ref(), rate, channels, timeline.frames())?;
        timeline.for_each_chunk(&self.siren, |values| {
            let samples = values.iter().map(|&y| amplitude(y, self.metadata.peak));
            writer.push(&samples.collect::<Vec<f32>>())
        })?;
        writer.finish()
    }
}

/// Returns the amplitude of a field value. For a value in single precision it equals the product in single precision, because the product
/// of two such numbers is exact in f64.
pub(crate) fn amplitude(value: f64, peak: f32) -> f32 {
    (value * f64::from(peak)) as f32
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::signal::Stream;
    use siren_core::train::Fit;

    use super::*;
    use crate::{Audio, AudioSignalConfig};

    /// Returns a tone of two channels with a largest amplitude of 0.5.
    fn tone() -> Sound {
        let wave = |frame: u16| 0.5 * (0.2 * f32::from(frame)).sin();
        let samples = (0..200).flat_map(|frame| [wave(frame), -wave(frame)]);
        Sound::new(1000, 2, samples.collect()).unwrap()
    }

    fn fitted(dtype: DType) -> (Audio, SoundField) {
        let audio = Audio::new(tone(), &AudioSignalConfig::default(), 0).unwrap();
        let mut config = audio.recipe();
        config.train.steps = 150;
        config.train.learning_rate = 2e-3;
        config.field.hidden_features = 16.into();
        config.field.hidden_layers = 1;
        let mut fit = Fit::on(&audio, &config, dtype, &Device::Cpu).unwrap();
        fit.run().unwrap();
        let psnr_db = fit.evaluate().unwrap()[0].value;
        assert!(psnr_db > 25.0, "{dtype:?}: {psnr_db} dB");
        let field = audio.field(fit.into_model()).unwrap();
        (audio, field)
    }

    #[test]
    fn a_sound_is_fitted_evaluated_rendered_and_saved_in_either_precision() {
        let folder = tempfile::tempdir().unwrap();
        for dtype in [DType::F32, DType::F64] {
            let (audio, field) = fitted(dtype);
            assert_eq!(field.siren().parameters().dtype(), dtype);
            let own = field.render(1000).unwrap();
            assert_eq!((own.channels(), own.frames()), (2, 200));
            let errors = own.samples().iter().zip(audio.sound().samples());
            let square = errors.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / 400.0;
            assert!(square.sqrt() < 0.5 * 0.06, "{dtype:?}: {square}");

            // The samples of the sound are the values times the peak.
            let coord = field.coord_from_seconds(0.05);
            let values = field.values(&[coord]).unwrap();
            for (sample, value) in own.samples()[2 * 50..].iter().zip(&values) {
                let expected = f64::from(field.metadata().peak) * value;
                assert!((f64::from(*sample) - expected).abs() < 1e-6, "{dtype:?}");
            }
            // The derivatives agree with central differences.
            let step = 1e-4;
            let around = field.values(&[coord - step, coord + step]).unwrap();
            let gradients = field.gradients(&[coord]).unwrap();
            for channel in 0..2 {
                let difference = (around[2 + channel] - around[channel]) / (2.0 * step);
                let error = (gradients[channel] - difference).abs();
                assert!(
                    error < 2e-2 * difference.abs().max(1.0),
                    "{dtype:?}: {error}"
                );
            }

            let path = folder.path().join("a.safetensors");
            field.save(&path).unwrap();
            let opened = SoundField::open(&path).unwrap();
            assert_eq!(opened.metadata(), audio.metadata());
            assert_eq!(opened.siren().parameters().dtype(), dtype);
            assert_eq!(opened.values(&[coord]).unwrap(), values);
            let rendered = opened.render(1700).unwrap();
            assert_eq!(rendered.frames(), 339);
            let path = folder.path().join("a.wav");
            opened.render_to(1700, &path).unwrap();
            assert_eq!(Sound::open(&path).unwrap(), rendered);
        }
    }

    #[test]
    fn the_amplitude_of_a_single_precision_value_is_the_product_in_single_precision() {
        let values = (0..1000_u16).map(|k| (f32::from(k) * 0.731).sin());
        for value in values.chain([f32::MIN_POSITIVE, 1e-30, f32::MAX]) {
            for peak in [0.8, 1.0 / 3.0, 1e-12] {
                assert_eq!(
                    amplitude(f64::from(value), peak).to_bits(),
                    (value * peak).to_bits()
                );
            }
        }
    }

    #[test]
    fn fields_of_other_signals_and_rates_that_exceed_memory_are_rejected() {
        let metadata = AudioMetadata {
            rate: 1,
            frames: 1000,
            peak: 1.0,
        };
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
            config
                .init(shape, &mut rng, DType::F32, &Device::Cpu)
                .unwrap()
        };
        let error = SoundField::new(siren(2), metadata).unwrap_err();
        assert!(
            error.to_string().contains("expected 1, time, got 2"),
            "{error}"
        );
        let field = SoundField::new(siren(1), metadata).unwrap();
        let error = field.render(1_000_000).unwrap_err();
        assert!(
            error.to_string().contains("at most 134217728 samples"),
            "{error}"
        );
        assert!(field.render(0).is_err());
    }
}
