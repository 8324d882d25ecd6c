//! The authors' convolutional encoder, on pictures with zeros for unobserved pixels.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::FieldShape;

use super::{Start, init, side};
use crate::config::HyperModel;
use crate::context::Contexts;
use crate::layers::Pass;

/// Name of the last layer, which is linear over the pixels.
const FC: &str = "conv_encoder.fc";
/// Pixels per side of the kernels of a residual block.
const BLOCK_KERNEL: usize = 5;

/// Returns the convolutions in order, as (name, `in`, `out`, `k`).
fn convolutions(model: &HyperModel, channels: usize) -> Vec<(String, usize, usize, usize)> {
    let width = model.encoder_features;
    let half = (width / 2).max(1);
    let cnn = |index: usize| format!("conv_encoder.cnn.{index}");
    let mut all = vec![
        ("conv_encoder.conv_theta".to_owned(), channels, half, 3),
        (cnn(0), half, width, 3),
    ];
    for block in 0..model.layers() {
        for half in [0, 2] {
            let name = format!("{}.convs.{half}", cnn(block + 2));
            all.push((name, width, width, BLOCK_KERNEL));
        }
    }
    all.push((cnn(model.layers() + 2), width, model.latent_features, 1));
    all
}

pub(super) fn entries(model: &HyperModel, shape: FieldShape) -> Result<Vec<Start>> {
    let mut entries = Vec::new();
    for (name, fan_in, fan_out, kernel) in convolutions(model, shape.out_features) {
        let inputs = fan_in * kernel * kernel;
        let weights = vec![fan_out, fan_in, kernel, kernel];
        entries.push((format!("{name}.weight"), weights, init::torch(inputs)));
        entries.push((format!("{name}.bias"), vec![fan_out], init::torch(inputs)));
    }
    entries.extend(pixel_entries(shape, FC)?);
    Ok(entries)
}

/// Returns the entries of a linear layer over all pixels: `name.weight (1, h w)` and `name.bias (1,)`.
pub(super) fn pixel_entries(shape: FieldShape, name: &str) -> Result<[Start; 2]> {
    let pixels = side(shape)?.pow(2);
    Ok([("weight", vec![1, pixels]), ("bias", vec![1])]
        .map(|(kind, shape)| (format!("{name}.{kind}"), shape, init::torch(pixels))))
}

pub(super) fn encode(model: &HyperModel, pass: &Pass<'_>, contexts: &Contexts) -> Result<Tensor> {
    let (picture, _) = contexts.as_pictures()?;
    let theta = pass.rectified_convolution(&picture, "conv_encoder.conv_theta")?;
    let mut h = pass.rectified_convolution(&theta, "conv_encoder.cnn.0")?;
    for block in 2..model.layers() + 2 {
        let name = |half: usize| format!("conv_encoder.cnn.{block}.convs.{half}");
        let inner = pass.rectified_convolution(&h, &name(0))?;
        let inner = pass.rectified_convolution(&inner, &name(2))?;
        h = pass.rectified_sum(&h, &inner)?;
    }
    let last = format!("conv_encoder.cnn.{}", model.layers() + 2);
    pass.codes(&h, &last, FC)
}
