//! From a config to samples: the sound, its place on the axis of time, and its scale.

use candle_core::{DType, Device};
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, ValueMse};
use siren_core::signal::{CoordinateRule, Grid, Raster, Sampling, Spectrum};
use siren_core::train::Task;
use siren_core::{Error, Result};

use crate::config::AudioSignal;
use crate::evaluate;
use crate::render::AudioMetadata;
use crate::sound::Sound;

/// A sound to be fitted.
pub struct Audio {
    /// In its own amplitude.
    pub(crate) sound: Sound,
    /// Its largest absolute amplitude, by which targets are divided.
    pub(crate) peak: f32,
    sampling: Sampling,
    seed: u64,
    dtype: DType,
    device: Device,
}

impl Task for Audio {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 1,
            out_features: self.sound.channels,
            samples_per_side: Some(self.sound.frames()),
        }
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        Ok(Spectrum::of(&self.raster()?))
    }

    fn constraints(&self) -> Result<Vec<Constraint>> {
        let sample = self.raster()?.sample(self.dtype, &self.device)?;
        let sampler = self.sampling.sampler(sample, self.seed);
        let samples = Constraint::boxed("samples", sampler, Box::new(ValueMse));
        Ok(vec![samples])
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Audio {
    /// Makes a signal of a sound in memory. `signal` says which samples each step uses; the keys that name a file or a part of it are not used.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value is out of range; [`Error::Shape`] if the number of samples is no multiple of the number of
    /// channels; [`Error::NotFinite`] if a sample is not finite.
    pub fn new(sound: Sound, signal: &AudioSignal, seed: u64) -> Result<Self> {
        signal.validate()?;
        let sound = Sound::new(sound.rate, sound.channels, sound.values)?;
        if let Some(index) = sound.values.iter().position(|y| !y.is_finite()) {
            return Err(Error::NotFinite {
                column: "samples".to_owned(),
                point: index / sound.channels,
            });
        }
        let peak = sound.peak();
        if peak <= 0.0 {
            let given = format!("{} frames of silence", sound.frames());
            return Err(Error::invalid(
                "samples",
                given,
                "at least one sample that is not 0",
            ));
        }
        Ok(Self {
            peak,
            sound,
            sampling: signal.sampling.clone(),
            seed,
            dtype: DType::F32,
            device: Device::Cpu,
        })
    }

    /// Returns the same signal with samples of another type or on another device.
    #[must_use]
    pub fn on(self, dtype: DType, device: &Device) -> Self {
        Self {
            dtype,
            device: device.clone(),
            ..self
        }
    }

    /// Returns the facts of the sound from which a field is rendered.
    #[must_use]
    pub fn metadata(&self) -> AudioMetadata {
        AudioMetadata {
            rate: self.sound.rate,
            frames: self.sound.frames(),
            peak: self.peak,
        }
    }

    fn raster(&self) -> Result<Raster> {
        let grid = Grid::new(&[self.sound.frames()], CoordinateRule::Stretch)?;
        Raster::new(grid, self.sound.channels, self.targets().collect())
    }

    /// Amplitudes divided by the largest one: what the field should be.
    pub(crate) fn targets(&self) -> impl Iterator<Item = f32> {
        let scaled = |y: &f32| (f64::from(*y) / f64::from(self.peak)) as f32;
        self.sound.values.iter().map(scaled)
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use std::fs;
    use std::path::Path;

    use siren_core::config::Source;
    use siren_core::signal::Sample;
    use siren_run::{ConfigOf, Domain, Recorded};

    use super::*;

    fn open(signal: &str) -> Result<Audio> {
        let source = Source {
            origin: "sound.toml".to_owned(),
            text: format!("kind = 'audio'\nseed = 3\n[signal]\n{signal}\n"),
        };
        let config = ConfigOf::<Audio>::parse(&source, "audio", &[])?;
        Audio::open(&config, &Device::Cpu)
    }

    fn message(signal: &str) -> String {
        open(signal).err().unwrap().to_string()
    }

    fn first_sample(audio: &Audio) -> Sample {
        audio.constraints().unwrap()[0].sampler.draw(0).unwrap()
    }

    /// Coordinates, and targets frame by frame.
    fn numbers(sample: &Sample) -> (Vec<f32>, Vec<f32>) {
        let all = |tensor: &candle_core::Tensor| {
            let flat = tensor.flatten_all().unwrap();
            flat.to_vec1::<f32>().unwrap()
        };
        (all(sample.coords()), all(sample.targets().unwrap()))
    }

    /// A stereo file of four frames at 2 Hz.
    fn stereo(folder: &Path) -> String {
        let sound = Sound {
            rate: 2,
            channels: 2,
            values: vec![0.0, 0.5, 0.25, 0.25, -1.0, -2.0, 1.0, -1.0],
        };
        let path = folder.join("stereo.wav");
        sound.save(&path).unwrap();
        format!("path = '{}'", path.display())
    }

    #[test]
    fn time_spans_minus_one_to_one_and_the_largest_amplitude_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = stereo(folder.path());
        let mixed = open(&path).unwrap();
        assert_eq!(mixed.shape().out_features, 1);
        let (coords, targets) = numbers(&first_sample(&mixed));
        let thirds = [-1.0, -1.0 / 3.0, 1.0 / 3.0, 1.0];
        for (coord, expected) in coords.iter().zip(thirds) {
            assert!((coord - expected).abs() < 1e-6, "{coords:?}");
        }
        for (target, expected) in targets.iter().zip([0.25, 0.25, -1.5, 0.0]) {
            assert!((target - expected / 1.5).abs() < 1e-6, "{targets:?}");
        }
        let each = open(&format!("{path}\nchannels = 'each'")).unwrap();
        assert_eq!(each.shape().out_features, 2);
        let (coords, targets) = numbers(&first_sample(&each));
        assert_eq!(coords.len(), 4);
        assert_eq!(targets, [0.0, 0.25, 0.125, 0.125, -0.5, -1.0, 0.5, -0.5]);
        assert_ne!(mixed.checksum(), each.checksum());
    }

    #[test]
    fn a_part_is_scaled_by_its_own_largest_amplitude() {
        let folder = tempfile::tempdir().unwrap();
        let path = stereo(folder.path());
        let part = open(&format!("{path}\nstart = 0.0\nlength = 1")).unwrap();
        let (coords, targets) = numbers(&first_sample(&part));
        assert_eq!(coords, [-1.0, 1.0]);
        assert_eq!(targets, [1.0, 1.0]);
        let last = open(&format!("{path}\nstart = 1.0\nlength = 0.5")).unwrap();
        assert_eq!(numbers(&first_sample(&last)), (vec![0.0], vec![-1.0]));
    }

    #[test]
    fn a_subset_has_as_many_points_as_it_says() {
        let audio = open("sampling = { subset = { points = 100 } }").unwrap();
        assert_eq!(first_sample(&audio).len(), 100);
        let whole = open("").unwrap();
        assert_eq!(first_sample(&whole).len(), 44_100);
        assert_eq!(whole.checksum(), audio.checksum());
        let message = message("sampling = { subset = { points = 0 } }");
        assert!(message.contains("`signal.sampling.subset.points`"));
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_by_its_key_or_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = stereo(folder.path());
        for (signal, words) in [
            ("start = 2.0", ["`signal.start` is 2", "2 seconds"]),
            ("start = 1.5\nlength = 1.0", ["`signal.length` is 1", "0.5"]),
            ("length = 4e-5\n", ["`signal.start` is 0", "not silent"]),
            ("path = '/absent.wav'", ["/absent.wav", "cannot open"]),
            ("channels = 'left'", ["channels", "mix"]),
        ] {
            let message = message(signal);
            for word in words {
                assert!(message.contains(word), "expected `{word}` in {message}");
            }
        }
        let canceling = message(&format!("{path}\nstart = 1.5"));
        assert!(canceling.contains("stereo.wav") && canceling.contains("\"each\""));
        assert!(open(&format!("{path}\nstart = 1.5\nchannels = 'each'")).is_ok());
        let silence = folder.path().join("silence.wav");
        let sound = Sound {
            rate: 8000,
            channels: 1,
            values: vec![0.0; 10],
        };
        sound.save(&silence).unwrap();
        let message = message(&format!("path = '{}'", silence.display()));
        assert!(message.contains("silence.wav") && message.contains("nothing is heard"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
