//! Sine and cosine in single precision.

use std::f64::consts::PI;

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

/// Largest argument of [`HalfTurns`]: adding [`ROUND`] to it keeps the exponent of [`ROUND`].
const MOST_HALF_TURNS: f32 = 4_194_303.0;
/// `sin πr = r (s₀ + r² (s₁ + …))` on `|r| ≤ ½`: minimax, by Lawson's weighted least squares, the highest power first.
const SINE_OF_HALF_TURNS: [f32; 5] = [
    0.077_560_44,
    -0.598_242_16,
    2.550_069_8,
    -5.167_71,
    std::f32::consts::PI,
];
/// `cos πr = 1 + r² (c₁ + …)`, the highest power first and 1 last.
const COSINE_OF_HALF_TURNS: [f32; 5] = [0.220_080_64, -1.332_093_8, 4.058_451, -4.934_795, 1.0];

/// Computes all rows of a layer of sines, whose phases are given in half turns.
#[inline(always)]
pub(crate) fn sine_layer<S: Simd>(simd: S, omega: f32, layer: &mut SineLayer<'_, f32>) {
    let mut half_turns = HalfTurns::new(simd, omega);
    if layer.slope.is_empty() {
        values(simd, &mut half_turns, layer);
    } else {
        values_and_slopes(simd, &mut half_turns, layer);
    }
    if half_turns.has_exceeded(simd) {
        recompute(omega, layer);
    }
}

/// Computes the rows with phases beyond [`MOST_HALF_TURNS`] in double precision.
fn recompute(omega: f32, layer: &mut SineLayer<'_, f32>) {
    for row in 0..layer.rows {
        let row = layer.row(row);
        let half_turns = || row.z.iter().zip(row.bias).map(|(z, b)| z + b);
        if !half_turns().any(|t| t.abs() > MOST_HALF_TURNS) {
            continue;
        }
        let phases = || half_turns().map(|t| f64::from(t) * PI);
        let values = row.h.iter_mut().zip(phases());
        values.for_each(|(h, x)| *h = x.sin() as f32);
        let slopes = row.slope.iter_mut().zip(phases());
        slopes.for_each(|(slope, x)| *slope = omega * x.cos() as f32);
    }
}

/// Computes the values of a layer.
#[inline(always)]
fn values<S: Simd>(simd: S, half_turns: &mut HalfTurns<S>, layer: &mut SineLayer<'_, f32>) {
    for row in 0..layer.rows {
        let row = layer.row(row);
        let z = S::as_simd_f32s(row.z).0.iter();
        let bias = S::as_simd_f32s(row.bias).0;
        let h = S::as_mut_simd_f32s(row.h).0;
        for ((&z, &bias), h) in z.zip(bias).zip(h) {
            *h = half_turns.sin_and_slope(simd, simd.add_f32s(z, bias)).0;
        }
    }
}

/// Computes the values and slopes of a layer.
#[inline(always)]
fn values_and_slopes<S: Simd>(
    simd: S,
    half_turns: &mut HalfTurns<S>,
    layer: &mut SineLayer<'_, f32>,
) {
    for row in 0..layer.rows {
        let row = layer.row(row);
        let z = S::as_simd_f32s(row.z).0.iter();
        let bias = S::as_simd_f32s(row.bias).0;
        let h = S::as_mut_simd_f32s(row.h).0.iter_mut();
        let slope = S::as_mut_simd_f32s(row.slope).0;
        for ((&z, &bias), (h, slope)) in z.zip(bias).zip(h.zip(slope)) {
            (*h, *slope) = half_turns.sin_and_slope(simd, simd.add_f32s(z, bias));
        }
    }
}

/// Sines of angles in half turns.
///
/// An angle is a whole number of half turns and a rest `|r| ≤ ½`, which is exact: no constant is subtracted in parts, and sine and cosine
/// need not be exchanged.
struct HalfTurns<S: Simd> {
    /// `ω` times the coefficients of the cosine.
    slope: [S::f32s; 5],
    /// Bits by which the sums with [`ROUND`] differed from it.
    differences: S::u32s,
}

impl<S: Simd> HalfTurns<S> {
    #[inline(always)]
    fn new(simd: S, omega: f32) -> Self {
        Self {
            slope: COSINE_OF_HALF_TURNS.map(|c| simd.splat_f32s(omega * c)),
            differences: simd.splat_u32s(0),
        }
    }

    /// Returns `sin πt` and `ω cos πt`.
    #[inline(always)]
    fn sin_and_slope(&mut self, simd: S, t: S::f32s) -> (S::f32s, S::f32s) {
        let round = simd.splat_f32s(ROUND);
        let shifted = simd.add_f32s(t, round);
        let bits = simd.transmute_u32s_f32s(shifted);
        let difference = simd.xor_u32s(bits, simd.splat_u32s(ROUND.to_bits()));
        self.differences = simd.or_u32s(self.differences, difference);
        let r = simd.sub_f32s(t, simd.sub_f32s(shifted, round));
        let r2 = simd.mul_f32s(r, r);
        let polynomial = |[a, b, c, d, e]: [S::f32s; 5]| {
            let p = simd.mul_add_e_f32s(r2, a, b);
            let p = simd.mul_add_e_f32s(r2, p, c);
            let p = simd.mul_add_e_f32s(r2, p, d);
            simd.mul_add_e_f32s(r2, p, e)
        };
        let sine = SINE_OF_HALF_TURNS.map(|c| simd.splat_f32s(c));
        let (sin, slope) = (simd.mul_f32s(r, polynomial(sine)), polynomial(self.slope));
        // Both change their sign with an odd number of half turns.
        let sign = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(31));
        let flip = |value| {
            let bits = simd.transmute_u32s_f32s(value);
            simd.transmute_f32s_u32s(simd.xor_u32s(bits, sign))
        };
        (flip(sin), flip(slope))
    }

    /// Returns whether an angle was above [`MOST_HALF_TURNS`] or not a number.
    #[inline(always)]
    fn has_exceeded(&self, simd: S) -> bool {
        let exponent = simd.and_u32s(self.differences, simd.splat_u32s(0xff80_0000));
        let exceeds = simd.greater_than_u32s(exponent, simd.splat_u32s(0));
        simd.first_true_m32s(exceeds) < S::F32_LANES
    }
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
