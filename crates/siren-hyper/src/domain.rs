//! A set of pictures as the domain of runs: how a config is opened, and what the run folder keeps.

use std::path::Path;

use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::{NoMetadata, checksum};
use siren_core::{Error, Result};
use siren_run::portable::Portable;
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::config::{HyperObjectiveConfig, HyperSignalConfig};
use crate::dataset::Dataset;
use crate::{Hyper, HyperNetwork, artifacts};

impl Recorded for Hyper {
    /// Rendering needs no facts of the training pictures: size and channels are those of the model.
    type Metadata = NoMetadata;

    fn checksum(&self) -> Result<u32> {
        let dataset = &self.dataset;
        let sizes = [dataset.side(), dataset.channels()].map(|size| size as f32);
        let parts = dataset.split().parts().into_iter().flatten();
        let indices = parts.map(|&index| index as f32);
        let values = dataset.values().iter().map(|&byte| f32::from(byte));
        Ok(checksum(sizes.into_iter().chain(indices).chain(values)))
    }

    fn metadata(&self, _model: &HyperNetwork) -> Result<NoMetadata> {
        Ok(NoMetadata {})
    }

    fn write_artifacts(&self, model: &HyperNetwork, folder: &Path) -> Result<Artifacts> {
        Ok(Artifacts::shown(artifacts::write(self, model, folder)?))
    }

    fn portable<'a>(_: &NoMetadata, _: &'a HyperNetwork) -> Result<Portable<'a>> {
        let expected = "a kind whose run is one field: a hypernetwork computes a field for each picture. Draw the picture with `render`, fit it \
                        by a run of the kind `image`, and export that run; or export this one to .safetensors";
        Err(Error::invalid("kind", "hyper", expected))
    }
}

impl Domain for Hyper {
    const KIND: &'static str = "hyper";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = HyperSignalConfig;
    type Objective = HyperObjectiveConfig;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        let dataset = Dataset::open(&config.signal)?;
        Self::new(dataset, &config.signal, &config.objective, config.seed)
    }

    fn resolve(&self, config: &mut ConfigOf<Self>) -> Result<()> {
        self.resolve_codes(&mut config.model)
    }
}
