//! Batches of fields, computed field by field and part by part.

use std::sync::Arc;

use candle_core::Result;
use rayon::prelude::*;

use siren_kernel::Level;
use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan, Preactivations, Workspace};

use super::super::batch::{BatchComputation, BatchGradient, BatchPlan, WriteDJets};
use super::super::lock;
use super::precision::{Kept, Pools, Precision};

/// Number of points of one field that share a gradient buffer. It fixes the order of additions, whatever the number of threads.
const PART_POINTS: usize = 2048;

/// Most bytes of preactivations that a batch keeps between its forward and its backward pass.
const MOST_KEPT_BYTES: usize = 256 << 20;
/// Least width of a network whose preactivations are kept: products of narrower ones take less time than memory.
const LEAST_KEPT_WIDTH: usize = 128;

/// A batch of fields on the CPU.
pub(super) struct BatchOperation {
    pub(super) plan: Arc<Plan>,
    pub(super) order: Order,
    pub(super) pools: Arc<Pools>,
    pub(super) level: Level,
    /// Number of points of a chunk.
    pub(super) chunk_points: usize,
    /// Whether a backward pass through the jets may follow.
    pub(super) differentiable: bool,
    /// What the forward pass leaves to the backward pass: of the first fields of the batch, and empty in a second backward pass.
    pub(super) kept: Kept,
}

impl Drop for BatchOperation {
    /// Returns the preactivations of a forward pass that no backward pass followed to their pool.
    fn drop(&mut self) {
        give_kept::<f32>(self);
        give_kept::<f64>(self);
    }
}

fn give_kept<T: Precision>(operation: &BatchOperation) {
    let kept = std::mem::take(&mut *lock(T::kept(&operation.kept)));
    let pool = T::preactivations(&operation.pools);
    kept.into_iter().flatten().for_each(|kept| pool.give(kept));
}

/// Loss and gradient of a part of the points of one field.
struct PartGradient<T> {
    loss: f64,
    sum: GradientSum<T>,
}

impl BatchOperation {
    /// Returns the number of elements of the jet of a point.
    fn jet_len(&self) -> usize {
        self.plan.out_features * self.order.components(self.plan.in_features)
    }

    fn chunk<'a, T: Precision>(
        &'a self,
        inputs: FieldInputs<'a, T>,
        packed: &'a Packed<T>,
    ) -> Chunk<'a, T> {
        Chunk {
            plan: &self.plan,
            order: &self.order,
            coords: inputs.coords,
            params: inputs.params,
            packed,
            level: self.level,
        }
    }

    /// Returns how many of the first fields keep their preactivations for the backward pass.
    fn kept_fields<T: Precision>(&self, points: usize) -> usize {
        let is_kept = self.differentiable
            && self.order == Order::Value
            && self.plan.widest() >= LEAST_KEPT_WIDTH;
        if is_kept {
            MOST_KEPT_BYTES / Preactivations::<T>::bytes(&self.plan, points).max(1)
        } else {
            0
        }
    }

    /// Writes the jets of a part of one field, and returns what its chunks keep for a backward pass.
    fn part_jets<T: Precision>(
        &self,
        inputs: FieldInputs<'_, T>,
        packed: &Packed<T>,
        is_kept: bool,
        out: &mut [T],
    ) -> Vec<Preactivations<T>> {
        let pool = T::pool(&self.pools);
        let mut workspace = pool.take().unwrap_or_default();
        let mut keep = |coords, out: &mut [T]| {
            let chunk = self.chunk(FieldInputs { coords, ..inputs }, packed);
            let mut kept = T::preactivations(&self.pools).take().unwrap_or_default();
            chunk.evaluate_keeping(out, &mut workspace, &mut kept);
            kept
        };
        let mut kept = Vec::new();
        if is_kept {
            let coords = inputs
                .coords
                .chunks(self.chunk_points * self.plan.in_features);
            let outs = out.chunks_mut(self.chunk_points * self.jet_len());
            kept.extend(coords.zip(outs).map(|(coords, out)| keep(coords, out)));
        } else {
            self.chunk(inputs, packed).evaluate(out, &mut workspace);
        }
        pool.give(workspace);
        kept
    }

    /// Divides what the chunks of a field of `points` points have kept among its parts.
    fn by_part<T>(
        &self,
        kept: Vec<Preactivations<T>>,
        points: usize,
    ) -> Vec<Vec<Preactivations<T>>> {
        let mut kept = kept.into_iter();
        let part = |first: usize| {
            let points = PART_POINTS.min(points - first);
            kept.by_ref()
                .take(points.div_ceil(self.chunk_points))
                .collect()
        };
        (0..points).step_by(PART_POINTS).map(part).collect()
    }

    /// Computes the activations of a chunk for its backward pass: from what the forward pass has kept, or else with the jets in `out`.
    fn activations<T: Precision>(
        &self,
        chunk: &Chunk<'_, T>,
        kept: Option<Preactivations<T>>,
        workspace: &mut Workspace<T>,
        out: &mut [T],
    ) {
        let Some(mut kept) = kept else {
            chunk.forward(out, workspace);
            return;
        };
        chunk.restore(&mut kept, workspace);
        T::preactivations(&self.pools).give(kept);
    }

    /// Computes loss and gradient of a part of one field; `first_point` is the index of its first point in the batch. `kept` is what the
    /// forward pass has kept of its chunks; it is empty if `write_d_jets` reads the jets.
    fn part_gradient<T: Precision>(
        &self,
        inputs: FieldInputs<'_, T>,
        packed: &Packed<T>,
        kept: Vec<Preactivations<T>>,
        first_point: usize,
        write_d_jets: &WriteDJets<'_, T>,
    ) -> PartGradient<T> {
        let mut sum = GradientSum::zero(&self.plan, T::sums(&self.pools).take());
        let pool = T::pool(&self.pools);
        let mut workspace = pool.take().unwrap_or_default();
        let mut out = vec![T::of(0.0); self.chunk_points * self.jet_len()];
        let mut loss = 0.0;
        let mut kept = kept.into_iter();
        let mut first = first_point * self.jet_len();
        for coords in inputs
            .coords
            .chunks(self.chunk_points * self.plan.in_features)
        {
            let out = &mut out[..coords.len() / self.plan.in_features * self.jet_len()];
            let chunk = self.chunk(FieldInputs { coords, ..inputs }, packed);
            self.activations(&chunk, kept.next(), &mut workspace, out);
            loss += write_d_jets(first..first + out.len(), out);
            chunk.backward(out, &mut workspace, &mut sum);
            first += out.len();
        }
        pool.give(workspace);
        PartGradient { loss, sum }
    }
}

