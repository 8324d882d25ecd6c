//! Hypernetworks: networks from latent codes `(b, z)` to the flat parameters of fields `(b, P)`.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{Entry, Layout, Role};

use crate::config::{HyperModelConfig, Hypernetwork};
use crate::init::{self, Draw, EntryInit, LayerSize};
use crate::layers::Pass;

/// Name of the field parameters `(1, P)` that all pictures share, for `low_rank` and `shift`.
const SHARED: &str = "hypo_net.shared";
/// Name of the only layer of `shift`.
const SHIFT: &str = "hyper_net.shift";
/// Factor on the initial weights of last layers, as in the authors' code.
const LAST_SCALE: f64 = 1e-2;

/// Returns the layers of the network that computes tensor `index` of the field.
fn layers(model: &HyperModelConfig, index: usize, outputs: usize) -> Vec<LayerSize> {
    let name = |layer: usize| format!("hyper_net.nets.{index}.net.{layer}.0");
    let width = model.hyper_features;
    let mut layers = vec![LayerSize::new(name(0), model.latent_features, width)];
    let hidden = 1..=model.hyper_layers;
    layers.extend(hidden.map(|layer| LayerSize::new(name(layer), width, width)));
    layers.push(LayerSize::new(name(model.hyper_layers + 1), width, outputs));
    layers
}

/// Returns the shape `(out, in)` of a weight, and `None` for a bias.
fn matrix_shape(entry: &Entry) -> Option<(usize, usize)> {
    match *entry.shape.as_slice() {
        [rows, columns] => Some((rows, columns)),
        _ => None,
    }
}

/// Returns the number of outputs of the network that computes this entry.
fn output_len(model: &HyperModelConfig, entry: &Entry) -> usize {
    match (model.hypernetwork, matrix_shape(entry)) {
        (Hypernetwork::LowRank, Some((rows, columns))) => model.rank * (rows + columns),
        _ => entry.range.len(),
    }
}

/// Returns the biases that `shift` modifies: all but that of the last layer.
fn shifted_biases(field: &Layout) -> Vec<&Entry> {
    let entries = field.entries().iter();
    let mut biases: Vec<_> = entries
        .filter(|entry| matrix_shape(entry).is_none())
        .collect();
    biases.pop();
    biases
}

/// Returns the entries of the hypernetwork's parameters. `shared` holds the initial parameters of one field.
///
/// The last weight is the last one of the whole model. All other matrices are hidden weights, because the encoder comes before.
pub(crate) fn entries(
    model: &HyperModelConfig,
    field: &Layout,
    shared: Vec<f64>,
) -> Vec<EntryInit> {
    let mut all = Vec::new();
    if model.hypernetwork != Hypernetwork::Full {
        all.push(EntryInit {
            name: SHARED.to_owned(),
            shape: vec![1, field.len()],
            role: Role::Encoding,
            draw: Box::new(move |_, _| shared.clone()),
        });
    }
    if model.hypernetwork == Hypernetwork::Shift {
        let biases = shifted_biases(field);
        let shifts: usize = biases.iter().map(|entry| entry.range.len()).sum();
        let sides = [shifts, model.latent_features];
        let draw = init::torch(model.latent_features);
        all.push(EntryInit::weight(SHIFT, &sides, Role::OuterWeight, draw));
        all.push(EntryInit::bias(SHIFT, &[shifts], init::constant(0.0)));
        return all;
    }
    let last_tensor = field.entries().len() - 1;
    for (index, entry) in field.entries().iter().enumerate() {
        let layers = layers(model, index, output_len(model, entry));
        let last = layers.len() - 1;
        for (layer, size) in layers.into_iter().enumerate() {
            let LayerSize {
                name,
                inputs,
                outputs,
            } = size;
            let (scale, bias) = if layer == last {
                (LAST_SCALE, last_bias(model, entry, inputs))
            } else {
                (1.0, init::torch(inputs))
            };
            let role = if layer == last && index == last_tensor {
                Role::OuterWeight
            } else {
                Role::HiddenWeight
            };
            let draw = init::kaiming(inputs, scale);
            all.push(EntryInit::weight(&name, &[outputs, inputs], role, draw));
            all.push(EntryInit::bias(&name, &[outputs], bias));
        }
    }
    all
}

