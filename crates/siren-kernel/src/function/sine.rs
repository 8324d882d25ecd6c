//! Sine and cosine in single precision.

use pulp::Simd;

use super::elementary::Scaled;
use crate::real::mul_add;

/// Returns the largest `|x|` whose range reduction is accurate. Above it the standard library's sine is used instead.
const fn reduction_limit<S: Simd>() -> f32 {
    if S::IS_SCALAR { 8192.0 } else { 16_384.0 }
}

/// π/2 in three parts. With fused multiply-add every product is exact, so that each part uses its whole mantissa.
const HALF_PI_FUSED: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_124_5e-15];
/// π/2 in three parts for products that are rounded: the first two end in enough zero bits for their product with a quadrant to be exact
/// (Cody and Waite).
const HALF_PI_SHORT: [f32; 3] = [1.570_312_5, 4.837_513e-4, 7.549_79e-8];

/// Computes `sin_out = sin(ω z)`.
#[inline(always)]
pub(crate) fn sin_slice<S: Simd>(simd: S, omega: f32, z: &[f32], sin_out: &mut [f32]) {
    let mut out_of_range = false;
    for (sin, &z) in sin_out.iter_mut().zip(z) {
        let x = omega * z;
        out_of_range |= x.abs() > reduction_limit::<S>();
        *sin = sin_cos(simd, x).0;
    }
    if out_of_range {
        for (sin, &z) in sin_out.iter_mut().zip(z) {
            *sin = f32::sin(omega * z);
        }
    }
}

/// Computes `sine.out = sine.factor · sin(ω z)` and `cosine.out = cosine.factor · cos(ω z)`.
#[inline(always)]
pub(crate) fn sin_cos_slice<S: Simd>(
    simd: S,
    omega: f32,
    z: &[f32],
    sine: Scaled<'_, f32>,
    cosine: Scaled<'_, f32>,
) {
    let mut out_of_range = false;
    let Scaled {
        factor: a,
        out: sin_out,
    } = sine;
    let Scaled {
        factor: b,
        out: cos_out,
    } = cosine;
    for ((a_sin, b_cos), &z) in sin_out.iter_mut().zip(&mut *cos_out).zip(z) {
        let x = omega * z;
        out_of_range |= x.abs() > reduction_limit::<S>();
        let (sin, cos) = sin_cos(simd, x);
        (*a_sin, *b_cos) = (a * sin, b * cos);
    }
    if out_of_range {
        for ((a_sin, b_cos), &z) in sin_out.iter_mut().zip(cos_out).zip(z) {
            let (sin, cos) = f32::sin_cos(omega * z);
            (*a_sin, *b_cos) = (a * sin, b * cos);
        }
    }
}

/// Returns `(sin x, cos x)` for `|x| ≤` [`reduction_limit`].
///
/// `x = n π/2 + r`, then polynomials on `|r| ≤ π/4` (minimax, by Lawson's weighted least squares). Adding 1.5 · 2²³ rounds to
/// an integer whose low bits are the quadrant; a conversion to integer would prevent vectorization.
#[inline(always)]
fn sin_cos<S: Simd>(simd: S, x: f32) -> (f32, f32) {
    const ROUND: f32 = 12_582_912.0;
    let half_pi = if S::IS_SCALAR {
        HALF_PI_SHORT
    } else {
        HALF_PI_FUSED
    };
    let shifted = mul_add(simd, x, std::f32::consts::FRAC_2_PI, ROUND);
    let quadrant = shifted.to_bits();
    let n = shifted - ROUND;
    let r = mul_add(simd, n, -half_pi[0], x);
    let r = mul_add(simd, n, -half_pi[1], r);
    let r = mul_add(simd, n, -half_pi[2], r);
    let r2 = r * r;
    let p = mul_add(simd, r2, -1.951_697_8e-4, 8.332_176e-3);
    let p = mul_add(simd, r2, p, -1.666_665_5e-1);
    let sin = mul_add(simd, r2 * r, p, r);
    let q = mul_add(simd, r2, 2.443_278_6e-5, -1.388_731_3e-3);
    let q = mul_add(simd, r2, q, 4.166_664_6e-2);
    let cos = mul_add(simd, r2 * r2, q, mul_add(simd, r2, -0.5, 1.0));
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
