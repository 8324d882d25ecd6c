//! Networks with packed weights, for many calls with the same parameters.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use siren_kernel::network::{Order, Plan};

use super::backend::{Accumulate, Backend, ComponentSquares, Pass, Threads};
use super::gradients::{FlatGradient, Gradients};
use super::jet::{Jet, check_order};
use super::network::Network;
use crate::error::{Error, Result};

/// A network with packed weights. Made by [`Siren::prepare`](super::Siren::prepare) or [`Network::prepare`](super::Network::prepare).
pub struct Prepared<'a> {
    pub(super) plan: &'a Plan,
    pub(super) backend: &'a dyn Backend,
    pub(super) pass: Box<dyn Pass>,
    /// Number of parameters, `P`.
    pub(super) parameters: usize,
    pub(super) gradients: Gradients,
    pub(super) dtype: DType,
    pub(super) device: Device,
}

impl Network {
    /// Returns this network with a pass of parameters `params (P,)`.
    pub(super) fn prepared(
        &self,
        pass: Box<dyn Pass>,
        params: &Tensor,
        gradients: Gradients,
    ) -> Prepared<'_> {
        Prepared {
            plan: &self.plan,
            backend: self.backend.as_ref(),
            pass,
            parameters: self.layout().len(),
            gradients,
            dtype: params.dtype(),
            device: params.device().clone(),
        }
    }
}

impl Prepared<'_> {
    /// Returns the jet at `coords (n, d)`, differentiable in the parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] if coordinates or traces do not fit the network; [`Error::UntrackedGradients`] if gradients are not tracked.
    pub fn jet(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.check_tracked(coords, order)?;
        let packed = self.pass.jets(&coords.detach(), order)?;
        Ok(Jet::from_packed(packed, order, self.plan.in_features))
    }

    /// Returns an accumulator of gradients with respect to the parameters, initially zero.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn accumulator(&self) -> Result<Accumulator<'_>> {
        Ok(Accumulator {
            prepared: self,
            sum: self.pass.accumulator()?,
        })
    }

    /// Returns the jet at `coords (n, d)`, computed chunk by chunk, so memory beyond the result stays constant. The threads of the current
    /// rayon pool share the chunks if the device can be used by several threads.
    ///
    /// # Errors
    /// [`Error::Shape`] if coordinates or traces do not fit the network.
    pub fn evaluate(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.check(coords, order)?;
        let dims = self.plan.in_features;
        let arranged = self.arrange(coords, None)?;
        let coords = match &arranged {
            Some(sequence) => {
                coords.index_select(&indices(sequence)?.to_device(&self.device)?, 0)?
            }
            None => coords.detach(),
        };
        let points = coords.dim(0)?;
        let size = self.backend.evaluation_points(self.plan, order);
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
                let shape = (0, self.plan.out_features, order.components(dims));
                Tensor::zeros(shape, self.dtype, &self.device)?
            }
            [only] => only.clone(),
            _ => Tensor::cat(&parts, 0)?,
        };
        let packed = match arranged {
            Some(sequence) => {
                let places = indices(&inverse(&sequence))?.to_device(&self.device)?;
                packed.index_select(&places, 0)?
            }
            None => packed,
        };
        Ok(Jet::from_packed(packed, order, dims))
    }

    /// Returns the numbers of coordinates and of channels.
    pub(crate) fn features(&self) -> [usize; 2] {
        [self.plan.in_features, self.plan.out_features]
    }

    /// Returns whether points are better selected from a sample that stays the same than drawn.
    pub(crate) fn keeps_samples(&self) -> bool {
        self.backend.keeps_samples()
    }

    /// Returns points of `coords (n, d)`, all or those of the given indices, in the sequence in which chunks are fastest; those of
    /// resting tiles alone are left out.
    pub(crate) fn arrange(
        &self,
        coords: &Tensor,
        points: Option<Vec<u32>>,
    ) -> Result<Option<Vec<u32>>> {
        Ok(self.pass.arrange(coords, points)?)
    }

    /// Returns the type of the parameters.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Returns the number of parameters of the network, `P`.
    pub(crate) fn parameters(&self) -> usize {
        self.parameters
    }

    /// Returns the gradient of a sum of [`Accumulator::into_raw`] `(P,)`.
    pub(crate) fn gradient_of(&self, raw: &Tensor) -> Result<FlatGradient> {
        Ok(self.pass.gradient_of(raw)?)
    }

    /// Returns how many threads may use the device at once.
    pub(crate) fn threads(&self) -> Threads {
        self.backend.threads()
    }

    /// Checks the arguments of a differentiable call.
    pub(super) fn check_tracked(&self, coords: &Tensor, order: &Order) -> Result<()> {
        self.check(coords, order)?;
        if self.gradients == Gradients::Tracked {
            return Ok(());
        }
        Err(Error::UntrackedGradients)
    }

    /// Checks that coordinates and traces fit the network.
    fn check(&self, coords: &Tensor, order: &Order) -> Result<()> {
        let dims = self.plan.in_features;
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

fn indices(indices: &[u32]) -> candle_core::Result<Tensor> {
    Tensor::from_slice(indices, indices.len(), &Device::Cpu)
}

/// Returns the inverse of a permutation.
fn inverse(permutation: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; permutation.len()];
    for (place, &index) in (0..).zip(permutation) {
        inverse[index as usize] = place;
    }
    inverse
}

/// Gradient with respect to the parameters, summed over the backward passes of many chunks in one buffer. Candle's own store would allocate
/// and copy a gradient for each chunk.
pub struct Accumulator<'a> {
    prepared: &'a Prepared<'a>,
    sum: Box<dyn Accumulate>,
}

impl Accumulator<'_> {
    /// Returns the jet at `coords (n, d)`; its backward pass adds to this gradient.
    ///
    /// # Errors
    /// As [`Prepared::jet`].
    pub fn jet(&mut self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.prepared.check_tracked(coords, order)?;
        let packed = self.sum.jets(&coords.detach(), order)?;
        Ok(Jet::from_packed(
            packed,
            order,
            self.prepared.plan.in_features,
        ))
    }

    /// Adds the gradient of `Σ fₖ (Jₖ − tₖ)²` over some of the points `coords (n, d)` and all channels, and returns the sum of the squared differences
    /// of each component `k`, if the backend computes such losses beside the network. Jets are not copied then.
    pub(crate) fn squares(
        &mut self,
        coords: &Tensor,
        order: &Order,
        squares: &ComponentSquares<'_>,
    ) -> Result<Option<Vec<f64>>> {
        self.prepared.check_tracked(coords, order)?;
        Ok(self.sum.squares(coords, order, squares)?)
    }

    /// Adds the gradient of a backward pass through one of these jets, given the store that the pass returned.
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

    /// Returns the sum `(P,)` in CPU memory, as [`merge`](Self::merge) adds it: element by element. [`Prepared::gradient_of`] makes it a gradient.
    pub(crate) fn into_raw(self) -> Result<Tensor> {
        Ok(self.sum.into_raw()?)
    }

    /// Returns the sum.
    ///
    /// # Errors
    /// Only from candle.
    pub fn finish(self) -> Result<FlatGradient> {
        Ok(self.sum.finish()?)
    }
}
