//! A picture as the domain of runs: what its config opens, and what its run folder keeps.

use std::path::Path;

use candle_core::{DType, Device};
use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, PSNR_DB};
use siren_core::signal::checksum;
use siren_picture::{Picture, PictureMetadata};
use siren_run::{ConfigOf, Domain, Recorded};

use crate::config::{ImageObjectiveConfig, ImageSignalConfig};
use crate::{Image, artifacts};

impl Recorded for Image {
    type Metadata = PictureMetadata;

    fn checksum(&self) -> u32 {
        let mask = self
            .observed
            .iter()
            .flatten()
            .map(|&on| f32::from(u8::from(on)));
        let Picture {
            height,
            width,
            channels,
            ref values,
        } = self.picture;
        let sides = [height, width, channels].map(|count| count as f32);
        checksum(sides.into_iter().chain(values.iter().copied()).chain(mask))
    }

    fn metadata(&self, _field: &Siren) -> Result<PictureMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<()> {
        artifacts::write(self, field, folder)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Domain for Image {
    const KIND: &'static str = "image";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = ImageSignalConfig;
    type Objective = ImageObjectiveConfig;

    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self> {
        let mut notes = Vec::new();
        let picture = config.signal.source().open(&mut notes)?;
        let image = Self::new(picture, &config.signal, &config.objective, config.seed)?;
        let mut image = image.on(DType::F32, device);
        image.notes = notes;
        Ok(image)
    }
}
