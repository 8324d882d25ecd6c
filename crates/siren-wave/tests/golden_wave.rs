//! The loss of the wave equation against golden tensors of the authors' code (`tests/golden`).

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, SirenConfig};
use siren_core::objective::Constraint;
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};
use siren_wave::objective::{InitialState, MEDIUM, ResidualNorm, Scaled, WaveEquation};

/// Points of the file.
const POINTS: usize = 60;
/// Points of the initial state, the last ones.
const INITIAL: usize = 15;

/// Golden tensors by name.
struct Golden(HashMap<String, Tensor>);

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wave_loss.safetensors");
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    fn number(&self, name: &str) -> f64 {
        let values: Vec<f64> = self.0[name].flatten_all().unwrap().to_vec1().unwrap();
        values[0]
    }

    fn trainer(&self, dtype: DType) -> Trainer {
        let config = SirenConfig {
            hidden_features: 24.into(),
            hidden_layers: 2,
            ..SirenConfig::default()
        };
        let find = |name: &str| self.0.get(&format!("init.{name}")).cloned();
        let shape = FieldShape::new(3, 1);
        let field = config.load(shape, find, dtype, &Device::Cpu).unwrap();
        Trainer::new(field, &TrainConfig::default()).unwrap()
    }

    fn constraints(&self, dtype: DType) -> [Constraint; 2] {
        let all = |name: &str| self.0[name].to_dtype(dtype).unwrap();
        let first = POINTS - INITIAL;
        let initial = |name: &str| all(name).narrow(0, first, INITIAL).unwrap();
        let mask: Vec<f64> = self.0["dirichlet_mask"]
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        assert!(
            mask.iter()
                .enumerate()
                .all(|(i, &is)| (is > 0.5) == (i >= first))
        );
        let domain = Sample::new(all("coords")).unwrap();
        let domain = domain.with_column(MEDIUM, all("squared_slowness")).unwrap();
        let start = Sample::with_targets(initial("coords"), initial("source_boundary_values"));
        let equation = WaveEquation::varying(ResidualNorm::L1).unwrap();
        // The authors' sums over points times the number of points, divided by the number of points.
        let scaled = |factor: f64| Scaled {
            weight: factor * INITIAL as f64,
            unit: 1.0,
        };
        let state = InitialState {
            norm: ResidualNorm::L1,
            displacement: scaled(0.1),
            velocity: scaled(0.01),
        };
        [
            Constraint::new("interior", WholeSampler::new(domain), equation),
            Constraint::new("initial", WholeSampler::new(start.unwrap()), state),
        ]
    }
}

fn assert_matches_golden(dtype: DType, bound: f64) {
    let golden = Golden::read();
    let (trainer, constraints) = (golden.trainer(dtype), golden.constraints(dtype));
    let loss = trainer.loss_and_gradient(&constraints).unwrap();
    let mean = |name: &str| {
        loss.terms
            .iter()
            .find(|term| term.name == name)
            .unwrap()
            .mean
    };
    let points = POINTS as f64;
    let sum = INITIAL as f64 * points;
    for (name, got) in [
        ("diff_constraint_hom", mean("equation") * points),
        ("dirichlet", mean("displacement") * sum * 0.1),
        ("neumann", mean("velocity") * sum * 0.01),
    ] {
        let expected = golden.number(&format!("term.{name}"));
        let error = (got / expected - 1.0).abs();
        assert!(error <= bound, "{name} off by {error:e}");
    }
    let layout = trainer.model().parameters().layout().clone();
    let expected = layout.join(|name| golden.0.get(&format!("grad.{name}")).cloned());
    let expected: Vec<f64> = expected.unwrap().to_vec1().unwrap();
    let gradient = loss
        .gradient
        .tensor()
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    let scale = expected.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    let pairs = gradient.iter().zip(&expected);
    let error = pairs.fold(0.0_f64, |max, (a, b)| max.max((points * a - b).abs())) / scale;
    assert!(error <= bound, "gradient off by {error:e}");
}

#[test]
fn terms_and_gradient_equal_the_authors_in_double_precision() {
    assert_matches_golden(DType::F64, 1e-11);
}

#[test]
fn terms_and_gradient_equal_the_authors_in_single_precision() {
    assert_matches_golden(DType::F32, 1e-3);
}
