//! A network with its weights packed, for many calls with the same parameters.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use siren_kernel::network::Order;

use super::backend::{Backend, GradientSum, Pass, Threads};
use super::jet::{Jet, check_order};
use super::network::Network;
use crate::error::{Error, Result};

/// Whether what a prepared network returns can be differentiated in the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradients {
    /// A backward pass may follow: what it needs is kept.
    Tracked,
    /// Values only: no graph is built.
    Untracked,
}

/// A network with packed weights.
pub struct Prepared<'a> {
    pub(super) network: &'a Network,
    pub(super) backend: &'a dyn Backend,
    pub(super) pass: Box<dyn Pass>,
    pub(super) gradients: Gradients,
    pub(super) dtype: DType,
    pub(super) device: Device,
}

impl Prepared<'_> {
    /// Returns the jet at `coords (n, d)`, differentiable in the parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] if coordinates or traces do not fit the network, or gradients are not tracked.
    pub fn jet(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.check_tracked(coords, order)?;
        let packed = self.pass.jets(&coords.detach(), order)?;
        Ok(Jet::from_packed(packed, order, self.network.in_features()))
    }

    /// Returns an accumulator of gradients in the parameters, zero so far.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn accumulator(&self) -> Result<Accumulator<'_>> {
        Ok(Accumulator {
            prepared: self,
            sum: self.pass.gradient_sum()?,
        })
    }

    /// Returns the jet at `coords (n, d)`. The graph ends at the packed weights, so memory beyond the result stays constant, and the
    /// threads of the current rayon pool share the work where the device lets them.
    ///
    /// # Errors
    /// [`Error::Shape`] if coordinates or traces do not fit the network.
    pub fn evaluate(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.check(coords, order)?;
        let dims = self.network.in_features();
        let coords = coords.detach();
        let points = coords.dim(0)?;
        let size = self.backend.evaluation_points(self.network.plan(), order);
        let chunk = |start: usize| {
            let chunk = coords.narrow(0, start, size.min(points - start))?;
            self.pass.jets(&chunk, order)
        };
        let starts: Vec<usize> = (0..points).step_by(size).collect();
        let parts: candle_core::Result<Vec<Tensor>> = match self.backend.threads() {
            Threads::Many => starts.into_par_iter().map(chunk).collect(),
            Threads::One => starts.into_iter().map(chunk).collect(),
        };
        let parts = parts?;
        let packed = match parts.as_slice() {
            [] => {
                let shape = (0, self.network.out_features(), order.components(dims));
                Tensor::zeros(shape, self.dtype, &self.device)?
            }
            [only] => only.clone(),
            _ => Tensor::cat(&parts, 0)?,
        };
        Ok(Jet::from_packed(packed, order, dims))
    }

    /// Returns how many threads may use the device at once.
    pub(crate) fn threads(&self) -> Threads {
        self.backend.threads()
    }

    fn check_tracked(&self, coords: &Tensor, order: &Order) -> Result<()> {
        self.check(coords, order)?;
        if self.gradients == Gradients::Tracked {
            return Ok(());
        }
        Err(Error::Shape {
            what: "prepared field",
            expected: "one prepared with `Gradients::Tracked`".to_owned(),
            got: "one prepared for values only".to_owned(),
        })
    }

    fn check(&self, coords: &Tensor, order: &Order) -> Result<()> {
        let dims = self.network.in_features();
        check_order(order, dims)?;
        if coords.rank() == 2 && coords.dims()[1] == dims && coords.dtype() == self.dtype {
            return Ok(());
        }
        Err(Error::Shape {
            what: "coordinates",
            expected: format!("(n, {dims}) of {:?}", self.dtype),
            got: format!("{:?} of {:?}", coords.dims(), coords.dtype()),
        })
    }
}

/// A gradient in the parameters, summed over the backward passes of many chunks in one buffer, where candle's own store would be filled
/// and copied for each.
pub struct Accumulator<'a> {
    prepared: &'a Prepared<'a>,
    sum: Box<dyn GradientSum>,
}

impl Accumulator<'_> {
    /// Returns the jet at `coords (n, d)`; its backward pass adds to this gradient.
    ///
    /// # Errors
    /// As [`Prepared::jet`].
    pub fn jet(&mut self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.prepared.check_tracked(coords, order)?;
        let packed = self.sum.jets(&coords.detach(), order)?;
        let dims = self.prepared.network.in_features();
        Ok(Jet::from_packed(packed, order, dims))
    }

    /// Adds what a backward pass through one of these jets left in candle's store.
    ///
    /// # Errors
    /// Only from candle.
    pub fn collect(&mut self, store: &GradStore) -> Result<()> {
        Ok(self.sum.collect(store)?)
    }

    /// Adds another accumulator of the same prepared network.
    ///
    /// # Errors
    /// Only from candle.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        Ok(self.sum.merge(other.sum)?)
    }

    /// Returns the sum, flat `(P,)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn finish(self) -> Result<Tensor> {
        Ok(self.sum.finish()?)
    }
}
