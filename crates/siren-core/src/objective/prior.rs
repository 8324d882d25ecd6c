//! Priors: objectives without targets that prefer smooth fields.

use super::{Context, Objective, Term};
use crate::error::Result;
use crate::field::Order;

/// Total variation: the mean of `|∂ᵢΦ_c(x)|` over axes and channels.
///
/// The authors' inpainting script differentiates the sum of the channels of a color picture instead, where edges of opposite sign cancel.
#[derive(Clone, Debug)]
pub struct TotalVariation {
    /// Factor of the term in the loss (the authors' `k1`).
    pub weight: f64,
}

impl Objective for TotalVariation {
    fn order(&self) -> &Order {
        &Order::Gradient
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let per_point = context.jet.gradient()?.abs()?.mean((1, 2))?;
        Ok(vec![
            Term::new("total_variation", per_point).weighted(self.weight),
        ])
    }
}

/// Roughness prior: the Frobenius norm of the Hessians of all channels together (the authors' `FH` prior).
#[derive(Clone, Debug)]
pub struct HessianPrior {
    weight: f64,
    dims: usize,
    order: Order,
}

impl HessianPrior {
    /// Makes a prior for fields of `dims` coordinates. `weight` is the factor of the term in the loss (the authors' `k1`).
    #[must_use]
    pub fn new(weight: f64, dims: usize) -> Self {
        Self {
            weight,
            dims,
            order: Order::hessian(dims),
        }
    }
}

/// Added to the squared norm, so that the gradient of the square root is finite where all second derivatives are 0.
const EPSILON: f64 = 1e-12;

impl Objective for HessianPrior {
    fn order(&self) -> &Order {
        &self.order
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let hessian = context.jet.traces()?;
        let mut squares = Vec::new();
        let pairs = (0..self.dims).flat_map(|i| (i..self.dims).map(move |j| (i, j)));
        for (k, (i, j)) in pairs.enumerate() {
            // The order holds the upper triangle only: an entry beside the diagonal counts for two.
            let count = if i == j { 1.0 } else { 2.0 };
            squares.push((hessian.narrow(2, k, 1)?.squeeze(2)?.sqr()? * count)?);
        }
        let mut sum = squares[0].clone();
        for square in &squares[1..] {
            sum = (sum + square)?;
        }
        let per_point = (sum.sum(1)? + EPSILON)?.sqrt()?;
        Ok(vec![Term::new("hessian", per_point).weighted(self.weight)])
    }
}
