//! The two number types of the kernel. Loops marked `inline(always)` are compiled once per instruction set, inside the
//! dispatch of whoever calls them.

use super::level::Level;
use super::panel::{self, Strided};
use super::{matrix, product};
use candle_core::WithDType;
use num_traits::Float;

/// `f32` (the fast path) or `f64` (the oracle).
pub trait Real: WithDType + Float + Default {
    /// Rounds a constant to this type.
    fn of(value: f64) -> Self;

    /// `sin_out = sin(ω z)`.
    fn sin_slice(omega: Self, z: &[Self], sin_out: &mut [Self]);

    /// `sin_out = sin(ω z)`, `cos_out = cos(ω z)`.
    fn sin_cos_slice(omega: Self, z: &[Self], sin_out: &mut [Self], cos_out: &mut [Self]);

    /// Weights made ready for products.
    type Weight: Default + Send + Sync + 'static;

    /// `Wᵀ` of row-major `(fan_out, fan_in)` weights, for `Z = H Wᵀ`.
    fn transposed(weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight;

    /// `W`, for `dH = dZ W`.
    fn straight(weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight;

    /// `out = (a w) ∘ factor`, as [`product::multiply`] says.
    fn multiply(
        level: Level,
        a: Strided<'_, Self>,
        w: &Self::Weight,
        out: (&mut [Self], usize),
        factor: Option<&[Self]>,
    );

    /// `out += aᵀ b` for the first `m` columns of `a` and `n` of `b`, as [`product::multiply_transposed`] says.
    fn multiply_transposed(
        level: Level,
        a: (Strided<'_, Self>, usize),
        b: (Strided<'_, Self>, usize),
        out: &mut [Self],
    );
}

impl Real for f64 {
    type Weight = matrix::Weight;

    fn transposed(weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        matrix::Weight::transposed(weight, fan_out, fan_in)
    }

    fn straight(weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        matrix::Weight::straight(weight, fan_out, fan_in)
    }

    fn multiply(
        _level: Level,
        a: Strided<'_, Self>,
        w: &Self::Weight,
        out: (&mut [Self], usize),
        factor: Option<&[Self]>,
    ) {
        matrix::multiply(a, w, out, factor);
    }

    fn multiply_transposed(
        _level: Level,
        a: (Strided<'_, Self>, usize),
        b: (Strided<'_, Self>, usize),
        out: &mut [Self],
    ) {
        matrix::multiply_transposed(a, b, out);
    }

    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn sin_slice(omega: Self, z: &[Self], sin_out: &mut [Self]) {
        for (sin, &z) in sin_out.iter_mut().zip(z) {
            *sin = (omega * z).sin();
        }
    }

    fn sin_cos_slice(omega: Self, z: &[Self], sin_out: &mut [Self], cos_out: &mut [Self]) {
        for ((sin, cos), &z) in sin_out.iter_mut().zip(cos_out).zip(z) {
            (*sin, *cos) = f64::sin_cos(omega * z);
        }
    }
}

impl Real for f32 {
    type Weight = panel::Panels;

    fn transposed(weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        panel::Panels::transposed(weight, fan_out, fan_in)
    }

    fn straight(weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        panel::Panels::straight(weight, fan_out, fan_in)
    }

    fn multiply(
        level: Level,
        a: Strided<'_, Self>,
        w: &Self::Weight,
        out: (&mut [Self], usize),
        factor: Option<&[Self]>,
    ) {
        product::multiply(level, a, w, out, factor);
    }

    fn multiply_transposed(
        level: Level,
        a: (Strided<'_, Self>, usize),
        b: (Strided<'_, Self>, usize),
        out: &mut [Self],
    ) {
        product::multiply_transposed(level, a, b, out);
    }

    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn sin_slice(omega: Self, z: &[Self], sin_out: &mut [Self]) {
        if !reducible(omega, z) {
            return z
                .iter()
                .zip(sin_out)
                .for_each(|(z, sin)| *sin = f32::sin(omega * z));
        }
        for (sin, &z) in sin_out.iter_mut().zip(z) {
            *sin = sin_cos_reduced(omega * z).0;
        }
    }

    #[inline(always)]
    fn sin_cos_slice(omega: Self, z: &[Self], sin_out: &mut [Self], cos_out: &mut [Self]) {
        let out = sin_out.iter_mut().zip(cos_out).zip(z);
        if !reducible(omega, z) {
            return out.for_each(|((sin, cos), z)| (*sin, *cos) = f32::sin_cos(omega * z));
        }
        for ((sin, cos), &z) in out {
            (*sin, *cos) = sin_cos_reduced(omega * z);
        }
    }
}

/// Whether the polynomial serves: it is fast only where the processor has fused multiply-add, and exact only up to
/// [`REDUCTION_LIMIT`]. (A fold without early exit vectorizes.)
#[inline(always)]
fn reducible(omega: f32, z: &[f32]) -> bool {
    let far = |far: bool, z: &f32| far | ((omega * z).abs() > REDUCTION_LIMIT);
    has_fused_multiply_add() && !z.iter().fold(false, far)
}

#[inline(always)]
fn has_fused_multiply_add() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

/// Above this the three-part reduction below loses accuracy, and the standard library's sine serves instead.
const REDUCTION_LIMIT: f32 = 16_384.0;

/// `(sin x, cos x)` for `|x| ≤` [`REDUCTION_LIMIT`], absolute error below 1.2e-7.
///
/// `x = n π/2 + r` with π/2 in three parts of which the first two have trailing zeros (Cody and Waite), then the
/// minimax polynomials of the Cephes library on `|r| ≤ π/4`. Adding 1.5 · 2²³ rounds to an integer whose low bits are
/// the quadrant, so no conversion to integer stands in the way of vectorization.
#[inline(always)]
fn sin_cos_reduced(x: f32) -> (f32, f32) {
    const ROUND: f32 = 12_582_912.0;
    const HALF_PI: [f32; 3] = [1.570_312_5, 4.837_513e-4, 7.549_79e-8];
    let shifted = x.mul_add(std::f32::consts::FRAC_2_PI, ROUND);
    let quadrant = shifted.to_bits();
    let n = shifted - ROUND;
    let r = n.mul_add(-HALF_PI[0], x);
    let r = n.mul_add(-HALF_PI[1], r);
    let r = n.mul_add(-HALF_PI[2], r);
    let r2 = r * r;
    let p = r2.mul_add(-1.951_529_6e-4, 8.332_161e-3);
    let p = r2.mul_add(p, -1.666_665_5e-1);
    let sin = (r2 * r).mul_add(p, r);
    let q = r2.mul_add(2.443_315_7e-5, -1.388_731_6e-3);
    let q = r2.mul_add(q, 4.166_664_6e-2);
    let cos = (r2 * r2).mul_add(q, r2.mul_add(-0.5, 1.0));
    let (s, c) = if quadrant & 1 == 0 {
        (sin, cos)
    } else {
        (cos, sin)
    };
    let sin_sign = (quadrant & 2) << 30;
    let cos_sign = (quadrant.wrapping_add(1) & 2) << 30;
    (
        f32::from_bits(s.to_bits() ^ sin_sign),
        f32::from_bits(c.to_bits() ^ cos_sign),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_are_within_two_ulp_of_one_over_the_arguments_that_occur() {
        let z: Vec<f32> = (-2_000_000..=2_000_000).map(|i| i as f32 * 2e-3).collect();
        let (mut s, mut c) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        f32::sin_cos_slice(1.0, &z, &mut s, &mut c);
        let mut worst = 0f64;
        for ((&z, &s), &c) in z.iter().zip(&s).zip(&c) {
            let (exact_s, exact_c) = f64::from(z).sin_cos();
            worst = worst.max((f64::from(s) - exact_s).abs());
            worst = worst.max((f64::from(c) - exact_c).abs());
        }
        assert!(worst < 1.2e-7, "largest absolute error {worst:e}");
    }

    #[test]
    fn huge_and_non_finite_arguments_follow_the_standard_library() {
        let z = [1e5f32, -3e7, 2e9, f32::NAN, f32::INFINITY];
        let (mut s, mut c) = ([0.0; 5], [0.0; 5]);
        f32::sin_cos_slice(1.0, &z, &mut s, &mut c);
        for i in 0..5 {
            let (exact_s, exact_c) = z[i].sin_cos();
            assert_eq!(s[i].is_nan(), exact_s.is_nan());
            assert!(exact_s.is_nan() || (s[i] - exact_s).abs() < 1e-6);
            assert!(exact_c.is_nan() || (c[i] - exact_c).abs() < 1e-6);
        }
    }
}
