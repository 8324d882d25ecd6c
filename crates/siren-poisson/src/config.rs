//! The `[signal]` and `[objective]` tables of a config of the kind `poisson`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::signal::{CoordinateRule, Sampling};
use siren_core::{Error, Result};
use siren_picture::picture::MAX_PIXELS;
use siren_picture::{ColorMode, Source};

/// `[signal]`: whose derivatives, and in which unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoissonSignal {
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
    /// How a picture that is not square maps to coordinates.
    pub coordinates: CoordinateRule,
    /// Pixels whose derivatives a step sees.
    pub sampling: Sampling,
    /// How derivatives are taken of the pixels.
    pub stencil: Stencil,
    /// The unit of the targets.
    pub scaling: Scaling,
    /// A second picture, whose derivatives are blended with those of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blend: Option<Blend>,
}

/// How derivatives are taken of the pixels. A field has exact derivatives, so what it recovers lacks what a stencil does not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stencil {
    /// Gradient and Laplacian of the cosine series through the pixels: exact for every wave up to the finest, and known between pixels.
    /// Training sees them a quarter of a pixel beside each pixel, on one of four lattices a step, so that the field cannot drift in between.
    #[default]
    Spectral,
    /// Differences of the two neighbors, and the five-point Laplacian. The finest waves are seen by `sin(w)/w` of their slope, none at
    /// two pixels a wave.
    Central,
    /// The authors' (`scipy.ndimage`): central differences smoothed over three pixels across, and the five-point Laplacian.
    Sobel,
}

/// The unit of the targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Derivatives per unit of the coordinates of a picture in [−1, 1]: the field has the picture's own contrast. Each term of the
    /// loss is divided by the mean square of its targets, so that weights of different terms compare.
    #[default]
    Coordinate,
    /// The authors': 80 times the derivative per pixel (10 times Sobel's differences), 10,000 times the Laplacian per pixel, and plain
    /// squares. A field fitted on them
    /// has `160/(n − 1)` or `40000/(n − 1)²` of the contrast of a picture of n × n pixels: 0.63 or 0.62 for n = 256.
    Authors,
}

/// A second picture. Derivatives become `(1 − w) · first + w · second`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// A picture file, which is cropped and resized as the first is.
    pub path: PathBuf,
    /// w, the same everywhere. Default: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// w pixel by pixel: 0 where this picture is black, 1 where it is white.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<PathBuf>,
}

impl Table for PoissonSignal {
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

impl PoissonSignal {
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

/// `[objective]`: what is compared, each with its weight in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoissonObjective {
    /// Of the gradient.
    pub gradient: f64,
    /// Of the Laplacian.
    pub laplacian: f64,
    /// Pixels whose values are shown as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
}

/// Pixels whose values are shown: they fix the brightness, and for a blend of pictures the surroundings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Weight of their mean squared error.
    #[serde(default = "one")]
    pub weight: f64,
    /// Which.
    pub pixels: AnchorPixels,
}

/// Which pixels' values are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorPixels {
    /// Those at the edge of the picture.
    Border,
    /// Each with this probability.
    Fraction(f64),
    /// Where this picture is brighter than half.
    Mask(PathBuf),
}

fn one() -> f64 {
    1.0
}

impl Default for PoissonObjective {
    fn default() -> Self {
        Self {
            gradient: 1.0,
            laplacian: 0.0,
            anchor: None,
        }
    }
}

impl Table for PoissonObjective {
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
