//! Activations composed of the sine and cosine of a phase.

use pulp::Simd;

use super::elementary::Scaled;
use crate::Real;

/// Fills `out` with derivatives of `sin ωz`, from order `first` on: `sin ωz, ω cos ωz, −ω² sin ωz, −ω³ cos ωz`.
#[inline(always)]
pub(super) fn sine<T: Real, S: Simd>(
    simd: S,
    omega: T,
    z: &[T],
    first: usize,
    out: &mut [&mut [T]],
) {
    let (one, minus_omega_squared) = (T::of(1.0), -omega * omega);
    match (first, out) {
        (0, [s0]) => T::sin_slice(simd, omega, z, s0),
        (0, [s0, s1]) => T::sin_cos_slice(simd, omega, z, scaled(one, s0), scaled(omega, s1)),
        (0, [s0, s1, s2]) => {
            T::sin_cos_slice(simd, omega, z, scaled(one, s0), scaled(omega, s1));
            multiply_by(minus_omega_squared, s0, s2);
        }
        (1, [s1, s2]) => {
            T::sin_cos_slice(
                simd,
                omega,
                z,
                scaled(minus_omega_squared, s2),
                scaled(omega, s1),
            );
        }
        (1, [s1, s2, s3]) => {
            T::sin_cos_slice(
                simd,
                omega,
                z,
                scaled(minus_omega_squared, s2),
                scaled(omega, s1),
            );
            multiply_by(minus_omega_squared, s1, s3);
        }
        _ => unreachable!("1 to 3 derivatives; no pass needs the first derivative alone"),
    }
}

#[inline(always)]
fn scaled<T>(factor: T, out: &mut [T]) -> Scaled<'_, T> {
    Scaled { factor, out }
}

/// Computes `out = factor · row`.
#[inline(always)]
fn multiply_by<T: Real>(factor: T, row: &[T], out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(row) {
        *out = factor * x;
    }
}

/// A function of `z` and of the sine and cosine of a phase `u(z)`, with its first three derivatives.
pub(super) trait Wave<T>: Copy {
    /// Returns the phase `u(z)`.
    fn phase<S: Simd>(self, simd: S, z: T) -> T;

    /// Returns `[σ, σ', σ'', σ''']` at `z`, given the sine and cosine of `u(z)`.
    fn derivatives<S: Simd>(self, simd: S, z: T, phase: SinCos<T>) -> [T; 4];
}

/// Sine and cosine of one phase.
#[derive(Clone, Copy)]
pub(super) struct SinCos<T> {
    sin: T,
    cos: T,
}

/// Number of arguments whose sines and cosines are computed at once.
const BLOCK: usize = 64;

/// Fills `out` as [`Pointwise::derivatives`](super::Pointwise::derivatives) does.
#[inline(always)]
pub(super) fn fill<T: Real, S: Simd>(
    simd: S,
    wave: impl Wave<T>,
    z: &[T],
    first: usize,
    out: &mut [&mut [T]],
) {
    let [mut phase, mut sin, mut cos] = [[T::of(0.0); BLOCK]; 3];
    for start in (0..z.len()).step_by(BLOCK) {
        let z = &z[start..z.len().min(start + BLOCK)];
        let [phase, sin, cos] = [&mut phase, &mut sin, &mut cos].map(|row| &mut row[..z.len()]);
        for (phase, &z) in phase.iter_mut().zip(z) {
            *phase = wave.phase(simd, z);
        }
        T::sin_cos_slice(
            simd,
            T::of(1.0),
            phase,
            scaled(T::of(1.0), &mut *sin),
            scaled(T::of(1.0), &mut *cos),
        );
        let block = Block { z, sin, cos };
        for (k, out) in out.iter_mut().enumerate() {
            let out = &mut out[start..][..z.len()];
            match first + k {
                0 => derivative::<0, T, S>(simd, wave, block, out),
                1 => derivative::<1, T, S>(simd, wave, block, out),
                2 => derivative::<2, T, S>(simd, wave, block, out),
                _ => derivative::<3, T, S>(simd, wave, block, out),
            }
        }
    }
}

