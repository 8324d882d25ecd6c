//! A set of pictures as a fitting problem: what a hypernetwork is trained on, and how it is scored.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use siren_core::config::Table as _;
use siren_core::field::FieldShape;
use siren_core::metrics::Metrics;
use siren_core::signal::Spectrum;
use siren_core::train::Task;
use siren_core::{Error, Result};

use crate::config::{Encoder, HyperModelConfig, HyperObjectiveConfig, HyperSignalConfig};
use crate::dataset::Dataset;
use crate::evaluate::{self, Baselines};
use crate::model::HyperNetwork;
use crate::reconstruction::Reconstruction;

/// A set of pictures, of which a hypernetwork learns to reconstruct each from some of its pixels.
pub struct Hyper {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) signal: HyperSignalConfig,
    pub(crate) objective: HyperObjectiveConfig,
    /// Errors of reconstructions without a model; computed when they are first used.
    pub(crate) baselines: OnceLock<Baselines>,
    seed: u64,
}

impl Task for Hyper {
    type Model = HyperNetwork;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 2,
            out_features: self.dataset.channels(),
            samples_per_side: Some(self.dataset.side()),
        }
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        let value = "with `auto` for `first_omega_0` or `weight_noise`";
        let expected = "numbers: a set of pictures has no spectrum to take them from";
        Err(Error::invalid("field", value, expected))
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Reconstruction>> {
        Ok(vec![Reconstruction {
            dataset: Arc::clone(&self.dataset),
            objective: self.objective.clone(),
            batch: self.signal.batch,
            context: self.signal.context_sizes(),
            seed: self.seed,
            dtype,
            device: device.clone(),
        }])
    }

    fn evaluate(&self, model: &HyperNetwork) -> Result<Metrics> {
        evaluate::metrics(self, model)
    }
}

impl Hyper {
    /// Makes a task of a set of pictures. `signal` says how many pictures and context pixels a step has, and how many pictures are
    /// evaluated; the keys that name, resize or split pictures are not used. `seed` determines the batches and contexts of all steps.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value is out of range, such as a context with more pixels than a picture has.
    pub fn new(
        dataset: Dataset,
        signal: &HyperSignalConfig,
        objective: &HyperObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        let signal = HyperSignalConfig {
            size: dataset.side(),
            ..signal.clone()
        };
        signal.validate()?;
        objective.validate()?;
        Ok(Self {
            dataset: Arc::new(dataset),
            signal,
            objective: objective.clone(),
            baselines: OnceLock::new(),
            seed,
        })
    }

    /// Returns the set of pictures.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Sets the number of latent codes of an auto-decoder to the number of training pictures. Models with an encoder have no such codes.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the config has another number.
    pub fn resolve_codes(&self, model: &mut HyperModelConfig) -> Result<()> {
        if model.encoder != Encoder::AutoDecoder {
            return Ok(());
        }
        let training = self.dataset.split().training.len();
        match *model.codes.get_or_insert(training) {
            codes if codes == training => Ok(()),
            codes => {
                let expected = format!("{training}, the number of training pictures, or absent");
                Err(Error::invalid("model.codes", codes, &expected))
            }
        }
    }
}
