//! The gradient in the parameters.

use super::plan::Plan;
use crate::Real;
use crate::product::panel::{ROW_PAD, stride};

/// A gradient in the parameters, summed over chunks.
#[derive(Default)]
pub struct GradientSum<T> {
    /// In the weights of each layer, rows `stride(fan_in)` apart.
    pub(super) d_weights: Vec<Vec<T>>,
    /// In all other parameters, `(P,)`.
    pub(super) d_params: Vec<T>,
}

impl<T: Real> GradientSum<T> {
    /// Zero, in the buffers of `used` where there are any: fresh ones cost page faults.
    pub fn zero(plan: &Plan, used: Option<Self>) -> Self {
        let mut sum = used.unwrap_or_default();
        let clear = |buffer: &mut Vec<T>, len: usize| {
            buffer.clear();
            buffer.resize(len, T::of(0.0));
        };
        sum.d_weights.resize_with(plan.layers.len(), Vec::new);
        for (d_weight, layer) in sum.d_weights.iter_mut().zip(&plan.layers) {
            let rows = layer.fan_out.next_multiple_of(ROW_PAD);
            clear(d_weight, rows * stride(layer.fan_in));
        }
        clear(&mut sum.d_params, plan.parameters);
        sum
    }

    /// Adds another sum for the same plan.
    pub fn add(&mut self, other: &Self) {
        let buffers = self.d_weights.iter_mut().chain([&mut self.d_params]);
        let others = other.d_weights.iter().chain([&other.d_params]);
        for (buffer, other) in buffers.zip(others) {
            for (sum, &more) in buffer.iter_mut().zip(other) {
                *sum += more;
            }
        }
    }

    /// The sum as flat parameters `(P,)`.
    pub fn flat(&mut self, plan: &Plan) -> &[T] {
        for (d_weight, layer) in self.d_weights.iter().zip(&plan.layers) {
            let rows = self.d_params[layer.weight.clone()].chunks_exact_mut(layer.fan_in);
            for (row, padded_row) in rows.zip(d_weight.chunks_exact(stride(layer.fan_in))) {
                row.copy_from_slice(&padded_row[..layer.fan_in]);
            }
        }
        &self.d_params
    }
}
