//! The two number types of the kernel. Functions marked `inline(always)` are compiled once per SIMD level, inside the
//! dispatch of whoever calls them; the token `simd` says which level that is.

use std::fmt::{Debug, Display};
use std::iter::Sum;

use num_traits::{Float, NumAssign};
use pulp::{Scalar, Simd, WithSimd};

use crate::Level;
use crate::function::{exponential, sine};
use crate::product::panel::{self, Finish, Strided};
use crate::product::{self, double};

/// `f32` (the fast path) or `f64` (the oracle, with the functions of the standard library).
pub trait Real:
    Float + NumAssign + Sum + Default + Debug + Display + Send + Sync + 'static
{
    /// Rounds a constant to this type.
    fn of(value: f64) -> Self;

    /// Returns the value in double precision.
    fn to_double(self) -> f64;

    /// Runs `work` compiled for `level`. In double precision, whose functions are the standard library's, for none: a compilation for
    /// each level would make no result faster.
    fn dispatch<W: WithSimd>(level: Level, work: W) -> W::Output;

    /// `sin_out = sin(ω z)`.
    fn sin_slice<S: Simd>(simd: S, omega: Self, z: &[Self], sin_out: &mut [Self]);

    /// `out = [a sin(ω z), b cos(ω z)]` with each factor beside its slice.
    fn sin_cos_slice<S: Simd>(simd: S, omega: Self, z: &[Self], out: [(Self, &mut [Self]); 2]);

    /// `eˣ` for `x ≤ 0`.
    fn exp_below_zero<S: Simd>(simd: S, x: Self) -> Self;

    /// `eˣ − 1` for `x ≤ 0`.
    fn exp_m1_below_zero<S: Simd>(simd: S, x: Self) -> Self;

    /// `ln(1 + x)` for `0 ≤ x ≤ 1`.
    fn ln_1p_below_one<S: Simd>(simd: S, x: Self) -> Self;

    /// `tanh x`.
    fn hyperbolic_tangent<S: Simd>(simd: S, x: Self) -> Self;

    /// `e^(−z²)`. In single precision, what is below 10⁻²⁰ is zero: most centers are far from most points, and the products
    /// of their subnormal numbers would take ten times as long as those of zeros. Double precision, which knows 10⁻³⁰⁰,
    /// keeps all.
    fn gaussian<S: Simd>(simd: S, z: Self) -> Self;

    /// Weights made ready for products.
    type Weight: Default + Send + Sync + 'static;

    /// `Wᵀ` of row-major `(fan_out, fan_in)` weights, for `Z = H Wᵀ`.
    fn transposed(level: Level, weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight;

    /// `W`, for `dH = dZ W`.
    fn straight(level: Level, weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight;

    /// `out = a w`, `out = (a w) ∘ factor` or `out += a w`, as `product::multiply` says.
    fn multiply(
        level: Level,
        a: Strided<'_, Self>,
        w: &Self::Weight,
        out: (&mut [Self], usize),
        finish: Finish<'_, Self>,
    );

    /// `out += aᵀ b` for the first `m` columns of `a` and `n` of `b`, as `product::multiply_transposed` says.
    fn multiply_transposed(
        level: Level,
        a: (Strided<'_, Self>, usize),
        b: (Strided<'_, Self>, usize),
        out: &mut [Self],
    );
}

/// `a b + c`: fused, but for the scalar level, whose processors may not have it.
#[inline(always)]
pub(crate) fn mul_add<S: Simd>(_simd: S, a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR {
        a * b + c
    } else {
        a.mul_add(b, c)
    }
}

impl Real for f64 {
    type Weight = double::Weight;

    fn dispatch<W: WithSimd>(_level: Level, work: W) -> W::Output {
        work.with_simd(Scalar)
    }

    fn to_double(self) -> f64 {
        self.into()
    }

    fn transposed(_level: Level, weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        double::Weight::transposed(weight, fan_out, fan_in)
    }

    fn straight(_level: Level, weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        double::Weight::straight(weight, fan_out, fan_in)
    }

    fn multiply(
        _level: Level,
        a: Strided<'_, Self>,
        w: &Self::Weight,
        out: (&mut [Self], usize),
        finish: Finish<'_, Self>,
    ) {
        double::multiply(a, w, out, finish);
    }

    fn multiply_transposed(
        _level: Level,
        a: (Strided<'_, Self>, usize),
        b: (Strided<'_, Self>, usize),
        out: &mut [Self],
    ) {
        double::multiply_transposed(a, b, out);
    }

    fn of(value: f64) -> Self {
        value
    }

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
        [(a, sin_out), (b, cos_out)]: [(Self, &mut [Self]); 2],
    ) {
        for ((a_sin, b_cos), &z) in sin_out.iter_mut().zip(cos_out).zip(z) {
            let (sin, cos) = f64::sin_cos(omega * z);
            (*a_sin, *b_cos) = (a * sin, b * cos);
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

impl Real for f32 {
    type Weight = panel::Panels;

    fn dispatch<W: WithSimd>(level: Level, work: W) -> W::Output {
        level.dispatch(work)
    }

    fn to_double(self) -> f64 {
        self.into()
    }

    fn transposed(level: Level, weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        panel::Panels::transposed(level, weight, fan_out, fan_in)
    }

    fn straight(level: Level, weight: &[Self], fan_out: usize, fan_in: usize) -> Self::Weight {
        panel::Panels::straight(level, weight, fan_out, fan_in)
    }

    fn multiply(
        level: Level,
        a: Strided<'_, Self>,
        w: &Self::Weight,
        out: (&mut [Self], usize),
        finish: Finish<'_, Self>,
    ) {
        product::multiply(level, a, w, out, finish);
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
    fn sin_slice<S: Simd>(simd: S, omega: Self, z: &[Self], sin_out: &mut [Self]) {
        sine::sin_slice(simd, omega, z, sin_out);
    }

    #[inline(always)]
    fn sin_cos_slice<S: Simd>(simd: S, omega: Self, z: &[Self], out: [(Self, &mut [Self]); 2]) {
        sine::sin_cos_slice(simd, omega, z, out);
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
