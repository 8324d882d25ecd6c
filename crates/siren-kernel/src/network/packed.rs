//! Weights of a network, packed for the passes of one step.

use std::sync::OnceLock;

use super::edges;
use super::plan::{Dense, Plan};
use crate::function::Pointwise;
use crate::product::panel::padded;
use crate::{Bfloat16, Level, Real};

/// The weights of a network, packed for matrix products at one SIMD level. They are packed at their first use, and used for many chunks.
pub struct Packed<T: Real> {
    level: Level,
    /// `Wᵀ` of each layer, for `Z = H Wᵀ`.
    forward: OnceLock<Vec<T::PackedMatrix>>,
    /// `W` of each layer, for `dH = dZ W`.
    backward: Vec<OnceLock<T::PackedMatrix>>,
    values: OnceLock<ValueWeights<T>>,
    /// How operands of products of hidden layers are rounded in passes over values, if they are.
    rounding: Option<Bfloat16>,
    /// `W` of each layer whose products are of rounded operands, for `dH = dZ W`.
    rounded_backward: Vec<OnceLock<T::RoundedMatrix>>,
}

/// Least width of a layer whose operands are rounded: in narrower ones products are a smaller part of the time.
const LEAST_ROUNDED_WIDTH: usize = 96;

/// Returns whether the operands of the products of layer `l` are those that [`Packed::rounded`] rounds.
fn is_rounded(plan: &Plan, l: usize) -> bool {
    let layer = &plan.layers[l];
    let is_hidden = l > 0 && l + 1 < plan.layers.len();
    is_hidden && layer.fan_in.min(layer.fan_out) >= LEAST_ROUNDED_WIDTH
}

/// Returns whether [`Packed::rounded`] rounds operands of any layer.
#[must_use]
pub fn has_rounded_layers(plan: &Plan) -> bool {
    (0..plan.layers.len()).any(|l| is_rounded(plan, l))
}

/// What the forward pass of values needs, with the factors of [`phase_factor`].
pub(super) struct ValueWeights<T: Real> {
    /// `f Wᵀ` of each layer that no other field holds; others are empty.
    pub(super) products: Vec<T::PackedMatrix>,
    /// `f Wᵀ` of each layer whose products are of rounded operands; others are empty.
    pub(super) rounded: Vec<T::RoundedMatrix>,
    /// `f b` of each layer, padded to whole vectors.
    pub(super) biases: Vec<Vec<T>>,
    /// `f Wᵀ` of the first layer if the plan has an [`edges::CoordinateLayer`], otherwise empty.
    pub(super) first: Vec<T>,
    /// `W` of the last layer if the plan has an [`edges::ChannelLayer`], otherwise empty.
    pub(super) last: Vec<T>,
}

/// Returns the factor `f` of weights and bias of a layer of a pass over values.
fn phase_factor<T: Real>(layer: &Dense) -> T {
    match layer.pointwise {
        Pointwise::Sine { omega } => T::of(T::phase_factor(omega)),
        _ => T::of(1.0),
    }
}

