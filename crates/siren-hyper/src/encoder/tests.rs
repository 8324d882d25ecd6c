//! Encoders against golden tensors of the authors' code in PyTorch.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, Layout, Parameters};

use super::*;

const SIDE: usize = 8;

fn golden() -> HashMap<String, Tensor> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hyper_encoders.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn contexts(golden: &HashMap<String, Tensor>) -> ContextBatch {
    let pictures = golden["img"]
        .flatten_from(2)
        .unwrap()
        .transpose(1, 2)
        .unwrap();
    let masks: Vec<Vec<f64>> = golden["mask"].flatten_from(1).unwrap().to_vec2().unwrap();
    let observed = |mask: &Vec<f64>| {
        (0u32..)
            .zip(mask)
            .filter(|(_, mask)| **mask > 0.5)
            .map(|(pixel, _)| pixel)
            .collect()
    };
    ContextBatch {
        pictures: pictures.contiguous().unwrap(),
        coords: Tensor::zeros((SIDE * SIDE, 2), DType::F64, &Device::Cpu).unwrap(),
        observed: masks.iter().map(observed).collect(),
        codes: None,
    }
}

fn max_abs(difference: &Tensor) -> f64 {
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

/// Asserts that the codes and gradients of an encoder agree with the golden tensors, by the operations of this crate and by candle's own.
///
/// `prefix` begins the names of the encoder's parameters; `name` begins the names of its golden tensors.
fn assert_matches_golden(encoder: Encoder, prefix: &str, name: &str) {
    let golden = golden();
    let model = HyperModelConfig {
        encoder,
        encoder_features: 6,
        encoder_layers: Some(2),
        latent_features: 5,
        ..HyperModelConfig::default()
    };
    let shape = FieldShape {
        in_features: 2,
        out_features: 3,
        samples_per_side: Some(SIDE),
    };
    let mut layout = Layout::default();
    for entry in entries(&model, shape).unwrap() {
        layout.push(entry.name, &entry.shape, entry.role);
    }
    let tensor = |kind: &str, parameter: &str| {
        let mut entries = layout.entries().iter();
        let entry = entries.find(|entry| entry.name == parameter)?;
        let suffix = parameter.strip_prefix(prefix)?;
        let tensor = golden.get(&format!("{name}.{kind}.{suffix}"))?;
        tensor.reshape(entry.shape.as_slice()).ok()
    };
    let flat = layout.join(|parameter| tensor("init", parameter)).unwrap();
    let expected = layout.join(|parameter| tensor("grad", parameter)).unwrap();
    let weights = Tensor::arange(1.0, 11.0, &Device::Cpu)
        .unwrap()
        .reshape((2, 5))
        .unwrap();
    let parameters = Parameters::new(&flat, layout).unwrap();
    for pass in [Pass::new(&parameters), Pass::composed(&parameters)].map(Result::unwrap) {
        let latents = encode(
            &model,
            &set::network(&model, shape, &Device::Cpu).unwrap(),
            &pass,
            &contexts(&golden),
        )
        .unwrap();
        let error = max_abs(&(&latents - &golden[&format!("{name}.latent")]).unwrap());
        assert!(error < 1e-12, "{name}: codes are off by {error:e}");
        let loss = (latents * &weights).unwrap().sum_all().unwrap();
        let loss = (loss * 0.1).unwrap();
        let gradient = pass
            .gradient(&siren_core::train::differentiate(&loss).unwrap())
            .unwrap();
        let error = max_abs(&(gradient - &expected).unwrap());
        assert!(error < 1e-11, "{name}: gradients are off by {error:e}");
    }
}

#[test]
fn convolutional_encoder_matches_pytorch() {
    assert_matches_golden(Encoder::Conv, "conv_encoder.", "conv");
}

#[test]
fn partial_convolutional_encoder_matches_pytorch() {
    assert_matches_golden(Encoder::PartialConv, "partial_encoder.", "partial");
}
