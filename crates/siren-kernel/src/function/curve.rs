//! Activations composed of comparisons and exponentials.

use pulp::Simd;

use super::SOFTPLUS_THRESHOLD;
use crate::Real;

/// A function with its first three derivatives. (A trait, because a closure need not be inlined into the dispatch of a SIMD level, and
/// would then be compiled without its instructions.)
pub(super) trait Curve<T>: Copy {
    /// Returns `[σ, σ', σ'', σ''']` at `z`. Implementations select instead of branching, so that loops vectorize.
    fn derivatives<S: Simd>(self, simd: S, z: T) -> [T; 4];
}

/// Fills `out` as [`Pointwise::derivatives`](super::Pointwise::derivatives) does.
///
/// There is one loop for each number of slices and each constant `first`, so that the compiler removes the derivatives that are not
/// stored. (With four slices the compiler's alias checks fail, and the loop is not vectorized.)
#[inline(always)]
pub(super) fn fill<T: Real, S: Simd>(
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
                *a = curve.derivatives(simd, z)[FIRST];
            }
        }
        [a, b] => {
            for ((a, b), &z) in a.iter_mut().zip(b.iter_mut()).zip(z) {
                let derivatives = curve.derivatives(simd, z);
                (*a, *b) = (derivatives[FIRST], derivatives[FIRST + 1]);
            }
        }
        [a, b, c] => {
            let out = a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut());
            for (((a, b), c), &z) in out.zip(z) {
                let derivatives = curve.derivatives(simd, z);
                (*a, *b) = (derivatives[FIRST], derivatives[FIRST + 1]);
                *c = derivatives[FIRST + 2];
            }
        }
        _ => unreachable!("1 to 3 derivatives"),
    }
}

/// `z`.
#[derive(Clone, Copy)]
pub(super) struct Linear;

impl<T: Real> Curve<T> for Linear {
    #[inline(always)]
    fn derivatives<S: Simd>(self, _simd: S, z: T) -> [T; 4] {
        [z, T::of(1.0), T::of(0.0), T::of(0.0)]
    }
}

/// `e^(−(s z)²)`.
#[derive(Clone, Copy)]
pub(super) struct Gaussian<T> {
    pub(super) scale: T,
}

impl<T: Real> Curve<T> for Gaussian<T> {
    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let s = self.scale;
        let e = T::gaussian(simd, s * z);
        if e == T::of(0.0) {
            return [T::of(0.0); 4];
        }
        let two_z = T::of(2.0) * s * z;
        [
            e,
            -two_z * s * e,
            (two_z * two_z - T::of(2.0)) * s * s * e,
            two_z * (T::of(6.0) - two_z * two_z) * s * s * s * e,
        ]
    }
}

/// `max(z, 0)`.
#[derive(Clone, Copy)]
pub(super) struct Relu;

impl<T: Real> Curve<T> for Relu {
    #[inline(always)]
    fn derivatives<S: Simd>(self, _simd: S, z: T) -> [T; 4] {
        let zero = T::of(0.0);
        let inactive = z <= zero;
        [
            if inactive { zero } else { z },
            if inactive { zero } else { T::of(1.0) },
            zero,
            zero,
        ]
    }
}

/// `tanh z`.
#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl<T: Real> Curve<T> for Tanh {
    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let t = T::hyperbolic_tangent(simd, z);
        let s1 = T::of(1.0) - t * t;
        let s3 = s1 * (T::of(6.0) * t * t - T::of(2.0));
        [t, s1, T::of(-2.0) * t * s1, s3]
    }
}

/// `1 / (1 + e⁻ᶻ)`.
#[derive(Clone, Copy)]
pub(super) struct Sigmoid;

impl<T: Real> Curve<T> for Sigmoid {
    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        logistic(z, T::exp_below_zero(simd, -z.abs()))
    }
}

/// Returns the logistic function `s` of `z` and its derivatives, from `e = e^(−|z|)`, which gives `1 − s` without cancellation.
#[inline(always)]
fn logistic<T: Real>(z: T, e: T) -> [T; 4] {
    let larger = T::of(1.0) / (T::of(1.0) + e);
    let smaller = e * larger;
    let (s, complement) = if z < T::of(0.0) {
        (smaller, larger)
    } else {
        (larger, smaller)
    };
    let s1 = s * complement;
    let s2 = s1 * (complement - s);
    let s3 = s1 * (T::of(1.0) - T::of(6.0) * s1);
    [s, s1, s2, s3]
}

/// `z / (1 + e⁻ᶻ)`.
#[derive(Clone, Copy)]
pub(super) struct Silu;

impl<T: Real> Curve<T> for Silu {
    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let [s, s1, s2, s3] = logistic(z, T::exp_below_zero(simd, -z.abs()));
        let [two, three] = [2.0, 3.0].map(T::of);
        [z * s, s + z * s1, two * s1 + z * s2, three * s2 + z * s3]
    }
}

/// `ln(1 + eᶻ)`; `z` above [`SOFTPLUS_THRESHOLD`].
#[derive(Clone, Copy)]
pub(super) struct Softplus;

impl<T: Real> Curve<T> for Softplus {
    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let (zero, one) = (T::of(0.0), T::of(1.0));
        let e = T::exp_below_zero(simd, -z.abs());
        let [s, s1, s2, _] = logistic(z, e);
        let value = if z > zero { z } else { zero } + T::ln_1p_below_one(simd, e);
        let is_linear = z > T::of(SOFTPLUS_THRESHOLD);
        [
            if is_linear { z } else { value },
            if is_linear { one } else { s },
            if is_linear { zero } else { s1 },
            if is_linear { zero } else { s2 },
        ]
    }
}

/// `above · z` above 0, `below (eᶻ − 1)` below.
#[derive(Clone, Copy)]
pub(super) struct Exponential<T> {
    pub(super) above: T,
    pub(super) below: T,
}

impl<T: Real> Curve<T> for Exponential<T> {
    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let zero = T::of(0.0);
        let positive = z > zero;
        let non_positive = if positive { zero } else { z };
        let value = self.below * T::exp_m1_below_zero(simd, non_positive);
        let e = self.below * T::exp_below_zero(simd, non_positive);
        let curvature = if positive { zero } else { e };
        [
            if positive { self.above * z } else { value },
            if positive { self.above } else { e },
            curvature,
            curvature,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_gaussian_is_flushed_to_zero_in_single_precision_only() {
        for z in [7.0_f32, 9.5, 1e30] {
            let derivatives = Gaussian { scale: 1.0 }.derivatives(pulp::Scalar, z);
            assert!(derivatives.iter().all(|d| d.to_bits() == 0), "{z}");
        }
        let [value, ..] = Gaussian { scale: 1.0 }.derivatives(pulp::Scalar, 6.5_f32);
        assert!(value > 0.0);
        let [value, slope, ..] = Gaussian { scale: 1.0 }.derivatives(pulp::Scalar, 9.5_f64);
        assert!(value > 0.0 && (slope / value + 19.0).abs() < 1e-12);
    }
}