/// Arguments `z` of a [`Wave`], with the sines and cosines of their phases.
#[derive(Clone, Copy)]
struct Block<'a, T> {
    z: &'a [T],
    sin: &'a [T],
    cos: &'a [T],
}

/// Computes the derivative of one constant `ORDER` on a block; the compiler removes the other orders.
#[inline(always)]
fn derivative<const ORDER: usize, T: Real, S: Simd>(
    simd: S,
    wave: impl Wave<T>,
    block: Block<'_, T>,
    out: &mut [T],
) {
    let Block { z, sin, cos } = block;
    for (((out, &z), &sin), &cos) in out.iter_mut().zip(z).zip(sin).zip(cos) {
        *out = wave.derivatives(simd, z, SinCos { sin, cos })[ORDER];
    }
}

/// Returns `sin u` and its first three derivatives with respect to `z`, given the sine and cosine of `u`, and `u'`, `u''`, `u'''`.
#[inline(always)]
fn chain_rule<T: Real>(phase: SinCos<T>, u1: T, u2: T, u3: T) -> [T; 4] {
    let SinCos { sin, cos } = phase;
    [
        sin,
        u1 * cos,
        u2 * cos - u1 * u1 * sin,
        (u3 - u1 * u1 * u1) * cos - T::of(3.0) * u1 * u2 * sin,
    ]
}

/// `sin(ω (|z| + 1) z)`.
#[derive(Clone, Copy)]
pub(super) struct Finer<T> {
    pub(super) omega: T,
}

impl<T: Real> Wave<T> for Finer<T> {
    #[inline(always)]
    fn phase<S: Simd>(self, _simd: S, z: T) -> T {
        self.omega * (z.abs() + T::of(1.0)) * z
    }

    #[inline(always)]
    fn derivatives<S: Simd>(self, _simd: S, z: T, phase: SinCos<T>) -> [T; 4] {
        let [zero, one, two] = [0.0, 1.0, 2.0].map(T::of);
        let slope = self.omega * (two * z.abs() + one);
        let curvature = two * self.omega;
        let curvature = if z < zero { -curvature } else { curvature };
        chain_rule(phase, slope, curvature, zero)
    }
}

/// `sin(ω sinh 2z)`.
#[derive(Clone, Copy)]
pub(super) struct HyperbolicSine<T> {
    pub(super) omega: T,
}

impl<T: Real> HyperbolicSine<T> {
    /// Returns `[ω sinh 2z, ω cosh 2z]`.
    #[inline(always)]
    fn sinh_cosh<S: Simd>(self, simd: S, z: T) -> [T; 2] {
        let [zero, one, two] = [0.0, 1.0, 2.0].map(T::of);
        let m = T::exp_m1_below_zero(simd, -two * z.abs());
        let e = one + m;
        let half = self.omega / (two * e);
        let sinh = -m * (two + m) * half;
        [if z < zero { -sinh } else { sinh }, (one + e * e) * half]
    }
}

impl<T: Real> Wave<T> for HyperbolicSine<T> {
    #[inline(always)]
    fn phase<S: Simd>(self, simd: S, z: T) -> T {
        self.sinh_cosh(simd, z)[0]
    }

    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T, phase: SinCos<T>) -> [T; 4] {
        let [sinh, cosh] = self.sinh_cosh(simd, z);
        let [two, four, eight] = [2.0, 4.0, 8.0].map(T::of);
        chain_rule(phase, two * cosh, four * sinh, eight * cosh)
    }
}

/// `e^(−(s z)²) cos ωz`.
#[derive(Clone, Copy)]
pub(super) struct Gabor<T> {
    pub(super) omega: T,
    pub(super) scale: T,
}

