//! Losses of the values of a field at all points together.

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, Siren, SirenConfig};
use siren_core::objective::{Constraint, FieldValues, FunctionalTerm, ValueMse};
use siren_core::optimizer::{GaussNewtonConfig, OptimizerConfig};
use siren_core::signal::{Sample, Stream, WholeSampler};
use siren_core::train::{Loss, TrainConfig, Trainer};
use siren_core::{Error, Result};

/// Many chunks.
const POINTS: usize = 9001;

fn field(channels: usize, dtype: DType) -> Siren {
    let config = SirenConfig {
        hidden_features: 24.into(),
        hidden_layers: 2,
        first_omega_0: 10.0.into(),
        ..SirenConfig::default()
    };
    let mut rng = Stream::PARAMETERS.rng(3, 0);
    let shape = FieldShape::new(2, channels);
    config.init(shape, &mut rng, dtype, &Device::Cpu).unwrap()
}

fn sample(points: usize, channels: usize, dtype: DType) -> Sample {
    let waves = |width: usize, rate: f64| {
        let values = (0..width * points).map(|i| (rate * i as f64).sin());
        let values = Tensor::from_iter(values, &Device::Cpu)?.to_dtype(dtype)?;
        values.reshape((points, width))
    };
    Sample::with_targets(waves(2, 0.37).unwrap(), waves(channels, 0.11).unwrap()).unwrap()
}

/// The loss of `ValueMse`, as a functional.
fn square_error(at: &FieldValues<'_>) -> Result<Vec<FunctionalTerm>> {
    let error = (at.values - at.sample.targets()?)?.to_dtype(DType::F64)?;
    let gradient = (&error * (2.0 / error.elem_count() as f64))?;
    let mean = error.sqr()?.mean_all()?.to_scalar()?;
    Ok(vec![FunctionalTerm::new("value_mse", mean, gradient)])
}

/// `(mean − 1)²` of the first channel and, as a second term, of the last.
fn means(at: &FieldValues<'_>) -> Result<Vec<FunctionalTerm>> {
    let (points, channels) = at.values.dims2()?;
    let values = at.values.to_dtype(DType::F64)?;
    let term = |name, channel| -> Result<FunctionalTerm> {
        let mean: f64 = values.narrow(1, channel, 1)?.mean_all()?.to_scalar()?;
        let slope = 2.0 * (mean - 1.0) / points as f64;
        let mask =
            (0..points * channels).map(|at| if at % channels == channel { slope } else { 0.0 });
        let gradient = Tensor::from_iter(mask, &Device::Cpu)?.reshape((points, channels))?;
        Ok(FunctionalTerm::new(name, (mean - 1.0).powi(2), gradient))
    };
    Ok(vec![
        term("first", 0)?,
        term("last", channels - 1)?.weighted(0.5),
    ])
}

fn loss(field: Siren, constraints: &[Constraint]) -> Loss {
    let trainer = Trainer::new(field, &TrainConfig::default()).unwrap();
    trainer.loss_and_gradient(constraints).unwrap()
}

fn elements(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_mean_squared_error_written_as_a_functional_has_the_loss_and_gradient_of_the_pointwise_one() {
    for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 1e-6)] {
        let whole = || WholeSampler::new(sample(POINTS, 2, dtype));
        let pointwise = Constraint::new("pixels", whole(), ValueMse).weighted(3.0);
        let functional = Constraint::functional("pixels", whole(), square_error).weighted(3.0);
        let [expected, found] = [pointwise, functional].map(|one| loss(field(2, dtype), &[one]));
        assert_eq!(expected.terms[0].name, found.terms[0].name);
        assert!((found.terms[0].mean / expected.terms[0].mean - 1.0).abs() < tolerance);
        assert!((found.value / expected.value - 1.0).abs() < tolerance);
        assert!((found.value / found.terms[0].mean - 3.0).abs() < 1e-12);
        let [expected, found] =
            [expected, found].map(|loss| elements(&loss.gradient.tensor().unwrap()));
        let scale = expected.iter().map(|g| g.abs()).fold(0.0, f64::max);
        for (expected, found) in expected.iter().zip(&found) {
            assert!(
                (expected - found).abs() < tolerance * scale,
                "{expected} {found}"
            );
        }
    }
}

