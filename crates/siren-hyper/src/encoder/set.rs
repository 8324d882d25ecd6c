//! The authors' set encoder: one network is applied to every context pixel, and its outputs are averaged.

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::Result;
use siren_core::field::{Activation, FieldShape, Network, Order, Role, SirenConfig};

use crate::config::{EncoderActivation, HyperModelConfig};
use crate::context::ContextBatch;
use crate::init::{self, Draw, EntryInit, LayerSize};
use crate::layers::Pass;

/// ω₀ of the sine activation.
const OMEGA: f64 = 30.0;

/// Returns the layers in order; `inputs` is the number of coordinates and channels of a pixel.
fn layers(model: &HyperModelConfig, inputs: usize) -> Vec<LayerSize> {
    let width = model.encoder_features;
    let hidden = model.layers();
    let name = |layer: &str| format!("set_encoder.net.{layer}");
    let mut layers = vec![LayerSize::new(name("0"), inputs, width)];
    layers.extend((0..hidden).map(|i| LayerSize::new(name(&format!("{}.0", i + 2)), width, width)));
    let last = name(&(hidden + 2).to_string());
    layers.push(LayerSize::new(last, width, model.latent_features));
    layers
}

/// Returns the entries of all layers. As in the authors' code, every layer of a sine encoder has the initialization of a hidden layer,
/// the first layer too.
pub(super) fn entries(model: &HyperModelConfig, shape: FieldShape) -> Vec<EntryInit> {
    let mut entries = Vec::new();
    let layers = layers(model, shape.in_features + shape.out_features);
    for (index, layer) in layers.into_iter().enumerate() {
        let LayerSize {
            name,
            inputs,
            outputs,
        } = layer;
        let draw: Draw = match model.encoder_activation {
            EncoderActivation::Sine => {
                let bound = (6.0 / inputs as f64).sqrt() / OMEGA;
                Box::new(move |rng, len| init::uniform(bound, len, rng))
            }
            EncoderActivation::Relu => init::kaiming(inputs, 1.0),
        };
        let role = match index {
            0 => Role::OuterWeight,
            _ => Role::HiddenWeight,
        };
        entries.push(EntryInit::weight(&name, &[outputs, inputs], role, draw));
        entries.push(EntryInit::bias(&name, &[outputs], init::torch(inputs)));
    }
    entries
}

/// Returns the encoder without the activation of its last layer, as a network from (row, column, values) to `(z,)`, which the fused
/// operation of fields evaluates.
pub(crate) fn network(
    model: &HyperModelConfig,
    shape: FieldShape,
    device: &Device,
) -> Result<Network> {
    let config = SirenConfig {
        activation: match model.encoder_activation {
            EncoderActivation::Sine => Activation::Sine,
            EncoderActivation::Relu => Activation::Relu,
        },
        first_omega_0: OMEGA.into(),
        hidden_omega_0: OMEGA,
        hidden_features: model.encoder_features.into(),
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

/// Computes the codes `(b, z)` of contexts: the mean over the observed pixels of each picture.
pub(super) fn encode(
    model: &HyperModelConfig,
    network: &Network,
    pass: &Pass<'_>,
    contexts: &ContextBatch,
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
