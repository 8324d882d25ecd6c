//! The wave equation, its initial state, and conditions at borders.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{Order, Trace};
use siren_core::objective::{Context, Objective, Term};
use siren_core::signal::{Sample, TARGETS};

use super::{MEDIUM, OFFSET, REMAINDER, ResidualNorm};

/// Column of the factor of the field and its derivatives in time `(n, 3)`: `g`, `g'` and `g''`.
pub const FACTOR: &str = "factor";
/// Column of the gradient of the offset `(n, 3)`: `w_t`, `w_x`, `w_y`.
pub const OFFSET_GRADIENT: &str = "offset_gradient";
/// Column of the outward normals of a border `(n, 2)`.
pub const NORMAL: &str = "normal";

/// Coordinates of a point: time and two of space.
const DIMS: usize = 3;

/// Residual of the wave equation `u_tt = (1/m) Δu + s` for `u = w + g Φ`, where `Φ(t, x, y)` is the field:
///
/// `g (Φ_tt − (1/m) ΔΦ) + 2 g' Φ_t + g'' Φ + r`,  `r = w_tt − (1/m) Δw − s`
///
/// with `g` in the column [`FACTOR`] and `r` in the column [`REMAINDER`]. Both columns times a constant are the residual times that constant.
/// Without [`FACTOR`] the wave is the field itself, `g = 1`; without [`REMAINDER`] `r = 0`.
pub struct WaveEquation {
    order: Order,
    norm: ResidualNorm,
    medium: Propagation,
}

/// How the medium enters the equation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Propagation {
    /// One trace, `∂²/∂t² − c² Δ`.
    Uniform,
    /// Two traces, `∂²/∂t²` and `Δ`, and the column [`MEDIUM`].
    Varying,
}

impl WaveEquation {
    /// Makes the equation of a uniform medium: one second-order trace, `diag(1, −c², −c²)`.
    ///
    /// # Errors
    /// [`Error::Trace`](siren_core::Error::Trace) if the speed is not finite.
    pub fn uniform(speed: f64, norm: ResidualNorm) -> Result<Self> {
        let squared = speed * speed;
        let diagonal = [1.0, 0.0, 0.0, 0.0, -squared, 0.0, 0.0, 0.0, -squared];
        Ok(Self {
            order: Order::Traces([Trace::new(DIMS, &diagonal)?].into()),
            norm,
            medium: Propagation::Uniform,
        })
    }

    /// Makes the equation of a medium whose squared slowness `m (n, 1)` is the column [`MEDIUM`]: two second-order traces.
    ///
    /// # Errors
    /// None: the traces are symmetric and finite.
    pub fn varying(norm: ResidualNorm) -> Result<Self> {
        let space = Trace::new(DIMS, &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])?;
        Ok(Self {
            order: Order::Traces([Trace::hessian_entry(DIMS, 0, 0), space].into()),
            norm,
            medium: Propagation::Varying,
        })
    }

    /// Returns `Φ_tt − (1/m) ΔΦ`, `(n, 1)`.
    fn of_field(&self, context: &Context<'_>) -> Result<Tensor> {
        let traces = context.jet.traces()?;
        if self.medium == Propagation::Uniform {
            return Ok(traces.squeeze(2)?);
        }
        let part = |index: usize| traces.narrow(2, index, 1)?.squeeze(2);
        Ok((part(0)? - (part(1)? / context.sample.column(MEDIUM)?)?)?)
    }
}

impl Objective for WaveEquation {
    fn order(&self) -> &Order {
        &self.order
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let mut residual = self.of_field(context)?;
        if let Some(factor) = optional(context.sample, FACTOR) {
            let velocity = along(&context.jet.gradient()?, 0)?;
            let of_velocity = (part(factor, 1)? * velocity)?.affine(2.0, 0.0)?;
            let of_value = (part(factor, 2)? * context.jet.value()?)?;
            residual = (((part(factor, 0)? * residual)? + of_velocity)? + of_value)?;
        }
        if let Some(remainder) = optional(context.sample, REMAINDER) {
            residual = (residual + remainder)?;
        }
        Ok(vec![self.norm.term("equation", residual)?])
    }
}

/// The initial state of a wave at rest, for fields that are the wave itself: `|u − f|` and `|u_t|` at points of time zero, with the initial
/// displacement `f (n, 1)` as targets (the authors' soft constraint).
pub struct InitialState {
    /// Norm of both terms.
    pub norm: ResidualNorm,
    /// Weights in the loss and units of the residuals.
    pub displacement: Scaled,
    /// The same for the velocity.
    pub velocity: Scaled,
}

