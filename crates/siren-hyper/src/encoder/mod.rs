//! Encoders: from context pixels `(coordinates, values)` to latent codes `(b, z)`.

mod conv;
mod partial;
pub(crate) mod set;
#[cfg(test)]
mod tests;

use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;
use siren_core::field::{FieldShape, Siren};
use siren_core::{Error, Result};

use crate::config::{Encoder, HyperModel};
use crate::context::Contexts;
use crate::layers::Pass;

/// Name of the codes of an auto-decoder.
const CODES: &str = "latents.weight";
/// Deviation of the codes of an auto-decoder at the start.
const CODE_DEVIATION: f64 = 0.01;

/// What draws so many numbers of an entry.
pub(crate) type Draw = Box<dyn Fn(&mut ChaCha8Rng, usize) -> Vec<f64>>;

/// Name and shape of an entry, and how it starts.
pub(crate) type Start = (String, Vec<usize>, Draw);

/// The entries of an encoder, with how each of them starts.
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

/// The codes of these contexts, `(b, z)`; `set` is what [`set::field`] makes of the model.
pub(crate) fn encode(
    model: &HyperModel,
    set: &Siren,
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
                expected: "training pictures, which have codes; that of another picture is fitted"
                    .to_owned(),
                got: "other pictures".to_owned(),
            })?;
            pass.rows(CODES, codes)
        }
    }
}

/// Pixels a side: convolutional encoders end in weights for every pixel.
fn side(shape: FieldShape) -> Result<usize> {
    shape.samples_per_side.ok_or_else(|| Error::Shape {
        what: "pictures of a convolutional encoder",
        expected: "a side in pixels".to_owned(),
        got: "none".to_owned(),
    })
}

/// Numbers at the start.
pub(crate) mod init {
    pub(crate) use siren_core::field::{normal, uniform};

    use super::Draw;

    /// PyTorch's default for weights and biases: U(±1/√`fan_in`).
    pub(crate) fn torch(fan_in: usize) -> Draw {
        let bound = 1.0 / (fan_in as f64).sqrt();
        Box::new(move |rng, len| uniform(bound, len, rng))
    }

    /// N(0, 2/`fan_in`) times `scale`.
    pub(crate) fn kaiming(fan_in: usize, scale: f64) -> Draw {
        let deviation = scale * (2.0 / fan_in as f64).sqrt();
        Box::new(move |rng, len| normal(deviation, len, rng))
    }

    /// One number everywhere.
    pub(crate) fn constant(value: f64) -> Draw {
        Box::new(move |_, len| vec![value; len])
    }
}
