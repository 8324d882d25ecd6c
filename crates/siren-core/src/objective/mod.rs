//! Objectives: pointwise constraints on a jet, as named per-point terms; functionals: losses of all values together.
//!
//! The paper's general loss (§2) is a sum of constraints, each on its own domain,
//! `L = Σₘ wₘ · mean over x ∈ Ωₘ of ‖Cₘ(a(x), Φ(x), ∇Φ(x), …)‖`. An [`Objective`] is one `C`; a [`Constraint`] gives it a name, its
//! weight `w` and its domain `Ω`, a sampler. A loss that is no mean over points, such as the misfit of a solver in an inverse problem, is a
//! [`Functional`] of the values at all points.

mod constraint;
mod context;
mod derivatives;
mod functional;
mod prior;
mod squares;
mod value;

use std::borrow::Cow;

use candle_core::Tensor;

use crate::error::Result;
use crate::field::Order;

pub use self::constraint::{Constraint, Law, Weight};
pub use self::context::{Coefficients, Context};
pub use self::derivatives::{Derivatives, Share};
pub use self::functional::{FieldValues, Functional, FunctionalTerm};
pub use self::prior::{HessianPrior, TotalVariation};
pub use self::squares::{JetSquares, SquareTerm};
pub use self::value::ValueMse;

/// The loss of every point for one part of an objective.
#[derive(Clone, Debug)]
pub struct Term {
    /// Column in `metrics.csv`.
    pub name: Cow<'static, str>,
    /// Factor of this term in the loss of its constraint.
    pub weight: f64,
    /// Loss per point `(n,)`, unweighted. The trainer takes the mean over all points of the sample.
    pub per_point: Tensor,
    /// Residuals `(n, k)` whose squares sum to `per_point`, if it is such a sum: what Gauss–Newton needs.
    pub residuals: Option<Tensor>,
}

impl Term {
    /// Makes a term of weight 1.
    pub fn new(name: impl Into<Cow<'static, str>>, per_point: Tensor) -> Self {
        Self {
            name: name.into(),
            weight: 1.0,
            per_point,
            residuals: None,
        }
    }

    /// Makes a term of weight 1 whose loss is the sum of the squares of `residuals (n, k)`, `Σ_k r²`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn squares(name: impl Into<Cow<'static, str>>, residuals: Tensor) -> Result<Self> {
        let per_point = residuals.sqr()?.sum(1)?;
        Ok(Self {
            residuals: Some(residuals),
            ..Self::new(name, per_point)
        })
    }

    /// Returns the term with another weight.
    #[must_use]
    pub fn weighted(self, weight: f64) -> Self {
        Self { weight, ..self }
    }
}

/// A pointwise constraint. [`from_fn`] makes one of a closure.
pub trait Objective: Send + Sync {
    /// Returns the derivatives that it needs, and no more.
    fn order(&self) -> &Order;

    /// Returns the derivatives that it needs after this fraction of the training, from 0 to below 1, for terms that end. They are those of
    /// [`order`](Self::order) unless this method is overridden.
    fn order_at(&self, _progress: f64) -> &Order {
        self.order()
    }

    /// Returns the terms as sums of squared differences between components of the jet and targets, for a field of `channels` outputs, if they
    /// are such sums. They must equal those of [`terms`](Self::terms).
    fn squares(&self, _channels: usize) -> Option<JetSquares> {
        None
    }

    /// Returns the terms at the points of `context.sample`, which may be any contiguous part of the sample that was drawn. Names and number
    /// of terms must not depend on the points; a term may end at some step, but not begin.
    ///
    /// # Errors
    /// If the sample lacks a column, or shapes do not fit.
    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>>;
}

/// Makes an objective of a closure that returns the terms for jets of the given order.
pub fn from_fn<F>(order: Order, terms: F) -> impl Objective
where
    F: Fn(&Context<'_>) -> Result<Vec<Term>> + Send + Sync,
{
    Closure { order, terms }
}

struct Closure<F> {
    order: Order,
    terms: F,
}

impl<F> Objective for Closure<F>
where
    F: Fn(&Context<'_>) -> Result<Vec<Term>> + Send + Sync,
{
    fn order(&self) -> &Order {
        &self.order
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        (self.terms)(context)
    }
}
