//! Activations as tensor expressions, with their first two derivatives.

use candle_core::{Result, Tensor};
use siren_kernel::{Pointwise, SOFTPLUS_THRESHOLD};

/// A function of a tensor and its first two derivatives, element by element.
pub(super) struct Derivatives {
    pub(super) value: Tensor,
    pub(super) first: Tensor,
    pub(super) second: Tensor,
}

/// Returns `σ(z)`, `σ'(z)` and `σ''(z)`. Candle's backward pass computes the third derivative.
pub(super) fn derivatives(pointwise: Pointwise, z: &Tensor) -> Result<Derivatives> {
    let zero = z.zeros_like()?;
    let positive = z.gt(&zero)?;
    let positive_as_number = positive.to_dtype(z.dtype())?;
    let (value, first, second) = match pointwise {
        Pointwise::Linear => (z.clone(), z.ones_like()?, zero),
        Pointwise::Sine { omega } => {
            let angle = (z * omega)?;
            let sin = angle.sin()?;
            (
                sin.clone(),
                (angle.cos()? * omega)?,
                (sin * (-omega * omega))?,
            )
        }
        Pointwise::Finer { omega } => return finer(z, omega),
        Pointwise::HyperbolicSine { omega } => return hyperbolic_sine(z, omega),
        Pointwise::Gabor { omega, scale } => return gabor(z, omega, scale),
        Pointwise::Sinc { omega } => {
            let s = sinc(&(z * omega)?)?;
            (s.value, (s.first * omega)?, (s.second * (omega * omega))?)
        }
        Pointwise::Gaussian { scale } => return gaussian(z, scale),
        Pointwise::Silu => {
            let s = logistic(z)?;
            (
                (z * &s.value)?,
                (s.value + (z * &s.first)?)?,
                ((s.first * 2.0)? + (z * s.second)?)?,
            )
        }
        Pointwise::Relu => (z.relu()?, positive_as_number, zero),
        Pointwise::Tanh => {
            let t = z.tanh()?;
            let first = (1.0 - t.sqr()?)?;
            (t.clone(), first.clone(), ((t * -2.0)? * first)?)
        }
        Pointwise::Sigmoid => return logistic(z),
        Pointwise::Softplus => {
            // Above the threshold, where σ(z) = z, the exponential must not overflow either: the backward pass would compute 0 · ∞, which
            // is NaN.
            let above = z.gt(SOFTPLUS_THRESHOLD)?;
            let safe = above.where_cond(&zero, z)?;
            let s = logistic(&safe)?;
            let value = (safe.exp()? + 1.0)?.log()?;
            (
                above.where_cond(z, &value)?,
                above.where_cond(&z.ones_like()?, &s.value)?,
                above.where_cond(&zero, &s.first)?,
            )
        }
        Pointwise::Exponential { scale, alpha } => {
            let e = (positive.where_cond(&zero, z)?.exp()? * (scale * alpha))?;
            (
                positive.where_cond(&(z * scale)?, &(&e - scale * alpha)?)?,
                positive.where_cond(&(z.ones_like()? * scale)?, &e)?,
                positive.where_cond(&zero, &e)?,
            )
        }
    };
    Ok(Derivatives {
        value,
        first,
        second,
    })
}

/// Returns `sin u(z)` and its first two derivatives with respect to z, from `u` and its derivatives `du = u'(z)`, `d2u = u''(z)`.
fn sine_of(u: &Tensor, du: Tensor, d2u: Tensor) -> Result<Derivatives> {
    let (sin, cos) = (u.sin()?, u.cos()?);
    let second = ((d2u * &cos)? - (du.sqr()? * &sin)?)?;
    Ok(Derivatives {
        value: sin,
        first: (du * cos)?,
        second,
    })
}

