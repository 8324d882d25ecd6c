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
use siren_core::field::FieldShape;

use super::conv::pixel_entries;
use super::{Start, init};
use crate::config::HyperModel;
use crate::context::Contexts;
use crate::layers::Pass;

/// Name of the last layer, which is linear over the pixels.
const FC: &str = "partial_encoder.fc";
/// Pixels per side of every kernel.
const KERNEL: usize = 3;
/// Constant that is added to variances before the square root.
const EPSILON: f64 = 1e-5;

/// Returns the names of each convolution and of its norm, in order.
fn layers(model: &HyperModel) -> Vec<(String, String)> {
    let pair = |prefix: &str, index: usize| {
        let name = |kind: &str| format!("partial_encoder.{prefix}{kind}{index}");
        (name("conv"), name("norm"))
    };
    let mut layers = vec![pair("", 1)];
    for block in 1..=model.layers() {
        let prefix = format!("layer{block}.");
        layers.extend([pair(&prefix, 1), pair(&prefix, 2)]);
    }
    layers
}

pub(super) fn entries(model: &HyperModel, shape: FieldShape) -> Result<Vec<Start>> {
    let width = model.latent_features;
    let mut entries = Vec::new();
    let mut fan_in = shape.out_features;
    for (convolution, norm) in layers(model) {
        let weights = vec![width, fan_in, KERNEL, KERNEL];
        let draw = init::torch(fan_in * KERNEL * KERNEL);
        entries.push((format!("{convolution}.weight"), weights, draw));
        entries.push((
            format!("{norm}.weight"),
            vec![1, width],
            init::constant(1.0),
        ));
        entries.push((format!("{norm}.bias"), vec![1, width], init::constant(0.0)));
        fan_in = width;
    }
    entries.extend(pixel_entries(shape, FC)?);
    Ok(entries)
}

pub(super) fn encode(model: &HyperModel, pass: &Pass<'_>, contexts: &Contexts) -> Result<Tensor> {
    let (picture, mask) = contexts.as_pictures()?;
    let mut names = layers(model).into_iter();
    let mut step = |h: &Tensor, mask: &Tensor| -> Result<(Tensor, Tensor)> {
        let (convolution, norm) = names.next().unwrap_or_default();
        let (h, mask) = partial(pass, h, mask, &convolution)?;
        Ok((normalized(pass, &h, &norm)?, mask))
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
