//! Backends: the computation of networks on one kind of device.
//!
//! [`Fused`] runs on the CPU: the whole network is one operation of `siren-kernel`. [`Cuda`] takes tensors in CPU memory too, and computes
//! networks on an NVIDIA device by `siren-cuda`; `CandleCuda` does so for tensors on a CUDA device of candle. [`Composed`] runs on every device
//! of candle, with its own operations. A new backend is a new file here and a new line in [`for_device`] or [`for_engine`].

mod batch;
#[cfg(all(feature = "cuda", feature = "candle-cuda"))]
mod candle_cuda;
mod composed;
#[cfg(feature = "cuda")]
mod cuda;
mod effective;
#[cfg(test)]
mod example;
mod frequency;
mod fused;
mod square_error;

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use siren_kernel::network::{Order, Plan};
use siren_kernel::{Bfloat16, Level};

use super::engine::FieldEngine;
use super::gradients::{FlatGradient, Gradients};
use super::parameters::Parameters;
use super::resting::RestingTiles;
use crate::error::Result;

pub(super) use self::composed::Composed;
#[cfg(test)]
pub(super) use self::example::Double;
use self::fused::Fused;
pub(super) use self::fused::Mosaics;

/// Returns the fastest backend of a device.
pub(super) fn for_device(device: &Device) -> Arc<dyn Backend> {
    match device {
        Device::Cpu => Arc::new(Fused::new(Level::best())),
        #[cfg(all(feature = "cuda", feature = "candle-cuda"))]
        Device::Cuda(device) => self::candle_cuda::CandleCuda::of(device),
        _ => Arc::new(Composed),
    }
}

/// Returns the backend of an engine; `host` is that of [`FieldEngine::Cpu`].
pub(super) fn for_engine(engine: &FieldEngine, host: &Arc<dyn Backend>) -> Arc<dyn Backend> {
    match engine {
        FieldEngine::Cpu => Arc::clone(host),
        #[cfg(feature = "cuda")]
        FieldEngine::Cuda { device, precision } => {
            Arc::new(self::cuda::Cuda::new(device.clone(), *precision))
        }
    }
}

/// Returns the backend of the CPU at a SIMD level, which this processor must have.
pub(super) fn at_level(level: Level) -> Arc<dyn Backend> {
    Arc::new(Fused::new(level))
}

/// Number of threads that may use a device at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Any number: chunks of points are shared among the threads of the current rayon pool.
    Many,
    /// One. The device is parallel in itself, and candle's CUDA backend gave parameters that were not finite when several threads called
    /// it.
    One,
}

/// Returns how many threads may use a device at once.
pub(crate) fn threads(device: &Device) -> Threads {
    for_device(device).threads()
}

/// Computation of networks on one kind of device. The caller has checked all shapes and detached the coordinates from any graph.
pub(super) trait Backend: Send + Sync {
    /// Returns how many threads may call at once.
    fn threads(&self) -> Threads;

    /// Returns whether points are better selected from a sample that stays the same than drawn.
    fn keeps_samples(&self) -> bool {
        false
    }

    /// Returns the number of points per differentiable application for which a training step is fastest.
    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize;

    /// Returns the number of points per application without gradients.
    fn evaluation_points(&self, plan: &Plan, order: &Order) -> usize;

    /// Prepares parameters `(P,)` for many calls.
    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> candle_core::Result<Box<dyn Pass>>;

    /// Prepares parameters `(P,)` as [`prepare`](Self::prepare) with gradients, for passes over values whose hidden layers round operands of products to
    /// bfloat16; `None` if the backend does not round them.
    fn prepare_rounded(
        &self,
        _plan: &Arc<Plan>,
        _params: &Tensor,
        _arithmetic: Bfloat16,
    ) -> candle_core::Result<Option<Box<dyn Pass>>> {
        Ok(None)
    }

    /// Prepares the parameters `(P,)` of a mosaic as [`prepare`](Self::prepare) with gradients, for passes whose points are
    /// [arranged](Pass::arrange) without those of resting tiles alone; `None` if the backend computes no mosaics.
    fn prepare_active(
        &self,
        _plan: &Arc<Plan>,
        _params: &Tensor,
        _resting: &RestingTiles,
    ) -> candle_core::Result<Option<Box<dyn Pass>>> {
        Ok(None)
    }

    /// Prepares the parameters of a field, as [`prepare`](Self::prepare). A backend with memory of its own keeps a copy of them there, which
    /// optimizers may change.
    fn prepare_field(
        &self,
        plan: &Arc<Plan>,
        parameters: &Parameters,
        gradients: Gradients,
    ) -> Result<Box<dyn Pass>> {
        Ok(self.prepare(plan, parameters.var()?.as_tensor(), gradients)?)
    }

    /// Returns the jets `(b, n, c, 1 + d + K)` at `coords (b, n, d)` of fields with parameters `(b, P)`, differentiable in the
    /// parameters.
    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> Result<Tensor>;

