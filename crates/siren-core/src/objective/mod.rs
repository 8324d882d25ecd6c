//! Objectives: pointwise constraints on a jet, as named per-point terms.
//!
//! The paper's general loss (§2) is a sum of constraints, each on its own domain,
//! `L = Σₘ w_m · mean over x ∈ Ωₘ of ‖Cₘ(a(x), Φ(x), ∇Φ(x), …)‖`. An [`Objective`] is one `C`; the sampler it is paired
//! with in a [`Constraint`](crate::train::Constraint) is its `Ω`.

mod derivatives;
mod prior;
mod value;

use candle_core::Tensor;

use crate::error::Result;
use crate::field::{Jet, Order};
use crate::signal::Sample;

pub use self::derivatives::{Derivatives, Share};
pub use self::prior::{HessianPrior, TotalVariation};
pub use self::value::ValueMse;

/// The loss of every point for one part of an objective.
#[derive(Clone, Debug)]
pub struct Term {
    /// Column in `metrics.csv`.
    pub name: &'static str,
    /// Factor of this term in the total loss.
    pub weight: f64,
    /// `(n,)`, unweighted. The trainer takes the mean over all points of the sample.
    pub per_point: Tensor,
}

/// A pointwise constraint.
pub trait Objective: Send + Sync {
    /// The derivatives it looks at, and no more.
    fn order(&self) -> &Order;

    /// Terms at the points of `sample`, which may be any contiguous part of the sample that was drawn.
    ///
    /// # Errors
    /// If the sample lacks what the objective needs, or shapes do not fit.
    fn terms(&self, jet: &Jet, sample: &Sample) -> Result<Vec<Term>>;
}
