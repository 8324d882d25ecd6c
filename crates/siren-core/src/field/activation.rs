//! Activations that a config can name, and their pointwise functions.

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};
use siren_kernel::{Pointwise, SELU_ALPHA, SELU_SCALE};

use super::encoding::positive_single;
use crate::config::variant::{self, Variant};
use crate::error::Result;

/// Activation of the hidden layers, a function of the preactivation z: a name such as `"sine"`, or a table such as
/// `{ gaussian = { scale = 30.0 } }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `sin(ω₀ z)` (Sitzmann et al. 2020).
    #[default]
    Sine,
    /// `max(z, 0)`. The derivative at 0 is 0, as in PyTorch.
    Relu,
    /// `tanh z`.
    Tanh,
    /// `1 / (1 + e⁻ᶻ)`.
    Sigmoid,
    /// `ln(1 + eᶻ)`; `z` for z above 20, as in PyTorch.
    Softplus,
    /// `z` for z above 0, `eᶻ − 1` below.
    Elu,
    /// `λ z` for z above 0, `λ α (eᶻ − 1)` below (Klambauer et al. 2017).
    Selu,
    /// `z / (1 + e⁻ᶻ)`, also called swish.
    Silu,
    /// `sin(ω₀ (|z| + 1) z)` (Liu et al. 2024). Its authors treat `|z| + 1` as a constant when they differentiate; here the derivatives are
    /// those of the function.
    Finer,
    /// `sin(ω₀ sinh 2z)` in the first layer, `sin(ω₀ z)` in the others (Gao & Jaiman 2024).
    HSiren,
    /// `e^(−(s₀ z)²)` (Ramasinghe & Lucey 2022).
    Gaussian(GaussianActivation),
    /// `e^(−(s₀ z)²) cos ω₀z`, the real part of the complex wavelet of Saragadam et al. 2023. The weights are real; theirs are complex.
    Wire(WireActivation),
    /// `sin(ω₀z) / (ω₀z)` (Saratchandran et al. 2024).
    Sinc,
}

/// Gaussian activation `e^(−(s₀ z)²)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianActivation {
    /// s₀. The width of the Gaussian is proportional to 1/s₀.
    pub scale: f64,
}

impl Default for GaussianActivation {
    /// The value of FINER's comparison.
    fn default() -> Self {
        Self { scale: 30.0 }
    }
}

/// Gabor wavelet `e^(−(s₀ z)²) cos ω₀z`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WireActivation {
    /// s₀. The width of the envelope is proportional to 1/s₀.
    pub scale: f64,
}

impl Default for WireActivation {
    /// The value of FINER's comparison.
    fn default() -> Self {
        Self { scale: 10.0 }
    }
}

/// Rule by which the authors of an activation draw the weights of a layer with `n` inputs and `m` outputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum WeightRule {
    /// U(±1/n) in the first layer, U(±√(6/n)/ω₀) in the others, with the hidden ω₀.
    Sine,
    /// U(±1/√n), PyTorch's default.
    Uniform,
    /// N(0, gain/n).
    Normal {
        /// Variance of a weight times n.
        gain: f64,
    },
    /// N(0, 2/(n + m)).
    Xavier,
}

/// The authors' gain for elu, as a variance.
const ELU_VARIANCE: f64 = 1.550_518_808_067_927_7;

/// The names that `field.activation` may hold.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationName {
    Sine,
    Relu,
    Tanh,
    Sigmoid,
    Softplus,
    Elu,
    Selu,
    Silu,
    Finer,
    HSiren,
    Gaussian,
    Wire,
    Sinc,
}

impl<'de> Variant<'de> for Activation {
    type Name = ActivationName;
    const EXPECTED: &'static str = "the name of an activation, such as \"sine\", or a table such as { gaussian = { scale = 30.0 } }";