impl BatchPlan for BatchOperation {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn order(&self) -> &Order {
        &self.order
    }
}

impl<T: Precision> BatchComputation<T> for BatchOperation {
    fn jets(&self, coords: &[T], params: &[T]) -> Result<Vec<T>> {
        let dims = self.plan.in_features;
        let mut out = vec![T::of(0.0); coords.len() / dims * self.jet_len()];
        let batch = Batch::new(&self.plan, coords, params);
        let kept_fields = self.kept_fields::<T>(batch.points);
        let outs = out.par_chunks_mut((batch.points * self.jet_len()).max(1));
        let kept = outs.enumerate().map(|(field, out)| {
            let FieldInputs { coords, params } = batch.field(field);
            let packed = Packed::new(self.level, &self.plan, params);
            let parts = coords.par_chunks(PART_POINTS * dims);
            let parts = parts.zip(out.par_chunks_mut(PART_POINTS * self.jet_len()));
            let kept: Vec<Vec<Preactivations<T>>> = parts
                .map(|(coords, out)| {
                    let inputs = FieldInputs { coords, params };
                    self.part_jets(inputs, &packed, field < kept_fields, out)
                })
                .collect();
            kept.into_iter().flatten().collect()
        });
        *lock(T::kept(&self.kept)) = kept.collect();
        Ok(out)
    }

    fn gradient(
        &self,
        coords: &[T],
        params: &[T],
        write_d_jets: &WriteDJets<'_, T>,
    ) -> Result<BatchGradient<T>> {
        let mut d_params = vec![T::of(0.0); params.len()];
        let batch = Batch::new(&self.plan, coords, params);
        let mut kept = std::mem::take(&mut *lock(T::kept(&self.kept)));
        kept.resize_with(params.len() / self.plan.parameters, Vec::new);
        let rows = d_params.par_chunks_mut(self.plan.parameters).enumerate();
        let losses = rows.zip(kept).map(|((field, d_params), kept)| {
            let FieldInputs { coords, params } = batch.field(field);
            let packed = Packed::new(self.level, &self.plan, params);
            let parts = coords
                .par_chunks(PART_POINTS * self.plan.in_features)
                .enumerate();
            let parts: Vec<PartGradient<T>> = parts
                .zip(self.by_part(kept, coords.len() / self.plan.in_features))
                .map(|((part, coords), kept)| {
                    let first_point = field * batch.points + part * PART_POINTS;
                    let inputs = FieldInputs { coords, params };
                    self.part_gradient(inputs, &packed, kept, first_point, write_d_jets)
                })
                .collect();
            let mut parts = parts.into_iter();
            let Some(PartGradient { mut loss, mut sum }) = parts.next() else {
                return 0.0;
            };
            for part in parts {
                loss += part.loss;
                sum.add(&part.sum);
                T::sums(&self.pools).give(part.sum);
            }
            d_params.copy_from_slice(sum.flat(&self.plan));
            T::sums(&self.pools).give(sum);
            loss
        });
        let losses: Vec<f64> = losses.collect();
        Ok(BatchGradient {
            loss: losses.iter().sum(),
            d_params,
        })
    }
}

/// Coordinates `(b, n, d)` and parameters `(b, P)` of `b` fields.
struct Batch<'a, T> {
    coords: &'a [T],
    params: &'a [T],
    /// Number of points per field, `n`.
    points: usize,
    dims: usize,
    /// Number of parameters per field, `P`.
    parameters: usize,
}

/// Coordinates `(n, d)` and parameters `(P,)` of one field.
struct FieldInputs<'a, T> {
    coords: &'a [T],
    params: &'a [T],
}

impl<T> Clone for FieldInputs<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for FieldInputs<'_, T> {}

impl<'a, T> Batch<'a, T> {
    fn new(plan: &Plan, coords: &'a [T], params: &'a [T]) -> Self {
        let (dims, parameters) = (plan.in_features, plan.parameters);
        let fields = params.len() / parameters;
        Self {
            coords,
            params,
            points: coords.len() / dims / fields.max(1),
            dims,
            parameters,
        }
    }

    /// Returns the inputs of one field.
    fn field(&self, index: usize) -> FieldInputs<'a, T> {
        let len = self.points * self.dims;
        FieldInputs {
            coords: &self.coords[index * len..][..len],
            params: &self.params[index * self.parameters..][..self.parameters],
        }
    }
}
