//! From a config to a set of pictures, and what is asked of a model of them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use candle_core::Device;
use siren_core::field::FieldShape;
use siren_core::run::{ConfigOf, Domain, Metrics, NoMetadata};
use siren_core::signal::{Spectrum, checksum};
use siren_core::{Error, Result};

use crate::artifacts;
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

impl Domain for Hyper {
    const KIND: &'static str = "hyper";
    const HEADLINE: &'static str = "psnr_db";
    type Model = HyperNetwork;
    type Signal = HyperSignal;
    type Objective = HyperObjective;
    /// Rendering draws pictures that it is given, in the size that the config says and the channels that the model has.
    type Metadata = NoMetadata;

    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self> {
        Ok(Self {
            dataset: Arc::new(Dataset::open(&config.signal)?),
            signal: config.signal.clone(),
            device: device.clone(),
            baselines: OnceLock::new(),
            encoder: config.model.encoder,
            objective: config.objective.clone(),
            seed: config.seed,
        })
    }

    fn resolve(&self, config: &mut ConfigOf<Self>) -> Result<()> {
        let model = &mut config.model;
        if model.encoder != Encoder::AutoDecoder {
            return Ok(());
        }
        let training = self.dataset.training.len();
        match *model.codes.get_or_insert(training) {
            codes if codes == training => Ok(()),
            codes => {
                let expected = format!("{training}, the number of training pictures, or absent");
                Err(Error::invalid("model.codes", codes, &expected))
            }
        }
    }

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

    fn checksum(&self) -> u32 {
        let dataset = &self.dataset;
        let sides = [dataset.side, dataset.channels].map(|count| count as f32);
        let parts = [&dataset.training, &dataset.validation, &dataset.test];
        let parts = parts.into_iter().flatten().map(|&at| at as f32);
        let values = dataset.values.iter().map(|&byte| f32::from(byte));
        checksum(sides.into_iter().chain(parts).chain(values))
    }

    fn metadata(&self, _model: &HyperNetwork) -> Result<NoMetadata> {
        Ok(NoMetadata {})
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

    fn write_artifacts(&self, model: &HyperNetwork, folder: &Path) -> Result<()> {
        artifacts::write(self, model, folder)
    }
}
