//! Pointwise functions: every activation with its first three derivatives.
//!
//! [`curve`] holds those made of exponentials, [`wave`] those made of sines, [`sine`] and [`exponential`] the polynomials of both in
//! single precision. The backward pass of a second-order jet needs `σ` and its first three derivatives; a value step needs `σ` and `σ`'s slope.

#[cfg(test)]
mod accuracy;
mod curve;
pub(crate) mod exponential;
pub(crate) mod sine;
mod wave;

use pulp::Simd;

use self::curve::{Exponential, Gaussian, Linear, Relu, Sigmoid, Silu, Softplus, Tanh};
use self::wave::{Finer, Gabor, HyperbolicSine, Sinc};
use crate::Real;

/// A pointwise function of one layer, its constants included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// `z`: the output layer.
    Linear,
    /// `sin(ω z)`.
    Sine {
        /// ω.
        omega: f64,
    },
    /// `sin(ω (|z| + 1) z)`.
    Finer {
        /// ω.
        omega: f64,
    },
    /// `sin(ω sinh 2z)`.
    HyperbolicSine {
        /// ω.
        omega: f64,
    },
    /// `e^(−(s z)²) cos ωz`.
    Gabor {
        /// ω.
        omega: f64,
        /// Scale s.
        scale: f64,
    },
    /// `sin(ωz) / (ωz)`.
    Sinc {
        /// ω.
        omega: f64,
    },
    /// `e^(−(s z)²)`; of scale 1 the radial basis functions.
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
    /// `scale · z` above 0, `scale · alpha (eᶻ − 1)` below.
    Exponential {
        /// Scale s.
        scale: f64,
        /// Factor α of the exponential.
        alpha: f64,
    },
}

/// λ of SELU (Klambauer et al. 2017).
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// α of SELU (Klambauer et al. 2017).
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// PyTorch's softplus is the identity above this.
pub const SOFTPLUS_THRESHOLD: f64 = 20.0;

impl Pointwise {
    /// Fills `out[k]` with the derivative of order `first + k` at every `z`, for as many `k` as there are slices: 1 to 3, from
    /// σ on (`first = 0`) for the forward pass, from σ' on (`first = 1`) for the reverse.
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
