//! A clip as the domain of runs: what its config opens, and what its run folder keeps.

use std::path::Path;

use candle_core::{DType, Device};
use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::checksum;
use siren_run::{ConfigOf, Domain, Recorded};

use crate::clip::Clip;
use crate::config::{VideoObjective, VideoSignal};
use crate::render::VideoMetadata;
use crate::{Video, render};

impl Recorded for Video {
    type Metadata = VideoMetadata;

    fn checksum(&self) -> u32 {
        let clip = &self.clip;
        let sides = [clip.frames, clip.height, clip.width].map(|side| side as f32);
        let numbers = sides.into_iter().chain([clip.rate as f32]);
        checksum(numbers.chain(clip.values.iter().map(|&byte| f32::from(byte))))
    }

    fn metadata(&self, _field: &Siren) -> Result<VideoMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<()> {
        render::artifacts(self, field, folder)
    }

    fn notes(&self) -> &[String] {
        &self.clip.notes
    }
}

impl Domain for Video {
    const KIND: &'static str = "video";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = VideoSignal;
    type Objective = VideoObjective;

    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self> {
        let video = Self::new(Clip::open(&config.signal)?, &config.signal, config.seed)?;
        Ok(video.on(DType::F32, device))
    }
}
