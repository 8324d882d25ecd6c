//! Clips as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::{Grid, checksum};
use siren_run::portable::{Axis, Direction, Look, Portable, Values};
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::artifacts::write_artifacts;
use crate::config::{VideoObjectiveConfig, VideoSignalConfig};
use crate::render::VideoMetadata;
use crate::{Clip, Video};

impl Recorded for Video {
    type Metadata = VideoMetadata;

    fn checksum(&self) -> Result<u32> {
        let clip = self.clip();
        let sides = [clip.frames(), clip.height(), clip.width()].map(|side| side as f32);
        let format = sides.into_iter().chain([clip.rate() as f32]);
        Ok(checksum(format.chain(
            clip.levels().iter().map(|&level| f32::from(level)),
        )))
    }

    fn metadata(&self, _field: &Siren) -> Result<VideoMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Artifacts> {
        Ok(Artifacts::shown(write_artifacts(self, field, folder)?))
    }

    fn portable<'a>(metadata: &VideoMetadata, field: &'a Siren) -> Result<Portable<'a>> {
        let sides = [metadata.frames, metadata.height, metadata.width];
        let grid = Grid::new(&sides, metadata.coordinates)?;
        let axis = |name, direction, axis: usize| {
            Axis::of_samples(name, direction, grid.extent(axis), sides[axis])
        };
        let time = Axis {
            quantity: [0.0, (metadata.frames - 1) as f64 / metadata.rate],
            unit: "s",
            ..axis("time", Direction::Time, 0)
        };
        let channels = field.out_features();
        let look = Look {
            values: Values::Intensity,
            axes: vec![
                time,
                axis("row", Direction::Down, 1),
                axis("column", Direction::Right, 2),
            ],
            tone: vec![[0.5, 0.5]; channels],
            channels: Vec::new(),
            weights: siren_picture::cli::luma_weights(channels),
            notes: Vec::new(),
        };
        Ok(Portable { field, look })
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