/// Returns `sin(ω (|z| + 1) z)` and its first two derivatives.
fn finer(z: &Tensor, omega: f64) -> Result<Derivatives> {
    let size = z.abs()?;
    let sign = z
        .ge(&z.zeros_like()?)?
        .to_dtype(z.dtype())?
        .affine(2.0, -1.0)?;
    let slope = size.affine(2.0 * omega, omega)?;
    let phase = (size.affine(omega, omega)? * z)?;
    sine_of(&phase, slope, (sign * (2.0 * omega))?)
}

/// Returns `sin(ω sinh 2z)` and its first two derivatives.
fn hyperbolic_sine(z: &Tensor, omega: f64) -> Result<Derivatives> {
    let (grows, falls) = ((z * 2.0)?.exp()?, (z * -2.0)?.exp()?);
    let sinh = ((&grows - &falls)? * (omega / 2.0))?;
    let cosh = ((grows + falls)? * (omega / 2.0))?;
    sine_of(&sinh, (cosh * 2.0)?, (&sinh * 4.0)?)
}

/// Returns `e^(−(s z)²) cos ωz` and its first two derivatives.
fn gabor(z: &Tensor, omega: f64, scale: f64) -> Result<Derivatives> {
    let Derivatives {
        value: g0,
        first: g1,
        second: g2,
    } = gaussian(z, scale)?;
    let angle = (z * omega)?;
    let (c0, c1) = (angle.cos()?, (angle.sin()? * -omega)?);
    let second = ((&g2 * &c0)? + ((&g1 * &c1)? * 2.0)?)?;
    Ok(Derivatives {
        value: (&g0 * &c0)?,
        first: ((&g1 * &c0)? + (&g0 * &c1)?)?,
        second: (second - ((g0 * c0)? * (omega * omega))?)?,
    })
}

/// Returns `sin(u)/u` and its first two derivatives: quotients for |u| ≥ 1, power series for |u| < 1, where the quotients lose digits.
fn sinc(u: &Tensor) -> Result<Derivatives> {
    let near = u.abs()?.lt(1.0)?;
    let one = u.ones_like()?;
    let far = near.where_cond(&one, u)?;
    let s0 = (far.sin()? / &far)?;
    let s1 = ((far.cos()? - &s0)? / &far)?;
    let s2 = ((far.sin()? + (&s1 * 2.0)?)? / &far)?.neg()?;
    let close = near.where_cond(u, &one)?;
    let square = close.sqr()?;
    let [mut t0, mut t1, mut t2] = [(); 3].map(|()| one.affine(0.0, 0.0));
    for k in (0..10).rev() {
        let n = 2.0 * f64::from(k);
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let c = sign / (1..=2 * k + 1).map(f64::from).product::<f64>();
        t0 = (t0? * &square)?.affine(1.0, c);
        if k > 0 {
            t1 = (t1? * &square)?.affine(1.0, c * n);
            t2 = (t2? * &square)?.affine(1.0, c * n * (n - 1.0));
        }
    }
    Ok(Derivatives {
        value: near.where_cond(&t0?, &s0)?,
        first: near.where_cond(&(t1? * close)?, &s1)?,
        second: near.where_cond(&t2?, &s2)?,
    })
}

/// Returns `e^(−(s z)²)` and its first two derivatives.
fn gaussian(z: &Tensor, scale: f64) -> Result<Derivatives> {
    let square = scale * scale;
    let e = (z.sqr()? * -square)?.exp()?;
    let second = (&e * ((z.sqr()? * (4.0 * square * square))? - 2.0 * square)?)?;
    Ok(Derivatives {
        value: e.clone(),
        first: ((z * (-2.0 * square))? * &e)?,
        second,
    })
}

/// Returns the logistic function `1 / (1 + e⁻ᶻ)` and its first two derivatives.
fn logistic(z: &Tensor) -> Result<Derivatives> {
    let s = ((z.neg()?.exp()? + 1.0)?).recip()?;
    let first = (&s * (1.0 - &s)?)?;
    let second = (&first * (1.0 - (&s * 2.0)?)?)?;
    Ok(Derivatives {
        value: s,
        first,
        second,
    })
}
