//! Losses that are sums of squared differences between components of the jet and targets.

use std::borrow::Cow;
use std::ops::Range;

/// A loss whose terms are sums of squares `f Σ_c Σ_k (J_ck − t_ck)²` over channels `c` and components `k` of the jet, with targets
/// `t (n, c, …)` in the column `targets`. An engine can compute it beside the network, without copying jets.
#[derive(Clone, Debug, PartialEq)]
pub struct JetSquares {
    /// The first component of the jet that has a target; the others follow it. Components are the value, the `d` of the gradient, then the
    /// second-order traces.
    pub first: usize,
    /// The terms, in the order of [`Objective::terms`](super::Objective::terms).
    pub terms: Vec<SquareTerm>,
}

/// A term of [`JetSquares`].
#[derive(Clone, Debug, PartialEq)]
pub struct SquareTerm {
    /// Column in `metrics.csv`.
    pub name: Cow<'static, str>,
    /// Factor of the term in the loss of its constraint.
    pub weight: f64,
    /// Components of the jet.
    pub components: Range<usize>,
    /// Factor `f` of the sum of squares in the loss of a point.
    pub factor: f64,
}
