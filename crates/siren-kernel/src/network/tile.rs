//! Buffers of the forward and reverse pass of a chunk.

use super::encoding::Features;
use super::plan::Plan;
use super::pointwise::Scratch;
use super::sum::GradientSum;
use crate::Real;
use crate::product::panel::room;

/// What the forward pass of one tile leaves for the reverse pass.
#[derive(Default)]
pub(crate) struct Tile<T> {
    pub(super) points: usize,
    /// The input jet of each layer, and the output of the last.
    pub(super) inputs: Vec<Vec<T>>,
    /// The preactivation jet of each layer; where only values are carried, `σ'` of it.
    pub(super) preactivations: Vec<Vec<T>>,
    /// The jet of `s ‖x − c‖²` for radial basis functions, otherwise empty.
    pub(super) distances: Vec<T>,
    /// In the adjoint form, the derivative `u` of the output in the preactivations of each layer; otherwise empty.
    pub(super) adjoints: Vec<Vec<T>>,
    /// In the adjoint form, the derivative of `u` in the same preactivations where it passes through `σ'`; otherwise empty.
    pub(super) bends: Vec<Vec<T>>,
}

pub(super) fn ensure<T: Real>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::of(0.0));
    }
}

impl<T: Real> Tile<T> {
    /// Makes room for `rows` rows, and for `encoded` rows of the encoding.
    pub(super) fn resize(&mut self, plan: &Plan, encoded: usize, rows: usize) {
        self.inputs.resize_with(plan.layers.len() + 1, Vec::new);
        self.preactivations.resize_with(plan.layers.len(), Vec::new);
        for (l, layer) in plan.layers.iter().enumerate() {
            let in_rows = if l == 0 { encoded } else { rows };
            ensure(&mut self.inputs[l], room(in_rows, layer.fan_in));
            ensure(&mut self.preactivations[l], room(rows, layer.fan_out));
        }
        ensure(
            &mut self.inputs[plan.layers.len()],
            room(rows, plan.out_features),
        );
        if let Features::Rbf { centers, .. } = plan.features {
            ensure(&mut self.distances, room(rows, centers));
        }
    }
}

/// Buffers of one chunk, kept between steps: allocating them anew costs page faults on every step.
#[derive(Default)]
pub struct Workspace<T> {
    pub(super) tiles: Vec<Tile<T>>,
    /// Preactivations that are not kept.
    pub(super) hot: Vec<T>,
    pub(super) scratch: Scratch<T>,
    pub(super) upstream: Vec<T>,
    pub(super) downstream: Vec<T>,
}

/// What flows back through a tile, and where it ends.
pub(super) struct Gradients<'a, T> {
    pub(super) upstream: &'a mut Vec<T>,
    pub(super) downstream: &'a mut Vec<T>,
    pub(super) sum: &'a mut GradientSum<T>,
}
