//! Sums of gradients with respect to the parameters.

use super::plan::Plan;
use crate::Real;
use crate::product::panel::{ROW_PAD, stride};

/// Gradient of a loss with respect to the parameters `(P,)`, summed over chunks.
#[derive(Default)]
pub struct GradientSum<T> {
    /// Gradient with respect to the weights of each layer, rows `stride(fan_in)` apart.
    pub(super) d_weights: Vec<Vec<T>>,
    /// Gradient with respect to all other parameters, `(P,)`.
    pub(super) d_params: Vec<T>,
}

impl<T: Real> GradientSum<T> {
    /// Returns a gradient of zeros, in the buffers of `used` if given: new buffers cost page faults.
    #[must_use]
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

    /// Adds another sum, made for the same plan.
    pub fn add(&mut self, other: &Self) {
        let buffers = self.d_weights.iter_mut().chain([&mut self.d_params]);
        let others = other.d_weights.iter().chain([&other.d_params]);
        for (buffer, other) in buffers.zip(others) {
            for (sum, &term) in buffer.iter_mut().zip(other) {
                *sum += term;
            }
        }
    }

    /// Returns the gradient in the order of the flat parameters, `(P,)`. `plan` must be the one that the sum was made for.
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
