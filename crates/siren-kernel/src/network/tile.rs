//! Buffers of the forward and backward pass of a chunk.

use super::edges;
use super::encoding::Features;
use super::plan::Plan;
use super::pointwise::Scratch;
use super::sum::GradientSum;
use crate::Real;
use crate::product::RoundedOperands;
use crate::product::panel::buffer_len;

/// Activations of one tile, saved by the forward pass for the backward pass.
#[derive(Default)]
pub(crate) struct Tile<T> {
    pub(super) points: usize,
    /// Input jet of each layer, then the output of the last.
    pub(super) inputs: Vec<Vec<T>>,
    /// Preactivation jet of each layer. If only values are carried, `σ'` of the preactivation.
    pub(super) preactivations: Vec<Vec<T>>,
    /// Jet of `s ‖x − c‖²` for radial basis functions, otherwise empty.
    pub(super) distances: Vec<T>,
    /// Adjoint form only: the derivative `u` of the output with respect to the preactivations of each layer.
    pub(super) adjoints: Vec<Vec<T>>,
    /// Adjoint form only: second-order terms of each layer. The forward pass leaves `σ''(z) ∘ g`, the backward pass `σ''(z) ∘ g ∘ ū`.
    pub(super) curvatures: Vec<Vec<T>>,
}

/// Grows a buffer to at least `len` elements.
pub(super) fn grow<T: Real>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::of(0.0));
    }
}

impl<T: Real> Tile<T> {
    /// Grows the buffers to `encoded_rows` rows of the encoding and `rows` rows of all other activations.
    pub(super) fn resize(&mut self, plan: &Plan, encoded_rows: usize, rows: usize) {
        self.inputs.resize_with(plan.layers.len() + 1, Vec::new);
        self.preactivations.resize_with(plan.layers.len(), Vec::new);
        for (l, layer) in plan.layers.iter().enumerate() {
            let in_rows = if l == 0 { encoded_rows } else { rows };
            grow(&mut self.inputs[l], buffer_len(in_rows, layer.fan_in));
            grow(&mut self.preactivations[l], buffer_len(rows, layer.fan_out));
        }
        grow(
            &mut self.inputs[plan.layers.len()],
            buffer_len(rows, plan.out_features),
        );
        if let Features::Rbf { centers, .. } = plan.features {
            grow(&mut self.distances, buffer_len(rows, centers));
        }
    }
}

/// Preactivations of a chunk of values, kept between its forward and its backward pass by
/// [`Chunk::evaluate_keeping`](super::Chunk::evaluate_keeping).
#[derive(Default)]
pub struct Preactivations<T>(pub(super) Vec<T>);

impl<T: Real> Preactivations<T> {
    /// Returns the bytes that are kept for `points` points, but for some padding.
    #[must_use]
    pub fn bytes(plan: &Plan, points: usize) -> usize {
        kept_elements(plan, points) * size_of::<T>()
    }
}

/// Returns the number of preactivations that are kept of a tile.
pub(super) fn kept_elements(plan: &Plan, points: usize) -> usize {
    let layers = plan.layers[edges::products(plan)].iter();
    layers.map(|layer| buffer_len(points, layer.fan_out)).sum()
}

/// Buffers of one [`Chunk`](super::Chunk). They should be kept between steps: new allocations cost page faults.
#[derive(Default)]
pub struct Workspace<T> {
    pub(super) tiles: Vec<Tile<T>>,
    /// Preactivations of the current layer, where they are not saved.
    pub(super) current_z: Vec<T>,
    pub(super) scratch: Scratch<T>,
    pub(super) upstream: Vec<T>,
    pub(super) downstream: Vec<T>,
    /// Rounded operands of the current product.
    pub(super) operands: RoundedOperands,
}

/// Gradients of a tile during the backward pass.
pub(super) struct Gradients<'a, T> {
    /// Gradient with respect to the output of the current layer.
    pub(super) upstream: &'a mut Vec<T>,
    /// Gradient with respect to its input, to be computed.
    pub(super) downstream: &'a mut Vec<T>,
    /// Gradient with respect to the parameters.
    pub(super) sum: &'a mut GradientSum<T>,
    /// Buffers of rounded operands.
    pub(super) operands: &'a mut RoundedOperands,
}
