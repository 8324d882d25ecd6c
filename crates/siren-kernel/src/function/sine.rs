//! Sine and cosine in single precision.

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

/// Computes all rows of a layer of sines.
#[inline(always)]
pub(crate) fn sine_layer<S: Simd>(simd: S, omega: f32, layer: &mut SineLayer<'_, f32>) {
    let is_in_range = if layer.slope.is_empty() {
        values(simd, omega, layer)
    } else {
        values_and_slopes(simd, omega, layer)
    };
    if is_in_range {
        return;
    }
    for row in 0..layer.rows {
        let row = layer.row(row);
        let phases = || row.z.iter().zip(row.bias).map(|(z, b)| omega * (z + b));
        if !phases().any(|x| x.abs() > reduction_limit::<S>()) {
            continue;
        }
        row.h.iter_mut().zip(phases()).for_each(|(h, x)| *h = x.sin());
        let slopes = row.slope.iter_mut().zip(phases());
        slopes.for_each(|(slope, x)| *slope = omega * x.cos());
    }
}

/// Computes the values of a layer. Returns whether all phases were in the range of the polynomials.
#[inline(always)]
fn values<S: Simd>(simd: S, omega: f32, layer: &mut SineLayer<'_, f32>) -> bool {
    let mut range = Range::new(simd);
    let scale = simd.splat_f32s(omega);
    for row in 0..layer.rows {
        let row = layer.row(row);
        let z = S::as_simd_f32s(row.z).0.iter();
        let bias = S::as_simd_f32s(row.bias).0;
        let h = S::as_mut_simd_f32s(row.h).0;
        for ((&z, &bias), h) in z.zip(bias).zip(h) {
            let x = simd.mul_f32s(scale, simd.add_f32s(z, bias));
            range.include(simd, x);
            *h = sin_cos_vector(simd, x).0;
        }
    }
    range.is_kept(simd)
}

/// Computes the values and slopes of a layer, as [`values`] does.
#[inline(always)]
fn values_and_slopes<S: Simd>(simd: S, omega: f32, layer: &mut SineLayer<'_, f32>) -> bool {
    let mut range = Range::new(simd);
    let scale = simd.splat_f32s(omega);
    for row in 0..layer.rows {
        let row = layer.row(row);
        let z = S::as_simd_f32s(row.z).0.iter();
        let bias = S::as_simd_f32s(row.bias).0;
        let h = S::as_mut_simd_f32s(row.h).0.iter_mut();
        let slope = S::as_mut_simd_f32s(row.slope).0;
        for ((&z, &bias), (h, slope)) in z.zip(bias).zip(h.zip(slope)) {
            let x = simd.mul_f32s(scale, simd.add_f32s(z, bias));
            range.include(simd, x);
            let (sin, cos) = sin_cos_vector(simd, x);
            *h = sin;
            *slope = simd.mul_f32s(scale, cos);
        }
    }
    range.is_kept(simd)
}

/// Whether arguments exceeded [`reduction_limit`].
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
    fn include(&mut self, simd: S, x: S::f32s) {
        let limit = simd.splat_f32s(reduction_limit::<S>());
        let exceeds = simd.greater_than_f32s(simd.abs_f32s(x), limit);
        self.exceeded = simd.or_m32s(self.exceeded, exceeds);
    }

    #[inline(always)]
    fn is_kept(self, simd: S) -> bool {
        simd.first_true_m32s(self.exceeded) == S::F32_LANES
    }
}

/// Returns sine and cosine of every lane, as [`sin_cos`] computes them.
#[inline(always)]
fn sin_cos_vector<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value: f32| simd.splat_f32s(value);
    let round = splat(ROUND);
    let half_pi = half_pi::<S>();
    let shifted = simd.mul_add_e_f32s(x, splat(std::f32::consts::FRAC_2_PI), round);
    let quadrant = simd.transmute_u32s_f32s(shifted);
    let n = simd.sub_f32s(shifted, round);
    let r = simd.mul_add_e_f32s(n, splat(-half_pi[0]), x);
    let r = simd.mul_add_e_f32s(n, splat(-half_pi[1]), r);
    let r = simd.mul_add_e_f32s(n, splat(-half_pi[2]), r);
    let r2 = simd.mul_f32s(r, r);
    let step = |p, coefficient| simd.mul_add_e_f32s(r2, p, splat(coefficient));
    let p = step(step(splat(SINE[0]), SINE[1]), SINE[2]);
    let sin = simd.mul_add_e_f32s(simd.mul_f32s(r2, r), p, r);
    let q = step(step(splat(COSINE[0]), COSINE[1]), COSINE[2]);
    let cos = simd.mul_add_e_f32s(simd.mul_f32s(r2, r2), q, step(splat(-0.5), 1.0));
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
