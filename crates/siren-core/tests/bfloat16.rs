//! Trainings whose products round operands to bfloat16. The emulation, which every processor has, stands for the instructions.

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::field::{FieldShape, MosaicConfig, Order, Siren, SirenConfig};
use siren_core::objective::{Constraint, FieldValues, FunctionalTerm, Term, ValueMse, from_fn};
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{Precision, TrainConfig, Trainer};

/// More than a chunk.
const POINTS: usize = 300;
const STEPS: u64 = 20;
/// Steps before the last tenth.
const ROUNDED_STEPS: u64 = 18;

fn config(width: usize) -> SirenConfig {
    SirenConfig {
        hidden_features: width.into(),
        hidden_layers: 2,
        first_omega_0: 10.0.into(),
        ..SirenConfig::default()
    }
}

fn field(width: usize) -> Siren {
    let shape = FieldShape::new(2, 1);
    config(width).init_seeded(shape, 3).unwrap()
}

/// Points of the function `sin 3x · y`.
fn sampler() -> WholeSampler {
    let coords: Vec<f32> = (0..2 * POINTS).map(|i| (0.37 * i as f32).sin()).collect();
    let target = |point: &[f32]| (3.0 * point[0]).sin() * point[1];
    let targets: Vec<f32> = coords.chunks(2).map(target).collect();
    let sample = Sample::from_slices(&coords, 2, &targets, 1);
    WholeSampler::new(sample.unwrap())
}

fn values() -> [Constraint; 1] {
    [Constraint::new("points", sampler(), ValueMse)]
}

fn trainer(field: Siren, precision: Precision) -> Trainer {
    let config = TrainConfig {
        steps: STEPS,
        learning_rate: 1e-3,
        precision,
        ..TrainConfig::default()
    };
    Trainer::new(field, &config).unwrap()
}

fn elements(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Returns the gradient of the next step.
fn gradient(trainer: &Trainer) -> Vec<f64> {
    let loss = trainer.loss_and_gradient(&values()).unwrap();
    elements(&loss.gradient.tensor().unwrap())
}

/// Returns `‖a − b‖ / ‖b‖`.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    let norm = |values: Vec<f64>| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let differences = a.iter().zip(b).map(|(a, b)| a - b).collect();
    norm(differences) / norm(b.to_vec())
}

#[test]
fn gradients_are_rounded_until_the_last_tenth_of_the_steps() {
    let mut rounded = trainer(field(96), Precision::EmulatedBf16);
    let mut exact = trainer(field(96), Precision::Single);
    let state = exact.optimizer_state().unwrap();
    for step in 0..STEPS {
        // The same parameters at any step.
        rounded.restore(step, &state).unwrap();
        exact.restore(step, &state).unwrap();
        let error = difference(&gradient(&rounded), &gradient(&exact));
        if step < ROUNDED_STEPS {
            assert!((1e-4..2e-2).contains(&error), "step {step}: {error}");
        } else {
            assert!(error == 0.0, "step {step}: {error}");
        }
    }
}

#[test]
fn a_training_in_bfloat16_ends_near_that_in_single_precision() {
    let losses = [Precision::EmulatedBf16, Precision::Single].map(|precision| {
        let mut trainer = trainer(field(96), precision);
        let constraints = values();
        let first = trainer.loss_and_gradient(&constraints).unwrap().value;
        trainer.run(&constraints).unwrap();
        let last = trainer.loss_and_gradient(&constraints).unwrap().value;
        assert!(last < 0.01 * first, "{precision:?}: {first}, then {last}");
        last
    });
    // After a fall by a factor of 500, in steps at a constant rate that go up and down.
    assert!((0.5..2.0).contains(&(losses[0] / losses[1])), "{losses:?}");
    assert!(
        losses[0].to_bits() != losses[1].to_bits(),
        "nothing was rounded"
    );
}

#[test]
fn evaluations_are_exact_in_every_step() {
    let rounded = trainer(field(96), Precision::EmulatedBf16);
    let points = [0.1, 0.2, -0.3, 0.4];
    let found = rounded.model().values(&points).unwrap();
    assert_eq!(found, field(96).values(&points).unwrap());
    let (coords, order) = (
        Tensor::new(&[[0.1_f32, 0.2]], &Device::Cpu).unwrap(),
        Order::Value,
    );
    let jet = |field: &Siren| elements(field.jet(&coords, &order).unwrap().packed());
    assert_eq!(jet(rounded.model()), jet(&field(96)));
}

#[test]
fn instructions_and_emulation_train_the_same_field() {
    if trainer_is_refused() {
        return;
    }
    let [instructions, emulation] = [Precision::Bf16, Precision::EmulatedBf16].map(|precision| {
        let mut trainer = trainer(field(130), precision);
        trainer.run(&values()).unwrap();
        elements(&trainer.model().parameters().flat().unwrap())
    });
    assert_eq!(instructions, emulation);
}

/// Returns whether this processor lacks the instructions.
fn trainer_is_refused() -> bool {
    let config = TrainConfig {
        precision: Precision::Bf16,
        ..TrainConfig::default()
    };
    Trainer::new(field(96), &config).is_err()
}

/// Returns the message with which a step is refused.
fn refusal(field: Siren, constraint: Constraint) -> String {
    let mut trainer = trainer(field, Precision::EmulatedBf16);
    let constraints = [constraint];
    let error = trainer.step(&constraints).unwrap_err().to_string();
    for other in [
        trainer.must_train(&constraints).unwrap_err(),
        trainer.loss_and_gradient(&constraints).unwrap_err(),
    ] {
        assert_eq!(other.to_string(), error);
    }
    assert_eq!(trainer.step_count(), 0);
    error
}

#[test]
fn what_bfloat16_cannot_train_is_refused_with_the_reason() {
    let expected = |reason: &str| format!("`train.precision` is bf16_emulated, expected {reason}");
    let [points] = values();
    assert_eq!(
        refusal(field(95), points),
        expected(
            "single: only hidden layers of 96 and more features after the first are rounded, and this network has none"
        )
    );
    let slopes = from_fn(Order::Gradient, |context| {
        let gradient = context.jet.gradient()?.flatten_from(1)?;
        Ok(vec![Term::squares("slopes", gradient)?])
    });
    assert_eq!(
        refusal(field(96), Constraint::new("smooth", sampler(), slopes)),
        expected("single or double: the constraint `smooth` needs derivatives of the field")
    );
    let mean = |at: &FieldValues<'_>| -> Result<Vec<FunctionalTerm>> {
        Ok(vec![FunctionalTerm::new(
            "zero",
            0.0,
            at.values.zeros_like()?,
        )])
    };
    assert_eq!(
        refusal(field(96), Constraint::functional("misfit", sampler(), mean)),
        expected("single or double: the constraint `misfit` is no loss of single points")
    );
    let mosaic = SirenConfig {
        mosaic: Some(MosaicConfig {
            tile: vec![6],
            parameters: None,
            overlap: 2.0,
            sides: vec![12, 12],
            extents: vec![1.0, 1.0],
        }),
        ..config(96)
    };
    let mosaic = mosaic.init_seeded(FieldShape::new(2, 1), 3).unwrap();
    let [points] = values();
    assert_eq!(
        refusal(mosaic, points),
        expected("single with `field.mosaic`, whose networks are not rounded")
    );
}
