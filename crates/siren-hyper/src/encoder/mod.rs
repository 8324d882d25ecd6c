//! Encoders: from context pixels `(coordinates, values)` to latent codes `(b, z)`.

mod conv;
mod partial;
pub(crate) mod set;
#[cfg(test)]
mod tests;

use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;
use siren_core::field::{FieldShape, Network};
use siren_core::{Error, Result};

use crate::config::{Encoder, HyperModel};
use crate::context::Contexts;
use crate::layers::Pass;

/// Name of the table of codes of an auto-decoder, `(codes, z)`.
const CODES: &str = "latents.weight";
/// Standard deviation of the initial codes of an auto-decoder.
const CODE_DEVIATION: f64 = 0.01;

/// Initialization of an entry: draws this number of values.
pub(crate) type Draw = Box<dyn Fn(&mut ChaCha8Rng, usize) -> Vec<f64>>;

/// Name, shape and initialization of an entry of the parameters.
pub(crate) type Start = (String, Vec<usize>, Draw);

/// Returns the entries of the encoder's parameters with their initializations.
pub(crate) fn entries(model: &HyperModel, shape: FieldShape) -> Result<Vec<Start>> {
    match model.encoder {
        Encoder::Set => Ok(set::entries(model, shape)),
        Encoder::Conv => conv::entries(model, shape),
        Encoder::PartialConv => partial::entries(model, shape),
        Encoder::AutoDecoder => {
            let codes = model.codes.ok_or_else(|| {
                let expected = "the number of training pictures";
                Error::invalid("model.codes", "absent", expected)
            })?;
            let draw: Draw = Box::new(|rng, len| init::normal(CODE_DEVIATION, len, rng));
            Ok(vec![(
                CODES.to_owned(),
                vec![codes, model.latent_features],
                draw,
            )])
        }
    }
}

/// Computes the latent codes `(b, z)` of contexts. `set` is the network that [`set::network`] returns for this model.
pub(crate) fn encode(
    model: &HyperModel,
    set: &Network,
    pass: &Pass<'_>,
    contexts: &Contexts,
) -> Result<Tensor> {
    match model.encoder {
        Encoder::Set => set::encode(model, set, pass, contexts),
        Encoder::Conv => conv::encode(model, pass, contexts),
        Encoder::PartialConv => partial::encode(model, pass, contexts),
        Encoder::AutoDecoder => {
            let codes = contexts.codes.as_deref().ok_or_else(|| Error::Shape {
                what: "contexts of an auto-decoder",
                expected: "training pictures, whose codes are parameters; fit the codes of others"
                    .to_owned(),
                got: "pictures without codes".to_owned(),
            })?;
            pass.rows(CODES, codes)
        }
    }
}

/// Returns the pixels per side, which convolutional encoders need for their last layer: it has one weight per pixel.
fn side(shape: FieldShape) -> Result<usize> {
    shape.samples_per_side.ok_or_else(|| Error::Shape {
        what: "pictures of a convolutional encoder",
        expected: "a number of pixels per side".to_owned(),
        got: "none".to_owned(),
    })
}

/// Initializations.
pub(crate) mod init {
    pub(crate) use siren_core::field::{normal, uniform};

    use super::Draw;

    /// Draws from U(±1/√`fan_in`), PyTorch's default for weights and biases.
    pub(crate) fn torch(fan_in: usize) -> Draw {
        let bound = 1.0 / (fan_in as f64).sqrt();
        Box::new(move |rng, len| uniform(bound, len, rng))
    }

    /// Draws from N(0, 2/`fan_in`) (Kaiming), multiplied by `scale`.
    pub(crate) fn kaiming(fan_in: usize, scale: f64) -> Draw {
        let deviation = scale * (2.0 / fan_in as f64).sqrt();
        Box::new(move |rng, len| normal(deviation, len, rng))
    }

    /// Sets all values to `value`.
    pub(crate) fn constant(value: f64) -> Draw {
        Box::new(move |_, len| vec![value; len])
    }
}
