//! Waves as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::Metric;
use siren_core::signal::NoMetadata;
use siren_run::{ConfigOf, Domain, Recorded};

use crate::Waves;
use crate::config::{WaveObjectiveConfig, WaveSignalConfig};
use crate::helmholtz::RELATIVE_ERROR_PERCENT;

impl Recorded for Waves {
    type Metadata = NoMetadata;

    fn checksum(&self) -> u32 {
        self.checksum()
    }

    fn metadata(&self, _field: &Siren) -> Result<NoMetadata> {
        Ok(NoMetadata {})
    }

    fn write_artifacts(&self, _field: &Siren, _folder: &Path) -> Result<Vec<String>> {
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
