//! Functionals: losses of the values of a field at all points of a sample together.

use std::borrow::Cow;

use candle_core::Tensor;

use crate::error::Result;
use crate::signal::Sample;

/// A loss that is a function of the values of a field at all points of a sample together, such as the misfit of a solver that takes them
/// as its medium, or of a renderer.
///
/// A functional sees values and no spatial derivatives, and no unknown coefficients. It computes its gradient with respect to the values itself; the
/// trainer carries it on to the parameters, `dL/dθ = Σᵢ dL/dΦ(xᵢ) · dΦ(xᵢ)/dθ`, chunk by chunk. Closures are functionals.
pub trait Functional: Send + Sync {
    /// Returns the terms of the loss and their gradients. Called once per evaluation of the loss, with the whole sample that was drawn. A term
    /// may end at some step, but not begin.
    ///
    /// # Errors
    /// If the sample lacks a column, or the values do not fit.
    fn evaluate(&self, at: &FieldValues<'_>) -> Result<Vec<FunctionalTerm>>;
}

impl<F> Functional for F
where
    F: Fn(&FieldValues<'_>) -> Result<Vec<FunctionalTerm>> + Send + Sync,
{
    fn evaluate(&self, at: &FieldValues<'_>) -> Result<Vec<FunctionalTerm>> {
        self(at)
    }
}

/// Values of a field at all points of a sample, and the state of the training.
pub struct FieldValues<'a> {
    /// Values `(n, c)`, all finite, in the type and on the device of the field, without a graph.
    pub values: &'a Tensor,
    /// Coordinates `(n, d)` and named columns `(n, …)`.
    pub sample: &'a Sample,
    /// Steps taken before this one.
    pub step: u64,
    /// `step` over the number of steps of the training, from 0 to below 1.
    pub progress: f64,
}

/// One part of a functional.
#[derive(Clone, Debug)]
pub struct FunctionalTerm {
    /// Column in `metrics.csv`.
    pub name: Cow<'static, str>,
    /// Factor of this term in the loss of its constraint.
    pub weight: f64,
    /// The loss, unweighted. It is not divided by the number of points.
    pub value: f64,
    /// Gradient of `value` with respect to the values of the field, `(n, c)`, in any type and on any device.
    pub gradient: Tensor,
}

impl FunctionalTerm {
    /// Makes a term of weight 1.
    pub fn new(name: impl Into<Cow<'static, str>>, value: f64, gradient: Tensor) -> Self {
        Self {
            name: name.into(),
            weight: 1.0,
            value,
            gradient,
        }
    }

    /// Returns the term with another weight.
    #[must_use]
    pub fn weighted(self, weight: f64) -> Self {
        Self { weight, ..self }
    }
}
