//! The `[signal]` and `[objective]` tables of a config of the kind `shape`.

use std::path::{Path, PathBuf};

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};
use siren_core::config::Table;
use siren_core::config::variant::{self, Variant};
use siren_core::{Error, Result};

use self::name::StartName;
pub use crate::loss::{
    DigsLossConfig, DistanceLossConfig, HeatLossConfig, ShapeLoss, SirenLossConfig,
};

/// Most points that a step may draw on the surface, and in the volume.
const MAX_POINTS: usize = 1 << 24;
/// Fewest and most samples of a mesh.
const SAMPLES: std::ops::RangeInclusive<usize> = 100..=20_000_000;
/// Lowest and highest resolution of a mesh.
pub(crate) const RESOLUTIONS: std::ops::RangeInclusive<usize> = 8..=2048;

/// The points that are fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShapeSignalConfig {
    /// A file of points (`.xyz`, `.txt`, `.csv`, `.pts`, `.npy`, `.ply`, `.las`, `.laz`) or of a mesh (`.obj`, `.ply`, `.stl`, `.glb`). Default: the
    /// embedded shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A mesh file with the true surface, for scores and for the distances of the loss `distance`. Default: the mesh of `path`, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<PathBuf>,
    /// Where normals come from.
    pub normals: NormalSource,
    /// How positions become coordinates.
    pub normalization: Normalization,
    /// Number of points that are drawn on a mesh or on the embedded shape, uniformly by area; not used for a file of points.
    pub samples: usize,
    /// Share of the points that are kept back for scores.
    pub held_out: f64,
    /// Points on the surface that each step draws.
    pub surface_points: usize,
    /// Points in the volume that each step draws.
    pub volume_points: usize,
    /// Number of cells along each axis of the mesh that scores are computed on. The mesh in the run folder has twice as many.
    pub resolution: usize,
}

impl Default for ShapeSignalConfig {
    fn default() -> Self {
        Self {
            path: None,
            truth: None,
            normals: NormalSource::Given,
            normalization: Normalization::Box,
            samples: 100_000,
            held_out: 0.05,
            surface_points: 4096,
            volume_points: 4096,
            resolution: 128,
        }
    }
}

/// Where the normals of the points come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalSource {
    /// From the file: its normals, or those of the triangles of a mesh. They may have any length; their signs must agree.
    #[default]
    Given,
    /// From the points: the plane through the 16 nearest ones, with signs along a minimum spanning tree (Hoppe et al. 1992).
    Estimate,
    /// There are none. The losses `digs` and `heat` are made for this.
    None,
}

/// How positions become coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// The center of the bounding box becomes 0, and its longest side spans ±0.9, so that no surface touches the border.
    #[default]
    Box,
    /// The authors': minus the mean of the points, then one minimum and one maximum over all axes become ±1. The surface touches the border,
    /// and on the other axes it may lie off center.
    Authors,
}

impl Table for ShapeSignalConfig {
    fn validate(&self) -> Result<()> {
        for (key, points) in [
            ("signal.surface_points", self.surface_points),
            ("signal.volume_points", self.volume_points),
        ] {
            if !(1..=MAX_POINTS).contains(&points) {
                let expected = format!("1 to {MAX_POINTS} points");
                return Err(Error::invalid(key, points, &expected));
            }
        }
        if !SAMPLES.contains(&self.samples) {
            let expected = format!("{} to {} points", SAMPLES.start(), SAMPLES.end());
            return Err(Error::invalid("signal.samples", self.samples, &expected));
        }
        if let (None, Some(truth)) = (&self.path, &self.truth) {
            let expected = "none without `signal.path`: the surface of the embedded shape is known";
            return Err(Error::invalid("signal.truth", truth.display(), expected));
        }
        if !(0.0..=0.5).contains(&self.held_out) {
            let expected = "a share from 0 to 0.5";
            return Err(Error::invalid("signal.held_out", self.held_out, expected));
        }
        check_resolution("signal.resolution", self.resolution)
    }

    fn resolve_paths(&mut self, base: &Path) {
        for path in self.path.iter_mut().chain(&mut self.truth) {
            *path = base.join(&path);
        }
    }
}

/// Checks a number of cells along each axis.
///
/// # Errors
/// [`Error::InvalidValue`] with `key`.
pub(crate) fn check_resolution(key: &str, resolution: usize) -> Result<()> {
    if RESOLUTIONS.contains(&resolution) {
        return Ok(());
    }
    let expected = format!("{} to {} cells", RESOLUTIONS.start(), RESOLUTIONS.end());
    Err(Error::invalid(key, resolution, &expected))
}

/// The loss, its domain and its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShapeObjectiveConfig {
    /// The loss.
    pub loss: ShapeLoss,
    /// Half the side of the cube in which the points of the volume are drawn, in coordinates.
    pub volume: f64,
    /// What the field is before the first step.
    pub start: Start,
}

impl Default for ShapeObjectiveConfig {
    fn default() -> Self {
        Self {
            loss: ShapeLoss::default(),
            volume: 1.1,
            start: Start::default(),
        }
    }
}

/// What the field is before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Drawn at random, by the initialization of `[field]`: the authors' start.
    Random,
    /// The signed distance of a sphere, `‖x‖ − r`: a network of sines is made smooth, then fitted by some steps on value and gradient. Far from the
    /// points the field then begins as a distance, and a fit without normals begins with an inside.
    Sphere(SphereStart),
}

impl Default for Start {
    fn default() -> Self {
        Self::Sphere(SphereStart::default())
    }
}

/// Steps on the value and the gradient of the signed distance of a sphere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SphereStart {
    /// Radius r of the sphere, in coordinates.
    pub radius: f64,
    /// Number of steps.
    pub steps: u64,
    /// Points of a step.
    pub points: usize,
    /// Learning rate of the steps.
    pub learning_rate: f64,
}

impl Default for SphereStart {
    fn default() -> Self {
        Self {
            radius: 0.5,
            steps: 300,
            points: 4096,
            learning_rate: 5e-4,
        }
    }
}

/// Names in configs.
mod name {
    use serde::Deserialize;

    /// The names that `objective.start` may hold.
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum StartName {
        Random,
        Sphere,
    }
}

impl<'de> Variant<'de> for Start {
    type Name = StartName;
    const EXPECTED: &'static str =
        "the name of a start, such as \"sphere\", or a table such as { sphere = { radius = 0.5 } }";

    fn with_defaults(name: StartName) -> Self {
        match name {
            StartName::Random => Self::Random,
            StartName::Sphere => Self::Sphere(SphereStart::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: StartName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(match name {
            StartName::Random => None,
            StartName::Sphere => Some(Self::Sphere(settings.next_value()?)),
        })
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

impl Table for ShapeObjectiveConfig {
    fn validate(&self) -> Result<()> {
        if !(self.volume > 0.0 && self.volume <= 100.0) {
            let expected = "a half side above 0, at most 100";
            return Err(Error::invalid("objective.volume", self.volume, expected));
        }
        if let Start::Sphere(start) = &self.start {
            let positive = |key: &str, value: f64| {
                if value > 0.0 && value.is_finite() {
                    return Ok(());
                }
                let key = format!("objective.start.sphere.{key}");
                Err(Error::invalid(&key, value, "a number above 0"))
            };
            positive("radius", start.radius)?;
            positive("learning_rate", start.learning_rate)?;
            positive("steps", start.steps as f64)?;
            positive("points", start.points as f64)?;
        }
        self.loss.validate()
    }
}
