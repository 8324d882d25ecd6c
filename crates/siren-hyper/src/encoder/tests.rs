use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use siren_core::field::{FieldShape, Layout};

use super::*;

const SIDE: usize = 8;

fn golden() -> HashMap<String, Tensor> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/hyper_encoders.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn contexts(golden: &HashMap<String, Tensor>) -> Contexts {
    let pictures = golden["img"]
        .flatten_from(2)
        .unwrap()
        .transpose(1, 2)
        .unwrap();
    let masks: Vec<Vec<f64>> = golden["mask"].flatten_from(1).unwrap().to_vec2().unwrap();
    let seen = |mask: &Vec<f64>| {
        (0u32..)
            .zip(mask)
            .filter(|(_, on)| **on > 0.5)
            .map(|(at, _)| at)
            .collect()
    };
    Contexts {
        pictures: pictures.contiguous().unwrap(),
        coords: Tensor::zeros((SIDE * SIDE, 2), DType::F64, &Device::Cpu).unwrap(),
        seen: masks.iter().map(seen).collect(),
        codes: None,
    }
}

fn largest(difference: &Tensor) -> f64 {
    difference
        .abs()
        .unwrap()
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar()
        .unwrap()
}

/// Codes and gradients of an encoder against the reference's, layer by layer as trained and by candle's own operations.
fn matches(encoder: Encoder, prefix: &str, name: &str) {
    let golden = golden();
    let model = HyperModel {
        encoder,
        encoder_features: 6,
        encoder_layers: Some(2),
        latent_features: 5,
        ..HyperModel::default()
    };
    let shape = FieldShape {
        in_features: 2,
        out_features: 3,
        samples_per_side: Some(SIDE),
    };
    let mut layout = Layout::default();
    for (name, shape, _) in entries(&model, shape).unwrap() {
        layout.push(name, &shape);
    }
    let tensor = |kind: &str, own: &str| {
        let entry = layout.entries().iter().find(|entry| entry.name == own)?;
        let found = golden.get(&format!("{name}.{kind}.{}", own.strip_prefix(prefix)?))?;
        found.reshape(entry.shape.as_slice()).ok()
    };
    let flat = Var::from_tensor(&layout.join(|own| tensor("init", own)).unwrap()).unwrap();
    let expected = layout.join(|own| tensor("grad", own)).unwrap();
    let weights = Tensor::arange(1.0, 11.0, &Device::Cpu)
        .unwrap()
        .reshape((2, 5))
        .unwrap();
    for pass in [Pass::new(&layout, &flat), Pass::composed(&layout, &flat)] {
        let latents = encode(
            &model,
            &set::field(&model, shape).unwrap(),
            &pass,
            &contexts(&golden),
        )
        .unwrap();
        let error = largest(&(&latents - &golden[&format!("{name}.latent")]).unwrap());
        assert!(error < 1e-12, "{name}: codes are off by {error:e}");
        let loss = (latents * &weights).unwrap().sum_all().unwrap();
        let loss = (loss * 0.1).unwrap();
        let gradient = pass.gradient(&loss.backward().unwrap()).unwrap();
        let error = largest(&(gradient - &expected).unwrap());
        assert!(error < 1e-11, "{name}: gradients are off by {error:e}");
    }
}

#[test]
fn the_convolutional_encoder_is_that_of_pytorch() {
    matches(Encoder::Conv, "conv_encoder.", "conv");
}

#[test]
fn the_encoder_of_partial_convolutions_is_that_of_pytorch() {
    matches(Encoder::PartialConv, "partial_encoder.", "partial");
}
