//! The key `objective.loss` of a config.

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};
use siren_core::config::variant::{self, Variant};
use siren_core::{Error, Result};

use self::name::LossName;
use crate::objective::{Fading, Heat, SurfaceLoss, VolumeLoss};

/// A loss: a name such as `"siren"`, or a table with its weights such as `{ siren = { surface = 3000.0 } }`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeLoss {
    /// The paper's (§4.2), for points with normals; without them, the same less the term of the normals.
    Siren(SirenLossConfig),
    /// With a penalty on the divergence of the gradient that fades away, for points without normals (Ben-Shabat et al. 2022).
    Digs(DigsLossConfig),
    /// With the energy of a screened Poisson equation, for points without normals (Wang et al. 2025).
    Heat(HeatLossConfig),
    /// The squared error of the signed distance, for a shape whose distance is known (as Lindell et al. 2022 fit shapes).
    Distance(DistanceLossConfig),
}

impl Default for ShapeLoss {
    fn default() -> Self {
        Self::Siren(SirenLossConfig::default())
    }
}

/// Weights of the paper's loss. Each is the factor of the mean over the points of one constraint, the surface or the volume.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SirenLossConfig {
    /// Weight of `|Φ|` on the surface.
    pub surface: f64,
    /// Weight of `exp(−100 |Φ|)` in the volume.
    pub off_surface: f64,
    /// Weight of `1 − cos(∇Φ, n)` on the surface.
    pub normal: f64,
    /// Weight of `|‖∇Φ‖ − 1|`: half of it on the surface and half in the volume.
    pub eikonal: f64,
}

impl Default for SirenLossConfig {
    /// The authors' weights 3000, 100, 100, 50 are factors of means over the points of the surface and as many of the volume together.
    fn default() -> Self {
        Self {
            surface: 1500.0,
            off_surface: 50.0,
            normal: 50.0,
            eikonal: 50.0,
        }
    }
}

/// Weights of the loss with a divergence, as of [`SirenLossConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DigsLossConfig {
    /// Weight of `|Φ|` on the surface.
    pub surface: f64,
    /// Weight of `exp(−100 |Φ|)` in the volume.
    pub off_surface: f64,
    /// Weight of `|‖∇Φ‖ − 1|`: half of it on the surface and half in the volume.
    pub eikonal: f64,
    /// Weight of `|ΔΦ|`, limited to 0.1 to 50, in the volume, until `fade_from`.
    pub divergence: f64,
    /// Share of the steps after which the weight of the divergence falls, linearly.
    pub fade_from: f64,
    /// Share of the steps after which it is 0, and Laplacians are no longer computed.
    pub fade_to: f64,
}

impl Default for DigsLossConfig {
    fn default() -> Self {
        Self {
            surface: 3000.0,
            off_surface: 100.0,
            eikonal: 50.0,
            divergence: 100.0,
            fade_from: 0.2,
            fade_to: 0.4,
        }
    }
}

/// Weights of the loss with a screened Poisson equation, as of [`SirenLossConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeatLossConfig {
    /// Weight of `|Φ|` on the surface.
    pub surface: f64,
    /// Weight of `|‖∇Φ‖ − 1|`: half of it on the surface and half in the volume.
    pub eikonal: f64,
    /// Weight of the integral of `½ exp(−2λ|Φ|) (‖∇Φ‖² + 1)` over the volume, at the first step.
    pub heat: f64,
    /// Its weight from `fade_to` on. Between, it is linear in the step.
    pub final_heat: f64,
    /// Share of the steps after which the weight is `final_heat`.
    pub fade_to: f64,
    /// λ, the inverse of the length over which heat decays.
    pub absorption: f64,
    /// Share of the points of the volume that are drawn from a Gaussian around 0 of standard deviation 0.354 in place of the cube. The
    /// density of this mixture divides the integrand.
    pub central: f64,
}

impl Default for HeatLossConfig {
    /// The authors' weights are 500, 3 and 8 to 1. Their code divides the sum of the last term by three halves of the number of points
    /// (it counts rows of two coordinates), hence the factor ⅔.
    fn default() -> Self {
        Self {
            surface: 500.0,
            eikonal: 3.0,
            heat: 16.0 / 3.0,
            final_heat: 2.0 / 3.0,
            fade_to: 0.6,
            absorption: 15.0,
            central: 0.5,
        }
    }
}

/// Points around the surface, and their weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistanceLossConfig {
    /// Scale of the Laplace distribution of the far points around the surface, in coordinates.
    pub far: f64,
    /// Weight of the squared error of the far points.
    pub far_weight: f64,
    /// Scale of the Laplace distribution of the near points.
    pub near: f64,
    /// Weight of the squared error of the near points.
    pub near_weight: f64,
}

impl Default for DistanceLossConfig {
    fn default() -> Self {
        Self {
            far: 0.1,
            far_weight: 1e-2,
            near: 1e-3,
            near_weight: 1.0,
        }
    }
}

/// Names in configs.
mod name {
    use serde::Deserialize;

    /// The names that `objective.loss` may hold.
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum LossName {
        Siren,
        Digs,
        Heat,
        Distance,
    }
}

