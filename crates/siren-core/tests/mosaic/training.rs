//! The training of mosaics.

use candle_core::{DType, Device, Tensor};
use siren_core::field::{Order, Siren};
use siren_core::objective::{Constraint, Derivatives, Objective, Share, ValueMse, from_fn};
use siren_core::optimizer::{MuonConfig, OptimizerConfig};
use siren_core::signal::{
    CoordinateRule, Grid, Sample, Stream, SubsetSampler, SubsetSampling, WholeSampler,
};
use siren_core::train::{Precision, TrainConfig, Trainer};

use crate::{config, elements, field, points, tensor};

/// Returns a picture of waves as a sample.
fn picture(grid: &Grid) -> Sample {
    let coords = grid.coords(0, grid.points(), DType::F32).unwrap();
    let values = elements(&coords);
    let value = |p: &[f64]| ((7.0 * p[0]).sin() * (5.0 * p[1] + p[0]).cos()) as f32;
    let values: Vec<f32> = values.chunks(2).map(value).collect();
    let targets = Tensor::from_vec(values, (grid.points(), 1), &Device::Cpu).unwrap();
    Sample::with_targets(coords, targets).unwrap()
}

/// Trains a mosaic, and returns the field and its last loss.
fn trained(train: &TrainConfig, subset: bool) -> (Siren, f64) {
    let grid = Grid::new(&[30, 36], CoordinateRule::default()).unwrap();
    let config = config(&[30, 36], &[1.0, 1.0]);
    let mut trainer = Trainer::new(field(&config, 1, DType::F32), train).unwrap();
    let sample = picture(&grid);
    let constraint = if subset {
        let sampler = SubsetSampler {
            from: sample,
            subset: SubsetSampling {
                points: 500,
                replacement: false,
            },
            seed: 1,
            stream: Stream::named("mosaic.test"),
        };
        Constraint::new("pixels", sampler, ValueMse)
    } else {
        Constraint::new("pixels", WholeSampler::new(sample), ValueMse)
    };
    let constraints = [constraint];
    let mut last = f64::NAN;
    for _ in 0..train.steps {
        last = trainer.step(&constraints).unwrap().loss;
    }
    (trainer.into_model(), last)
}

#[test]
fn a_mosaic_is_fitted_with_adam_and_with_muon_to_whole_samples_and_to_subsets() {
    let adam = TrainConfig {
        steps: 150,
        learning_rate: 5e-3,
        ..TrainConfig::default()
    };
    let muon = TrainConfig {
        optimizer: OptimizerConfig::Muon(MuonConfig::default()),
        ..adam.clone()
    };
    for (train, subset) in [(&adam, false), (&muon, false), (&adam, true)] {
        let (_, loss) = trained(train, subset);
        assert!(loss < 1e-3, "{:?} {subset}: {loss}", train.optimizer);
    }
}

/// Returns the loss of the first step and the parameters after three, for random targets of `per_channel` components.
fn stepped(objective: impl Objective + 'static, per_channel: usize) -> (f64, Vec<f64>) {
    let config = config(&[30, 36], &[1.0, 1.0]);
    let train = TrainConfig {
        steps: 3,
        precision: Precision::Double,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(field(&config, 2, DType::F64), &train).unwrap();
    let coords = tensor(&points(1500, &[1.0, 1.0]), 2, DType::F64);
    let targets = (0..1500 * 2 * per_channel).map(|i| (0.7 * i as f64).sin());
    let targets = Tensor::from_iter(targets, &Device::Cpu).unwrap();
    let targets = if per_channel == 1 {
        targets.reshape((1500, 2))
    } else {
        targets.reshape((1500, 2, per_channel))
    };
    let sample = Sample::with_targets(coords, targets.unwrap()).unwrap();
    let constraints = [Constraint::new(
        "points",
        WholeSampler::new(sample),
        objective,
    )];
    let first = trainer.step(&constraints).unwrap().loss;
    for _ in 1..train.steps {
        trainer.step(&constraints).unwrap();
    }
    (
        first,
        elements(&trainer.model().parameters().flat().unwrap()),
    )
}

#[test]
fn sums_of_squares_have_the_loss_and_the_gradient_of_their_terms() {
    let share = |weight: f64| Share {
        weight,
        divisor: 30.0,
    };
    let check = |sums: (f64, Vec<f64>), terms: (f64, Vec<f64>)| {
        let relative = (sums.0 - terms.0).abs() / terms.0;
        assert!(relative < 1e-12, "{relative}");
        let pairs = sums.1.iter().zip(&terms.1);
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(largest < 1e-9, "{largest}");
    };
    let terms = from_fn(Order::Value, |context| ValueMse.terms(context));
    check(stepped(ValueMse, 1), stepped(terms, 1));
    for weights in [[1.0, 0.5], [1.0, 0.0]] {
        let [gradient, laplacian] = weights.map(share);
        let derivatives = Derivatives::new(2, gradient, laplacian);
        let (order, same) = (derivatives.order().clone(), derivatives.clone());
        let terms = from_fn(order, move |context| same.terms(context));
        check(stepped(derivatives, 3), stepped(terms, 3));
    }
}

#[test]
fn a_fit_does_not_depend_on_the_number_of_threads() {
    let train = TrainConfig {
        steps: 5,
        ..TrainConfig::default()
    };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let (field, loss) = pool.unwrap().install(|| trained(&train, true));
        (elements(&field.parameters().flat().unwrap()), loss)
    };
    assert_eq!(on(1), on(3));
}
