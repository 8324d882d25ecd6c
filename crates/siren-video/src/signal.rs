//! From a config to samples: the clip, and its place in time and space.

use std::sync::Arc;

use candle_core::{DType, Device};
use siren_core::Result;
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, ValueMse};
use siren_core::signal::{CoordinateRule, Grid, Raster, Sampling, Spectrum};
use siren_core::train::Task;

use crate::clip::Clip;
use crate::config::VideoSignal;
use crate::evaluate;
use crate::render::VideoMetadata;
use crate::voxels::{VoxelSampler, target};

/// A clip to be fitted.
pub struct Video {
    pub(crate) clip: Arc<Clip>,
    pub(crate) grid: Grid,
    pub(crate) evaluated_frames: usize,
    coordinates: CoordinateRule,
    sampling: Sampling,
    seed: u64,
    dtype: DType,
    device: Device,
}

impl Task for Video {
    type Model = Siren;

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

    fn constraints(&self) -> Result<Vec<Constraint>> {
        let sampler = VoxelSampler::new(
            &self.clip,
            &self.grid,
            &self.sampling,
            self.seed,
            &self.device,
        );
        let sampler = sampler.in_type(self.dtype);
        Ok(vec![Constraint::new("voxels", sampler, ValueMse)])
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Video {
    /// Makes a signal of a clip in memory. `signal` says which voxels each step uses, which frames are scored, and how frames, rows and columns
    /// map to coordinates; the keys that name, cut or resize a file are not used.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](siren_core::Error::InvalidValue) if a value is out of range; [`Error::Shape`](siren_core::Error::Shape) if the
    /// clip has no voxel.
    pub fn new(clip: Clip, signal: &VideoSignal, seed: u64) -> Result<Self> {
        signal.validate()?;
        let sides = [clip.frames, clip.height, clip.width];
        Ok(Self {
            grid: Grid::new(&sides, signal.coordinates)?,
            clip: Arc::new(clip),
            evaluated_frames: signal.evaluated_frames,
            coordinates: signal.coordinates,
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

    /// Returns the facts of the clip from which a field is rendered.
    #[must_use]
    pub fn metadata(&self) -> VideoMetadata {
        VideoMetadata {
            frames: self.clip.frames,
            height: self.clip.height,
            width: self.clip.width,
            rate: self.clip.rate,
            coordinates: self.coordinates,
        }
    }

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
