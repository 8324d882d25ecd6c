//! The set encoder and the hypernetwork against golden tensors of the authors' code.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, SirenConfig};
use siren_core::train::{Blueprint, Model};
use siren_hyper::HyperNetwork;
use siren_hyper::config::{HyperModelConfig, HyperObjectiveConfig};
use siren_hyper::context::ContextBatch;

const SIDE: usize = 32;

/// Golden tensors by name.
struct Golden(HashMap<String, Tensor>);

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/golden/hyper_set_encoder.safetensors");
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    /// Returns the pictures and their context points, converted to indices of pixels.
    fn contexts(&self, dtype: DType) -> ContextBatch {
        let pictures = &self.0["img"];
        let points: Vec<Vec<Vec<f64>>> = self.0["coords_sub"].to_vec3().unwrap();
        let masks: Vec<Vec<f64>> = self.0["ctxt_mask"].squeeze(2).unwrap().to_vec2().unwrap();
        let index = |x: f64| (0.5 * (x + 1.0) * (SIDE - 1) as f64).round() as u32;
        let pixel = |point: &Vec<f64>| index(point[0]) * SIDE as u32 + index(point[1]);
        let mut observed = Vec::new();
        for (picture, (points, mask)) in points.iter().zip(&masks).enumerate() {
            let all: Vec<u32> = points.iter().map(pixel).collect();
            let indices = Tensor::new(all.as_slice(), &Device::Cpu).unwrap();
            let values = pictures.get(picture).unwrap();
            let values = values.index_select(&indices, 0).unwrap();
            let expected = self.0["img_sub"].get(picture).unwrap();
            assert!(
                error(&values, &expected) < 1e-15,
                "values at the context pixels of picture {picture} differ from the golden `img_sub`"
            );
            observed.push(
                all.into_iter()
                    .zip(mask)
                    .filter(|(_, mask)| **mask > 0.5)
                    .map(|(pixel, _)| pixel)
                    .collect(),
            );
        }
        ContextBatch {
            pictures: pictures.to_dtype(dtype).unwrap(),
            coords: self.0["coords"].get(0).unwrap().to_dtype(dtype).unwrap(),
            observed,
            codes: None,
        }
    }

    fn model(&self, dtype: DType) -> HyperNetwork {
        let field = SirenConfig {
            hidden_features: 8.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        let model = HyperModelConfig {
            encoder_features: 12,
            hyper_features: 12,
            ..HyperModelConfig::default()
        };
        let blueprint = Blueprint {
            field: &field,
            model: &model,
            shape: FieldShape {
                in_features: 2,
                out_features: 3,
                samples_per_side: Some(SIDE),
            },
        };
        let find = |name: &str| self.0.get(&format!("init.{name}")).cloned();
        HyperNetwork::load(blueprint, find, dtype, &Device::Cpu).unwrap()
    }
}

/// Returns the maximum absolute error over the maximum absolute expected value.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    let max_abs = |tensor: &Tensor| -> f64 {
        let flat = tensor.abs().unwrap().flatten_all().unwrap();
        flat.max(0).unwrap().to_scalar().unwrap()
    };
    let found = found.to_dtype(DType::F64).unwrap();
    max_abs(&(found - expected).unwrap()) / max_abs(expected)
}

fn assert_matches_golden(dtype: DType, bound: f64) {
    let golden = Golden::read();
    let (model, contexts) = (golden.model(dtype), golden.contexts(dtype));
    let predicted = model.predict(&contexts).unwrap();
    let check = |name: &str, found: &Tensor, expected: &Tensor| {
        let error = error(found, expected);
        assert!(error <= bound, "{name} off by {error:e}");
    };
    check("latent", &predicted.latents, &golden.0["latent"]);
    for entry in model.field().layout().entries() {
        let part = predicted
            .fields
            .narrow(1, entry.range.start, entry.range.len())
            .unwrap();
        let expected = &golden.0[&format!("field_params.{}", entry.name)];
        check(&entry.name, &part, &expected.flatten_from(1).unwrap());
    }
    let values = model.values(&predicted.fields, &contexts.coords).unwrap();
    check("value", &values, &golden.0["value"]);
    let objective = HyperObjectiveConfig::default();
    let loss = model.reconstruction_loss(&contexts, &objective).unwrap();
    // The golden terms include their weights.
    let weights = [1.0, objective.latent_prior, objective.weight_prior];
    let names = ["img_loss", "latent_loss", "hypo_weight_loss"];
    for ((name, term), weight) in names.iter().zip(&loss.terms).zip(weights) {
        let expected: Vec<f64> = golden.0[&format!("term.{name}")].to_vec1().unwrap();
        let error = (weight * term.mean - expected[0]).abs() / expected[0];
        assert!(error <= bound, "{name} off by {error:e}");
    }
    let gradient = loss.gradient.tensor().unwrap();
    for entry in model.parameters().layout().entries() {
        let part = gradient
            .narrow(0, entry.range.start, entry.range.len())
            .unwrap();
        let expected = &golden.0[&format!("grad.{}", entry.name)];
        check(&entry.name, &part, &expected.flatten_all().unwrap());
    }
}

#[test]
fn codes_fields_terms_and_gradients_match_the_authors_code_in_double_precision() {
    assert_matches_golden(DType::F64, 1e-11);
}

#[test]
fn codes_fields_terms_and_gradients_match_the_authors_code_in_single_precision() {
    assert_matches_golden(DType::F32, 1e-4);
}
