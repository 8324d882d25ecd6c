//! A sound as a fitting problem: coordinates, targets and constraints.

use candle_core::{DType, Device};
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren, SirenConfig};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, ValueMse};
use siren_core::signal::{CoordinateRule, Grid, Points, Raster, Sampling, Spectrum};
use siren_core::train::{FitConfig, ScheduleKind, Task, TrainConfig};
use siren_core::{Error, Result};

use crate::config::AudioSignalConfig;
use crate::evaluate;
use crate::field::SoundField;
use crate::render::{AudioMetadata, Timeline};
use crate::sound::Sound;

/// ω₀ of the first layer per second of sound, in [`Audio::recipe`]: 3000 for two seconds of music.
const OMEGA_PER_SECOND: f64 = 1500.0;

/// A sound as a fitting problem. The coordinate is time in [−1, 1], from the first frame to the last one; targets are amplitudes divided by
/// the largest absolute amplitude.
pub struct Audio {
    /// The sound in the amplitude of its file.
    sound: Sound,
    /// Largest absolute amplitude of the sound, by which targets are divided.
    peak: f32,
    sampling: Sampling,
    seed: u64,
}

impl Task for Audio {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 1,
            out_features: self.sound.channels(),
            samples_per_side: Some(self.sound.frames()),
        }
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        Ok(Spectrum::of(&self.raster()?))
    }

    fn grid(&self) -> Option<Grid> {
        Grid::new(&[self.sound.frames()], CoordinateRule::Stretch).ok()
    }

    fn points_per_step(&self) -> Option<usize> {
        self.sampling.points_per_step(self.sound.frames())
    }

    fn points(&self, dtype: DType, device: &Device) -> Result<Option<Box<dyn Points>>> {
        Ok(Some(Box::new(self.raster()?.sample(dtype, device)?)))
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let sample = self.raster()?.sample(dtype, device)?;
        let sampler = self.sampling.sampler(sample, self.seed);
        let samples = Constraint::boxed("samples", sampler, Box::new(ValueMse));
        Ok(vec![samples])
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Audio {
    /// Makes a fitting problem of a sound in memory. `signal` says which samples each step uses; the keys that name a file or a part of it are
    /// not used. `seed` is that of the samples of each step.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value of `signal` is out of range, or every sample is 0; [`Error::NotFinite`] if a sample is not finite.
    pub fn new(sound: Sound, signal: &AudioSignalConfig, seed: u64) -> Result<Self> {
        signal.validate()?;
        if let Some(index) = sound.samples().iter().position(|y| !y.is_finite()) {
            return Err(Error::NotFinite {
                column: "samples".to_owned(),
                point: index / sound.channels(),
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
        })
    }

    /// Returns settings that fit a few seconds of music or speech well: 800 steps of Adam with a learning rate of 3e-4 and cosine decay, and a
    /// first layer with ω₀ of 1500 for each second, so that its frequencies reach 477 Hz whatever the duration; later layers make higher ones.
    #[must_use]
    pub fn recipe(&self) -> FitConfig {
        FitConfig {
            seed: self.seed,
            field: SirenConfig {
                first_omega_0: (OMEGA_PER_SECOND * self.sound.seconds()).into(),
                ..SirenConfig::default()
            },
            train: TrainConfig {
                steps: 800,
                learning_rate: 3e-4,
                schedule: ScheduleKind::Cosine,
                ..TrainConfig::default()
            },
            ..FitConfig::default()
        }
    }

    /// Returns the sound.
    #[must_use]
    pub fn sound(&self) -> &Sound {
        &self.sound
    }

    /// Returns the facts of the sound from which a field is rendered.
    #[must_use]
    pub fn metadata(&self) -> AudioMetadata {
        AudioMetadata {
            rate: self.sound.rate(),
            frames: self.sound.frames(),
            peak: self.peak,
        }
    }

    /// Joins a fitted field and the facts of the sound.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has other than one coordinate.
    pub fn field(&self, fitted: Siren) -> Result<SoundField> {
        SoundField::new(fitted, self.metadata())
    }

    /// Returns the times of the sound's frames.
    pub(crate) fn fitted_timeline(&self) -> Result<Timeline> {
        Timeline::new(&self.metadata())
    }

    /// Returns the targets on the grid of the frames.
    fn raster(&self) -> Result<Raster> {
        let grid = Grid::new(&[self.sound.frames()], CoordinateRule::Stretch)?;
        Raster::new(grid, self.sound.channels(), self.targets().collect())
    }

    /// Returns the targets: interleaved amplitudes divided by the largest one.
    pub(crate) fn targets(&self) -> impl Iterator<Item = f32> {
        let scaled = |y: &f32| (f64::from(*y) / f64::from(self.peak)) as f32;
        self.sound.samples().iter().map(scaled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_samples_that_are_not_finite_are_rejected() {
        for (samples, message) in [
            (vec![], "0 frames of silence"),
            (vec![0.0; 10], "10 frames of silence"),
            (vec![1.0, f32::NAN], "not finite"),
            (vec![f32::INFINITY, 0.0], "not finite"),
        ] {
            let sound = Sound::new(8000, 1, samples).unwrap();
            let audio = Audio::new(sound, &AudioSignalConfig::default(), 0);
            let error = audio.err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn the_recipe_of_two_seconds_has_the_omega_of_the_shipped_config() {
        let sound = crate::tune();
        let audio = Audio::new(sound, &AudioSignalConfig::default(), 7).unwrap();
        assert_eq!(audio.recipe().field.first_omega_0, 3000.0.into());
        assert_eq!(audio.recipe().seed, 7);
    }
}

#[cfg(all(test, feature = "cli"))]
mod domain_tests {
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
        Audio::open(&config)
    }

    fn message(signal: &str) -> String {
        open(signal).err().unwrap().to_string()
    }

    fn first_sample(audio: &Audio) -> Sample {
        audio.constraints(DType::F32, &Device::Cpu).unwrap()[0]
            .sampler
            .draw(0)
            .unwrap()
    }

    /// Returns the coordinates, and the targets frame by frame.
    fn coords_and_targets(sample: &Sample) -> (Vec<f32>, Vec<f32>) {
        let all = |tensor: &candle_core::Tensor| {
            let flat = tensor.flatten_all().unwrap();
            flat.to_vec1::<f32>().unwrap()
        };
        (all(sample.coords()), all(sample.targets().unwrap()))
    }

    /// Writes a stereo file of four frames at 2 Hz; returns the line of a config that names it.
    fn stereo(folder: &Path) -> String {
        let samples = vec![0.0, 0.5, 0.25, 0.25, -1.0, -2.0, 1.0, -1.0];
        let sound = Sound::new(2, 2, samples).unwrap();
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
        let (coords, targets) = coords_and_targets(&first_sample(&mixed));
        let thirds = [-1.0, -1.0 / 3.0, 1.0 / 3.0, 1.0];
        for (coord, expected) in coords.iter().zip(thirds) {
            assert!((coord - expected).abs() < 1e-6, "{coords:?}");
        }
        for (target, expected) in targets.iter().zip([0.25, 0.25, -1.5, 0.0]) {
            assert!((target - expected / 1.5).abs() < 1e-6, "{targets:?}");
        }
        let each = open(&format!("{path}\nchannels = 'each'")).unwrap();
        assert_eq!(each.shape().out_features, 2);
        let (coords, targets) = coords_and_targets(&first_sample(&each));
        assert_eq!(coords.len(), 4);
        assert_eq!(targets, [0.0, 0.25, 0.125, 0.125, -0.5, -1.0, 0.5, -0.5]);
        assert_ne!(mixed.checksum().unwrap(), each.checksum().unwrap());
    }

    #[test]
    fn a_part_is_scaled_by_its_own_largest_amplitude() {
        let folder = tempfile::tempdir().unwrap();
        let path = stereo(folder.path());
        let part = open(&format!("{path}\nstart = 0.0\nlength = 1")).unwrap();
        let (coords, targets) = coords_and_targets(&first_sample(&part));
        assert_eq!(coords, [-1.0, 1.0]);
        assert_eq!(targets, [1.0, 1.0]);
        let last = open(&format!("{path}\nstart = 1.0\nlength = 0.5")).unwrap();
        assert_eq!(
            coords_and_targets(&first_sample(&last)),
            (vec![0.0], vec![-1.0])
        );
    }

    #[test]
    fn a_subset_has_the_number_of_points_of_the_config() {
        let audio = open("sampling = { subset = { points = 100 } }").unwrap();
        assert_eq!(first_sample(&audio).len(), 100);
        let whole = open("").unwrap();
        assert_eq!(first_sample(&whole).len(), 44_100);
        assert_eq!(whole.checksum().unwrap(), audio.checksum().unwrap());
        let message = message("sampling = { subset = { points = 0 } }");
        assert!(message.contains("`signal.sampling.subset.points`"));
    }

    #[test]
    fn unusable_parts_and_silent_sounds_are_rejected_with_the_key_or_the_file() {
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
        let sound = Sound::new(8000, 1, vec![0.0; 10]).unwrap();
        sound.save(&silence).unwrap();
        let message = message(&format!("path = '{}'", silence.display()));
        assert!(message.contains("silence.wav") && message.contains("nothing is heard"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
