//! A field as one differentiable candle operation: `(coords (n, d), parameters (P,)) → jets (n, c, 1 + d + K)`.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Shape, Tensor, bail};

use siren_kernel::Level;
use siren_kernel::network::{Chunk, Order, Plan};

use super::super::lock;
use super::precision::{PackedWeights, Pools, Precision, Sum, Tape};
use crate::field::tensor::{contiguous, read_three};

/// One application of a network to a chunk of points.
pub(super) struct JetOperation {
    pub(super) plan: Arc<Plan>,
    pub(super) order: Order,
    pub(super) pools: Arc<Pools>,
    pub(super) level: Level,
    /// Whether a backward pass may follow.
    pub(super) differentiable: bool,
    /// Packed weights of the parameters to which the operation is applied.
    pub(super) packed: PackedWeights,
    /// Activations of the forward pass.
    pub(super) tape: Mutex<Tape>,
    /// Buffer to which the backward pass adds the gradient with respect to the parameters, instead of returning it to candle's store.
    pub(super) accumulator: Option<Arc<Mutex<Sum>>>,
}

impl Drop for JetOperation {
    /// Returns the buffers of a forward pass that no backward pass followed to their pool.
    fn drop(&mut self) {
        match self.take_tape() {
            Tape::Single(workspace) => self.pools.single.give(workspace),
            Tape::Double(workspace) => self.pools.double.give(workspace),
            Tape::Empty => {}
        }
    }
}

impl JetOperation {
    fn take_tape(&self) -> Tape {
        let mut tape = lock(&self.tape);
        std::mem::take(&mut tape)
    }

    fn chunk<'a, T: Precision>(&'a self, coords: &'a [T], params: &'a [T]) -> Chunk<'a, T> {
        Chunk {
            plan: &self.plan,
            order: &self.order,
            coords,
            params,
            packed: T::weights(&self.packed),
            level: self.level,
        }
    }

    /// Returns the jets, and keeps the activations if the operation is differentiable.
    fn forward<T: Precision>(&self, coords: &[T], params: &[T]) -> Vec<T> {
        let components = self.order.components(self.plan.in_features);
        let points = coords.len() / self.plan.in_features;
        let mut out = vec![T::of(0.0); points * self.plan.out_features * components];
        let pool = T::pool(&self.pools);
        let mut workspace = pool.take().unwrap_or_default();
        let chunk = self.chunk(coords, params);
        if self.differentiable {
            chunk.forward(&mut out, &mut workspace);
            let mut tape = lock(&self.tape);
            *tape = T::pack(workspace);
        } else {
            chunk.evaluate(&mut out, &mut workspace);
            pool.give(workspace);
        }
        out
    }

    /// Adds the gradient with respect to the parameters to `sum`, given the gradient `d_jets` with respect to the jets.
    fn backward<T: Precision>(
        &self,
        coords: &Tensor,
        params: &Tensor,
        d_jets: &Tensor,
        sum: &mut Sum,
    ) -> candle_core::Result<()> {
        let d_jets = d_jets.contiguous()?;
        read_three([coords, params, &d_jets], |[coords, params, d_jets]| {
            self.backward_slices::<T>(coords, params, d_jets, sum);
        })
    }

    fn backward_slices<T: Precision>(
        &self,
        coords: &[T],
        params: &[T],
        d_jets: &[T],
        sum: &mut Sum,
    ) {
        let pool = T::pool(&self.pools);
        let chunk = self.chunk(coords, params);
        // The first backward pass takes the tape; a second one over the same graph computes the forward pass again.
        let mut workspace = T::unpack(self.take_tape()).unwrap_or_else(|| {
            let mut workspace = pool.take().unwrap_or_default();
            let mut out = vec![T::of(0.0); d_jets.len()];
            chunk.forward(&mut out, &mut workspace);
            workspace
        });
        chunk.backward(d_jets, &mut workspace, T::sum_of(sum));
        pool.give(workspace);
    }
}

impl CustomOp2 for JetOperation {
    fn name(&self) -> &'static str {
        "siren-jet"
    }

    fn cpu_fwd(
        &self,
        coords: &CpuStorage,
        coords_layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let points = coords_layout.dims()[0];
        let components = self.order.components(self.plan.in_features);
        let shape = Shape::from((points, self.plan.out_features, components));
        let storage = match params {
            CpuStorage::F32(_) => CpuStorage::F32(self.forward(
                contiguous::<f32>(coords, coords_layout)?,
                contiguous::<f32>(params, params_layout)?,
            )),
            CpuStorage::F64(_) => CpuStorage::F64(self.forward(
                contiguous::<f64>(coords, coords_layout)?,
                contiguous::<f64>(params, params_layout)?,
            )),
            _ => bail!("the field operation takes f32 or f64 tensors"),
        };
        Ok((storage, shape))
    }

    /// Returns a gradient with respect to the parameters only, or adds it to the accumulator: coordinates are data.
    fn bwd(
        &self,
        coords: &Tensor,
        params: &Tensor,
        _jets: &Tensor,
        d_jets: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let backward = |sum: &mut Sum| match params.dtype() {
            DType::F64 => self.backward::<f64>(coords, params, d_jets, sum),
            _ => self.backward::<f32>(coords, params, d_jets, sum),
        };
        if let Some(accumulator) = &self.accumulator {
            backward(&mut lock(accumulator))?;
            return Ok((None, None));
        }
        let mut sum = Sum::zero(&self.plan, &self.pools, params.dtype());
        backward(&mut sum)?;
        Ok((None, Some(sum.finish(&self.plan, &self.pools)?)))
    }
}
