//! Encoders: from context pixels `(coordinates, values)` to latent codes `(b, z)`.

mod conv;
mod partial;
pub(crate) mod set;
#[cfg(test)]
mod tests;

use candle_core::Tensor;
use siren_core::field::{FieldShape, Network, Role};
use siren_core::{Error, Result};

use crate::config::{Encoder, HyperModelConfig};
use crate::context::ContextBatch;
use crate::init::{self, EntryInit};
use crate::layers::Pass;

/// Name of the layer whose weight is the table of codes of an auto-decoder, `(codes, z)`.
const LATENTS: &str = "latents";
/// Name of the table of codes.
const CODES: &str = "latents.weight";
/// Standard deviation of the initial codes of an auto-decoder.
const CODE_DEVIATION: f64 = 0.01;

/// Returns the entries of the encoder's parameters.
///
/// The first weight is the first one of the whole model. All other matrices are hidden weights, because the hypernetwork follows.
pub(crate) fn entries(model: &HyperModelConfig, shape: FieldShape) -> Result<Vec<EntryInit>> {
    match model.encoder {
        Encoder::Set => Ok(set::entries(model, shape)),
        Encoder::Conv => conv::entries(model, shape),
        Encoder::PartialConv => partial::entries(model, shape),
        Encoder::AutoDecoder => {
            let codes = model.codes.ok_or_else(|| {
                let expected = "the number of training pictures";
                Error::invalid("model.codes", "absent", expected)
            })?;
            let table = [codes, model.latent_features];
            Ok(vec![EntryInit::weight(
                LATENTS,
                &table,
                Role::OuterWeight,
                Box::new(|rng, len| init::normal(CODE_DEVIATION, len, rng)),
            )])
        }
    }
}

/// Computes the latent codes `(b, z)` of contexts. `set` is the network that [`set::network`] returns for this model.
pub(crate) fn encode(
    model: &HyperModelConfig,
    set: &Network,
    pass: &Pass<'_>,
    contexts: &ContextBatch,
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
            check_codes(codes, model.codes.unwrap_or_default())?;
            pass.rows(CODES, codes)
        }
    }
}

/// Checks that the table of an auto-decoder has a row for every code.
fn check_codes(codes: &[u32], rows: usize) -> Result<()> {
    match codes.iter().max() {
        Some(&code) if code as usize >= rows => Err(Error::Shape {
            what: "codes of an auto-decoder",
            expected: format!(
                "indices below `model.codes = {rows}`, the number of training pictures"
            ),
            got: format!("{code}"),
        }),
        _ => Ok(()),
    }
}

/// Returns the pixels per side of the pictures of a model. The last layer of a convolutional encoder has one weight per pixel.
pub(crate) fn side(shape: FieldShape) -> Result<usize> {
    shape.samples_per_side.ok_or_else(|| Error::Shape {
        what: "pictures of a hypernetwork",
        expected: "a number of pixels per side".to_owned(),
        got: "none".to_owned(),
    })
}
