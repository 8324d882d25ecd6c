//! A set of pictures as the domain of runs: what its config opens, and what its run folder keeps.

use std::path::Path;

use candle_core::Device;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::{NoMetadata, checksum};
use siren_core::{Error, Result};
use siren_run::{ConfigOf, Domain, Recorded};

use crate::config::{Encoder, HyperObjective, HyperSignal};
use crate::dataset::Dataset;
use crate::{Hyper, HyperNetwork, artifacts};

impl Recorded for Hyper {
    /// Rendering is given the pictures, in the size of the config and with the channels of the model.
    type Metadata = NoMetadata;

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

    fn write_artifacts(&self, model: &HyperNetwork, folder: &Path) -> Result<()> {
        artifacts::write(self, model, folder)
    }
}

impl Domain for Hyper {
    const KIND: &'static str = "hyper";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = HyperSignal;
    type Objective = HyperObjective;

    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self> {
        let dataset = Dataset::open(&config.signal)?;
        let encoder = config.model.encoder;
        let hyper = Self::new(
            dataset,
            &config.signal,
            encoder,
            &config.objective,
            config.seed,
        );
        Ok(hyper.on(device))
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
}