#[test]
fn the_gradient_of_a_functional_of_the_mean_is_that_of_central_differences_to_second_order() {
    let constraints = || {
        [
            Constraint::functional(
                "means",
                WholeSampler::new(sample(POINTS, 2, DType::F64)),
                means,
            )
            .weighted(2.0),
            Constraint::new(
                "pixels",
                WholeSampler::new(sample(50, 2, DType::F64)),
                ValueMse,
            ),
        ]
    };
    let found = loss(field(2, DType::F64), &constraints());
    let names: Vec<&str> = found.terms.iter().map(|term| term.name.as_str()).collect();
    assert_eq!(names, ["first", "last", "value_mse"]);
    let [first, last, pixels] = [0, 1, 2].map(|at| found.terms[at].mean);
    assert!((found.value - (2.0 * first + last + pixels)).abs() < 1e-14);

    let start = field(2, DType::F64).parameters().flat().unwrap();
    let direction = (0..start.elem_count()).map(|i| (0.7 * i as f64).cos());
    let direction = Tensor::from_iter(direction, &Device::Cpu).unwrap();
    let slope: f64 = elements(&(&found.gradient.tensor().unwrap() * &direction).unwrap())
        .iter()
        .sum();
    let central = |h: f64| {
        let at = |h: f64| {
            let moved = field(2, DType::F64);
            let values = (&start + (&direction * h).unwrap()).unwrap();
            moved.parameters().set(&values).unwrap();
            loss(moved, &constraints()).value
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    let [coarse, fine] = [4e-5, 2e-5].map(|h| (central(h) / slope - 1.0).abs());
    assert!(fine < 1e-3, "{slope}: {coarse} {fine}");
    assert!((coarse / fine / 4.0 - 1.0).abs() < 0.05, "{coarse} {fine}");
}

#[test]
fn the_loss_of_a_functional_has_the_same_bits_for_any_number_of_threads() {
    let with = |threads: usize| {
        let sampler = WholeSampler::new(sample(POINTS, 1, DType::F32));
        let constraints = [Constraint::functional("means", sampler, means)];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let found = pool
            .unwrap()
            .install(|| loss(field(1, DType::F32), &constraints));
        let bits =
            |gradient: Vec<f32>| gradient.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
        (
            found.value.to_bits(),
            bits(found.gradient.tensor().unwrap().to_vec1().unwrap()),
        )
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert!(
            one == with(threads),
            "{threads} threads give other bits than one"
        );
    }
}

#[test]
fn an_unknown_coefficient_has_no_gradient_in_a_functional() {
    let field = field(1, DType::F64)
        .with_coefficients(&[("stiffness", 6.0)])
        .unwrap();
    let sampler = WholeSampler::new(sample(10, 1, DType::F64));
    let found = loss(field, &[Constraint::functional("means", sampler, means)]);
    let gradient = elements(&found.gradient.tensor().unwrap());
    let last = gradient.len() - 1;
    assert!(gradient[last].abs() < f64::MIN_POSITIVE && gradient[last - 1].abs() > 0.0);
}

/// Returns the message of a step on a constraint.
fn refused(constraint: Constraint, config: &TrainConfig) -> Error {
    let mut trainer = Trainer::new(field(1, DType::F64), config).unwrap();
    trainer.step(&[constraint]).unwrap_err()
}

#[test]
fn gauss_newton_refuses_a_functional_by_its_name() {
    let sampler = WholeSampler::new(sample(10, 1, DType::F64));
    let config = TrainConfig {
        optimizer: OptimizerConfig::GaussNewton(GaussNewtonConfig::default()),
        ..TrainConfig::default()
    };
    let message = refused(Constraint::functional("means", sampler, means), &config).to_string();
    assert!(
        message.contains("`means`, a functional") && message.contains("`lbfgs`"),
        "{message}"
    );
}

#[test]
fn a_gradient_of_another_shape_and_data_that_is_not_finite_are_refused_with_their_names() {
    let config = TrainConfig::default();
    let short = |at: &FieldValues<'_>| {
        let gradient = at.values.narrow(0, 0, 5)?;
        Ok(vec![FunctionalTerm::new("short", 0.0, gradient)])
    };
    let sampler = WholeSampler::new(sample(10, 1, DType::F64));
    let message = refused(Constraint::functional("odd", sampler, short), &config).to_string();
    assert!(
        message.contains("`short` of shape [10, 1]") && message.contains("got [5, 1]"),
        "{message}"
    );

    let coords = sample(10, 1, DType::F64).coords().clone();
    let targets = (0..10).map(|i| if i == 3 { f64::NAN } else { 0.0 });
    let targets = Tensor::from_iter(targets, &Device::Cpu).unwrap();
    let bad = Sample::with_targets(coords, targets.unsqueeze(1).unwrap()).unwrap();
    let bad = Constraint::functional("pixels", WholeSampler::new(bad), square_error);
    let error = refused(bad, &config);
    assert!(
        matches!(&error, Error::NotFinite { column, point: 3 } if column == "targets"),
        "{error}"
    );
}
