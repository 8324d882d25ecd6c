//! Tests objectives, samplers and the trainer together.

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::Error;
use siren_core::field::{FieldShape, Order, Siren, SirenConfig};
use siren_core::objective::{
    Coefficients, Constraint, Context, HessianPrior, Objective, TotalVariation, ValueMse,
};
use siren_core::optimizer::{AdamConfig, MuonConfig, OptimizerConfig, OthersConfig};
use siren_core::signal::{CoordinateRule, Grid, Raster, Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};

const SIDE: usize = 24;

fn field(seed: u64, dtype: DType) -> Siren {
    let config = SirenConfig {
        hidden_features: 16.into(),
        hidden_layers: 1,
        first_omega_0: 10.0.into(),
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: 2,
        out_features: 1,
        samples_per_side: None,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    config.init(shape, &mut rng, dtype, &Device::Cpu).unwrap()
}

/// Returns the Gaussian `exp(−2 |x|²)` on a grid.
fn hill() -> Raster {
    let grid = Grid::new(&[SIDE, SIDE], CoordinateRule::Stretch).unwrap();
    let coords = grid
        .coords(0, grid.points(), DType::F32)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    let values = coords
        .iter()
        .map(|x| (-2.0 * (x[0] * x[0] + x[1] * x[1])).exp());
    Raster::new(grid, 1, values.collect()).unwrap()
}

fn constraint(sample: Sample, objective: impl Objective + 'static) -> Constraint {
    Constraint::new("points", WholeSampler::new(sample), objective)
}

#[test]
fn priors_are_the_mean_absolute_gradient_and_the_mean_frobenius_norm_of_the_hessian() {
    let sample = hill().sample(DType::F64, &Device::Cpu).unwrap();
    let field = field(1, DType::F64);
    let jet = field.evaluate(sample.coords(), &Order::hessian(2)).unwrap();
    let per_point = |objective: &dyn Objective| {
        let context = Context {
            jet: &jet,
            sample: &sample,
            step: 0,
            progress: 0.0,
            coefficients: &Coefficients::default(),
        };
        let terms = objective.terms(&context).unwrap();
        terms[0].per_point.to_vec1::<f64>().unwrap()
    };
    let gradients = jet
        .gradient()
        .unwrap()
        .squeeze(1)
        .unwrap()
        .to_vec2::<f64>()
        .unwrap();
    let hessians = jet
        .traces()
        .unwrap()
        .squeeze(1)
        .unwrap()
        .to_vec2::<f64>()
        .unwrap();
    for (tv, g) in per_point(&TotalVariation { weight: 1.0 })
        .iter()
        .zip(&gradients)
    {
        assert!((tv - 0.5 * (g[0].abs() + g[1].abs())).abs() < 1e-12);
    }
    for (norm, h) in per_point(&HessianPrior::new(1.0, 2)).iter().zip(&hessians) {
        let expected = (h[0] * h[0] + 2.0 * h[1] * h[1] + h[2] * h[2]).sqrt();
        assert!((norm - expected).abs() < 1e-9, "{norm} and {expected}");
    }
}

#[test]
fn training_lowers_the_loss_and_a_restored_trainer_takes_the_same_steps() {
    let adam = AdamConfig {
        weight_decay: 1e-4,
        ..AdamConfig::default()
    };
    let muon = MuonConfig {
        weight_decay: 1e-4,
        others: OthersConfig::AdamW(adam.clone()),
        ..MuonConfig::default()
    };
    for optimizer in [
        OptimizerConfig::Adam(adam.clone()),
        OptimizerConfig::AdamW(adam),
        OptimizerConfig::Muon(muon),
    ] {
        lowers_the_loss_and_restores(optimizer);
    }
}

fn lowers_the_loss_and_restores(optimizer: OptimizerConfig) {
    let sample = hill().sample(DType::F32, &Device::Cpu).unwrap();
    let constraints = [constraint(sample, ValueMse)];
    let config = TrainConfig {
        steps: 60,
        learning_rate: 5e-3,
        optimizer,
        clip_norm: Some(1.0),
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(field(1, DType::F32), &config).unwrap();
    let first = trainer.step(&constraints).unwrap().loss;
    for _ in 0..30 {
        trainer.step(&constraints).unwrap();
    }
    let parameters = |trainer: &Trainer| {
        trainer
            .model()
            .parameters()
            .flat()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    let mut other = Trainer::new(field(2, DType::F32), &config).unwrap();
    let copy = trainer.model().parameters().flat().unwrap();
    other.model().parameters().set(&copy).unwrap();
    other
        .restore(trainer.step_count(), &trainer.optimizer_state().unwrap())
        .unwrap();
    let mut last = first;
    for _ in 0..20 {
        last = trainer.step(&constraints).unwrap().loss;
        other.step(&constraints).unwrap();
    }
    assert!(last < 0.2 * first, "loss fell from {first} to {last} only");
    assert_eq!(parameters(&trainer), parameters(&other));
}

#[test]
fn targets_that_are_not_finite_stop_training_before_it_touches_the_parameters() {
    let coords = Tensor::new(&[[0.1f32, 0.2]], &Device::Cpu).unwrap();
    let target = Tensor::new(&[[f32::INFINITY]], &Device::Cpu).unwrap();
    let sample = Sample::with_targets(coords, target).unwrap();
    let mut trainer = Trainer::new(field(1, DType::F32), &TrainConfig::default()).unwrap();
    let before = trainer
        .model()
        .parameters()
        .flat()
        .unwrap()
        .to_vec1::<f32>()
        .unwrap();
    let error = trainer.step(&[constraint(sample, ValueMse)]).unwrap_err();
    assert!(
        matches!(&error, Error::NotFinite { column, point: 0 } if column == "targets"),
        "{error}"
    );
    assert!(!error.to_string().contains("learning_rate"), "{error}");
    assert_eq!(
        trainer
            .model()
            .parameters()
            .flat()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap(),
        before
    );
}

#[test]
fn a_step_that_is_not_finite_changes_no_state_and_clipping_makes_it_finite() {
    let coords = Tensor::new(&[[0.1f32, 0.2]], &Device::Cpu).unwrap();
    // The squared gradient overflows f32; the loss and the gradient itself do not.
    let target = Tensor::new(&[[1e19f32]], &Device::Cpu).unwrap();
    let sample = Sample::with_targets(coords, target).unwrap();
    let constraints = [constraint(sample, ValueMse)];
    let mut config = TrainConfig::default();
    let mut trainer = Trainer::new(field(1, DType::F32), &config).unwrap();
    let state = |trainer: &Trainer| {
        let state = trainer.optimizer_state().unwrap();
        let parameters = trainer.model().parameters().flat().unwrap();
        let own = state.tensors.into_iter().map(|(_, tensor)| tensor);
        let tensors = std::iter::once(parameters).chain(own);
        let values = tensors.map(|tensor| tensor.to_vec1::<f32>().unwrap());
        (trainer.step_count(), state.step, values.collect::<Vec<_>>())
    };
    let before = state(&trainer);
    let error = trainer.step(&constraints).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 0, .. }), "{error}");
    assert!(error.to_string().contains("at step 1:"), "{error}");
    assert_eq!(state(&trainer), before);

    config.clip_norm = Some(1.0);
    let mut trainer = Trainer::new(field(1, DType::F32), &config).unwrap();
    let report = trainer.step(&constraints).unwrap();
    assert!(report.gradient_norm > 1e19 && report.gradient_norm.is_finite());
    assert_ne!(state(&trainer), before);
}
