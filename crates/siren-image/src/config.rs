//! The `[signal]` and `[objective]` tables of a config of the kind `image`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::signal::{CoordinateRule, Sampling};
use siren_core::{Error, Result};
use siren_picture::picture::MAX_PIXELS;
use siren_picture::{ColorMode, PictureSource};

/// The picture, and which of its pixels are trained on.
///
/// The picture is opened, cropped, then resized. Its values in [0, 1] become targets in [−1, 1] without rounding, so they can differ from the
/// saved `target.png` by half an 8-bit level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSignalConfig {
    /// The picture file. Default: the embedded picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Side of the embedded picture in pixels; ignored if `path` is set. Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Number of channels: as in the file, gray, or RGB.
    pub color: ColorMode,
    /// Crops the picture to a square of this side at its center, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
    /// Crops the picture to this rectangle, in pixels: `[top, left, height, width]`. Not together with `crop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_box: Option<[usize; 4]>,
    /// Resizes the picture, after cropping, so that its shorter side has this many pixels. Default: no resizing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// How rows and columns map to coordinates, if the picture is not square. Losses and priors on derivatives use derivatives with respect
    /// to the coordinates, so `stretch` weighs the two axes differently. Rendered derivatives are per pixel.
    pub coordinates: CoordinateRule,
    /// Which pixels are trained on. The others are held out: metrics are reported for them apart.
    pub observed: Observed,
    /// Which of the observed pixels each step uses.
    pub sampling: Sampling,
    /// Also reports `gradient_psnr_db` and `laplacian_psnr_db`: the field's exact derivatives against finite differences of the pixels.
    pub score_derivatives: bool,
}

/// Which pixels are trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// Every pixel.
    #[default]
    All,
    /// Pixels of even row and even column, a quarter of all (Tancik et al. 2020).
    Even,
    /// A random part of the pixels: each one with this probability (the authors' `sparsity`).
    Fraction(f64),
    /// The pixels where this mask, a picture file of the same size, is brighter than half; transparent pixels count as black. The mask may have
    /// the size of the picture in its file or after cropping and resizing.
    Mask(PathBuf),
}

impl Table for ImageSignalConfig {
    fn validate(&self) -> Result<()> {
        self.source().validate()?;
        if let Observed::Fraction(fraction) = self.observed
            && !(fraction > 0.0 && fraction <= 1.0)
        {
            let expected = "a fraction above 0, at most 1";
            return Err(Error::invalid(
                "signal.observed.fraction",
                fraction,
                expected,
            ));
        }
        self.sampling.validate(MAX_PIXELS)
    }

    fn resolve_paths(&mut self, base: &Path) {
        let mask = match &mut self.observed {
            Observed::Mask(mask) => Some(mask),
            _ => None,
        };
        for path in self.path.iter_mut().chain(mask) {
            *path = base.join(&path);
        }
    }
}

impl ImageSignalConfig {
    /// Returns the settings that select, crop and resize the picture.
    pub(crate) fn source(&self) -> PictureSource<'_> {
        PictureSource {
            path: self.path.as_deref(),
            size: self.size,
            color: self.color,
            crop: self.crop,
            crop_box: self.crop_box,
            resize: self.resize,
        }
    }
}

/// The mean squared error of the observed pixels, plus a smoothness prior.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageObjectiveConfig {
    /// Smoothness prior at random coordinates, as in the authors' inpainting script.
    pub prior: Prior,
    /// Number of random coordinates per step for the prior. Default: half the number of pixels, as in the authors' code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior_points: Option<usize>,
}

/// Smoothness prior and its weight in the loss (the authors' `k1`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// No prior.
    #[default]
    None,
    /// Total variation: the mean absolute gradient.
    TotalVariation(f64),
    /// The mean Frobenius norm of the Hessian.
    Hessian(f64),
}

impl Table for ImageObjectiveConfig {
    fn validate(&self) -> Result<()> {
        if let Prior::TotalVariation(weight) | Prior::Hessian(weight) = self.prior
            && !(weight.is_finite() && weight > 0.0)
        {
            return Err(Error::invalid(
                "objective.prior",
                weight,
                "a positive weight",
            ));
        }
        let points = self.prior_points.unwrap_or(1);
        if (1..=MAX_PIXELS).contains(&points) {
            return Ok(());
        }
        let expected = format!("1 to {MAX_PIXELS} points");
        Err(Error::invalid("objective.prior_points", points, &expected))
    }
}

#[cfg(test)]
mod tests {
    use siren_core::signal::SubsetSampling;
    use siren_picture::source::MAX_SIZE;

    use super::*;

    #[test]
    fn numbers_of_points_out_of_range_are_errors() {
        for points in [0, MAX_PIXELS + 1, usize::MAX] {
            let replacement = false;
            let signal = ImageSignalConfig {
                sampling: Sampling::Subset(SubsetSampling {
                    points,
                    replacement,
                }),
                ..ImageSignalConfig::default()
            };
            assert!(signal.validate().is_err());
            let objective = ImageObjectiveConfig {
                prior: Prior::Hessian(1.0),
                prior_points: Some(points),
            };
            assert!(objective.validate().is_err());
        }
    }

    #[test]
    fn the_embedded_picture_may_be_as_large_as_a_picture_file() {
        let signal = |size| ImageSignalConfig {
            size: Some(size),
            ..ImageSignalConfig::default()
        };
        assert!(signal(MAX_SIZE).validate().is_ok());
        assert!(signal(MAX_SIZE + 1).validate().is_err());
    }
}
