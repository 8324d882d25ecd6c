//! Functions made of comparisons, exponentials and what follows from them.

use pulp::Simd;

use super::SOFTPLUS_THRESHOLD;
use crate::Real;

/// A function with its first three derivatives. (A trait because a closure need not be inlined into the dispatch of a SIMD
/// level, and would then miss its instructions.)
pub(super) trait Curve<T>: Copy {
    /// `[σ, σ', σ'', σ''']` at `z`; selects instead of branches, so that loops vectorize.
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4];
}

/// As [`Pointwise::derivatives`]. There is a loop for each number of slices and for each `first`, a constant: what is not
/// kept need not be computed. (With four slices the compiler would give up on telling them apart, and on vectors.)
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
pub(super) struct Linear;

impl<T: Real> Curve<T> for Linear {
    #[inline(always)]
    fn at<S: Simd>(self, _simd: S, z: T) -> [T; 4] {
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
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4] {
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

#[derive(Clone, Copy)]
pub(super) struct Relu;

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
pub(super) struct Tanh;

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
pub(super) struct Sigmoid;

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

/// `z / (1 + e⁻ᶻ)`.
#[derive(Clone, Copy)]
pub(super) struct Silu;

impl<T: Real> Curve<T> for Silu {
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, z: T) -> [T; 4] {
        let [s, s1, s2, s3] = logistic(z, T::exp_below_zero(simd, -z.abs()));
        let [two, three] = [2.0, 3.0].map(T::of);
        [z * s, s + z * s1, two * s1 + z * s2, three * s2 + z * s3]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Softplus;

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
pub(super) struct Exponential<T> {
    pub(super) above: T,
    pub(super) below: T,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_gaussian_is_zero_in_single_and_kept_in_double_precision() {
        for z in [7.0_f32, 9.5, 1e30] {
            let derivatives = Gaussian { scale: 1.0 }.at(pulp::Scalar, z);
            assert!(derivatives.iter().all(|d| d.to_bits() == 0), "{z}");
        }
        let [value, ..] = Gaussian { scale: 1.0 }.at(pulp::Scalar, 6.5_f32);
        assert!(value > 0.0);
        let [value, slope, ..] = Gaussian { scale: 1.0 }.at(pulp::Scalar, 9.5_f64);
        assert!(value > 0.0 && (slope / value + 19.0).abs() < 1e-12);
    }
}
