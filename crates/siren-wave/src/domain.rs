//! Waves as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::Metric;
use siren_run::{ConfigOf, Domain, Recorded};

use crate::config::{WaveObjectiveConfig, WaveSignalConfig};
use crate::helmholtz::RELATIVE_ERROR_PERCENT;
use crate::{WaveMetadata, Waves};

impl Recorded for Waves {
    type Metadata = WaveMetadata;

    fn checksum(&self) -> u32 {
        self.checksum()
    }

    fn metadata(&self, _field: &Siren) -> Result<WaveMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Vec<String>> {
        self.problem.write_artifacts(field, folder)?;
        Ok(Vec::new())
    }

    fn notes(&self) -> &[String] {
        self.notes()
    }
}

impl Domain for Waves {
    const KIND: &'static str = "wave";
    const HEADLINE: Metric = RELATIVE_ERROR_PERCENT;
    type Signal = WaveSignalConfig;
    type Objective = WaveObjectiveConfig;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        Self::from_config(&config.signal, &config.objective, config.seed)
    }
}
