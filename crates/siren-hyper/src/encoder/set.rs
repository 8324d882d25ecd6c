//! The authors' set encoder: a network for every context pixel, whose outputs are averaged.

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::Result;
use siren_core::field::{Activation, FieldShape, Network, Order, SirenConfig};

use super::{Draw, Start, init};
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
pub(super) fn entries(model: &HyperModel, shape: FieldShape) -> Vec<Start> {
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

/// Returns the encoder up to the activation of its last layer as a network of (row, column, values), which the fused operation evaluates.
pub(crate) fn network(model: &HyperModel, shape: FieldShape, device: &Device) -> Result<Network> {
    let config = SirenConfig {
        activation: match model.encoder_activation {
            EncoderActivation::Sine => Activation::Sine,
            EncoderActivation::Relu => Activation::Relu,
        },
        first_omega_0: OMEGA.into(),
        hidden_omega_0: OMEGA,
        hidden_features: model.encoder_features,
        hidden_layers: model.layers(),
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: shape.in_features + shape.out_features,
        out_features: model.latent_features,
        samples_per_side: None,
    };
    // The network has no encoding, so nothing is drawn.
    config.network(shape, &mut ChaCha8Rng::seed_from_u64(0), device)
}

/// Computes the codes `(b, z)` of contexts.
pub(super) fn encode(
    model: &HyperModel,
    network: &Network,
    pass: &Pass<'_>,
    contexts: &Contexts,
) -> Result<Tensor> {
    let (pixels, mean) = contexts.as_set()?;
    let jet = network.batch_jet(
        &pass.span("set_encoder.")?,
        &pixels.unsqueeze(0)?,
        &Order::Value,
    )?;
    let z = jet.value()?.squeeze(0)?;
    let h = match model.encoder_activation {
        EncoderActivation::Sine => (z * OMEGA)?.sin()?,
        EncoderActivation::Relu => z.relu()?,
    };
    Ok(mean.matmul(&h)?)
}
