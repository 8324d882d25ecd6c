//! Hypernetworks: from latent codes `(b, z)` to the parameters of fields `(b, P)`.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{Entry, Layout, Siren};

use crate::config::{HyperModel, Hypernetwork};
use crate::encoder::{Draw, Start, init};
use crate::layers::Pass;

/// Name of the parameters that `low_rank` and `shift` share among all fields: one row.
const SHARED: &str = "hypo_net.shared";
/// The one layer of `shift`.
const SHIFT: &str = "hyper_net.shift";
/// What the authors multiply the initial weights of last layers by.
const LAST_SCALE: f64 = 1e-2;

/// The network that makes one tensor of the field: names of its layers with `(in, out)`.
fn layers(model: &HyperModel, index: usize, outputs: usize) -> Vec<(String, usize, usize)> {
    let name = |layer: usize| format!("hyper_net.nets.{index}.net.{layer}.0");
    let width = model.hyper_features;
    let mut layers = vec![(name(0), model.latent_features, width)];
    layers.extend((1..=model.hyper_layers).map(|layer| (name(layer), width, width)));
    layers.push((name(model.hyper_layers + 1), width, outputs));
    layers
}

/// `(out, in)` of a weight, nothing for all else.
fn matrix(entry: &Entry) -> Option<(usize, usize)> {
    match *entry.shape.as_slice() {
        [rows, columns] => Some((rows, columns)),
        _ => None,
    }
}

/// Numbers that the network of this entry gives.
fn outputs(model: &HyperModel, entry: &Entry) -> usize {
    match (model.hypernetwork, matrix(entry)) {
        (Hypernetwork::LowRank, Some((rows, columns))) => model.rank * (rows + columns),
        _ => entry.range.len(),
    }
}

/// The biases that `shift` moves: all but the last layer's.
fn shifted(field: &Layout) -> Vec<&Entry> {
    let entries = field.entries().iter();
    let mut biases: Vec<_> = entries.filter(|entry| matrix(entry).is_none()).collect();
    biases.pop();
    biases
}

/// The entries of a hypernetwork, with how each of them starts.
pub(crate) fn entries(model: &HyperModel, field: &Siren) -> Result<Vec<Start>> {
    let layout = field.layout();
    let mut all = Vec::new();
    if model.hypernetwork != Hypernetwork::Full {
        let shared: Vec<f64> = field
            .parameters()
            .to_dtype(candle_core::DType::F64)?
            .to_vec1()?;
        let draw: Draw = Box::new(move |_, _| shared.clone());
        all.push((SHARED.to_owned(), vec![1, layout.len()], draw));
    }
    if model.hypernetwork == Hypernetwork::Shift {
        let shifts: usize = shifted(layout).iter().map(|entry| entry.range.len()).sum();
        let weights = vec![shifts, model.latent_features];
        all.push((
            format!("{SHIFT}.weight"),
            weights,
            init::torch(model.latent_features),
        ));
        all.push((format!("{SHIFT}.bias"), vec![shifts], init::constant(0.0)));
        return Ok(all);
    }
    for (index, entry) in layout.entries().iter().enumerate() {
        let layers = layers(model, index, outputs(model, entry));
        let last = layers.len() - 1;
        for (at, (name, fan_in, fan_out)) in layers.into_iter().enumerate() {
            let (scale, bias) = if at == last {
                (LAST_SCALE, last_bias(model, entry, fan_in))
            } else {
                (1.0, init::torch(fan_in))
            };
            let weights = init::kaiming(fan_in, scale);
            all.push((format!("{name}.weight"), vec![fan_out, fan_in], weights));
            all.push((format!("{name}.bias"), vec![fan_out], bias));
        }
    }
    Ok(all)
}

/// The biases of a last layer are about where the tensor that it makes starts. In `full`, as the authors have it: U(±1/`in`) of the
/// field's layer for a weight, U(±1/`fan_in`) of the last layer itself for a bias. In `low_rank`, `U = 0` and `V ~ N(0, 1/in)`.
fn last_bias(model: &HyperModel, entry: &Entry, fan_in: usize) -> Draw {
    match (model.hypernetwork, matrix(entry)) {
        (Hypernetwork::LowRank, Some((rows, columns))) => {
            let left = model.rank * rows;
            let deviation = 1.0 / (columns as f64).sqrt();
            Box::new(move |rng, len| {
                let mut numbers = vec![0.0; left];
                numbers.extend(init::normal(deviation, len - left, rng));
                numbers
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

/// The parameters of the fields of these codes.
pub(crate) fn fields(
    model: &HyperModel,
    pass: &Pass<'_>,
    field: &Layout,
    latents: &Tensor,
) -> Result<Tensor> {
    if model.hypernetwork == Hypernetwork::Shift {
        return shift(pass, field, latents);
    }
    let (mut hidden, mut last) = (Vec::new(), Vec::new());
    for (index, entry) in field.entries().iter().enumerate() {
        let mut layers = layers(model, index, outputs(model, entry));
        last.extend(layers.pop().map(|(name, _, _)| name));
        let mut h = latents.clone();
        for (name, _, _) in &layers {
            h = pass.linear(&h, name)?.relu()?;
        }
        hidden.push(h);
    }
    let given = pass.heads(&hidden, &last)?;
    if model.hypernetwork == Hypernetwork::Full {
        return Ok(given);
    }
    let parameters = low_rank(model, field, &given)?;
    Ok(parameters.broadcast_add(&pass.rows(SHARED, &[0])?)?)
}

/// Every matrix as `U V`, where both are given; all else as it is given.
fn low_rank(model: &HyperModel, field: &Layout, given: &Tensor) -> Result<Tensor> {
    let pictures = given.dim(0)?;
    let mut parts = Vec::new();
    let mut used = 0;
    for entry in field.entries() {
        let mut next = |count: usize| {
            used += count;
            given.narrow(1, used - count, count)
        };
        parts.push(if let Some((rows, columns)) = matrix(entry) {
            let left = next(model.rank * rows)?.reshape((pictures, rows, model.rank))?;
            let right = next(model.rank * columns)?.reshape((pictures, model.rank, columns))?;
            left.matmul(&right)?.reshape((pictures, rows * columns))?
        } else {
            next(entry.range.len())?
        });
    }
    Ok(Tensor::cat(&parts, 1)?)
}

/// Shared parameters with shifted biases.
fn shift(pass: &Pass<'_>, field: &Layout, latents: &Tensor) -> Result<Tensor> {
    let pictures = latents.dim(0)?;
    let shifts = pass.linear(latents, SHIFT)?;
    let zeros = |len: usize| Tensor::zeros((pictures, len), latents.dtype(), latents.device());
    let mut parts = Vec::new();
    let (mut done, mut used) = (0, 0);
    for entry in shifted(field) {
        if entry.range.start > done {
            parts.push(zeros(entry.range.start - done)?);
        }
        parts.push(shifts.narrow(1, used, entry.range.len())?);
        used += entry.range.len();
        done = entry.range.end;
    }
    parts.push(zeros(field.len() - done)?);
    let moved = Tensor::cat(&parts, 1)?;
    Ok(moved.broadcast_add(&pass.rows(SHARED, &[0])?)?)
}
