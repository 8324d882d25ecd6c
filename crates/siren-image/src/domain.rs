//! The kind `image` of runs: how a config becomes an [`Image`], and what the run folder keeps of it.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::{append_checksum, checksum};
use siren_picture::PictureMetadata;
use siren_run::portable::Portable;
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::config::{ImageObjectiveConfig, ImageSignalConfig};
use crate::{Image, artifacts};

impl Recorded for Image {
    type Metadata = PictureMetadata;

    /// Returns the checksum of sides, channels, values and mask.
    fn checksum(&self) -> Result<u32> {
        let picture = self.picture();
        let sides = [picture.height, picture.width, picture.channels];
        let mut sum = checksum(sides.into_iter().map(|count| count as f32));
        picture.for_each_band(|band| {
            sum = append_checksum(sum, band.iter().copied());
            Ok(())
        })?;
        let mask = self.observed.iter().flatten();
        let mask = mask.map(|&on| f32::from(u8::from(on)));
        Ok(append_checksum(sum, mask))
    }

    fn metadata(&self, _field: &Siren) -> Result<PictureMetadata> {
        Ok(self.metadata())
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

impl Domain for Image {
    const KIND: &'static str = "image";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = ImageSignalConfig;
    type Objective = ImageObjectiveConfig;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        Self::from_config(&config.signal, &config.objective, config.seed)
    }
}
