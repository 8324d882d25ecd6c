//! From a config to samples: the clip, and its place in time and space.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use siren_core::Result;
use siren_core::field::{FieldShape, Siren};
use siren_core::objective::ValueMse;
use siren_core::run::{ConfigOf, Domain, Metrics};
use siren_core::signal::{CoordinateRule, Grid, Raster, Sampling, Spectrum, checksum};
use siren_core::train::Constraint;

use crate::clip::Clip;
use crate::config::{VideoObjective, VideoSignal};
use crate::render::VideoMetadata;
use crate::voxels::{VoxelSampler, target};
use crate::{evaluate, render};

/// A clip to be fitted.
pub struct Video {
    pub(crate) clip: Arc<Clip>,
    pub(crate) grid: Grid,
    pub(crate) evaluated_frames: usize,
    coordinates: CoordinateRule,
    sampling: Sampling,
    seed: u64,
    device: Device,
}

impl Domain for Video {
    const KIND: &'static str = "video";
    const HEADLINE: &'static str = "psnr_db";
    type Model = Siren;
    type Signal = VideoSignal;
    type Objective = VideoObjective;
    type Metadata = VideoMetadata;

    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self> {
        let signal = &config.signal;
        let clip = Clip::open(signal)?;
        let sides = [clip.frames, clip.height, clip.width];
        Ok(Self {
            grid: Grid::new(&sides, signal.coordinates)?,
            clip: Arc::new(clip),
            evaluated_frames: signal.evaluated_frames,
            coordinates: signal.coordinates,
            sampling: signal.sampling.clone(),
            seed: config.seed,
            device: device.clone(),
        })
    }

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 3,
            out_features: self.clip.channels,
            samples_per_side: Some(self.clip.height.min(self.clip.width)),
        }
    }

    /// The mean over the frames that are evaluated, each by itself: rows and columns, not time.
    fn spectrum(&self) -> Result<Option<Spectrum>> {
        let grid = self
            .grid
            .resampled(&[1, self.clip.height, self.clip.width])?;
        let mut found = Vec::new();
        for at in self.evaluated() {
            let values = self.clip.frame(at).iter().map(|&byte| target(byte));
            let raster = Raster::new(grid.clone(), self.clip.channels, values.collect())?;
            found.extend(Spectrum::of(&raster));
        }
        let mean =
            |of: fn(&Spectrum) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        Ok((!found.is_empty()).then(|| Spectrum {
            centroid: mean(|s| s.centroid),
            nyquist: mean(|s| s.nyquist),
        }))
    }

    fn checksum(&self) -> u32 {
        let clip = &self.clip;
        let sides = [clip.frames, clip.height, clip.width].map(|side| side as f32);
        let numbers = sides.into_iter().chain([clip.rate as f32]);
        checksum(numbers.chain(clip.values.iter().map(|&byte| f32::from(byte))))
    }

    fn metadata(&self, _field: &Siren) -> Result<VideoMetadata> {
        Ok(VideoMetadata {
            frames: self.clip.frames,
            height: self.clip.height,
            width: self.clip.width,
            rate: self.clip.rate,
            coordinates: self.coordinates,
        })
    }

    fn constraints(&self) -> Result<Vec<Constraint>> {
        let sampler = VoxelSampler::new(
            &self.clip,
            &self.grid,
            &self.sampling,
            self.seed,
            &self.device,
        );
        Ok(vec![Constraint {
            sampler: Box::new(sampler),
            objective: Box::new(ValueMse::default()),
        }])
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<()> {
        render::artifacts(self, field, folder)
    }
}

impl Video {
    /// The frames that are evaluated, evenly spaced from the first to the last.
    pub(crate) fn evaluated(&self) -> Vec<usize> {
        let count = self.evaluated_frames.min(self.clip.frames);
        let last = self.clip.frames - 1;
        let at = |k: usize| {
            if count == 1 {
                last / 2
            } else {
                k * last / (count - 1)
            }
        };
        (0..count).map(at).collect()
    }
}
