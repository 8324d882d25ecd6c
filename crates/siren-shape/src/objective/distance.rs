//! The error of a known signed distance.

use siren_core::Result;
use siren_core::field::Order;
use siren_core::objective::{Context, Objective, Term};

use super::weighted;

/// Squared error of the signed distance, `(Φ − d)²`; targets are `(n, 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistanceError {
    /// Weight of the term.
    pub weight: f64,
}

impl Objective for DistanceError {
    fn order(&self) -> &Order {
        &Order::Value
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let error = (context.jet.value()? - context.sample.targets()?)?;
        let per_point = error.sqr()?.squeeze(1)?;
        Ok(vec![weighted("distance_mse", self.weight, per_point)])
    }
}
