//! Clips as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::checksum;
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::artifacts::write_artifacts;
use crate::config::{VideoObjectiveConfig, VideoSignalConfig};
use crate::render::VideoMetadata;
use crate::{Clip, Video};

impl Recorded for Video {
    type Metadata = VideoMetadata;

    fn checksum(&self) -> u32 {
        let clip = self.clip();
        let sides = [clip.frames(), clip.height(), clip.width()].map(|side| side as f32);
        let format = sides.into_iter().chain([clip.rate() as f32]);
        checksum(format.chain(clip.levels().iter().map(|&level| f32::from(level))))
    }

    fn metadata(&self, _field: &Siren) -> Result<VideoMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Artifacts> {
        Ok(Artifacts::shown(write_artifacts(self, field, folder)?))
    }

    fn notes(&self) -> &[String] {
        self.clip().notes()
    }
}

impl Domain for Video {
    const KIND: &'static str = "video";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = VideoSignalConfig;
    type Objective = VideoObjectiveConfig;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        let clip = Clip::from_config(&config.signal)?;
        Self::new(clip, &config.signal, config.seed)
    }
}
