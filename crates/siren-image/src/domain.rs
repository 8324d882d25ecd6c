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

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use siren_core::signal::{Sampling, SubsetSampling};
    use siren_core::train::{Fit, FitConfig};
    use siren_picture::{Picture, Size, Values};

    use super::*;
    use crate::config::Observed;

    /// What a fit leaves of a picture.
    #[derive(Debug, PartialEq)]
    struct Fitted {
        checksum: u32,
        metrics: Vec<f64>,
        /// Names and contents of the artifacts.
        files: Vec<(String, Vec<u8>)>,
    }

    /// Fits a field to a picture with every setting that reads its values.
    fn fitted(picture: Picture, observed: Observed) -> Fitted {
        let is_part = observed != Observed::All;
        let signal = ImageSignalConfig {
            sampling: Sampling::Subset(SubsetSampling {
                points: 50,
                replacement: true,
            }),
            observed,
            score_derivatives: true,
            ..ImageSignalConfig::default()
        };
        let objective = ImageObjectiveConfig::default();
        let image = Image::new(picture, &signal, &objective, 3).unwrap();
        let mut config = FitConfig::default();
        config.field.hidden_features = 16.into();
        config.field.hidden_layers = 1;
        if is_part {
            config.field.first_omega_0 = 5.0.into();
        }
        config.train.steps = 5;
        let mut fit = Fit::on(&image, &config, DType::F32, &Device::Cpu).unwrap();
        fit.run().unwrap();
        let metrics = fit.evaluate().unwrap();
        let metrics = metrics.iter().map(|metric| metric.value).collect();
        let folder = tempfile::tempdir().unwrap();
        image.write_artifacts(fit.model(), folder.path()).unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mut files: Vec<_> = files
            .map(|file| file.unwrap().path())
            .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
            .map(|(path, bytes)| (path.rsplit('/').next().unwrap().to_owned(), bytes))
            .collect();
        files.sort();
        Fitted {
            checksum: image.checksum().unwrap(),
            metrics,
            files,
        }
    }

    #[test]
    fn a_picture_in_a_file_is_fitted_scored_and_drawn_as_one_in_memory() {
        let size = Size {
            height: 37,
            width: 41,
        };
        let bytes = (0..37 * 41 * 3_u32).map(|at| (at * at / 97).to_le_bytes()[0]);
        let memory = Picture::from_rgb8(size, &bytes.collect::<Vec<u8>>()).unwrap();
        for observed in [Observed::All, Observed::Even] {
            let file = memory.clone().into_file().unwrap();
            assert!(matches!(file.values, Values::File(_)));
            let expected = fitted(memory.clone(), observed.clone());
            let found = fitted(file, observed);
            assert_eq!(found.checksum, expected.checksum);
            assert_eq!(found.metrics, expected.metrics);
            assert_eq!(found.files, expected.files);
            assert!(found.files.len() >= 5);
        }
    }
}
