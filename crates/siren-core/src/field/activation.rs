//! Every activation, with its first three derivatives: the one place where they are written down.
//!
//! A reverse pass through a second-order jet needs `σ, σ', σ'', σ'''`; a value step needs `σ` and `σ'`.

use pulp::Simd;
use serde::{Deserialize, Serialize};

use super::kernel::Real;

/// The nonlinearity of the hidden layers (authors' code, `FCBlock`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `sin(ω₀ z)`, the paper's.
    #[default]
    Sine,
    /// `max(z, 0)`; derivative 0 at 0, as PyTorch's.
    Relu,
    /// `tanh z`.
    Tanh,
    /// `1 / (1 + e⁻ᶻ)`.
    Sigmoid,
    /// `ln(1 + eᶻ)`; `z` above 20, as PyTorch's.
    Softplus,
    /// `z` above 0, `eᶻ − 1` below.
    Elu,
    /// `λ z` above 0, `λ α (eᶻ − 1)` below (Klambauer et al. 2017).
    Selu,
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
    /// `e^(−z²)`: the radial basis functions.
    Gaussian,
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
    /// As used by a layer; `omega` scales the argument of the sine and nothing else.
    pub(crate) fn pointwise(self, omega: f64) -> Pointwise {
        match self {
            Self::Sine => Pointwise::Sine { omega },
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
            Self::Sine { omega } => sine(simd, T::of(omega), z, first, out),
            Self::Linear => fill(simd, Linear, z, first, out),
            Self::Gaussian => fill(simd, Gaussian, z, first, out),
            Self::Relu => fill(simd, Relu, z, first, out),
            Self::Tanh => fill(simd, Tanh, z, first, out),
            Self::Sigmoid => fill(simd, Sigmoid, z, first, out),
            Self::Softplus => fill(simd, Softplus, z, first, out),
            Self::Exponential { scale, alpha } => {
                let (above, below) = (T::of(scale), T::of(scale * alpha));
                fill(simd, Exponential { above, below }, z, first, out);
            }
        }
    }
}

/// A function with its first three derivatives. (A trait because a closure need not be inlined into the dispatch of a SIMD
/// level, and would then miss its instructions.)
trait Curve<T>: Copy {
    /// `[σ, σ', σ'', σ''']` at `z`; selects instead of branches, so that loops vectorize.
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4];
}

/// As [`Pointwise::derivatives`]. There is a loop for each number of slices and for each `first`, a constant: what is not
/// kept need not be computed. (With four slices the compiler would give up on telling them apart, and on vectors.)
#[inline(always)]
fn fill<T: Real, S: Simd>(
    simd: S,
    curve: impl Curve<T>,
    z: &[T],
    first: usize,
    out: &mut [&mut [T]],
) {
    if first == 0 {
        fill_from::<0, T, S>(simd, curve, z, out);
    } else {
        fill_from::<1, T, S>(simd, curve, z, out);
    }
}

#[inline(always)]
fn fill_from<const FIRST: usize, T: Real, S: Simd>(
    simd: S,
    curve: impl Curve<T>,
    z: &[T],
    out: &mut [&mut [T]],
) {
    match out {
        [a] => {
            for (a, &z) in a.iter_mut().zip(z) {
                *a = curve.at(simd, z)[FIRST];
            }
        }
        [a, b] => {
            for ((a, b), &z) in a.iter_mut().zip(b.iter_mut()).zip(z) {
                let derivatives = curve.at(simd, z);
                (*a, *b) = (derivatives[FIRST], derivatives[FIRST + 1]);
            }
        }
        [a, b, c] => {
            let out = a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut());
            for (((a, b), c), &z) in out.zip(z) {
                let derivatives = curve.at(simd, z);
                (*a, *b) = (derivatives[FIRST], derivatives[FIRST + 1]);
                *c = derivatives[FIRST + 2];
            }
        }
        _ => unreachable!("1 to 3 derivatives"),
    }
}

#[derive(Clone, Copy)]
struct Linear;

impl<T: Real> Curve<T> for Linear {
    #[inline(always)]
    fn at<S: Simd>(self, _simd: S, z: T) -> [T; 4] {
        [z, T::of(1.0), T::of(0.0), T::of(0.0)]
    }
}

#[derive(Clone, Copy)]
struct Gaussian;

