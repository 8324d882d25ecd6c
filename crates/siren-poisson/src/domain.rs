//! The kind `poisson` of runs: how a config becomes a [`Poisson`], and what the run folder keeps of it.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_picture::PictureMetadata;
use siren_run::portable::Portable;
use siren_run::{Artifacts, ConfigOf, Domain, FormerDefault, Recorded};

use crate::config::{PoissonObjectiveConfig, PoissonSignalConfig};
use crate::{Poisson, artifacts};

impl Recorded for Poisson {
    type Metadata = PictureMetadata;

    fn checksum(&self) -> Result<u32> {
        Ok(self.checksum())
    }

    fn metadata(&self, field: &Siren) -> Result<PictureMetadata> {
        self.metadata(field)
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Artifacts> {
        Ok(Artifacts::shown(artifacts::write(self, field, folder)?))
    }

    fn portable<'a>(metadata: &PictureMetadata, field: &'a Siren) -> Result<Portable<'a>> {
        siren_picture::cli::portable(metadata, field)
    }

    fn notes(&self) -> &[String] {
        self.notes()
    }
}

impl Domain for Poisson {
    const KIND: &'static str = "poisson";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = PoissonSignalConfig;
    type Objective = PoissonObjectiveConfig;

    const FORMER_DEFAULTS: &'static [FormerDefault] = &[FormerDefault {
        table: "signal",
        key: "stencil",
        value: "sobel",
    }];

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        Self::from_config(&config.signal, &config.objective, config.seed)
    }
}
