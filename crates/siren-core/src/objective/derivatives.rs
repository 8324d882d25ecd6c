//! Objective on the gradient and the Laplacian of a field.

use std::ops::Range;

use candle_core::Tensor;

use super::{Context, JetSquares, Objective, SquareTerm, Term};
use crate::error::Result;
use crate::field::Order;

/// Squared errors of the gradient, `Σ_c Σᵢ (∂ᵢΦ_c − g_ci)²`, and of the Laplacian, `Σ_c (ΔΦ_c − l_c)²`, each divided by a constant.
///
/// Targets are `(n, c, d + 1)`: the components of the gradient, then the Laplacian. With divisors of 1 and one channel, the terms equal the
/// authors' `gradients_mse` and `laplace_mse` (paper §4.1).
#[derive(Clone, Debug)]
pub struct Derivatives {
    dims: usize,
    order: Order,
    gradient: Share,
    laplacian: Share,
}

/// Weight and divisor of one of the two terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Factor of the term in the loss; a term of weight 0 is not computed.
    pub weight: f64,
    /// Divisor of the squared errors.
    pub divisor: f64,
}

impl Share {
    /// Returns the term of these components of the jet as a sum of squares.
    fn square_term(self, name: &'static str, components: Range<usize>) -> Option<SquareTerm> {
        (self.weight > 0.0).then(|| SquareTerm {
            name: name.into(),
            weight: self.weight,
            components,
            factor: 1.0 / self.divisor,
        })
    }

    /// Returns the term of errors `(n, c, k)`.
    fn term(self, name: &'static str, error: &Tensor) -> Result<Term> {
        Ok(Term {
            weight: self.weight,
            residuals: Some((error.flatten_from(1)? / self.divisor.sqrt())?),
            ..Term::new(name, (error.sqr()?.sum((1, 2))? / self.divisor)?)
        })
    }
}

impl Derivatives {
    /// Makes an objective for fields of `dims` coordinates.
    #[must_use]
    pub fn new(dims: usize, gradient: Share, laplacian: Share) -> Self {
        let order = if laplacian.weight > 0.0 {
            Order::laplacian(dims)
        } else {
            Order::Gradient
        };
        Self {
            dims,
            order,
            gradient,
            laplacian,
        }
    }
}

impl Objective for Derivatives {
    fn order(&self) -> &Order {
        &self.order
    }

    fn squares(&self, _channels: usize) -> Option<JetSquares> {
        let laplacian = 1 + self.dims;
        let terms = [
            self.gradient.square_term("gradient_mse", 1..laplacian),
            self.laplacian
                .square_term("laplacian_mse", laplacian..laplacian + 1),
        ];
        Some(JetSquares {
            first: 1,
            terms: terms.into_iter().flatten().collect(),
        })
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let targets = context.sample.targets()?;
        let mut terms = Vec::new();
        if self.gradient.weight > 0.0 {
            let error = (context.jet.gradient()? - targets.narrow(2, 0, self.dims)?)?;
            terms.push(self.gradient.term("gradient_mse", &error)?);
        }
        if self.laplacian.weight > 0.0 {
            let error = (context.jet.traces()? - targets.narrow(2, self.dims, 1)?)?;
            terms.push(self.laplacian.term("laplacian_mse", &error)?);
        }
        Ok(terms)
    }
}
