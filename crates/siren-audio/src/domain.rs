//! Sounds as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::checksum;
use siren_run::portable::{Axis, Direction, Look, Portable, Values};
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::artifacts::write_artifacts;
use crate::config::{AudioObjectiveConfig, AudioSignalConfig};
use crate::render::AudioMetadata;
use crate::{Audio, Sound};

impl Recorded for Audio {
    type Metadata = AudioMetadata;

    fn checksum(&self) -> Result<u32> {
        let sound = self.sound();
        let format = [sound.rate() as f32, sound.channels() as f32];
        Ok(checksum(
            format.into_iter().chain(sound.samples().iter().copied()),
        ))
    }

    fn metadata(&self, _field: &Siren) -> Result<AudioMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Artifacts> {
        Ok(Artifacts::shown(write_artifacts(self, field, folder)?))
    }

    fn portable<'a>(metadata: &AudioMetadata, field: &'a Siren) -> Result<Portable<'a>> {
        let seconds = metadata.frames.saturating_sub(1) as f64 / f64::from(metadata.rate);
        let channels = field.out_features();
        let time = Axis {
            quantity: [0.0, seconds],
            unit: "s",
            ..Axis::of_samples("time", Direction::Right, 1.0, metadata.frames)
        };
        let name = |channel: usize| format!("channel {}", channel + 1);
        let look = Look {
            values: Values::Amplitude,
            axes: vec![time],
            tone: vec![[f64::from(metadata.peak), 0.0]; channels],
            channels: (0..channels).map(name).collect(),
            weights: Vec::new(),
            notes: Vec::new(),
        };
        Ok(Portable { field, look })
    }
}

impl Domain for Audio {
    const KIND: &'static str = "audio";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = AudioSignalConfig;
    type Objective = AudioObjectiveConfig;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        let sound = Sound::from_config(&config.signal)?;
        Self::new(sound, &config.signal, config.seed)
    }
}
