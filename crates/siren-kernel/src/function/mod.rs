//! Activations with their first three derivatives.
//!
//! The backward pass of a network with second-order derivatives needs `σ` and its first three derivatives; that of a network with values
//! alone needs `σ` and `σ'`.

// `curve` holds the activations composed of exponentials, `wave` those composed of sines, `exponential` and `sine` the polynomials of both
// in single precision, `elementary` the trait through which both precisions are called.
#[cfg(test)]
mod accuracy;
mod curve;
mod elementary;
mod exponential;
mod sine;
mod vector;
mod wave;

use pulp::Simd;

use self::curve::{Exponential, Gaussian, Linear, Relu, Sigmoid, Silu, Softplus, Tanh};
use self::wave::{Finer, Gabor, HyperbolicSine, Sinc};
use crate::Real;

pub(crate) use self::elementary::{Elementary, Scaled, SineLayer};
pub(crate) use self::vector::Vectors;

/// A pointwise function `σ(z)` of a layer, with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// `z`, the function of an output layer.
    Linear,
    /// `sin(ω z)`.
    Sine {
        /// Angular frequency ω.
        omega: f64,
    },
    /// `sin(ω (|z| + 1) z)`.
    Finer {
        /// Angular frequency ω.
        omega: f64,
    },
    /// `sin(ω sinh 2z)`.
    HyperbolicSine {
        /// Angular frequency ω.
        omega: f64,
    },
    /// `e^(−(s z)²) cos ωz`.
    Gabor {
        /// Angular frequency ω.
        omega: f64,
        /// Scale s.
        scale: f64,
    },
    /// `sin(ωz) / (ωz)`.
    Sinc {
        /// Angular frequency ω.
        omega: f64,
    },
    /// `e^(−(s z)²)`.
    Gaussian {
        /// Scale s.
        scale: f64,
    },
    /// `z / (1 + e⁻ᶻ)`.
    Silu,
    /// `max(z, 0)`.
    Relu,
    /// `tanh z`.
    Tanh,
    /// `1 / (1 + e⁻ᶻ)`.
    Sigmoid,
    /// `ln(1 + eᶻ)`; `z` above [`SOFTPLUS_THRESHOLD`].
    Softplus,
    /// `scale · z` for `z > 0`, `scale · alpha (eᶻ − 1)` otherwise: ELU and SELU.
    Exponential {
        /// Factor of the whole function.
        scale: f64,
        /// Factor α of the exponential.
        alpha: f64,
    },
}

/// λ of SELU (Klambauer et al. 2017).
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// α of SELU (Klambauer et al. 2017).
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// Argument above which softplus is the identity, as in PyTorch.
pub const SOFTPLUS_THRESHOLD: f64 = 20.0;

impl Pointwise {
    /// Computes derivatives of `σ` elementwise: `out[k]` receives the derivative of order `first + k` at every element of `z`.
    ///
    /// `first` is 0 in the forward pass, where `out` has 1 to 3 slices, and 1 in the backward pass, where it has 2 or 3. All slices are as
    /// long as `z`. The function is inlined into the SIMD dispatch that calls it; `simd` is the token of the level.
    ///
    /// # Panics
    /// If the number of slices is not one of these.
    #[inline(always)]
    pub fn derivatives<T: Real, S: Simd>(
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
