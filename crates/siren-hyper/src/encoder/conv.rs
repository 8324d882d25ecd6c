//! The authors' convolutional encoder, on pictures with zeros for unobserved pixels.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{FieldShape, Role};

use super::side;
use crate::config::HyperModelConfig;
use crate::context::ContextBatch;
use crate::init::{self, EntryInit};
use crate::layers::Pass;

/// Name of the last layer, which is linear over the pixels.
const FC: &str = "conv_encoder.fc";
/// Pixels per side of the kernels of a residual block.
const BLOCK_KERNEL: usize = 5;

/// Name and sizes of a convolution.
struct ConvolutionSize {
    name: String,
    inputs: usize,
    outputs: usize,
    /// Pixels per side of the kernel.
    kernel: usize,
}

/// Returns the convolutions in order.
fn convolutions(model: &HyperModelConfig, channels: usize) -> Vec<ConvolutionSize> {
    let width = model.encoder_features;
    let half = (width / 2).max(1);
    let cnn = |index: usize| format!("conv_encoder.cnn.{index}");
    let size = |name: String, inputs: usize, outputs: usize, kernel: usize| ConvolutionSize {
        name,
        inputs,
        outputs,
        kernel,
    };
    let mut all = vec![
        size("conv_encoder.conv_theta".to_owned(), channels, half, 3),
        size(cnn(0), half, width, 3),
    ];
    for block in 0..model.layers() {
        for half in [0, 2] {
            let name = format!("{}.convs.{half}", cnn(block + 2));
            all.push(size(name, width, width, BLOCK_KERNEL));
        }
    }
    let last = cnn(model.layers() + 2);
    all.push(size(last, width, model.latent_features, 1));
    all
}

pub(super) fn entries(model: &HyperModelConfig, shape: FieldShape) -> Result<Vec<EntryInit>> {
    let mut entries = Vec::new();
    for convolution in convolutions(model, shape.out_features) {
        let ConvolutionSize {
            name,
            inputs,
            outputs,
            kernel,
        } = convolution;
        let fan_in = inputs * kernel * kernel;
        let weights = [outputs, inputs, kernel, kernel];
        // Only matrices are hidden weights: Muon does not update kernels.
        let role = Role::OuterWeight;
        let draw = init::torch(fan_in);
        entries.push(EntryInit::weight(&name, &weights, role, draw));
        entries.push(EntryInit::bias(&name, &[outputs], init::torch(fan_in)));
    }
    entries.extend(pixel_entries(shape, FC)?);
    Ok(entries)
}

/// Returns the entries of a linear layer over all pixels: `name.weight (1, h w)` and `name.bias (1,)`.
pub(super) fn pixel_entries(shape: FieldShape, name: &str) -> Result<[EntryInit; 2]> {
    let pixels = side(shape)?.pow(2);
    let (role, draw) = (Role::HiddenWeight, init::torch(pixels));
    Ok([
        EntryInit::weight(name, &[1, pixels], role, draw),
        EntryInit::bias(name, &[1], init::torch(pixels)),
    ])
}

pub(super) fn encode(
    model: &HyperModelConfig,
    pass: &Pass<'_>,
    contexts: &ContextBatch,
) -> Result<Tensor> {
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
