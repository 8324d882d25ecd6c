//! An encoder of partial convolutions, which ignore unobserved pixels (Liu et al. 2018).
//!
//! It differs from the authors' code in two ways.
//!
//! * They normalize each channel over all pictures of a batch, so that the code of a picture depends on the other pictures of the batch
//!   and, at test time, on averages over contexts of every size. Here each picture is normalized alone, over its channels and pixels.
//! * They take the observed pixels from the sign of the first channel, for the first convolution only. Here a mask holds them, and every
//!   convolution receives it.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{FieldShape, Role};

use super::conv::pixel_entries;
use crate::config::HyperModelConfig;
use crate::context::ContextBatch;
use crate::init::{self, EntryInit};
use crate::layers::Pass;

/// Name of the last layer, which is linear over the pixels.
const FC: &str = "partial_encoder.fc";
/// Pixels per side of every kernel.
const KERNEL: usize = 3;
/// Constant that is added to variances before the square root.
const EPSILON: f64 = 1e-5;

/// Names of a convolution and of the normalization after it.
#[derive(Default)]
struct LayerNames {
    convolution: String,
    norm: String,
}

/// Returns the names of the layers in order.
fn layers(model: &HyperModelConfig) -> Vec<LayerNames> {
    let names = |prefix: &str, index: usize| {
        let name = |kind: &str| format!("partial_encoder.{prefix}{kind}{index}");
        LayerNames {
            convolution: name("conv"),
            norm: name("norm"),
        }
    };
    let mut layers = vec![names("", 1)];
    for block in 1..=model.layers() {
        let prefix = format!("layer{block}.");
        layers.extend([names(&prefix, 1), names(&prefix, 2)]);
    }
    layers
}

pub(super) fn entries(model: &HyperModelConfig, shape: FieldShape) -> Result<Vec<EntryInit>> {
    let width = model.latent_features;
    let mut entries = Vec::new();
    let mut inputs = shape.out_features;
    for LayerNames { convolution, norm } in layers(model) {
        let weights = [width, inputs, KERNEL, KERNEL];
        // Only matrices are hidden weights: Muon does not update kernels. It updates gains, which are matrices of one row.
        entries.push(EntryInit::weight(
            &convolution,
            &weights,
            Role::OuterWeight,
            init::torch(inputs * KERNEL * KERNEL),
        ));
        let (gain, bias) = (init::constant(1.0), init::constant(0.0));
        entries.push(EntryInit::weight(
            &norm,
            &[1, width],
            Role::HiddenWeight,
            gain,
        ));
        entries.push(EntryInit::bias(&norm, &[1, width], bias));
        inputs = width;
    }
    entries.extend(pixel_entries(shape, FC)?);
    Ok(entries)
}

pub(super) fn encode(
    model: &HyperModelConfig,
    pass: &Pass<'_>,
    contexts: &ContextBatch,
) -> Result<Tensor> {
    let (picture, mask) = contexts.as_pictures()?;
    let mut names = layers(model).into_iter();
    let mut step = |h: &Tensor, mask: &Tensor| -> Result<(Tensor, Tensor)> {
        let names = names.next().unwrap_or_default();
        let (h, mask) = partial(pass, h, mask, &names.convolution)?;
        Ok((normalized(pass, &h, &names.norm)?, mask))
    };
    let (h, mut mask) = step(&picture, &mask)?;
    let mut h = h.relu()?;
    for _ in 0..model.layers() {
        let (inner, inner_mask) = step(&h, &mask)?;
        let (inner, inner_mask) = step(&inner.relu()?, &inner_mask)?;
        h = pass.rectified_sum(&inner, &h)?;
        mask = inner_mask;
    }
    over_pixels(pass, &h, FC)
}

/// Applies a partial convolution: the convolution of the masked input, times the number of pixels of a window over the number of observed
/// pixels in it.
///
/// Returns the output, which is zero where a window has no observed pixels, and its mask, which is 1 where a window has any.
fn partial(pass: &Pass<'_>, h: &Tensor, mask: &Tensor, name: &str) -> Result<(Tensor, Tensor)> {
    let ones = Tensor::ones((1, 1, KERNEL, KERNEL), mask.dtype(), mask.device())?;
    let observed = mask.conv2d(&ones, KERNEL / 2, 1, 1, 1)?;
    let next_mask = observed.clamp(0.0, 1.0)?;
    let window = (KERNEL * KERNEL) as f64;
    let ratio = ((observed + 1e-8)?.recip()? * window)?.mul(&next_mask)?;
    let convolved = pass.convolution(&h.broadcast_mul(mask)?, name)?;
    Ok((convolved.broadcast_mul(&ratio)?, next_mask))
}

/// Normalizes each picture to mean 0 and variance 1 over its channels and pixels, then applies a gain and a bias per channel.
fn normalized(pass: &Pass<'_>, h: &Tensor, name: &str) -> Result<Tensor> {
    let (pictures, channels, height, width) = h.dims4()?;
    let flat = h.reshape((pictures, ()))?;
    let centered = flat.broadcast_sub(&flat.mean_keepdim(1)?)?;
    let variance = centered.sqr()?.mean_keepdim(1)?;
    let scaled = centered.broadcast_div(&(variance + EPSILON)?.sqrt()?)?;
    let channel = |kind: &str| -> Result<Tensor> {
        let row = pass.rows(&format!("{name}.{kind}"), &[0])?;
        Ok(row.reshape((1, channels, 1, 1))?)
    };
    let scaled = scaled.reshape((pictures, channels, height, width))?;
    Ok(scaled
        .broadcast_mul(&channel("weight")?)?
        .broadcast_add(&channel("bias")?)?)
}

/// Applies a linear layer over the pixels, the same for all channels: from `(b, z, h, w)` to `(b, z)`.
fn over_pixels(pass: &Pass<'_>, h: &Tensor, name: &str) -> Result<Tensor> {
    let (pictures, features, _, _) = h.dims4()?;
    Ok(pass.linear(h, name)?.reshape((pictures, features))?)
}
