//! The `[signal]` and `[objective]` tables of a picture's config.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::signal::{CoordinateRule, Sampling};
use siren_core::{Error, Result};

use siren_picture::picture::MAX_PIXELS;
use siren_picture::{ColorMode, Source};

/// `[signal]`: which picture, and which of its pixels.
///
/// It is opened, cropped, then resized; values in [0, 1] become targets in [−1, 1]. They are never rounded to 8 bits
/// again: what is trained on and what the metrics compare with may differ from the saved `target.png` by half a level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSignal {
    /// A picture file. Without one, the embedded picture is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Side of the embedded picture in pixels; of no effect beside `path`. Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// As the file says, gray, or RGB.
    pub color: ColorMode,
    /// Keep only this many pixels a side, from the center, without resampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
    /// Keep only these pixels: `[top, left, height, width]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_box: Option<[usize; 4]>,
    /// Resize so that the shorter side has this many pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// How a picture that is not square maps to coordinates. Losses and priors see derivatives per coordinate, so with
    /// `stretch` the two axes of such a picture weigh differently; pictures of derivatives are drawn per pixel.
    pub coordinates: CoordinateRule,
    /// Pixels that are trained on; the others are held out and scored.
    pub observed: Observed,
    /// Observed pixels drawn per step.
    pub sampling: Sampling,
    /// Also measure `gradient_psnr_db` and `laplacian_psnr_db`: the field's exact derivatives against differences of
    /// neighboring pixels.
    pub score_derivatives: bool,
}

/// Which pixels are trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// Every pixel.
    #[default]
    All,
    /// Pixels of even row and even column: the held-out rest tests interpolation (Tancik et al. 2020).
    Even,
    /// Each pixel with this probability (the authors' `sparsity`).
    Fraction(f64),
    /// Where this picture, of the same size after cropping and resizing, is brighter than half. Transparent pixels count as black.
    Mask(PathBuf),
}

impl Default for ImageSignal {
    fn default() -> Self {
        Self {
            path: None,
            size: None,
            color: ColorMode::Auto,
            crop: None,
            crop_box: None,
            resize: None,
            coordinates: CoordinateRule::Stretch,
            observed: Observed::All,
            sampling: Sampling::Whole,
            score_derivatives: false,
        }
    }
}

impl Table for ImageSignal {
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

impl ImageSignal {
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            path: self.path.as_deref(),
            size: self.size,
            color: self.color,
            crop: self.crop,
            crop_box: self.crop_box,
            resize: self.resize,
        }
    }
}

fn at_most(key: &str, value: usize, most: usize, unit: &str) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(key, value, &format!("1 to {most} {unit}")))
}

/// `[objective]`: the value error, plus a prior on what lies between the observed pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageObjective {
    /// Smoothness asked for at random coordinates (the authors' inpainting script).
    pub prior: Prior,
    /// Random coordinates per step at which the prior is asked for, if there is one. Default: half the number
    /// of pixels, as the authors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior_points: Option<usize>,
}

/// A prior with its weight, the authors' `k1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// None.
    #[default]
    None,
    /// Mean absolute gradient.
    TotalVariation(f64),
    /// Mean Frobenius norm of the Hessian.
    Hessian(f64),
}

impl Table for ImageObjective {
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
        let Some(points) = self.prior_points else {
            return Ok(());
        };
        let key = "objective.prior_points";
        at_most(key, points, MAX_PIXELS, "points")
    }
}

#[cfg(test)]
mod tests {
    use siren_core::signal::SubsetSampling;

    use super::*;
    use siren_picture::source::MAX_SIZE;

    #[test]
    fn numbers_of_points_that_no_memory_holds_are_refused() {
        for points in [0, MAX_PIXELS + 1, usize::MAX] {
            let replacement = false;
            let signal = ImageSignal {
                sampling: Sampling::Subset(SubsetSampling {
                    points,
                    replacement,
                }),
                ..ImageSignal::default()
            };
            assert!(signal.validate().is_err());
            let objective = ImageObjective {
                prior: Prior::Hessian(1.0),
                prior_points: Some(points),
            };
            assert!(objective.validate().is_err());
        }
    }

    #[test]
    fn the_embedded_picture_is_drawn_up_to_the_largest_picture_that_is_read() {
        let signal = |size| ImageSignal {
            size: Some(size),
            ..ImageSignal::default()
        };
        assert!(signal(MAX_SIZE).validate().is_ok());
        assert!(signal(MAX_SIZE + 1).validate().is_err());
    }
}
