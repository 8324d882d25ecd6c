//! The loss of signed distance functions against golden tensors of the authors' code (`tests/golden`).

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, SirenConfig};
use siren_core::objective::Constraint;
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};
use siren_shape::config::SirenLossConfig;
use siren_shape::objective::NORMALS;

/// Points of each of the two constraints: the file holds those of the surface first.
const POINTS: usize = 20;

/// Golden tensors by name.
struct Golden(HashMap<String, Tensor>);

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sdf_loss.safetensors");
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.0[name].flatten_all().unwrap().to_vec1().unwrap()
    }

    fn trainer(&self, dtype: DType) -> Trainer {
        let shape = FieldShape {
            in_features: 3,
            out_features: 1,
            samples_per_side: None,
        };
        let config = SirenConfig {
            hidden_features: 24.into(),
            hidden_layers: 2,
            ..SirenConfig::default()
        };
        let find = |name: &str| self.0.get(&format!("init.{name}")).cloned();
        let field = config.load(shape, find, dtype, &Device::Cpu).unwrap();
        let train = TrainConfig {
            learning_rate: 1e-4,
            clip_norm: Some(1.0),
            ..TrainConfig::default()
        };
        Trainer::new(field, &train).unwrap()
    }

    fn constraints(&self, dtype: DType) -> [Constraint; 2] {
        let part = |name: &str, start: usize| {
            let tensor = self.0[name].to_dtype(dtype).unwrap();
            tensor.narrow(0, start, POINTS).unwrap()
        };
        let on = Sample::new(part("coords", 0)).unwrap();
        let on = on.with_column(NORMALS, part("normals", 0)).unwrap();
        let off = Sample::new(part("coords", POINTS)).unwrap();
        let loss = SirenLossConfig::default();
        [
            Constraint::new("surface", WholeSampler::new(on), loss.on_surface()),
            Constraint::new("volume", WholeSampler::new(off), loss.in_volume()),
        ]
    }
}

/// Returns the largest difference, relative to the largest expected magnitude.
fn error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    let pairs = got.iter().zip(expected);
    pairs.fold(0.0_f64, |max, (a, b)| max.max((a - b).abs())) / scale
}

fn assert_matches_golden(dtype: DType, bound: f64) {
    let golden = Golden::read();
    let (mut trainer, constraints) = (golden.trainer(dtype), golden.constraints(dtype));
    let layout = trainer.model().parameters().layout().clone();
    let flat = |prefix: &str| -> Vec<f64> {
        let joined = layout.join(|name| golden.0.get(&format!("{prefix}.{name}")).cloned());
        joined.unwrap().to_vec1().unwrap()
    };

    let loss = trainer.loss_and_gradient(&constraints).unwrap();
    let mean = |name: &str| {
        let term = loss.terms.iter().find(|term| term.name == name);
        term.unwrap_or_else(|| panic!("no `{name}` in {:?}", loss.terms))
            .mean
    };
    // The golden terms include their weights, as factors of means over both halves of the points.
    let terms = [
        ("sdf", 1500.0 * mean("surface")),
        ("inter", 50.0 * mean("off_surface")),
        ("normal_constraint", 50.0 * mean("normal")),
        (
            "grad_constraint",
            25.0 * (mean("surface.eikonal") + mean("volume.eikonal")),
        ),
    ];
    for (name, got) in terms {
        let error = error(&[got], &golden.numbers(&format!("term.{name}")));
        assert!(error <= bound, "{name} off by {error:e}");
    }
    let gradient = loss.gradient.tensor().unwrap();
    let gradient = gradient.to_dtype(DType::F64).unwrap();
    let error_of_gradient = error(&gradient.to_vec1().unwrap(), &flat("grad"));
    assert!(
        error_of_gradient <= bound,
        "gradient off by {error_of_gradient:e}"
    );

    let losses: Vec<f64> = (0..10)
        .map(|_| trainer.step(&constraints).unwrap().loss)
        .collect();
    let error_of_losses = error(&losses, &golden.numbers("adam.losses"));
    assert!(
        error_of_losses <= bound,
        "losses off by {error_of_losses:e}"
    );
    let after = trainer
        .model()
        .parameters()
        .var()
        .unwrap()
        .to_dtype(DType::F64);
    let error_after = error(&after.unwrap().to_vec1().unwrap(), &flat("adam.after"));
    assert!(error_after <= bound, "parameters off by {error_after:e}");
    println!(
        "{dtype:?}: gradient {error_of_gradient:e}, losses {error_of_losses:e}, parameters {error_after:e}"
    );
}

#[test]
fn terms_gradient_and_ten_clipped_steps_equal_the_authors_in_double_precision() {
    assert_matches_golden(DType::F64, 1e-11);
}

#[test]
fn terms_gradient_and_ten_clipped_steps_equal_the_authors_in_single_precision() {
    assert_matches_golden(DType::F32, 1e-3);
}
