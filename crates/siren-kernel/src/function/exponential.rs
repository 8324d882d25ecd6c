//! The exponential in single precision, and functions derived from it. No function branches, so that loops over them vectorize; NaN
//! gives NaN.

use pulp::Simd;

use crate::real::mul_add;

/// Returns `(eˣ, eˣ − 1)` for `x ≤ 0`, both accurate to the last bits. Where `eˣ` is subnormal it may be flushed to zero.
///
/// `x = n ln 2 + r`, `eˣ − 1 = 2ⁿ (eʳ − 1) + (2ⁿ − 1)`, with a polynomial for `eʳ − 1` on `|r| ≤ ln 2 / 2` (minimax, by Lawson's
/// weighted least squares). Adding 1.5 · 2²³ rounds to an integer `n` in the low bits.
#[inline(always)]
pub(crate) fn exp_and_exp_m1<S: Simd>(simd: S, x: f32) -> (f32, f32) {
    const ROUND: f32 = 12_582_912.0;
    /// Lower clamp of `x`: `n` is −127 there, and `2ⁿ` written as the bits of an exponent is zero.
    const LOWEST: f32 = -88.0;
    /// ln 2; the first part has 9 bits, so that its product with `n` is exact without fused multiply-add too.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x < LOWEST { LOWEST } else { x };
    let shifted = mul_add(simd, x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    let r = mul_add(simd, n, -LN_2[0], x);
    let r = mul_add(simd, n, -LN_2[1], r);
    let p = mul_add(simd, r, 1.389_824e-3, 8.366_1e-3);
    let p = mul_add(simd, r, p, 4.166_685_4e-2);
    let p = mul_add(simd, r, p, 1.666_654_8e-1);
    let p = mul_add(simd, r, p, 0.5);
    let p = mul_add(simd, r * r, p, r);
    (
        mul_add(simd, power, p, power),
        mul_add(simd, power, p, power - 1.0),
    )
}

/// Returns `ln(1 + x)` for `0 ≤ x ≤ 1`: twice the inverse hyperbolic tangent of `s = x / (2 + x)`, `0 ≤ s ≤ 1/3`.
#[inline(always)]
pub(crate) fn ln_1p<S: Simd>(simd: S, x: f32) -> f32 {
    let s = x / (2.0 + x);
    let s2 = s * s;
    let p = mul_add(simd, s2, 1.400_981_4e-1, 1.400_018e-1);
    let p = mul_add(simd, s2, p, 2.001_080_4e-1);
    let p = mul_add(simd, s2, p, 3.333_320_6e-1);
    let twice = s + s;
    mul_add(simd, twice * s2, p, twice)
}

/// Returns `tanh x`, from `m = e^(−2|x|) − 1`, which neither overflows nor cancels.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: f32) -> f32 {
    let (_, m) = exp_and_exp_m1(simd, -2.0 * x.abs());
    (-m / (2.0 + m)).copysign(x)
}

/// Returns `e^(−z²)`, with the rounding error of `z²` compensated to first order; values below 10⁻²⁰ are flushed to zero.
#[inline(always)]
pub(crate) fn gaussian<S: Simd>(simd: S, z: f32) -> f32 {
    /// ln 10²⁰.
    const CUTOFF: f32 = 46.051_7;
    let squared = z * z;
    let rounding_error = if S::IS_SCALAR {
        (f64::from(z) * f64::from(z) - f64::from(squared)) as f32
    } else {
        z.mul_add(z, -squared)
    };
    let (e, _) = exp_and_exp_m1(simd, -squared);
    if squared > CUTOFF {
        0.0
    } else {
        mul_add(simd, e, -rounding_error, e)
    }
}
