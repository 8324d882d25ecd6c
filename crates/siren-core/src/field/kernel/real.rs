//! The two number types of the kernel, and the loops that are compiled once per instruction set.

use candle_core::WithDType;
use num_traits::Float;
use pulp::Arch;

/// `f32` (the fast path) or `f64` (the oracle).
pub trait Real: WithDType + Float + Default {
    /// Rounds a constant to this type.
    fn of(value: f64) -> Self;

    /// `sin_out = sin(ω z)`.
    fn sin_slice(omega: Self, z: &[Self], sin_out: &mut [Self]);

    /// `sin_out = sin(ω z)`, `cos_out = cos(ω z)`.
    fn sin_cos_slice(omega: Self, z: &[Self], sin_out: &mut [Self], cos_out: &mut [Self]);

    /// `values *= factor`.
    fn scale_slice(factor: Self, values: &mut [Self]) {
        Arch::new().dispatch(|| {
            for value in values {
                *value *= factor;
            }
        });
    }

    /// `out += a * b`, or `out = a * b` where `accumulate` is false.
    fn multiply_slice(a: &[Self], b: &[Self], out: &mut [Self], accumulate: bool) {
        Arch::new().dispatch(|| {
            let products = out.iter_mut().zip(a).zip(b);
            if accumulate {
                products.for_each(|((out, &a), &b)| *out += a * b);
            } else {
                products.for_each(|((out, &a), &b)| *out = a * b);
            }
        });
    }

    /// `out += factor * a * b`.
    fn multiply_add_slice(factor: Self, a: &[Self], b: &[Self], out: &mut [Self]) {
        Arch::new().dispatch(|| {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out += factor * a * b;
            }
        });
    }

    /// `out += a`.
    fn add_slice(a: &[Self], out: &mut [Self]) {
        Arch::new().dispatch(|| {
            for (out, &a) in out.iter_mut().zip(a) {
                *out += a;
            }
        });
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

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
    fn of(value: f64) -> Self {
        value as f32
    }

    fn sin_slice(omega: Self, z: &[Self], sin_out: &mut [Self]) {
        Arch::new().dispatch(|| {
            for (sin, &z) in sin_out.iter_mut().zip(z) {
                *sin = sin_cos_reduced(omega * z).0;
            }
        });
        for (sin, &z) in sin_out.iter_mut().zip(z) {
            if (omega * z).abs() > REDUCTION_LIMIT {
                *sin = f32::sin(omega * z);
            }
        }
    }

    fn sin_cos_slice(omega: Self, z: &[Self], sin_out: &mut [Self], cos_out: &mut [Self]) {
        Arch::new().dispatch(|| {
            for ((sin, cos), &z) in sin_out.iter_mut().zip(cos_out.iter_mut()).zip(z) {
                (*sin, *cos) = sin_cos_reduced(omega * z);
            }
        });
        for ((sin, cos), &z) in sin_out.iter_mut().zip(cos_out).zip(z) {
            if (omega * z).abs() > REDUCTION_LIMIT {
                (*sin, *cos) = f32::sin_cos(omega * z);
            }
        }
    }
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
