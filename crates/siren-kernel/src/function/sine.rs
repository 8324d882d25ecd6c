//! Sine and cosine in single precision.

use std::f64::consts::FRAC_PI_2;

use pulp::Simd;

use super::elementary::{Scaled, SineLayer};
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

/// Adding 1.5 · 2²³ rounds to an integer, whose low bits are those of the sum.
const ROUND: f32 = 12_582_912.0;
/// Coefficients of sine on `|r| ≤ π/4`, `r + r³ (s₂ + r² (s₁ + r² s₀))`: minimax, by Lawson's weighted least squares.
const SINE: [f32; 3] = [-1.951_697_8e-4, 8.332_176e-3, -1.666_665_5e-1];
/// Coefficients of cosine, `1 − r²/2 + r⁴ (c₂ + r² (c₁ + r² c₀))`.
const COSINE: [f32; 3] = [2.443_278_6e-5, -1.388_731_3e-3, 4.166_664_6e-2];

/// Coefficients of [`SINE`] with `r` in quarter turns.
const SINE_OF_QUARTERS: [f32; 3] = {
    let (square, cube) = (FRAC_PI_2 * FRAC_PI_2, FRAC_PI_2 * FRAC_PI_2 * FRAC_PI_2);
    [
        (SINE[0] as f64 * cube * square * square) as f32,
        (SINE[1] as f64 * cube * square) as f32,
        (SINE[2] as f64 * cube) as f32,
    ]
};
/// Coefficients of [`COSINE`] with `r` in quarter turns.
const COSINE_OF_QUARTERS: [f32; 3] = {
    let fourth = FRAC_PI_2 * FRAC_PI_2 * FRAC_PI_2 * FRAC_PI_2;
    [
        (COSINE[0] as f64 * fourth * fourth) as f32,
        (COSINE[1] as f64 * fourth * FRAC_PI_2 * FRAC_PI_2) as f32,
        (COSINE[2] as f64 * fourth) as f32,
    ]
};

const fn half_pi<S: Simd>() -> [f32; 3] {
    if S::IS_SCALAR {
        HALF_PI_SHORT
    } else {
        HALF_PI_FUSED
    }
}

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

/// Largest argument of [`sin_cos_of_turns`] in quarter turns. Above it neighboring single-precision numbers are an eighth of a turn apart or more.
const MOST_QUARTERS: f32 = 2_097_152.0;

/// Computes all rows of a layer of sines, whose phases are given in quarter turns.
#[inline(always)]
pub(crate) fn sine_layer<S: Simd>(simd: S, omega: f32, layer: &mut SineLayer<'_, f32>) {
    let is_in_range = if layer.slope.is_empty() {
        values(simd, layer)
    } else {
        values_and_slopes(simd, omega, layer)
    };
    if !is_in_range {
        recompute(omega, layer);
    }
}

/// Computes the rows with phases beyond [`MOST_QUARTERS`] in double precision.
fn recompute(omega: f32, layer: &mut SineLayer<'_, f32>) {
    for row in 0..layer.rows {
        let row = layer.row(row);
        let quarters = || row.z.iter().zip(row.bias).map(|(z, b)| z + b);
        if !quarters().any(|t| t.abs() > MOST_QUARTERS) {
            continue;
        }
        let phases = || quarters().map(|t| f64::from(t) * FRAC_PI_2);
        let values = row.h.iter_mut().zip(phases());
        values.for_each(|(h, x)| *h = x.sin() as f32);
        let slopes = row.slope.iter_mut().zip(phases());
        slopes.for_each(|(slope, x)| *slope = omega * x.cos() as f32);
    }
}

/// Computes the values of a layer. Returns whether all phases were in the range of the polynomials.
#[inline(always)]
fn values<S: Simd>(simd: S, layer: &mut SineLayer<'_, f32>) -> bool {
    let mut range = Range::new(simd);
    for row in 0..layer.rows {
        let row = layer.row(row);
        let z = S::as_simd_f32s(row.z).0.iter();
        let bias = S::as_simd_f32s(row.bias).0;
        let h = S::as_mut_simd_f32s(row.h).0;
        for ((&z, &bias), h) in z.zip(bias).zip(h) {
            let quarters = simd.add_f32s(z, bias);
            range.include(simd, quarters);
            *h = sin_cos_of_turns(simd, quarters).0;
        }
    }
    range.is_kept(simd)
}

