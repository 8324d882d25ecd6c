//! A picture known by its derivatives as the domain of runs: what its config opens, and what its run folder keeps.

use std::path::Path;

use candle_core::{DType, Device};
use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::checksum;
use siren_picture::PictureMetadata;
use siren_run::{ConfigOf, Domain, FormerDefault, Recorded};

use crate::config::{PoissonObjectiveConfig, PoissonSignalConfig, Stencil};
use crate::{Poisson, artifacts, evaluate};

impl Recorded for Poisson {
    type Metadata = PictureMetadata;

    /// Of the pictures: the spectral derivative goes through transforms whose last bits differ from machine to machine. Sobel's
    /// differences do not, and older run folders have their checksum.
    fn checksum(&self) -> u32 {
        if self.targets.stencil != Stencil::Sobel {
            return self.sources;
        }
        let sides = [self.truth.height, self.truth.width, self.truth.channels];
        let numbers = sides.map(|count| count as f32).into_iter();
        let targets = self.targets.first.iter().chain(&self.targets.second);
        checksum(numbers.chain(targets.flatten().map(|&x| x as f32)))
    }

    /// Each channel is shown with the gain and the offset that bring it nearest to the picture.
    fn metadata(&self, field: &Siren) -> Result<PictureMetadata> {
        Ok(PictureMetadata {
            height: self.truth.height,
            width: self.truth.width,
            coordinates: self.coordinates,
            tone: evaluate::tone(self, field)?,
        })
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<()> {
        artifacts::write(self, field, folder)
    }

    fn notes(&self) -> &[String] {
        &self.notes
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

    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self> {
        let mut notes = Vec::new();
        let first = config.signal.source().open(&mut notes)?;
        let poisson = Self::new(first, &config.signal, &config.objective, config.seed)?;
        let mut poisson = poisson.on(DType::F32, device);
        poisson.notes.splice(0..0, notes);
        Ok(poisson)
    }
}
