//! Sounds as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::checksum;
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::artifacts::write_artifacts;
use crate::config::{AudioObjectiveConfig, AudioSignalConfig};
use crate::render::AudioMetadata;
use crate::{Audio, Sound};

impl Recorded for Audio {
    type Metadata = AudioMetadata;

    fn checksum(&self) -> u32 {
        let sound = self.sound();
        let format = [sound.rate() as f32, sound.channels() as f32];
        checksum(format.into_iter().chain(sound.samples().iter().copied()))
    }

    fn metadata(&self, _field: &Siren) -> Result<AudioMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Artifacts> {
        Ok(Artifacts::shown(write_artifacts(self, field, folder)?))
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