impl<T: Real> Wave<T> for Gabor<T> {
    #[inline(always)]
    fn phase<S: Simd>(self, _simd: S, z: T) -> T {
        self.omega * z
    }

    #[inline(always)]
    fn derivatives<S: Simd>(self, simd: S, z: T, phase: SinCos<T>) -> [T; 4] {
        let SinCos { sin, cos } = phase;
        let (w, s) = (self.omega, self.scale);
        let [two, three] = [2.0, 3.0].map(T::of);
        let e = T::gaussian(simd, s * z);
        // The envelope e satisfies e' = −v e, with v' = a.
        let a = two * s * s;
        let v = a * z;
        [
            e * cos,
            -e * (v * cos + w * sin),
            e * ((v * v - a - w * w) * cos + two * v * w * sin),
            e * ((three * a + three * w * w - v * v) * v * cos
                + (w * w + three * a - three * v * v) * w * sin),
        ]
    }
}

/// `sin(ωz) / (ωz)`.
#[derive(Clone, Copy)]
pub(super) struct Sinc<T> {
    pub(super) omega: T,
}

/// `|ωz|` below which the quotients of [`Sinc`] lose digits; their power series are used instead.
const SINC_SERIES: f64 = 1.5;
/// Number of terms of the series: at [`SINC_SERIES`] the remainder is below 10⁻¹⁶.
const SINC_TERMS: usize = 12;

impl<T: Real> Wave<T> for Sinc<T> {
    #[inline(always)]
    fn phase<S: Simd>(self, _simd: S, z: T) -> T {
        self.omega * z
    }

    #[inline(always)]
    fn derivatives<S: Simd>(self, _simd: S, z: T, phase: SinCos<T>) -> [T; 4] {
        let SinCos { sin, cos } = phase;
        let w = self.omega;
        let u = w * z;
        let use_series = u.abs() < T::of(SINC_SERIES);
        let [one, two, three] = [1.0, 2.0, 3.0].map(T::of);
        let divisor = if use_series { one } else { u };
        let s0 = sin / divisor;
        let s1 = (cos - s0) / divisor;
        let s2 = -(sin + two * s1) / divisor;
        let s3 = -(cos + three * s2) / divisor;
        let [t0, t1, t2, t3] = sinc_series(if use_series { u } else { one });
        [
            if use_series { t0 } else { s0 },
            w * if use_series { t1 } else { s1 },
            w * w * if use_series { t2 } else { s2 },
            w * w * w * if use_series { t3 } else { s3 },
        ]
    }
}

/// Returns `sin(u)/u = Σ (−u²)ᵏ / (2k + 1)!` and its first three derivatives with respect to `u`, by Horner's rule in `u²`.
#[inline(always)]
fn sinc_series<T: Real>(u: T) -> [T; 4] {
    let square = u * u;
    let [mut t0, mut t1, mut t2, mut t3] = [T::of(0.0); 4];
    for k in (0..SINC_TERMS).rev() {
        let c = SINC_COEFFICIENTS[k];
        let n = 2.0 * k as f64;
        t0 = t0 * square + T::of(c);
        if k >= 1 {
            t1 = t1 * square + T::of(c * n);
            t2 = t2 * square + T::of(c * n * (n - 1.0));
        }
        if k >= 2 {
            t3 = t3 * square + T::of(c * n * (n - 1.0) * (n - 2.0));
        }
    }
    [t0, t1 * u, t2, t3 * u]
}

/// Coefficients of the series of `sin(u)/u` in `u²`: `(−1)ᵏ / (2k + 1)!`.
const SINC_COEFFICIENTS: [f64; SINC_TERMS] = {
    let mut coefficients = [1.0; SINC_TERMS];
    let mut k = 1;
    while k < SINC_TERMS {
        let n = (2 * k) as f64;
        coefficients[k] = -coefficients[k - 1] / (n * (n + 1.0));
        k += 1;
    }
    coefficients
};
