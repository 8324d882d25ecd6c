//! Batches of fields, computed field by field and part by part.

use std::sync::Arc;

use candle_core::Result;
use rayon::prelude::*;

use siren_kernel::Level;
use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan};

use super::super::batch::{BatchComputation, BatchGradient, BatchPlan, WriteDJets};
use super::precision::{Pools, Precision};

/// Number of points of one field that share a gradient buffer. It fixes the order of additions, whatever the number of threads.
const PART_POINTS: usize = 2048;

/// A batch of fields on the CPU.
pub(super) struct BatchOperation {
    pub(super) plan: Arc<Plan>,
    pub(super) order: Order,
    pub(super) pools: Arc<Pools>,
    pub(super) level: Level,
    /// Number of points of a chunk of the backward pass.
    pub(super) chunk_points: usize,
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

    /// Computes loss and gradient of a part of one field; `first_point` is the index of its first point in the batch.
    fn part_gradient<T: Precision>(
        &self,
        inputs: FieldInputs<'_, T>,
        packed: &Packed<T>,
        first_point: usize,
        write_d_jets: &WriteDJets<'_, T>,
    ) -> PartGradient<T> {
        let mut sum = GradientSum::zero(&self.plan, T::sums(&self.pools).take());
        let pool = T::pool(&self.pools);
        let mut workspace = pool.take().unwrap_or_default();
        let mut out = vec![T::of(0.0); self.chunk_points * self.jet_len()];
        let mut loss = 0.0;
        let mut first = first_point * self.jet_len();
        for coords in inputs
            .coords
            .chunks(self.chunk_points * self.plan.in_features)
        {
            let out = &mut out[..coords.len() / self.plan.in_features * self.jet_len()];
            let chunk = self.chunk(FieldInputs { coords, ..inputs }, packed);
            chunk.forward(out, &mut workspace);
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
        let outs = out.par_chunks_mut((batch.points * self.jet_len()).max(1));
        outs.enumerate().for_each(|(field, out)| {
            let FieldInputs { coords, params } = batch.field(field);
            let packed = Packed::new(self.level, &self.plan, params);
            let parts = coords.par_chunks(PART_POINTS * dims);
            parts
                .zip(out.par_chunks_mut(PART_POINTS * self.jet_len()))
                .for_each(|(coords, out)| {
                    let pool = T::pool(&self.pools);
                    let mut workspace = pool.take().unwrap_or_default();
                    self.chunk(FieldInputs { coords, params }, &packed)
                        .evaluate(out, &mut workspace);
                    pool.give(workspace);
                });
        });
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
        let rows = d_params.par_chunks_mut(self.plan.parameters).enumerate();
        let losses = rows.map(|(field, d_params)| {
            let FieldInputs { coords, params } = batch.field(field);
            let packed = Packed::new(self.level, &self.plan, params);
            let parts = coords
                .par_chunks(PART_POINTS * self.plan.in_features)
                .enumerate();
            let parts: Vec<PartGradient<T>> = parts
                .map(|(part, coords)| {
                    let first_point = field * batch.points + part * PART_POINTS;
                    let inputs = FieldInputs { coords, params };
                    self.part_gradient(inputs, &packed, first_point, write_d_jets)
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
