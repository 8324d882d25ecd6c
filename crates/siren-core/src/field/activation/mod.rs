//! Every activation, with its first three derivatives: the one place where they are written down, [`curve`] those made of
//! exponentials, [`wave`] those made of sines.
//!
//! A reverse pass through a second-order jet needs `σ, σ', σ'', σ'''`; a value step needs `σ` and `σ'`.

mod curve;
mod wave;

use pulp::Simd;
use serde::{Deserialize, Serialize};

use self::curve::{Exponential, Gaussian, Linear, Relu, Sigmoid, Silu, Softplus, Tanh};
use self::wave::{Finer, Gabor, HyperbolicSine, Sinc};
use super::config::SirenConfig;
use super::kernel::Real;

/// Activation of the hidden layers, a function of the preactivation z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    Gaussian,
    /// `e^(−(s₀ z)²) cos ω₀z`, the real part of the complex wavelet of Saragadam et al. 2023. The weights are real; theirs are complex.
    Wire,
    /// `sin(ω₀z) / (ω₀z)` (Saratchandran et al. 2024).
    Sinc,
}

/// A pointwise function of one layer, its constants included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pointwise {
    /// `z`: the output layer.
    Linear,
    /// `sin(ω z)`.
    Sine {
        omega: f64,
    },
    /// `sin(ω (|z| + 1) z)`.
    Finer {
        omega: f64,
    },
    /// `sin(ω sinh 2z)`.
    HyperbolicSine {
        omega: f64,
    },
    /// `e^(−(s z)²) cos ωz`.
    Gabor {
        omega: f64,
        scale: f64,
    },
    /// `sin(ωz) / (ωz)`.
    Sinc {
        omega: f64,
    },
    /// `e^(−(s z)²)`; of scale 1 the radial basis functions.
    Gaussian {
        scale: f64,
    },
    Silu,
    Relu,
    Tanh,
    Sigmoid,
    Softplus,
    /// `scale · z` above 0, `scale · alpha (eᶻ − 1)` below.
    Exponential {
        scale: f64,
        alpha: f64,
    },
}

pub(crate) const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
pub(crate) const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// PyTorch's softplus is the identity above this.
pub(crate) const SOFTPLUS_THRESHOLD: f64 = 20.0;

impl Activation {
    /// Every one there is.
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
        Self::Gaussian,
        Self::Wire,
        Self::Sinc,
    ];

    /// As used by layer `index` of a network.
    pub(crate) fn pointwise(self, config: &SirenConfig, index: usize) -> Pointwise {
        let omega = match index {
            // A network is not drawn before `auto` has become a number (`SirenConfig::init`).
            0 => config.first_omega_0.given().unwrap_or(f64::NAN),
            _ => config.hidden_omega_0,
        };
        let scale = config.scale_0.or(self.default_scale()).unwrap_or(1.0);
        match self {
            Self::HSiren if index == 0 => Pointwise::HyperbolicSine { omega },
            Self::Sine | Self::HSiren => Pointwise::Sine { omega },
            Self::Finer => Pointwise::Finer { omega },
            Self::Gaussian => Pointwise::Gaussian { scale },
            Self::Wire => Pointwise::Gabor { omega, scale },
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

    /// Whether ω₀ means anything to it.
    pub(crate) fn has_omega(self) -> bool {
        use Activation::{Finer, HSiren, Sinc, Sine, Wire};
        matches!(self, Sine | Finer | HSiren | Wire | Sinc)
    }

    /// Whether z comes in only as ω₀ z.
    pub(crate) fn depends_on_omega_z(self) -> bool {
        matches!(self, Self::Sine | Self::Sinc)
    }

    /// Whether its layers start as the paper's.
    pub(crate) fn starts_as_sine(self) -> bool {
        matches!(self, Self::Sine | Self::Finer | Self::HSiren)
    }

    /// `s₀` where a config gives none, of the activations that have one: what FINER's comparison uses.
    pub(crate) fn default_scale(self) -> Option<f64> {
        match self {
            Self::Gaussian => Some(30.0),
            Self::Wire => Some(10.0),
            _ => None,
        }
    }
}

impl Pointwise {
    /// Fills `out[k]` with the derivative of order `first + k` at every `z`, for as many `k` as there are slices: 1 to 3, from
    /// σ on (`first = 0`) for the forward pass, from σ' on (`first = 1`) for the reverse.
    #[inline(always)]
    pub(crate) fn derivatives<T: Real, S: Simd>(
        self,
        simd: S,
        z: &[T],
        first: usize,
        out: &mut [&mut [T]],
    ) {
        match self {
            Self::Sine { omega } => wave::sine(simd, T::of(omega), z, first, out),
            Self::Finer { omega } => {
                let omega = T::of(omega);
                wave::fill(simd, Finer { omega }, z, first, out);
            }
            Self::HyperbolicSine { omega } => {
                let omega = T::of(omega);
                wave::fill(simd, HyperbolicSine { omega }, z, first, out);
            }
            Self::Gabor { omega, scale } => {
                let (omega, scale) = (T::of(omega), T::of(scale));
                wave::fill(simd, Gabor { omega, scale }, z, first, out);
            }
            Self::Sinc { omega } => {
                let omega = T::of(omega);
                wave::fill(simd, Sinc { omega }, z, first, out);
            }
            Self::Gaussian { scale } => {
                let scale = T::of(scale);
                curve::fill(simd, Gaussian { scale }, z, first, out);
            }
            Self::Linear => curve::fill(simd, Linear, z, first, out),
            Self::Silu => curve::fill(simd, Silu, z, first, out),
            Self::Relu => curve::fill(simd, Relu, z, first, out),
            Self::Tanh => curve::fill(simd, Tanh, z, first, out),
            Self::Sigmoid => curve::fill(simd, Sigmoid, z, first, out),
            Self::Softplus => curve::fill(simd, Softplus, z, first, out),
            Self::Exponential { scale, alpha } => {
                let (above, below) = (T::of(scale), T::of(scale * alpha));
                curve::fill(simd, Exponential { above, below }, z, first, out);
            }
        }
    }
}