    /// Returns the mean squared error of the values at `coords (b, n, d)` for `targets (b, n, c)`, and the mean square of `params (b, P)`;
    /// both are differentiable in `params`, by one backward pass only.
    fn batch_square_error(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> Result<[Tensor; 2]>;
}

/// A network with one set of parameters.
pub(super) trait Pass: Send + Sync {
    /// Returns the jets `(n, c, 1 + d + K)` at `coords (n, d)`, differentiable in the parameters if gradients are tracked.
    fn jets(&self, coords: &Tensor, order: &Order) -> candle_core::Result<Tensor>;

    /// Returns points of `coords (n, d)`, all or those of the given indices, in the sequence in which chunks of adjacent points are fastest;
    /// `None` for all in their own. A pass of a mosaic leaves out points at which only resting tiles have a weight.
    fn arrange(
        &self,
        _coords: &Tensor,
        points: Option<Vec<u32>>,
    ) -> candle_core::Result<Option<Vec<u32>>> {
        Ok(points)
    }

    /// Returns a gradient with respect to the parameters, initially zero.
    fn accumulator(&self) -> candle_core::Result<Box<dyn Accumulate>>;

    /// Returns the gradient with respect to the parameters of a sum of [`Accumulate::into_raw`] `(P,)`.
    fn gradient_of(&self, raw: &Tensor) -> candle_core::Result<FlatGradient>;
}

/// Some points of a sample. A device that keeps the sample is told which, instead of being given their coordinates.
#[derive(Clone)]
pub(crate) enum PointSet<'a> {
    /// Adjacent points.
    Adjacent(Range<usize>),
    /// Points by index, once each time that they occur.
    Selected(&'a [u32]),
}

/// Targets of adjacent components of jets, with the factors of their squared differences.
pub(crate) struct ComponentSquares<'a> {
    /// The points of coordinates and targets that count.
    pub(crate) points: PointSet<'a>,
    /// Targets `(n, c)` of one component, or `(n, c, t)` of `t`.
    pub(crate) targets: &'a Tensor,
    /// The first component with a target.
    pub(crate) first: usize,
    /// Factor of each component in the loss, `(1 + d + K,)`; 0 for those that do not count.
    pub(crate) factors: Vec<f64>,
}

impl ComponentSquares<'_> {
    /// Returns the number of targets of a channel, for coordinates `(n, d)` and jets of `channels` channels; `None` if the targets do not fit, of
    /// which the objective says what is wrong. Targets past the last component do not count.
    fn targets_per_channel(
        &self,
        coords: &Tensor,
        channels: usize,
    ) -> candle_core::Result<Option<usize>> {
        let rows = [coords.dim(0)?, channels];
        let count = match self.targets.dims() {
            dims if dims == rows => 1,
            &[points, channels, count] if [points, channels] == rows => count,
            _ => return Ok(None),
        };
        let components = self.factors.len();
        let reaches_the_last = self.first < components && self.first + count >= components;
        let is_of_one_type = self.targets.dtype() == coords.dtype();
        Ok(Some(count).filter(|_| reaches_the_last && is_of_one_type))
    }
}

/// Gradient with respect to the parameters `(P,)`, summed over the backward passes of many chunks.
pub(super) trait Accumulate: Any + Send {
    /// Returns the jets `(n, c, 1 + d + K)` at `coords (n, d)`, whose backward pass adds to this gradient.
    fn jets(&mut self, coords: &Tensor, order: &Order) -> candle_core::Result<Tensor>;

    /// Adds the gradient of `Σ fₖ (Jₖ − tₖ)²` at some of the points `coords (n, d)`, and returns the sum of the squared differences of each component, if the
    /// backend computes such losses beside the network.
    fn squares(
        &mut self,
        _coords: &Tensor,
        _order: &Order,
        _squares: &ComponentSquares<'_>,
    ) -> candle_core::Result<Option<Vec<f64>>> {
        Ok(None)
    }

    /// Adds the gradient of a backward pass, given the store that the pass returned.
    fn collect(&mut self, store: &GradStore) -> candle_core::Result<()>;

    /// Adds another sum of the same [`Pass`].
    fn merge(&mut self, other: Box<dyn Accumulate>) -> candle_core::Result<()>;

    /// Returns the sum `(P,)` in CPU memory, before what follows the last addition. Adding two of them gives the same bits as
    /// [`merge`](Self::merge).
    fn into_raw(self: Box<Self>) -> candle_core::Result<Tensor>;

    /// Returns the sum.
    fn finish(self: Box<Self>) -> candle_core::Result<FlatGradient>;
}

/// Locks a mutex, poisoned or not: if another chunk panicked, its own panic ends the training.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Downcasts a sum that is to be merged into one of type `S`.
fn same_kind<S: Accumulate>(other: Box<dyn Accumulate>) -> candle_core::Result<Box<S>> {
    let other: Box<dyn Any> = other;
    other
        .downcast()
        .map_err(|_| candle_core::Error::msg("gradients of different backends cannot be added"))
}