impl<'de> Variant<'de> for ShapeLoss {
    type Name = LossName;
    const EXPECTED: &'static str =
        "the name of a loss, such as \"digs\", or a table such as { digs = { divergence = 10.0 } }";

    fn with_defaults(name: LossName) -> Self {
        match name {
            LossName::Siren => Self::Siren(SirenLossConfig::default()),
            LossName::Digs => Self::Digs(DigsLossConfig::default()),
            LossName::Heat => Self::Heat(HeatLossConfig::default()),
            LossName::Distance => Self::Distance(DistanceLossConfig::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: LossName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(Some(match name {
            LossName::Siren => Self::Siren(settings.next_value()?),
            LossName::Digs => Self::Digs(settings.next_value()?),
            LossName::Heat => Self::Heat(settings.next_value()?),
            LossName::Distance => Self::Distance(settings.next_value()?),
        }))
    }
}

impl<'de> Deserialize<'de> for ShapeLoss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

impl ShapeLoss {
    /// Returns every weight, scale and share by its key.
    fn numbers(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Siren(loss) => vec![
                ("siren.surface", loss.surface),
                ("siren.off_surface", loss.off_surface),
                ("siren.normal", loss.normal),
                ("siren.eikonal", loss.eikonal),
            ],
            Self::Digs(loss) => vec![
                ("digs.surface", loss.surface),
                ("digs.off_surface", loss.off_surface),
                ("digs.eikonal", loss.eikonal),
                ("digs.divergence", loss.divergence),
            ],
            Self::Heat(loss) => vec![
                ("heat.surface", loss.surface),
                ("heat.eikonal", loss.eikonal),
                ("heat.heat", loss.heat),
                ("heat.final_heat", loss.final_heat),
                ("heat.absorption", loss.absorption),
            ],
            Self::Distance(loss) => vec![
                ("distance.far", loss.far),
                ("distance.far_weight", loss.far_weight),
                ("distance.near", loss.near),
                ("distance.near_weight", loss.near_weight),
            ],
        }
    }

    /// Checks every weight, scale and share.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key.
    pub(crate) fn validate(&self) -> Result<()> {
        for (key, value) in self.numbers() {
            if !(value.is_finite() && value >= 0.0) {
                let key = format!("objective.loss.{key}");
                return Err(Error::invalid(&key, value, "a number of at least 0"));
            }
        }
        let shares = match self {
            Self::Digs(loss) => vec![
                ("digs.fade_from", loss.fade_from, 0.0),
                ("digs.fade_to", loss.fade_to, loss.fade_from),
            ],
            Self::Heat(loss) => vec![
                ("heat.fade_to", loss.fade_to, 0.0),
                ("heat.central", loss.central, 0.0),
            ],
            Self::Siren(_) | Self::Distance(_) => Vec::new(),
        };
        for (key, value, low) in shares {
            if !(low..=1.0).contains(&value) {
                let key = format!("objective.loss.{key}");
                return Err(Error::invalid(&key, value, &format!("{low} to 1")));
            }
        }
        Ok(())
    }
}

/// Share of the weight of `eikonal` that each of the two constraints has.
const EIKONAL_SHARE: f64 = 0.5;

impl SirenLossConfig {
    /// Returns the loss on points of the surface that have normals.
    #[must_use]
    pub fn on_surface(self) -> SurfaceLoss {
        self.on_surface_without_normals().with_normals(self.normal)
    }

    /// Returns the loss on points of the surface whose normals are not known.
    #[must_use]
    pub fn on_surface_without_normals(self) -> SurfaceLoss {
        SurfaceLoss::new(self.surface, EIKONAL_SHARE * self.eikonal)
    }

    /// Returns the loss on points of the volume.
    #[must_use]
    pub fn in_volume(self) -> VolumeLoss {
        VolumeLoss::new(self.off_surface, EIKONAL_SHARE * self.eikonal)
    }
}

impl DigsLossConfig {
    /// Returns the loss on points of the surface.
    #[must_use]
    pub fn on_surface(self) -> SurfaceLoss {
        SurfaceLoss::new(self.surface, EIKONAL_SHARE * self.eikonal)
    }

    /// Returns the loss on points of the volume.
    #[must_use]
    pub fn in_volume(self) -> VolumeLoss {
        let divergence = Fading {
            first: self.divergence,
            last: 0.0,
            from: self.fade_from,
            to: self.fade_to,
        };
        VolumeLoss::new(self.off_surface, EIKONAL_SHARE * self.eikonal).with_divergence(divergence)
    }
}

impl HeatLossConfig {
    /// Returns the loss on points of the surface.
    #[must_use]
    pub fn on_surface(self) -> SurfaceLoss {
        SurfaceLoss::new(self.surface, EIKONAL_SHARE * self.eikonal)
    }

    /// Returns the loss on points of the volume, which a [`MixtureSampler`](crate::sampler::MixtureSampler) draws.
    #[must_use]
    pub fn in_volume(self) -> VolumeLoss {
        let weight = Fading {
            first: self.heat,
            last: self.final_heat,
            from: 0.0,
            to: self.fade_to,
        };
        let heat = Heat {
            weight,
            absorption: self.absorption,
        };
        VolumeLoss::new(0.0, EIKONAL_SHARE * self.eikonal).with_heat(heat)
    }
}
