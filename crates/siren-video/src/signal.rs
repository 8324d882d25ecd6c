//! A clip as a fitting problem: coordinates, targets and constraints.

use std::sync::Arc;

use candle_core::{DType, Device};
use siren_core::Result;
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren, SirenConfig};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, ValueMse};
use siren_core::optimizer::{MuonConfig, OptimizerConfig};
use siren_core::signal::{CoordinateRule, Grid, Points, Raster, Sampling, Spectrum};
use siren_core::train::{FitConfig, ScheduleKind, Task, TrainConfig};

use crate::clip::Clip;
use crate::config::VideoSignalConfig;
use crate::evaluate;
use crate::field::ClipField;
use crate::render::VideoMetadata;
use crate::voxels::{self, Voxels, value_from_level};

/// A clip as a fitting problem. The coordinates are time, row and column; targets are levels mapped to [−1, 1].
pub struct Video {
    clip: Arc<Clip>,
    grid: Grid,
    /// Number of frames that are evaluated.
    evaluated_frames: usize,
    coordinates: CoordinateRule,
    sampling: Sampling,
    seed: u64,
}

impl Task for Video {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 3,
            out_features: self.clip.channels(),
            samples_per_side: Some(self.clip.height().min(self.clip.width())),
        }
    }

    /// Returns the mean over the evaluated frames of the spectrum of each, along rows and columns but not along time.
    fn spectrum(&self) -> Result<Option<Spectrum>> {
        let grid = self
            .grid
            .resampled(&[1, self.clip.height(), self.clip.width()])?;
        let mut spectra = Vec::new();
        for index in self.evaluated() {
            let levels = self.clip.frame(index).iter();
            let values = levels.map(|&level| value_from_level(level)).collect();
            let raster = Raster::new(grid.clone(), self.clip.channels(), values)?;
            spectra.extend(Spectrum::of(&raster));
        }
        let mean =
            |of: fn(&Spectrum) -> f64| spectra.iter().map(of).sum::<f64>() / spectra.len() as f64;
        Ok((!spectra.is_empty()).then(|| Spectrum {
            centroid: mean(|s| s.centroid),
            nyquist: mean(|s| s.nyquist),
        }))
    }

    fn grid(&self) -> Option<Grid> {
        Some(self.grid.clone())
    }

    fn points_per_step(&self) -> Option<usize> {
        self.sampling.points_per_step(self.grid.points())
    }

    fn points(&self, dtype: DType, device: &Device) -> Result<Option<Box<dyn Points>>> {
        let voxels = Voxels::new(&self.clip, &self.grid, dtype, device);
        Ok(Some(Box::new(voxels)))
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let voxels = Voxels::new(&self.clip, &self.grid, dtype, device);
        let sampler = voxels::sampler(voxels, &self.sampling, self.seed)?;
        Ok(vec![Constraint::new("voxels", sampler, ValueMse)])
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Video {
    /// Makes a fitting problem of a clip in memory. `signal` says which voxels each step uses, which frames are evaluated, and how frames, rows
    /// and columns map to coordinates; the keys that name, cut or resize a file are not used. `seed` is that of the voxels of each step.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](siren_core::Error::InvalidValue) if a value of `signal` is out of range.
    pub fn new(clip: Clip, signal: &VideoSignalConfig, seed: u64) -> Result<Self> {
        signal.validate()?;
        let sides = [clip.frames(), clip.height(), clip.width()];
        Ok(Self {
            grid: Grid::new(&sides, signal.coordinates)?,
            clip: Arc::new(clip),
            evaluated_frames: signal.evaluated_frames,
            coordinates: signal.coordinates,
            sampling: signal.sampling.clone(),
            seed,
        })
    }

    /// Returns settings that fit a short clip of low resolution well: 128 features, and 500 steps with cosine decay of Muon with a learning
    /// rate of 2e-3, and of Adam with 1e-3 for the parameters that Muon does not update. A longer or larger clip needs a wider network and
    /// more steps.
    #[must_use]
    pub fn recipe(&self) -> FitConfig {
        let muon = MuonConfig {
            learning_rate: 2e-3,
            ..MuonConfig::default()
        };
        FitConfig {
            seed: self.seed,
            field: SirenConfig {
                hidden_features: 128.into(),
                ..SirenConfig::default()
            },
            train: TrainConfig {
                steps: 500,
                learning_rate: 1e-3,
                schedule: ScheduleKind::Cosine,
                optimizer: OptimizerConfig::Muon(muon),
                ..TrainConfig::default()
            },
            ..FitConfig::default()
        }
    }

    /// Returns the clip.
    #[must_use]
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Returns the facts of the clip from which a field is rendered.
    #[must_use]
    pub fn metadata(&self) -> VideoMetadata {
        VideoMetadata {
            frames: self.clip.frames(),
            height: self.clip.height(),
            width: self.clip.width(),
            rate: self.clip.rate(),
            coordinates: self.coordinates,
        }
    }

    /// Joins a fitted field and the facts of the clip.
    ///
    /// # Errors
    /// [`Error::Shape`](siren_core::Error::Shape) if the field has other than three coordinates, or other than 1 or 3 channels.
    pub fn field(&self, fitted: Siren) -> Result<ClipField> {
        ClipField::new(fitted, self.metadata())
    }

    /// Returns the points of the clip's voxels: time, row, column.
    pub(crate) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Returns the indices of the evaluated frames, evenly spaced from the first to the last.
    pub(crate) fn evaluated(&self) -> Vec<usize> {
        let count = self.evaluated_frames.min(self.clip.frames());
        let last = self.clip.frames() - 1;
        let index = |k: usize| {
            if count == 1 {
                last / 2
            } else {
                k * last / (count - 1)
            }
        };
        (0..count).map(index).collect()
    }
}
