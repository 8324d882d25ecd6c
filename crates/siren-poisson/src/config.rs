//! The `[signal]` and `[objective]` tables of a config of the kind `poisson`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::signal::{CoordinateRule, Sampling};
use siren_core::{Error, Result};
use siren_picture::picture::MAX_PIXELS;
use siren_picture::{ColorMode, PictureSource};

/// The picture whose derivatives are fitted, and the unit of the derivatives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoissonSignalConfig {
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
    /// How rows and columns map to coordinates, if the picture is not square.
    pub coordinates: CoordinateRule,
    /// Which pixels' derivatives each step uses.
    pub sampling: Sampling,
    /// How derivatives of the pixels are computed.
    pub stencil: Stencil,
    /// Unit of the targets and scale of the loss.
    pub scaling: Scaling,
    /// A second picture whose derivatives are blended with those of the first. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blend: Option<BlendConfig>,
}

/// How derivatives of the pixels are computed. The derivatives of a field are exact, so the recovered picture lacks what a stencil does not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stencil {
    /// Gradient and Laplacian of the cosine series through the pixels: exact for every frequency up to the highest, and defined between pixels.
    /// Training uses them a quarter of a pixel beside each pixel, on one of four lattices per step, so that the field is determined in between.
    #[default]
    Spectral,
    /// Differences of the two neighbors, and the five-point Laplacian. The slope of a wave of angular frequency `w` per pixel is seen with the
    /// factor `sin(w)/w`: not at all at two pixels per wave.
    Central,
    /// The authors' (`scipy.ndimage`): central differences smoothed over three pixels across, and the five-point Laplacian.
    Sobel,
}

/// Unit of the targets and scale of the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Derivatives with respect to the coordinates of a picture with values in [−1, 1]: the field has the contrast of the picture. Each term of
    /// the loss is divided by the mean square of its targets, so that the weights of different terms are comparable.
    #[default]
    Coordinate,
    /// The authors' units: 80 times the derivative per pixel (10 times Sobel differences), 10,000 times the Laplacian per pixel, and plain mean
    /// squares. The contrast of the field is `160/(n − 1)` or `40000/(n − 1)²` of that of a picture of n × n pixels: 0.63 or 0.62 for n = 256.
    Authors,
}

/// A second picture. The targets are `(1 − w) · first + w · second`, with the derivatives of both pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlendConfig {
    /// The second picture file. It is cropped and resized as the first.
    pub path: PathBuf,
    /// The weight w, the same for all pixels. Default: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// A picture file with w for each pixel: black is 0, white is 1. Not together with `weight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<PathBuf>,
}

impl Table for PoissonSignalConfig {
    fn validate(&self) -> Result<()> {
        self.source().validate()?;
        self.sampling.validate(MAX_PIXELS)?;
        let Some(blend) = &self.blend else {
            return Ok(());
        };
        if blend.weight.is_some() && blend.mask.is_some() {
            let expected = "either `weight` or `mask`, not both";
            return Err(Error::invalid("signal.blend.weight", "set", expected));
        }
        let weight = blend.weight.unwrap_or(0.5);
        if (0.0..=1.0).contains(&weight) {
            return Ok(());
        }
        Err(Error::invalid("signal.blend.weight", weight, "0 to 1"))
    }

    fn resolve_paths(&mut self, base: &Path) {
        let blend = self.blend.iter_mut();
        let blended = blend.flat_map(|blend| blend.mask.iter_mut().chain([&mut blend.path]));
        for path in self.path.iter_mut().chain(blended) {
            *path = base.join(&path);
        }
    }
}

impl PoissonSignalConfig {
    /// Returns the settings that select, crop and resize the first picture.
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

/// The terms of the loss and their weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoissonObjectiveConfig {
    /// Weight of the error of the gradient.
    pub gradient: f64,
    /// Weight of the error of the Laplacian.
    pub laplacian: f64,
    /// Pixels whose values are fitted as well. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<AnchorConfig>,
}

/// Pixels whose values are fitted as well. They determine the brightness, which derivatives leave open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorConfig {
    /// Weight of the mean squared error of these values.
    #[serde(default = "one")]
    pub weight: f64,
    /// Which pixels.
    pub pixels: AnchorPixels,
}

/// Which pixels' values are fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorPixels {
    /// The pixels at the edge of the picture.
    Border,
    /// A random part of the pixels: each one with this probability.
    Fraction(f64),
    /// The pixels where this mask, a picture file, is brighter than half.
    Mask(PathBuf),
}

fn one() -> f64 {
    1.0
}

impl Default for PoissonObjectiveConfig {
    fn default() -> Self {
        Self {
            gradient: 1.0,
            laplacian: 0.0,
            anchor: None,
        }
    }
}

impl Table for PoissonObjectiveConfig {
    fn validate(&self) -> Result<()> {
        let anchor = self.anchor.as_ref().map_or(1.0, |anchor| anchor.weight);
        for (key, weight) in [
            ("objective.gradient", self.gradient),
            ("objective.laplacian", self.laplacian),
            ("objective.anchor.weight", anchor),
        ] {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::invalid(key, weight, "a weight of at least 0"));
            }
        }
        if self.gradient + self.laplacian == 0.0 {
            let expected = "a positive weight for it or for `laplacian`";
            return Err(Error::invalid("objective.gradient", 0.0, expected));
        }
        let pixels = self.anchor.as_ref().map(|anchor| &anchor.pixels);
        if let Some(AnchorPixels::Fraction(fraction)) = pixels
            && !(*fraction > 0.0 && *fraction <= 1.0)
        {
            let key = "objective.anchor.pixels.fraction";
            return Err(Error::invalid(
                key,
                fraction,
                "a fraction above 0, at most 1",
            ));
        }
        Ok(())
    }

    fn resolve_paths(&mut self, base: &Path) {
        let pixels = self.anchor.as_mut().map(|anchor| &mut anchor.pixels);
        if let Some(AnchorPixels::Mask(path)) = pixels {
            *path = base.join(&path);
        }
    }
}