/// Weight of a term in the loss, and the unit in which its residual is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaled {
    /// Weight.
    pub weight: f64,
    /// Unit: the residual is divided by it.
    pub unit: f64,
}

impl Objective for InitialState {
    fn order(&self) -> &Order {
        &Order::Gradient
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let target = context.sample.column(TARGETS)?;
        let displacement = ((context.jet.value()? - target)? / self.displacement.unit)?;
        let velocity = (along(&context.jet.gradient()?, 0)? / self.velocity.unit)?;
        let term = |name, residual, scaled: Scaled| -> Result<Term> {
            Ok(self.norm.term(name, residual)?.weighted(scaled.weight))
        };
        Ok(vec![
            term("displacement", displacement, self.displacement)?,
            term("velocity", velocity, self.velocity)?,
        ])
    }
}

/// A condition on a wave `u = w + g Φ` at some points, divided by a unit. The sample has the columns [`FACTOR`], [`OFFSET`],
/// [`OFFSET_GRADIENT`], and those that the [`Condition`] names.
pub struct WaveCondition {
    name: &'static str,
    condition: Condition,
    unit: f64,
    norm: ResidualNorm,
}

/// What holds for a wave at the points of a [`WaveCondition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `u = 0`.
    Still,
    /// `∂ₙu = 0`, with the normals in the column [`NORMAL`].
    Free,
    /// `u_t + c ∂ₙu = 0` with `c = 1/√m` (Engquist and Majda 1977, first order), with [`NORMAL`] and [`MEDIUM`].
    Absorbing,
}

impl WaveCondition {
    /// Makes a condition whose residual is divided by `unit`; `name` is that of its term.
    #[must_use]
    pub fn new(name: &'static str, condition: Condition, unit: f64, norm: ResidualNorm) -> Self {
        Self {
            name,
            condition,
            unit,
            norm,
        }
    }
}

impl Objective for WaveCondition {
    fn order(&self) -> &Order {
        match self.condition {
            Condition::Still => &Order::Value,
            Condition::Free | Condition::Absorbing => &Order::Gradient,
        }
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let sample = context.sample;
        let residual = match self.condition {
            Condition::Still => {
                let factor = part(sample.column(FACTOR)?, 0)?;
                ((factor * context.jet.value()?)? + sample.column(OFFSET)?)?
            }
            Condition::Free => normal_derivative(context)?,
            Condition::Absorbing => {
                let speed = sample.column(MEDIUM)?.sqrt()?.recip()?;
                (velocity(context)? + (speed * normal_derivative(context)?)?)?
            }
        };
        let term = self.norm.term(self.name, (residual / self.unit)?)?;
        Ok(vec![term])
    }
}

/// Returns `u_t = w_t + g' Φ + g Φ_t`, `(n, 1)`.
fn velocity(context: &Context<'_>) -> Result<Tensor> {
    let factor = context.sample.column(FACTOR)?;
    let of_velocity = (part(factor, 0)? * along(&context.jet.gradient()?, 0)?)?;
    let of_value = (part(factor, 1)? * context.jet.value()?)?;
    let offset = part(context.sample.column(OFFSET_GRADIENT)?, 0)?;
    Ok(((of_velocity + of_value)? + offset)?)
}

/// Returns `∂ₙu = ∂ₙw + g ∂ₙΦ`, `(n, 1)`.
fn normal_derivative(context: &Context<'_>) -> Result<Tensor> {
    let sample = context.sample;
    let (factor, normal) = (part(sample.column(FACTOR)?, 0)?, sample.column(NORMAL)?);
    let gradient = context.jet.gradient()?;
    let mut sum: Option<Tensor> = None;
    for axis in 0..2 {
        let of_field = (&factor * along(&gradient, 1 + axis)?)?;
        let slope = (of_field + part(sample.column(OFFSET_GRADIENT)?, 1 + axis)?)?;
        let product = (slope * part(normal, axis)?)?;
        sum = Some(match sum {
            None => product,
            Some(sum) => (sum + product)?,
        });
    }
    // There are two axes.
    Ok(sum.unwrap_or(factor))
}

fn optional<'a>(sample: &'a Sample, name: &str) -> Option<&'a Tensor> {
    sample.column(name).ok()
}

/// Returns one column `(n, 1)` of a matrix `(n, k)`.
fn part(matrix: &Tensor, index: usize) -> Result<Tensor> {
    Ok(matrix.narrow(1, index, 1)?)
}

/// Returns the derivatives along an axis `(n, c)` of gradients `(n, c, d)`.
fn along(gradient: &Tensor, axis: usize) -> Result<Tensor> {
    Ok(gradient.narrow(2, axis, 1)?.squeeze(2)?)
}

#[cfg(test)]
mod tests;
