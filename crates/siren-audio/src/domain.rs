//! A sound as the domain of runs: what its config opens, and what its run folder keeps.

use std::path::Path;

use candle_core::{DType, Device};
use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::checksum;
use siren_run::{ConfigOf, Domain, Recorded};

use crate::config::{AudioObjective, AudioSignal};
use crate::render::AudioMetadata;
use crate::sound::Sound;
use crate::source::open_sound;
use crate::{Audio, render};

impl Recorded for Audio {
    type Metadata = AudioMetadata;

    fn checksum(&self) -> u32 {
        let Sound {
            rate,
            channels,
            ref values,
        } = self.sound;
        let numbers = [rate as f32, channels as f32].into_iter();
        checksum(numbers.chain(values.iter().copied()))
    }

    fn metadata(&self, _field: &Siren) -> Result<AudioMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<()> {
        render::artifacts(self, field, folder)
    }
}

impl Domain for Audio {
    const KIND: &'static str = "audio";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = AudioSignal;
    type Objective = AudioObjective;

    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self> {
        let sound = open_sound(&config.signal)?;
        let audio = Self::new(sound, &config.signal, config.seed)?;
        Ok(audio.on(DType::F32, device))
    }
}