impl<T: Real> Packed<T> {
    /// Prepares the weights of `params (P,)` for products at `level`.
    ///
    /// # Panics
    /// If a range of `plan` exceeds `params`.
    #[must_use]
    pub fn new(level: Level, plan: &Plan, params: &[T]) -> Self {
        for layer in &plan.layers {
            assert!(
                layer.weight.end <= params.len() && layer.bias.end <= params.len(),
                "parameters of a network"
            );
        }
        Self {
            level,
            forward: OnceLock::new(),
            backward: plan.layers.iter().map(|_| OnceLock::new()).collect(),
            values: OnceLock::new(),
            rounding: None,
            rounded_backward: plan.layers.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// Rounds operands of products to bfloat16 in passes over values: those of hidden layers at least 96 wide between the first and the last
    /// layer. Products with derivatives stay as they are, and so do sums, biases and activations.
    #[must_use]
    pub fn rounded(self, arithmetic: Bfloat16) -> Self {
        Self {
            rounding: Some(arithmetic),
            ..self
        }
    }

    /// Returns how the operands of the products of layer `l` are rounded in passes over values, if they are.
    pub(super) fn rounding(&self, plan: &Plan, l: usize) -> Option<Bfloat16> {
        self.rounding.filter(|_| is_rounded(plan, l))
    }

    /// Returns the weights of the forward pass. `plan` and `params` must be those of [`Packed::new`].
    pub(super) fn forward(&self, plan: &Plan, params: &[T]) -> &[T::PackedMatrix] {
        let pack = |layer: &Dense| {
            let weight = &params[layer.weight.clone()];
            T::pack_transposed(self.level, weight, layer.fan_out, layer.fan_in)
        };
        self.forward
            .get_or_init(|| plan.layers.iter().map(pack).collect())
    }

    /// Returns the weights of layer `l` of the backward pass. `plan` and `params` must be those of [`Packed::new`].
    pub(super) fn backward(&self, plan: &Plan, params: &[T], l: usize) -> &T::PackedMatrix {
        let layer = &plan.layers[l];
        let pack = || {
            let weight = &params[layer.weight.clone()];
            T::pack_matrix(self.level, weight, layer.fan_out, layer.fan_in)
        };
        self.backward[l].get_or_init(pack)
    }

    /// Returns the rounded weights of layer `l` of the backward pass, as [`backward`](Self::backward).
    pub(super) fn rounded_backward(
        &self,
        plan: &Plan,
        params: &[T],
        l: usize,
    ) -> &T::RoundedMatrix {
        let layer = &plan.layers[l];
        let pack = || {
            let weight = &params[layer.weight.clone()];
            T::round_matrix(weight, layer.fan_out, layer.fan_in)
        };
        self.rounded_backward[l].get_or_init(pack)
    }

    /// Returns the weights of the forward pass of values. `plan` and `params` must be those of [`Packed::new`].
    pub(super) fn values(&self, plan: &Plan, params: &[T]) -> &ValueWeights<T> {
        self.values
            .get_or_init(|| ValueWeights::new(self, plan, params))
    }
}

impl<T: Real> ValueWeights<T> {
    fn new(packed: &Packed<T>, plan: &Plan, params: &[T]) -> Self {
        let last = plan.layers.len() - 1;
        let is_edge = |index: usize| {
            index == 0 && edges::has_coordinate_layer(plan)
                || index == last && edges::has_channel_layer(plan)
        };
        let scaled_weight = |layer: &Dense| -> Vec<T> {
            let factor: T = phase_factor(layer);
            let weight = params[layer.weight.clone()].iter();
            weight.map(|&w| factor * w).collect()
        };
        let pack = |(index, layer): (usize, &Dense)| {
            if is_edge(index) || packed.rounding(plan, index).is_some() {
                return T::PackedMatrix::default();
            }
            let weight = scaled_weight(layer);
            T::pack_transposed(packed.level, &weight, layer.fan_out, layer.fan_in)
        };
        let round = |(index, layer): (usize, &Dense)| {
            if packed.rounding(plan, index).is_none() {
                return T::RoundedMatrix::default();
            }
            T::round_transposed(&scaled_weight(layer), layer.fan_out, layer.fan_in)
        };
        let scale = |layer: &Dense| -> Vec<T> {
            let factor: T = phase_factor(layer);
            let bias = params[layer.bias.clone()].iter();
            let mut bias: Vec<T> = bias.map(|&b| factor * b).collect();
            bias.resize(padded(layer.fan_out), T::of(0.0));
            bias
        };
        Self {
            products: plan.layers.iter().enumerate().map(pack).collect(),
            rounded: plan.layers.iter().enumerate().map(round).collect(),
            biases: plan.layers.iter().map(scale).collect(),
            first: first_weight(plan, params),
            last: last_weight(plan, params),
        }
    }
}

fn first_weight<T: Real>(plan: &Plan, params: &[T]) -> Vec<T> {
    if !edges::has_coordinate_layer(plan) {
        return Vec::new();
    }
    let layer = &plan.layers[0];
    let (factor, weight) = (phase_factor::<T>(layer), &params[layer.weight.clone()]);
    edges::padded_rows(layer.fan_out, layer.fan_in, |column, neuron| {
        factor * weight[neuron * layer.fan_in + column]
    })
}

fn last_weight<T: Real>(plan: &Plan, params: &[T]) -> Vec<T> {
    if !edges::has_channel_layer(plan) {
        return Vec::new();
    }
    let layer = &plan.layers[plan.layers.len() - 1];
    let weight = &params[layer.weight.clone()];
    edges::padded_rows(layer.fan_in, layer.fan_out, |channel, neuron| {
        weight[channel * layer.fan_in + neuron]
    })
}
