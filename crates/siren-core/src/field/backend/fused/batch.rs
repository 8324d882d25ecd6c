//! Many fields of one shape at once, each with parameters of its own: what a hypernetwork asks for.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

use siren_kernel::Level;
use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan};

use super::precision::{Pools, Precision};
use crate::field::tensor::{contiguous, read};

/// Points of one signal that share a gradient sum; it fixes the order of additions, whatever the number of threads.
const PART_POINTS: usize = 2048;

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

    fn chunk<'a, T: Precision>(
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
        let per_signal = params.len() / self.plan.parameters;
        let signals = Signals::new(self, coords, params, per_signal);
        let outs = out.par_chunks_mut((signals.points * self.jet_len()).max(1));
        outs.enumerate().for_each(|(signal, out)| {
            let (coords, params) = signals.of(signal);
            let packed = Packed::new(self.level, &self.plan, params);
            let parts = coords.par_chunks(PART_POINTS * dims);
            parts
                .zip(out.par_chunks_mut(PART_POINTS * self.jet_len()))
                .for_each(|(coords, out)| {
                    let pool = T::pool(&self.pools);
                    let mut workspace = pool.take().unwrap_or_default();
                    self.chunk(coords, params, &packed)
                        .evaluate(out, &mut workspace);
                    pool.give(workspace);
                });
        });
        out
    }

    /// The gradient in the parameters, `(b, P)`, and the sum of what `judge` says: it is given which outputs of the batch these are and
    /// their values, in whose place it puts the gradient in them.
    pub(super) fn gradient<T: Precision>(
        &self,
        [coords, params]: [&[T]; 2],
        judge: impl Fn(Range<usize>, &mut [T]) -> f64 + Sync,
    ) -> (f64, Vec<T>) {
        let len = self.plan.parameters;
        let mut d_params = vec![T::of(0.0); params.len()];
        let signals = Signals::new(self, coords, params, params.len() / len);
        let rows = d_params.par_chunks_mut(len).enumerate();
        let judged = rows.map(|(signal, d_params)| {
            let (coords, params) = signals.of(signal);
            let packed = Packed::new(self.level, &self.plan, params);
            let parts = coords
                .par_chunks(PART_POINTS * self.plan.in_features)
                .enumerate();
            let parts: Vec<(f64, GradientSum<T>)> = parts
                .map(|(part, coords)| {
                    let first = signal * signals.points + part * PART_POINTS;
                    self.part(first * self.jet_len(), [coords, params], &packed, &judge)
                })
                .collect();
            let mut parts = parts.into_iter();
            let Some((mut judged, mut sum)) = parts.next() else {
                return 0.0;
            };
            for (more_judged, more) in parts {
                judged += more_judged;
                sum.add(&more);
                T::sums(&self.pools).give(more);
            }
            d_params.copy_from_slice(sum.flat(&self.plan));
            T::sums(&self.pools).give(sum);
            judged
        });
        let judged: Vec<f64> = judged.collect();
        (judged.iter().sum(), d_params)
    }

    /// The points of a part of a signal, whose outputs begin at `first`.
    fn part<T: Precision>(
        &self,
        mut first: usize,
        [coords, params]: [&[T]; 2],
        packed: &Packed<T>,
        judge: &impl Fn(Range<usize>, &mut [T]) -> f64,
    ) -> (f64, GradientSum<T>) {
        let mut sum = GradientSum::zero(&self.plan, T::sums(&self.pools).take());
        let pool = T::pool(&self.pools);
        let mut workspace = pool.take().unwrap_or_default();
        let mut out = vec![T::of(0.0); self.chunk_points * self.jet_len()];
        let mut judged = 0.0;
        for coords in coords.chunks(self.chunk_points * self.plan.in_features) {
            let out = &mut out[..coords.len() / self.plan.in_features * self.jet_len()];
            let chunk = self.chunk(coords, params, packed);
            chunk.forward(out, &mut workspace);
            judged += judge(first..first + out.len(), out);
            chunk.backward(out, &mut workspace, &mut sum);
            first += out.len();
        }
        pool.give(workspace);
        (judged, sum)
    }
}

/// The rows of a batch.
struct Signals<'a, T> {
    coords: &'a [T],
    params: &'a [T],
    points: usize,
    dims: usize,
    len: usize,
}

impl<'a, T> Signals<'a, T> {
    fn new(operation: &BatchOperation, coords: &'a [T], params: &'a [T], signals: usize) -> Self {
        let dims = operation.plan.in_features;
        Self {
            coords,
            params,
            points: coords.len() / dims / signals.max(1),
            dims,
            len: operation.plan.parameters,
        }
    }

    /// The coordinates and parameters of one.
    fn of(&self, signal: usize) -> (&'a [T], &'a [T]) {
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
                    let given = |range: Range<usize>, out: &mut [T]| {
                        out.copy_from_slice(&d_jets[range]);
                        0.0
                    };
                    self.gradient([coords, params], given).1
                })
            })?
        })??;
        Tensor::from_vec(gradient, params.shape(), &Device::Cpu)
    }
}
