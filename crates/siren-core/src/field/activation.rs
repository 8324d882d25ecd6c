//! Every activation, with its first three derivatives: the one place where they are written down.
//!
//! A reverse pass through a second-order jet needs `σ, σ', σ'', σ'''`; a value step needs `σ` and `σ'`.

use serde::{Deserialize, Serialize};

use super::kernel::Real;

/// The nonlinearity of the hidden layers (authors' code, `FCBlock`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `sin(ω₀ z)`, the paper's.
    #[default]
    Sine,
    /// `max(z, 0)`; derivative 0 at 0, as PyTorch's.
    Relu,
    /// `tanh z`.
    Tanh,
    /// `1 / (1 + e⁻ᶻ)`.
    Sigmoid,
    /// `ln(1 + eᶻ)`; `z` above 20, as PyTorch's.
    Softplus,
    /// `z` above 0, `eᶻ − 1` below.
    Elu,
    /// `λ z` above 0, `λ α (eᶻ − 1)` below (Klambauer et al. 2017).
    Selu,
}

/// A pointwise function of one layer, its constants included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pointwise {
    /// `z`: the output layer.
    Linear,
    /// `sin(ω z)`.
    Sine {
        omega: f64,
    },
    /// `e^(−z²)`: the radial basis functions.
    Gaussian,
    Relu,
    Tanh,
    Sigmoid,
    Softplus,
    /// `scale · z` above 0, `scale · alpha (eᶻ − 1)` below.
    Exponential {
        scale: f64,
        alpha: f64,
    },
}

pub(crate) const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
pub(crate) const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// PyTorch's softplus is the identity above this.
pub(crate) const SOFTPLUS_THRESHOLD: f64 = 20.0;

impl Activation {
    /// As used by a layer; `omega` scales the argument of the sine and nothing else.
    pub(crate) fn pointwise(self, omega: f64) -> Pointwise {
        match self {
            Self::Sine => Pointwise::Sine { omega },
            Self::Relu => Pointwise::Relu,
            Self::Tanh => Pointwise::Tanh,
            Self::Sigmoid => Pointwise::Sigmoid,
            Self::Softplus => Pointwise::Softplus,
            Self::Elu => Pointwise::Exponential {
                scale: 1.0,
                alpha: 1.0,
            },
            Self::Selu => Pointwise::Exponential {
                scale: SELU_SCALE,
                alpha: SELU_ALPHA,
            },
        }
    }
}

impl Pointwise {
    /// Fills `out[k]` with the `k`-th derivative at every `z`, for as many `k` as there are slices (1 to 4).
    #[inline(always)]
    pub(crate) fn derivatives<T: Real>(self, z: &[T], out: &mut [&mut [T]]) {
        match self {
            Self::Sine { omega } => sine(T::of(omega), z, out),
            Self::Linear => each(z, out, |z| [z, T::of(1.0), T::of(0.0), T::of(0.0)]),
            Self::Gaussian => each(z, out, gaussian),
            Self::Relu => each(z, out, |z| {
                let on = z > T::of(0.0);
                let zero = T::of(0.0);
                [
                    if on { z } else { zero },
                    if on { T::of(1.0) } else { zero },
                    zero,
                    zero,
                ]
            }),
            Self::Tanh => each(z, out, |z| {
                let t = z.tanh();
                let s1 = T::of(1.0) - t * t;
                let s3 = s1 * (T::of(6.0) * t * t - T::of(2.0));
                [t, s1, T::of(-2.0) * t * s1, s3]
            }),
            Self::Sigmoid => each(z, out, |z| {
                let s = T::of(1.0) / (T::of(1.0) + (-z).exp());
                let [s1, s2, s3] = logistic(s);
                [s, s1, s2, s3]
            }),
            Self::Softplus => each(z, out, |z| {
                if z > T::of(SOFTPLUS_THRESHOLD) {
                    return [z, T::of(1.0), T::of(0.0), T::of(0.0)];
                }
                let s = T::of(1.0) / (T::of(1.0) + (-z).exp());
                let [s1, s2, _] = logistic(s);
                [z.exp().ln_1p(), s, s1, s2]
            }),
            Self::Exponential { scale, alpha } => {
                let (scale, alpha) = (T::of(scale), T::of(alpha));
                each(z, out, |z| {
                    if z > T::of(0.0) {
                        return [scale * z, scale, T::of(0.0), T::of(0.0)];
                    }
                    let e = scale * alpha * z.exp();
                    [scale * alpha * z.exp_m1(), e, e, e]
                });
            }
        }
    }
}

/// Applies a function that returns `[σ, σ', σ'', σ''']`, keeping what there is room for.
#[inline(always)]
fn each<T: Real>(z: &[T], out: &mut [&mut [T]], f: impl Fn(T) -> [T; 4]) {
    for (i, &z) in z.iter().enumerate() {
        for (slice, derivative) in out.iter_mut().zip(f(z)) {
            slice[i] = derivative;
        }
    }
}

/// In single precision, what is below 10⁻²⁰ is zero: most centers are far from most points, and the products of their
/// subnormal numbers would take ten times as long as those of zeros. Double precision, which knows 10⁻³⁰⁰, keeps all.
fn gaussian<T: Real>(z: T) -> [T; 4] {
    let e = (-z * z).exp();
    let zero = T::of(0.0);
    if e < T::of(1e-20) && T::of(1e-300) == zero {
        return [zero; 4];
    }
    let two_z = T::of(2.0) * z;
    [
        e,
        -two_z * e,
        (two_z * two_z - T::of(2.0)) * e,
        two_z * (T::of(6.0) - two_z * two_z) * e,
    ]
}

/// The derivatives of the logistic function `s`, from its value.
fn logistic<T: Real>(s: T) -> [T; 3] {
    let s1 = s * (T::of(1.0) - s);
    let s2 = s1 * (T::of(1.0) - T::of(2.0) * s);
    let s3 = s1 * (T::of(1.0) - T::of(6.0) * s1);
    [s1, s2, s3]
}

/// `sin ωz, ω cos ωz, −ω² sin ωz, −ω³ cos ωz`.
#[inline(always)]
fn sine<T: Real>(omega: T, z: &[T], out: &mut [&mut [T]]) {
    match out {
        [s0] => T::sin_slice(omega, z, s0),
        [s0, s1, higher @ ..] => {
            T::sin_cos_slice(omega, z, s0, s1);
            s1.iter_mut().for_each(|s1| *s1 *= omega);
            let minus_omega_squared = -omega * omega;
            for (k, slice) in higher.iter_mut().enumerate() {
                let two_below: &[T] = if k == 0 { s0 } else { s1 };
                for (derivative, &below) in slice.iter_mut().zip(two_below) {
                    *derivative = minus_omega_squared * below;
                }
            }
        }
        [] => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_gaussian_is_zero_in_single_and_kept_in_double_precision() {
        for z in [7.0_f32, 9.5, 1e30] {
            assert!(gaussian(z).iter().all(|d| d.to_bits() == 0), "{z}");
        }
        assert!(gaussian(6.5_f32)[0] > 0.0);
        let [value, slope, ..] = gaussian(9.5_f64);
        assert!(value > 0.0 && (slope / value + 19.0).abs() < 1e-12);
    }
}