    fn with_defaults(name: ActivationName) -> Self {
        match name {
            ActivationName::Sine => Self::Sine,
            ActivationName::Relu => Self::Relu,
            ActivationName::Tanh => Self::Tanh,
            ActivationName::Sigmoid => Self::Sigmoid,
            ActivationName::Softplus => Self::Softplus,
            ActivationName::Elu => Self::Elu,
            ActivationName::Selu => Self::Selu,
            ActivationName::Silu => Self::Silu,
            ActivationName::Finer => Self::Finer,
            ActivationName::HSiren => Self::HSiren,
            ActivationName::Gaussian => Self::Gaussian(GaussianActivation::default()),
            ActivationName::Wire => Self::Wire(WireActivation::default()),
            ActivationName::Sinc => Self::Sinc,
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: ActivationName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(match name {
            ActivationName::Gaussian => Some(Self::Gaussian(settings.next_value()?)),
            ActivationName::Wire => Some(Self::Wire(settings.next_value()?)),
            _ => None,
        })
    }
}

impl<'de> Deserialize<'de> for Activation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

impl Activation {
    /// Every activation, with its default settings.
    pub const ALL: [Self; 13] = [
        Self::Sine,
        Self::Relu,
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Elu,
        Self::Selu,
        Self::Silu,
        Self::Finer,
        Self::HSiren,
        Self::Gaussian(GaussianActivation { scale: 30.0 }),
        Self::Wire(WireActivation { scale: 10.0 }),
        Self::Sinc,
    ];

    pub(super) fn validate(self) -> Result<()> {
        match self {
            Self::Gaussian(gaussian) => {
                positive_single("field.activation.gaussian.scale", gaussian.scale)
            }
            Self::Wire(wire) => positive_single("field.activation.wire.scale", wire.scale),
            _ => Ok(()),
        }
    }

    /// Returns the pointwise function of the first layer.
    pub(crate) fn first_pointwise(self, omega: f64) -> Pointwise {
        match self {
            Self::HSiren => Pointwise::HyperbolicSine { omega },
            _ => self.hidden_pointwise(omega),
        }
    }

    /// Returns the pointwise function of the layers between the first and the last.
    pub(crate) fn hidden_pointwise(self, omega: f64) -> Pointwise {
        match self {
            Self::Sine | Self::HSiren => Pointwise::Sine { omega },
            Self::Finer => Pointwise::Finer { omega },
            Self::Gaussian(GaussianActivation { scale }) => Pointwise::Gaussian { scale },
            Self::Wire(WireActivation { scale }) => Pointwise::Gabor { omega, scale },
            Self::Sinc => Pointwise::Sinc { omega },
            Self::Silu => Pointwise::Silu,
            Self::Relu => Pointwise::Relu,
            Self::Tanh => Pointwise::Tanh,
            Self::Sigmoid => Pointwise::Sigmoid,
            Self::Softplus => Pointwise::Softplus,
            Self::Elu => Pointwise::Exponential {
                scale: 1.0,
                alpha: 1.0,
            },
            Self::Selu => Pointwise::Exponential {
                scale: SELU_SCALE,
                alpha: SELU_ALPHA,
            },
        }
    }

    /// Returns whether the function depends on ω₀.
    #[must_use]
    pub fn has_omega(self) -> bool {
        matches!(
            self,
            Self::Sine | Self::Finer | Self::HSiren | Self::Wire(_) | Self::Sinc
        )
    }

    /// Returns whether the function depends on ω₀ and z through their product alone.
    pub(crate) fn depends_on_omega_z(self) -> bool {
        matches!(self, Self::Sine | Self::Sinc)
    }

    /// Returns whether its layers are initialized as the paper's.
    pub(crate) fn starts_as_sine(self) -> bool {
        self.weight_rule() == WeightRule::Sine
    }

    /// Returns the rule by which its authors draw weights.
    pub(super) fn weight_rule(self) -> WeightRule {
        match self {
            Self::Sine | Self::Finer | Self::HSiren => WeightRule::Sine,
            Self::Gaussian(_) | Self::Wire(_) | Self::Sinc => WeightRule::Uniform,
            Self::Relu | Self::Softplus | Self::Silu => WeightRule::Normal { gain: 2.0 },
            Self::Selu => WeightRule::Normal { gain: 1.0 },
            Self::Elu => WeightRule::Normal { gain: ELU_VARIANCE },
            Self::Tanh | Self::Sigmoid => WeightRule::Xavier,
        }
    }
}