/// Returns the initialization of the bias of a last layer, which dominates the initial value of the tensor `entry` of the field.
///
/// `full` follows the authors' code: U(±1/`in`) for a weight, with `in` of the field's layer, and U(±1/`fan_in`) for a bias, with
/// `fan_in` of the last layer itself. `low_rank` has `U = 0` and `V ~ N(0, 1/in)`.
fn last_bias(model: &HyperModelConfig, entry: &Entry, fan_in: usize) -> Draw {
    match (model.hypernetwork, matrix_shape(entry)) {
        (Hypernetwork::LowRank, Some((rows, columns))) => {
            let left_len = model.rank * rows;
            let deviation = 1.0 / (columns as f64).sqrt();
            Box::new(move |rng, len| {
                let mut values = vec![0.0; left_len];
                values.extend(init::normal(deviation, len - left_len, rng));
                values
            })
        }
        (Hypernetwork::LowRank, None) => init::constant(0.0),
        (_, Some((_, columns))) => {
            let bound = 1.0 / columns as f64;
            Box::new(move |rng, len| init::uniform(bound, len, rng))
        }
        (_, None) => {
            let bound = 1.0 / fan_in as f64;
            Box::new(move |rng, len| init::uniform(bound, len, rng))
        }
    }
}

/// Computes the flat parameters `(b, P)` of the fields of codes `(b, z)`; `field` is the layout of a field.
pub(crate) fn fields(
    model: &HyperModelConfig,
    pass: &Pass<'_>,
    field: &Layout,
    latents: &Tensor,
) -> Result<Tensor> {
    if model.hypernetwork == Hypernetwork::Shift {
        return shift(pass, field, latents);
    }
    let (mut hidden, mut last) = (Vec::new(), Vec::new());
    for (index, entry) in field.entries().iter().enumerate() {
        let mut layers = layers(model, index, output_len(model, entry));
        last.extend(layers.pop().map(|layer| layer.name));
        let mut h = latents.clone();
        for layer in &layers {
            h = pass.linear(&h, &layer.name)?.relu()?;
        }
        hidden.push(h);
    }
    let outputs = pass.heads(&hidden, &last)?;
    if model.hypernetwork == Hypernetwork::Full {
        return Ok(outputs);
    }
    let updates = low_rank(model, field, &outputs)?;
    Ok(updates.broadcast_add(&pass.rows(SHARED, &[0])?)?)
}

/// Computes the updates `(b, P)` of the shared parameters: `U V` for weights, with both factors among `outputs`; biases are copied.
fn low_rank(model: &HyperModelConfig, field: &Layout, outputs: &Tensor) -> Result<Tensor> {
    let pictures = outputs.dim(0)?;
    let mut parts = Vec::new();
    let mut used = 0;
    for entry in field.entries() {
        let mut next = |count: usize| {
            used += count;
            outputs.narrow(1, used - count, count)
        };
        parts.push(if let Some((rows, columns)) = matrix_shape(entry) {
            let left = next(model.rank * rows)?.reshape((pictures, rows, model.rank))?;
            let right = next(model.rank * columns)?.reshape((pictures, model.rank, columns))?;
            left.matmul(&right)?.reshape((pictures, rows * columns))?
        } else {
            next(entry.range.len())?
        });
    }
    Ok(Tensor::cat(&parts, 1)?)
}

/// Computes the flat parameters `(b, P)`: the shared ones, with shifts added to the hidden biases.
fn shift(pass: &Pass<'_>, field: &Layout, latents: &Tensor) -> Result<Tensor> {
    let pictures = latents.dim(0)?;
    let shifts = pass.linear(latents, SHIFT)?;
    let zeros = |len: usize| Tensor::zeros((pictures, len), latents.dtype(), latents.device());
    let mut parts = Vec::new();
    let (mut end, mut used) = (0, 0);
    for entry in shifted_biases(field) {
        if entry.range.start > end {
            parts.push(zeros(entry.range.start - end)?);
        }
        parts.push(shifts.narrow(1, used, entry.range.len())?);
        used += entry.range.len();
        end = entry.range.end;
    }
    parts.push(zeros(field.len() - end)?);
    let updates = Tensor::cat(&parts, 1)?;
    Ok(updates.broadcast_add(&pass.rows(SHARED, &[0])?)?)
}
