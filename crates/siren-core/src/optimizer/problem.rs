//! What an optimizer minimizes in one step.

use candle_core::Tensor;

use super::Evaluation;
use crate::error::{Error, Result};

/// The loss of one step as a function of the parameters, at their current values. All calls of a step see the same sample. Closures that
/// compute loss and gradient are problems without residuals.
pub trait Problem {
    /// Computes loss and gradient.
    ///
    /// # Errors
    /// If a sampler or an objective fails, or loss or gradient are not finite.
    fn evaluate(&mut self) -> Result<Evaluation>;

    /// Computes the residuals, whose sum of squares is the loss, and their Jacobian.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate); also if the loss is not a sum of squares, or the model does not support it.
    fn linearize(&mut self) -> Result<Linearization>;
}

impl<F: FnMut() -> Result<Evaluation>> Problem for F {
    fn evaluate(&mut self) -> Result<Evaluation> {
        self()
    }

    fn linearize(&mut self) -> Result<Linearization> {
        Err(Error::without_residuals())
    }
}

/// Residuals of a loss that is a sum of squares, and their derivatives with respect to the parameters.
#[derive(Clone, Debug)]
pub struct Linearization {
    /// Residuals `r (N,)`, with `Σ r² = loss`.
    pub residuals: Vec<f64>,
    /// Jacobian `∂r/∂θ (N, P)` in CPU memory, contiguous, in the type of the parameters.
    pub jacobian: Tensor,
}
