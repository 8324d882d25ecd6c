//! How networks are computed, by device: one trait, chosen once from the device.
//!
//! [`Fused`] is the CPU's: the whole network is one operation of `siren-kernel`. [`Composed`] serves every other device with candle's own
//! operations. Another backend is another file here and another line in [`for_device`].

mod composed;
#[cfg(test)]
mod example;
mod fused;

use std::any::Any;
use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use siren_kernel::Level;
use siren_kernel::network::{Order, Plan};

use super::prepared::Gradients;
use crate::error::Result;

pub(super) use self::composed::Composed;
#[cfg(test)]
pub(super) use self::example::Double;
use self::fused::Fused;

/// Returns the fastest backend of a device.
pub(super) fn for_device(device: &Device) -> Arc<dyn Backend> {
    match device {
        Device::Cpu => Arc::new(Fused::new(Level::best())),
        Device::Cuda(_) | Device::Metal(_) => Arc::new(Composed),
    }
}

/// Returns the CPU's backend at a SIMD level that this processor has.
pub(super) fn at_level(level: Level) -> Arc<dyn Backend> {
    Arc::new(Fused::new(level))
}

/// How many threads may use a device at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Any number: chunks of points are shared among the threads of the current rayon pool.
    Many,
    /// One. The device is parallel in itself, and candle's CUDA backend, called by several threads, gave parameters that were not
    /// finite.
    One,
}

/// Returns how many threads may use a device at once.
pub(crate) fn threads(device: &Device) -> Threads {
    for_device(device).threads()
}

/// How networks are computed on one kind of device. Shapes have been checked by the caller; coordinates are detached from any graph.
pub(super) trait Backend: Send + Sync {
    /// Returns how many threads may call at once.
    fn threads(&self) -> Threads;

    /// Returns the number of points per differentiable application for which a training step is fastest.
    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize;

    /// Returns the number of points per application without gradients.
    fn evaluation_points(&self, plan: &Plan, order: &Order) -> usize;

    /// Makes parameters `(P,)` ready for many calls.
    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> candle_core::Result<Box<dyn Pass>>;

    /// Returns the jets `(b, n, c, 1 + d + K)` at `coords (b, n, d)` of fields with parameters `(b, P)`, differentiable in these.
    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> Result<Tensor>;

    /// Returns the mean squared error of the values at `coords (b, n, d)` for `targets (b, n, c)`, and the mean square of `params (b, P)`; both
    /// differentiable in these, once.
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

    /// Returns a gradient in the parameters, zero so far.
    fn gradient_sum(&self) -> candle_core::Result<Box<dyn GradientSum>>;
}

/// A gradient in the parameters `(P,)`, summed over the backward passes of many chunks.
pub(super) trait GradientSum: Any + Send {
    /// Returns the jets `(n, c, 1 + d + K)` at `coords (n, d)`, whose backward pass adds to this gradient.
    fn jets(&mut self, coords: &Tensor, order: &Order) -> candle_core::Result<Tensor>;

    /// Adds what a backward pass left in candle's store.
    fn collect(&mut self, store: &GradStore) -> candle_core::Result<()>;

    /// Adds another sum of the same [`Pass`].
    fn merge(&mut self, other: Box<dyn GradientSum>) -> candle_core::Result<()>;

    /// Returns the sum, flat `(P,)`.
    fn finish(self: Box<Self>) -> candle_core::Result<Tensor>;
}

/// Recovers the type of a sum that is merged into one of type `S`.
fn same_kind<S: GradientSum>(other: Box<dyn GradientSum>) -> candle_core::Result<Box<S>> {
    let other: Box<dyn Any> = other;
    other
        .downcast()
        .map_err(|_| candle_core::Error::msg("gradients of different backends cannot be added"))
}