/// Computes the values and slopes of a layer, as [`values`] does.
#[inline(always)]
fn values_and_slopes<S: Simd>(simd: S, omega: f32, layer: &mut SineLayer<'_, f32>) -> bool {
    let mut range = Range::new(simd);
    let omega = simd.splat_f32s(omega);
    for row in 0..layer.rows {
        let row = layer.row(row);
        let z = S::as_simd_f32s(row.z).0.iter();
        let bias = S::as_simd_f32s(row.bias).0;
        let h = S::as_mut_simd_f32s(row.h).0.iter_mut();
        let slope = S::as_mut_simd_f32s(row.slope).0;
        for ((&z, &bias), (h, slope)) in z.zip(bias).zip(h.zip(slope)) {
            let quarters = simd.add_f32s(z, bias);
            range.include(simd, quarters);
            let (sin, cos) = sin_cos_of_turns(simd, quarters);
            *h = sin;
            *slope = simd.mul_f32s(omega, cos);
        }
    }
    range.is_kept(simd)
}

/// Whether arguments exceeded [`MOST_QUARTERS`].
struct Range<S: Simd> {
    exceeded: S::m32s,
}

impl<S: Simd> Range<S> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let zero = simd.splat_f32s(0.0);
        Self {
            exceeded: simd.less_than_f32s(zero, zero),
        }
    }

    #[inline(always)]
    fn include(&mut self, simd: S, quarters: S::f32s) {
        let exceeds =
            simd.greater_than_f32s(simd.abs_f32s(quarters), simd.splat_f32s(MOST_QUARTERS));
        self.exceeded = simd.or_m32s(self.exceeded, exceeds);
    }

    #[inline(always)]
    fn is_kept(self, simd: S) -> bool {
        simd.first_true_m32s(self.exceeded) == S::F32_LANES
    }
}

/// Returns sine and cosine of angles of at most [`MOST_QUARTERS`] quarter turns.
///
/// An angle is a whole number of quarter turns and a rest `|r| ≤ ½`, which is exact, so that no constant is subtracted in parts.
#[inline(always)]
fn sin_cos_of_turns<S: Simd>(simd: S, quarters: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value: f32| simd.splat_f32s(value);
    let shifted = simd.add_f32s(quarters, splat(ROUND));
    let quadrant = simd.transmute_u32s_f32s(shifted);
    let r = simd.sub_f32s(quarters, simd.sub_f32s(shifted, splat(ROUND)));
    let r2 = simd.mul_f32s(r, r);
    let polynomial = |coefficients: [f32; 3], last: S::f32s| {
        let [a, b, c] = coefficients.map(splat);
        let p = simd.mul_add_e_f32s(r2, a, b);
        let p = simd.mul_add_e_f32s(r2, p, c);
        simd.mul_add_e_f32s(r2, p, last)
    };
    let sin = simd.mul_f32s(r, polynomial(SINE_OF_QUARTERS, splat(FRAC_PI_2 as f32)));
    let q = polynomial(COSINE_OF_QUARTERS, splat(-(FRAC_PI_2 * FRAC_PI_2 / 2.0) as f32));
    let cos = simd.mul_add_e_f32s(r2, q, splat(1.0));
    let [one, two] = [1, 2].map(|value| simd.splat_u32s(value));
    let is_even = simd.equal_u32s(simd.and_u32s(quadrant, one), simd.splat_u32s(0));
    let s = simd.select_f32s(is_even, sin, cos);
    let c = simd.select_f32s(is_even, cos, sin);
    let sign = |quadrant| {
        let bit = simd.and_u32s(quadrant, two);
        simd.wrapping_dyn_shl_u32s(bit, simd.splat_u32s(30))
    };
    let flip = |value, sign| {
        let bits = simd.transmute_u32s_f32s(value);
        simd.transmute_f32s_u32s(simd.xor_u32s(bits, sign))
    };
    (
        flip(s, sign(quadrant)),
        flip(c, sign(simd.add_u32s(quadrant, one))),
    )
}

/// Returns `(sin x, cos x)` for `|x| ≤` [`reduction_limit`].
///
/// `x = n π/2 + r`, then polynomials on `|r| ≤ π/4`. The low bits of [`ROUND`]'s sum are the quadrant; a conversion to integer would prevent
/// vectorization.
#[inline(always)]
fn sin_cos<S: Simd>(simd: S, x: f32) -> (f32, f32) {
    let half_pi = half_pi::<S>();
    let shifted = mul_add(simd, x, std::f32::consts::FRAC_2_PI, ROUND);
    let quadrant = shifted.to_bits();
    let n = shifted - ROUND;
    let r = mul_add(simd, n, -half_pi[0], x);
    let r = mul_add(simd, n, -half_pi[1], r);
    let r = mul_add(simd, n, -half_pi[2], r);
    let r2 = r * r;
    let p = mul_add(simd, r2, SINE[0], SINE[1]);
    let p = mul_add(simd, r2, p, SINE[2]);
    let sin = mul_add(simd, r2 * r, p, r);
    let q = mul_add(simd, r2, COSINE[0], COSINE[1]);
    let q = mul_add(simd, r2, q, COSINE[2]);
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
