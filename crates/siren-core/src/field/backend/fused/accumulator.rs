//! Gradients to which the backward passes of an operation add.

use std::sync::{Arc, Mutex};

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor};
use siren_kernel::network::Order;

use super::super::{Accumulate, ComponentSquares, Pass, lock, same_kind};
use crate::field::gradients::FlatGradient;

/// A pass whose operation adds the gradient with respect to its parameters to a sum.
pub(super) trait SummingPass: Pass + Clone + Sized + 'static {
    type Sum: Send + 'static;

    /// Returns a sum of zeros.
    fn zero(&self) -> Self::Sum;

    /// Returns the jets `(n, c, 1 + d + K)` at `coords (n, d)`, whose backward pass adds to `sum`.
    fn summing_jets(
        &self,
        coords: &Tensor,
        order: &Order,
        sum: &Arc<Mutex<Self::Sum>>,
    ) -> Result<Tensor>;

    /// Adds the gradient of a sum of squares to `sum`, as [`Accumulate::squares`].
    fn squares(
        &self,
        _coords: &Tensor,
        _order: &Order,
        _squares: &ComponentSquares<'_>,
        _sum: &mut Self::Sum,
    ) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }

    /// Returns a sum, and leaves an empty one in its place.
    fn take(sum: &mut Self::Sum) -> Self::Sum;

    /// Adds another sum, and returns its buffers to their pool.
    fn add(&self, sum: &mut Self::Sum, other: Self::Sum);

    /// Returns a sum as a tensor `(P,)`, and its buffers to their pool.
    fn flat(&self, sum: Self::Sum) -> Result<Tensor>;

    /// Returns a sum as the gradient with respect to the parameters, and its buffers to their pool.
    fn gradient(&self, sum: Self::Sum) -> Result<FlatGradient> {
        self.gradient_of(&self.flat(sum)?)
    }
}

/// Gradient with respect to the parameters of a pass.
pub(super) struct Accumulator<P: SummingPass> {
    pass: P,
    sum: Arc<Mutex<P::Sum>>,
}

impl<P: SummingPass> Accumulator<P> {
    /// Returns a gradient of zeros.
    pub(super) fn zero(pass: &P) -> Self {
        Self {
            sum: Arc::new(Mutex::new(pass.zero())),
            pass: pass.clone(),
        }
    }
}

impl<P: SummingPass> Accumulate for Accumulator<P> {
    fn jets(&mut self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        self.pass.summing_jets(coords, order, &self.sum)
    }

    fn squares(
        &mut self,
        coords: &Tensor,
        order: &Order,
        squares: &ComponentSquares<'_>,
    ) -> Result<Option<Vec<f64>>> {
        let sum = &mut lock(&self.sum);
        self.pass.squares(coords, order, squares, sum)
    }

    /// Does nothing: the backward pass has added the gradient already.
    fn collect(&mut self, _store: &GradStore) -> Result<()> {
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulate>) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        let taken = P::take(&mut lock(&other.sum));
        self.pass.add(&mut lock(&self.sum), taken);
        Ok(())
    }

    fn into_raw(self: Box<Self>) -> Result<Tensor> {
        let taken = P::take(&mut lock(&self.sum));
        self.pass.flat(taken)
    }

    fn finish(self: Box<Self>) -> Result<FlatGradient> {
        let taken = P::take(&mut lock(&self.sum));
        self.pass.gradient(taken)
    }
}
