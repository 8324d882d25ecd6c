//! Elementary functions of each element type.

use pulp::Simd;

use super::{exponential, sine};

/// A slice to be filled with a function times a constant.
pub struct Scaled<'a, T> {
    pub(crate) factor: T,
    pub(crate) out: &'a mut [T],
}

/// Rows of a layer `z ↦ sin(ω (z + b) / f)` with the factor `f` of [`Elementary::phase_factor`], `stride` elements apart, each of `width` elements and padding to whole vectors.
pub struct SineLayer<'a, T> {
    pub(crate) rows: usize,
    /// Number of elements of a row to compute: whole vectors.
    pub(crate) width: usize,
    pub(crate) stride: usize,
    pub(crate) z: &'a [T],
    /// One row, `b`.
    pub(crate) bias: &'a [T],
    pub(crate) h: &'a mut [T],
    /// Receives `ω cos(ω (z + b) / f)`; empty if that is not needed.
    pub(crate) slope: &'a mut [T],
}

/// One row of a [`SineLayer`].
pub(super) struct SineRow<'a, T> {
    pub(super) z: &'a [T],
    pub(super) bias: &'a [T],
    pub(super) h: &'a mut [T],
    pub(super) slope: &'a mut [T],
}

impl<T> SineLayer<'_, T> {
    #[inline(always)]
    pub(super) fn row(&mut self, row: usize) -> SineRow<'_, T> {
        let range = row * self.stride..row * self.stride + self.width;
        let slope = if self.slope.is_empty() {
            &mut []
        } else {
            &mut self.slope[range.clone()]
        };
        SineRow {
            z: &self.z[range.clone()],
            bias: &self.bias[..self.width],
            h: &mut self.h[range],
            slope,
        }
    }
}

/// Elementary functions: the crate's polynomials for `f32`, the standard library for `f64`.
///
/// The token `simd` names the SIMD level. All functions are `inline(always)`: they are compiled as part of the dispatch that calls them.
pub trait Elementary: Sized {
    /// Computes `sin_out = sin(ω z)`.
    fn sin_slice<S: Simd>(simd: S, omega: Self, z: &[Self], sin_out: &mut [Self]);

    /// Computes `sine.out = sine.factor · sin(ω z)` and `cosine.out = cosine.factor · cos(ω z)`.
    fn sin_cos_slice<S: Simd>(
        simd: S,
        omega: Self,
        z: &[Self],
        sine: Scaled<'_, Self>,
        cosine: Scaled<'_, Self>,
    );

    /// Returns the factor by which weights and bias of a [`SineLayer`] must be multiplied.
    fn phase_factor(omega: f64) -> f64;

    /// Computes all rows of a layer of sines.
    fn sine_layer<S: Simd>(simd: S, omega: Self, layer: &mut SineLayer<'_, Self>);

    /// Returns `eˣ` for `x ≤ 0`.
    fn exp_below_zero<S: Simd>(simd: S, x: Self) -> Self;

    /// Returns `eˣ − 1` for `x ≤ 0`.
    fn exp_m1_below_zero<S: Simd>(simd: S, x: Self) -> Self;

    /// Returns `ln(1 + x)` for `0 ≤ x ≤ 1`.
    fn ln_1p_below_one<S: Simd>(simd: S, x: Self) -> Self;

    /// Returns `tanh x`.
    fn hyperbolic_tangent<S: Simd>(simd: S, x: Self) -> Self;

    /// Returns `e^(−z²)`. In single precision, values below 10⁻²⁰ are flushed to zero: most centers are far from most points, and products
    /// of their subnormal values would take ten times as long as products of zeros. Double precision keeps them.
    fn gaussian<S: Simd>(simd: S, z: Self) -> Self;
}

impl Elementary for f64 {
    #[inline(always)]
    fn sin_slice<S: Simd>(_simd: S, omega: Self, z: &[Self], sin_out: &mut [Self]) {
        for (sin, &z) in sin_out.iter_mut().zip(z) {
            *sin = (omega * z).sin();
        }
    }

    #[inline(always)]
    fn sin_cos_slice<S: Simd>(
        _simd: S,
        omega: Self,
        z: &[Self],
        sine: Scaled<'_, Self>,
        cosine: Scaled<'_, Self>,
    ) {
        for ((a_sin, b_cos), &z) in sine.out.iter_mut().zip(cosine.out).zip(z) {
            let (sin, cos) = f64::sin_cos(omega * z);
            (*a_sin, *b_cos) = (sine.factor * sin, cosine.factor * cos);
        }
    }

    fn phase_factor(_omega: f64) -> f64 {
        1.0
    }

    #[inline(always)]
    fn sine_layer<S: Simd>(_simd: S, omega: Self, layer: &mut SineLayer<'_, Self>) {
        for row in 0..layer.rows {
            let row = layer.row(row);
            let phases = row.z.iter().zip(row.bias).map(|(z, b)| omega * (z + b));
            for (i, phase) in phases.enumerate() {
                let (sin, cos) = phase.sin_cos();
                row.h[i] = sin;
                if let Some(slope) = row.slope.get_mut(i) {
                    *slope = omega * cos;
                }
            }
        }
    }

    #[inline(always)]
    fn exp_below_zero<S: Simd>(_simd: S, x: Self) -> Self {
        x.exp()
    }

    #[inline(always)]
    fn exp_m1_below_zero<S: Simd>(_simd: S, x: Self) -> Self {
        x.exp_m1()
    }

    #[inline(always)]
    fn ln_1p_below_one<S: Simd>(_simd: S, x: Self) -> Self {
        x.ln_1p()
    }

    #[inline(always)]
    fn hyperbolic_tangent<S: Simd>(_simd: S, x: Self) -> Self {
        x.tanh()
    }

    #[inline(always)]
    fn gaussian<S: Simd>(_simd: S, z: Self) -> Self {
        (-z * z).exp()
    }
}

impl Elementary for f32 {
    #[inline(always)]
    fn sin_slice<S: Simd>(simd: S, omega: Self, z: &[Self], sin_out: &mut [Self]) {
        sine::sin_slice(simd, omega, z, sin_out);
    }

    #[inline(always)]
    fn sin_cos_slice<S: Simd>(
        simd: S,
        omega: Self,
        z: &[Self],
        sine: Scaled<'_, Self>,
        cosine: Scaled<'_, Self>,
    ) {
        sine::sin_cos_slice(simd, omega, z, sine, cosine);
    }

    /// Phases are in half turns.
    fn phase_factor(omega: f64) -> f64 {
        omega * std::f64::consts::FRAC_1_PI
    }

    #[inline(always)]
    fn sine_layer<S: Simd>(simd: S, omega: Self, layer: &mut SineLayer<'_, Self>) {
        sine::sine_layer(simd, omega, layer);
    }

    #[inline(always)]
    fn exp_below_zero<S: Simd>(simd: S, x: Self) -> Self {
        exponential::exp_and_exp_m1(simd, x).0
    }

    #[inline(always)]
    fn exp_m1_below_zero<S: Simd>(simd: S, x: Self) -> Self {
        exponential::exp_and_exp_m1(simd, x).1
    }

    #[inline(always)]
    fn ln_1p_below_one<S: Simd>(simd: S, x: Self) -> Self {
        exponential::ln_1p(simd, x)
    }

    #[inline(always)]
    fn hyperbolic_tangent<S: Simd>(simd: S, x: Self) -> Self {
        exponential::tanh(simd, x)
    }

    #[inline(always)]
    fn gaussian<S: Simd>(simd: S, z: Self) -> Self {
        exponential::gaussian(simd, z)
    }
}
