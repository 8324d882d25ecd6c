//! The authors' set encoder: a network for every context pixel, whose outputs are averaged.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::FieldShape;

use super::{Draw, init};
use crate::config::{EncoderActivation, HyperModel};
use crate::context::Contexts;
use crate::layers::Pass;

/// ω₀ of its sine.
const OMEGA: f64 = 30.0;

/// Names of its layers with their sizes `(in, out)`.
fn layers(model: &HyperModel, inputs: usize) -> Vec<(String, usize, usize)> {
    let width = model.encoder_features;
    let mut layers = vec![("set_encoder.net.0".to_owned(), inputs, width)];
    let hidden = model.layers();
    layers.extend((0..hidden).map(|i| (format!("set_encoder.net.{}.0", i + 2), width, width)));
    let last = format!("set_encoder.net.{}", hidden + 2);
    layers.push((last, width, model.latent_features));
    layers
}

/// Its authors draw every layer of a sine encoder as a hidden one, the first too.
pub(super) fn entries(model: &HyperModel, shape: FieldShape) -> Vec<(String, Vec<usize>, Draw)> {
    let mut entries = Vec::new();
    for (name, fan_in, fan_out) in layers(model, shape.in_features + shape.out_features) {
        let weights: Draw = match model.encoder_activation {
            EncoderActivation::Sine => {
                let bound = (6.0 / fan_in as f64).sqrt() / OMEGA;
                Box::new(move |rng, len| init::uniform(bound, len, rng))
            }
            EncoderActivation::Relu => init::kaiming(fan_in, 1.0),
        };
        entries.push((format!("{name}.weight"), vec![fan_out, fan_in], weights));
        entries.push((format!("{name}.bias"), vec![fan_out], init::torch(fan_in)));
    }
    entries
}

pub(super) fn encode(model: &HyperModel, pass: &Pass<'_>, contexts: &Contexts) -> Result<Tensor> {
    let (mut h, mean) = contexts.as_set()?;
    for (name, _, _) in layers(model, h.dim(1)?) {
        let z = pass.linear(&h, &name)?;
        h = match model.encoder_activation {
            EncoderActivation::Sine => (z * OMEGA)?.sin()?,
            EncoderActivation::Relu => z.relu()?,
        };
    }
    Ok(mean.matmul(&h)?)
}
