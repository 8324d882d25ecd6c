//! From a config to a set of pictures, and what is asked of a model of them.

use std::sync::{Arc, OnceLock};

use candle_core::Device;
use siren_core::field::FieldShape;
use siren_core::metrics::Metrics;
use siren_core::signal::Spectrum;
use siren_core::train::Task;
use siren_core::{Error, Result};

use crate::config::{Encoder, HyperObjective, HyperSignal};
use crate::dataset::Dataset;
use crate::evaluate::{self, Baselines};
use crate::model::HyperNetwork;
use crate::reconstruction::Reconstruction;

/// Pictures whose common nature is to be learned.
pub struct Hyper {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) signal: HyperSignal,
    pub(crate) device: Device,
    /// What needs no training; computed once, when it is first asked for.
    pub(crate) baselines: OnceLock<Baselines>,
    encoder: Encoder,
    pub(crate) objective: HyperObjective,
    seed: u64,
}

impl Task for Hyper {
    type Model = HyperNetwork;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 2,
            out_features: self.dataset.channels,
            samples_per_side: Some(self.dataset.side),
        }
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        let value = "with `auto` for `first_omega_0` or `weight_noise`";
        let expected = "numbers: a set of pictures has no spectrum to take them from";
        Err(Error::invalid("field", value, expected))
    }

    fn constraints(&self) -> Result<Vec<Reconstruction>> {
        Ok(vec![Reconstruction {
            dataset: Arc::clone(&self.dataset),
            objective: self.objective.clone(),
            encoder: self.encoder,
            batch: self.signal.batch,
            context: self.signal.context,
            seed: self.seed,
            device: self.device.clone(),
        }])
    }

    fn evaluate(&self, model: &HyperNetwork) -> Result<Metrics> {
        evaluate::metrics(self, model)
    }
}

impl Hyper {
    /// Makes a task of a set of pictures.
    #[must_use]
    pub fn new(
        dataset: Dataset,
        signal: &HyperSignal,
        encoder: Encoder,
        objective: &HyperObjective,
        seed: u64,
    ) -> Self {
        Self {
            dataset: Arc::new(dataset),
            signal: signal.clone(),
            device: Device::Cpu,
            baselines: OnceLock::new(),
            encoder,
            objective: objective.clone(),
            seed,
        }
    }

    /// Returns the same task with samples on another device.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self {
            device: device.clone(),
            ..self
        }
    }
}
