//! Many fields of one shape at once, each with parameters of its own: what a hypernetwork asks for.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

use super::jet::Order;
use super::kernel::{Chunk, GradientSum, Level, Packed};
use super::operation::{Pools, Precision, contiguous, read};
use super::plan::Plan;

/// Points of one signal that share a gradient sum; it fixes the order of additions, whatever the number of threads.
pub(super) const PART_POINTS: usize = 2048;

/// `(coords (b, n, d), parameters (b, P)) → jets (b, n, c, 1 + d + K)`.
///
/// Nothing is kept for the reverse pass, which computes each chunk's forward pass again: the activations of a whole batch
/// would have to travel to memory and back, which takes as long.
pub(super) struct BatchOperation {
    pub(super) plan: Arc<Plan>,
    pub(super) order: Order,
    pub(super) pools: Arc<Pools>,
    pub(super) level: Level,
    /// Points of a chunk of the reverse pass.
    pub(super) chunk_points: usize,
}

impl BatchOperation {
    /// Numbers of the jet of a point.
    fn jet_len(&self) -> usize {
        self.plan.out_features * self.order.components(self.plan.in_features)
    }

    pub(super) fn chunk<'a, T: Precision>(
        &'a self,
        coords: &'a [T],
        params: &'a [T],
        packed: &'a Packed<T>,
    ) -> Chunk<'a, T> {
        Chunk {
            plan: &self.plan,
            order: &self.order,
            coords,
            params,
            packed,
            level: self.level,
        }
    }

    fn forward<T: Precision>(&self, coords: &[T], params: &[T]) -> Vec<T> {
        let dims = self.plan.in_features;
        let mut out = vec![T::of(0.0); coords.len() / dims * self.jet_len()];
        let per_signal = params.len() / self.plan.layout.len();
        let signals = Signals::new(self, coords, params, per_signal);
        let outs = out.par_chunks_mut((signals.points * self.jet_len()).max(1));
        outs.enumerate().for_each(|(signal, out)| {
            let (coords, params) = signals.of(signal);
            let packed = Packed::new(&self.plan, params);
            let parts = coords.par_chunks(PART_POINTS * dims);
            parts
                .zip(out.par_chunks_mut(PART_POINTS * self.jet_len()))
                .for_each(|(coords, out)| {
                    let pool = T::pool(&self.pools);
                    let mut workspace = pool.take().unwrap_or_default();
                    self.chunk(coords, params, &packed)
                        .forward(out, &mut workspace, false);
                    pool.give(workspace);
                });
        });
        out
    }

    /// The gradient in the parameters, `(b, P)`.
    fn backward<T: Precision>(&self, [coords, params, d_out]: [&[T]; 3]) -> Vec<T> {
        let len = self.plan.layout.len();
        let mut d_params = vec![T::of(0.0); params.len()];
        let signals = Signals::new(self, coords, params, params.len() / len);
        let signal_out = signals.points * self.jet_len();
        let rows = d_params.par_chunks_mut(len);
        rows.enumerate().for_each(|(signal, d_params)| {
            let (coords, params) = signals.of(signal);
            let d_out = &d_out[signal * signal_out..][..signal_out];
            let packed = Packed::new(&self.plan, params);
            let parts = coords.par_chunks(PART_POINTS * self.plan.in_features);
            let sums: Vec<GradientSum<T>> = parts
                .zip(d_out.par_chunks(PART_POINTS * self.jet_len()))
                .map(|(coords, d_out)| self.part([coords, params, d_out], &packed))
                .collect();
            let mut sums = sums.into_iter();
            let Some(mut sum) = sums.next() else { return };
            for more in sums {
                sum.add(&more);
                T::sums(&self.pools).give(more);
            }
            d_params.copy_from_slice(sum.flat(&self.plan));
            T::sums(&self.pools).give(sum);
        });
        d_params
    }

    fn part<T: Precision>(
        &self,
        [coords, params, d_out]: [&[T]; 3],
        packed: &Packed<T>,
    ) -> GradientSum<T> {
        let mut sum = GradientSum::zero(&self.plan, T::sums(&self.pools).take());
        let pool = T::pool(&self.pools);
        let mut workspace = pool.take().unwrap_or_default();
        let mut out = vec![T::of(0.0); self.chunk_points * self.jet_len()];
        let chunks = coords.chunks(self.chunk_points * self.plan.in_features);
        for (coords, d_out) in chunks.zip(d_out.chunks(self.chunk_points * self.jet_len())) {
            let chunk = self.chunk(coords, params, packed);
            chunk.forward(&mut out[..d_out.len()], &mut workspace, true);
            chunk.backward(d_out, &mut workspace, &mut sum);
        }
        pool.give(workspace);
        sum
    }
}

/// The rows of a batch.
pub(super) struct Signals<'a, T> {
    coords: &'a [T],
    params: &'a [T],
    pub(super) points: usize,
    dims: usize,
    len: usize,
}

impl<'a, T> Signals<'a, T> {
    pub(super) fn new(
        operation: &BatchOperation,
        coords: &'a [T],
        params: &'a [T],
        signals: usize,
    ) -> Self {
        let dims = operation.plan.in_features;
        Self {
            coords,
            params,
            points: coords.len() / dims / signals.max(1),
            dims,
            len: operation.plan.layout.len(),
        }
    }

    /// The coordinates and parameters of one.
    pub(super) fn of(&self, signal: usize) -> (&'a [T], &'a [T]) {
        let len = self.points * self.dims;
        (
            &self.coords[signal * len..][..len],
            &self.params[signal * self.len..][..self.len],
        )
    }
}

impl CustomOp2 for BatchOperation {
    fn name(&self) -> &'static str {
        "siren-jet-batch"
    }

    fn cpu_fwd(
        &self,
        coords: &CpuStorage,
        coords_layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (signals, points) = (coords_layout.dims()[0], coords_layout.dims()[1]);
        let components = self.order.components(self.plan.in_features);
        let shape = Shape::from((signals, points, self.plan.out_features, components));
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

    /// Coordinates are data: only the parameters get a gradient.
    fn bwd(
        &self,
        coords: &Tensor,
        params: &Tensor,
        _jets: &Tensor,
        d_jets: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let d_jets = d_jets.contiguous()?;
        let tensors = [coords, params, &d_jets];
        let gradient = match params.dtype() {
            DType::F64 => self.backward_tensors::<f64>(tensors)?,
            _ => self.backward_tensors::<f32>(tensors)?,
        };
        Ok((None, Some(gradient)))
    }
}

impl BatchOperation {
    fn backward_tensors<T: Precision>(
        &self,
        [coords, params, d_jets]: [&Tensor; 3],
    ) -> candle_core::Result<Tensor> {
        let gradient = read(coords, |coords: &[T]| {
            read(params, |params: &[T]| {
                read(d_jets, |d_jets: &[T]| {
                    self.backward([coords, params, d_jets])
                })
            })?
        })??;
        Tensor::from_vec(gradient, params.shape(), &Device::Cpu)
    }
}