impl<T: Real> Curve<T> for Gaussian {
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let e = T::gaussian(simd, z);
        if e == T::of(0.0) {
            return [T::of(0.0); 4];
        }
        let two_z = T::of(2.0) * z;
        [
            e,
            -two_z * e,
            (two_z * two_z - T::of(2.0)) * e,
            two_z * (T::of(6.0) - two_z * two_z) * e,
        ]
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl<T: Real> Curve<T> for Relu {
    #[inline(always)]
    fn at<S: Simd>(self, _simd: S, z: T) -> [T; 4] {
        let zero = T::of(0.0);
        let off = z <= zero;
        [
            if off { zero } else { z },
            if off { zero } else { T::of(1.0) },
            zero,
            zero,
        ]
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl<T: Real> Curve<T> for Tanh {
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let t = T::hyperbolic_tangent(simd, z);
        let s1 = T::of(1.0) - t * t;
        let s3 = s1 * (T::of(6.0) * t * t - T::of(2.0));
        [t, s1, T::of(-2.0) * t * s1, s3]
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl<T: Real> Curve<T> for Sigmoid {
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        logistic(z, T::exp_below_zero(simd, -z.abs()))
    }
}

/// The logistic function of `z` and its derivatives, from `e^(−|z|)`: its complement `1 − s` is known without cancellation.
#[inline(always)]
fn logistic<T: Real>(z: T, e: T) -> [T; 4] {
    let near = T::of(1.0) / (T::of(1.0) + e);
    let far = e * near;
    let (s, complement) = if z < T::of(0.0) {
        (far, near)
    } else {
        (near, far)
    };
    let s1 = s * complement;
    let s2 = s1 * (complement - s);
    let s3 = s1 * (T::of(1.0) - T::of(6.0) * s1);
    [s, s1, s2, s3]
}

#[derive(Clone, Copy)]
struct Softplus;

impl<T: Real> Curve<T> for Softplus {
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let (zero, one) = (T::of(0.0), T::of(1.0));
        let e = T::exp_below_zero(simd, -z.abs());
        let [s, s1, s2, _] = logistic(z, e);
        let value = if z > zero { z } else { zero } + T::ln_1p_below_one(simd, e);
        let linear = z > T::of(SOFTPLUS_THRESHOLD);
        [
            if linear { z } else { value },
            if linear { one } else { s },
            if linear { zero } else { s1 },
            if linear { zero } else { s2 },
        ]
    }
}

/// `above · z` above 0, `below (eᶻ − 1)` below.
#[derive(Clone, Copy)]
struct Exponential<T> {
    above: T,
    below: T,
}

impl<T: Real> Curve<T> for Exponential<T> {
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let zero = T::of(0.0);
        let positive = z > zero;
        let low = if positive { zero } else { z };
        let value = self.below * T::exp_m1_below_zero(simd, low);
        let e = self.below * T::exp_below_zero(simd, low);
        let curvature = if positive { zero } else { e };
        [
            if positive { self.above * z } else { value },
            if positive { self.above } else { e },
            curvature,
            curvature,
        ]
    }
}

/// `sin ωz, ω cos ωz, −ω² sin ωz, −ω³ cos ωz`.
#[inline(always)]
fn sine<T: Real, S: Simd>(simd: S, omega: T, z: &[T], first: usize, out: &mut [&mut [T]]) {
    let (one, minus_omega_squared) = (T::of(1.0), -omega * omega);
    match (first, out) {
        (0, [s0]) => T::sin_slice(simd, omega, z, s0),
        (0, [s0, s1]) => T::sin_cos_slice(simd, omega, z, [(one, s0), (omega, s1)]),
        (0, [s0, s1, s2]) => {
            T::sin_cos_slice(simd, omega, z, [(one, s0), (omega, s1)]);
            scaled(minus_omega_squared, s0, s2);
        }
        (1, [s1, s2]) => {
            T::sin_cos_slice(simd, omega, z, [(minus_omega_squared, s2), (omega, s1)]);
        }
        (1, [s1, s2, s3]) => {
            T::sin_cos_slice(simd, omega, z, [(minus_omega_squared, s2), (omega, s1)]);
            scaled(minus_omega_squared, s1, s3);
        }
        _ => unreachable!("1 to 3 derivatives; the slope of a sine alone is asked for by nobody"),
    }
}

/// `out = factor · row`.
#[inline(always)]
fn scaled<T: Real>(factor: T, row: &[T], out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(row) {
        *out = factor * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_gaussian_is_zero_in_single_and_kept_in_double_precision() {
        for z in [7.0_f32, 9.5, 1e30] {
            let derivatives = Gaussian.at(pulp::Scalar, z);
            assert!(derivatives.iter().all(|d| d.to_bits() == 0), "{z}");
        }
        let [value, ..] = Gaussian.at(pulp::Scalar, 6.5_f32);
        assert!(value > 0.0);
        let [value, slope, ..] = Gaussian.at(pulp::Scalar, 9.5_f64);
        assert!(value > 0.0 && (slope / value + 19.0).abs() < 1e-12);
    }
}
