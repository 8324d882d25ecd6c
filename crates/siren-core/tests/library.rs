//! What a program that embeds this crate relies on.

#![expect(
    clippy::disallowed_methods,
    reason = "tests of files read and write some"
)]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Tensor};
use siren_core::field::{Encoding, FieldShape, FourierEncoding, Order, Siren, SirenConfig};
use siren_core::objective::{Constraint, Term, ValueMse, Weight, from_fn};
use siren_core::signal::{NoMetadata, Sample, SignalMetadata, Stream, WholeSampler};
use siren_core::train::{StopToken, TrainConfig, Trainer};
use siren_core::{Error, Result};

fn config() -> SirenConfig {
    SirenConfig {
        hidden_features: 32.into(),
        hidden_layers: 1,
        first_omega_0: 10.0.into(),
        ..SirenConfig::default()
    }
}

const SHAPE: FieldShape = FieldShape {
    in_features: 2,
    out_features: 1,
    samples_per_side: None,
};

fn field(seed: u64, dtype: DType) -> Siren {
    let mut rng = Stream::PARAMETERS.rng(seed, 0);
    config().init(SHAPE, &mut rng, dtype, &Device::Cpu).unwrap()
}

fn sample(points: usize, dtype: DType) -> Sample {
    let coords = (0..2 * points).map(|i| (0.37 * i as f64).sin());
    let coords = Tensor::from_iter(coords, &Device::Cpu).unwrap();
    let coords = coords
        .reshape((points, 2))
        .unwrap()
        .to_dtype(dtype)
        .unwrap();
    let targets = coords.narrow(1, 0, 1).unwrap().contiguous().unwrap();
    Sample::with_targets(coords, targets).unwrap()
}

fn pixels(points: usize, dtype: DType) -> Constraint {
    Constraint::new("pixels", WholeSampler::new(sample(points, dtype)), ValueMse)
}

fn values(field: &Siren) -> Vec<f64> {
    field.values(&[0.1, 0.2, -0.3, 0.4]).unwrap()
}

#[test]
fn a_snapshot_and_everything_else_that_is_handed_out_keeps_its_values_while_training_goes_on() {
    let mut trainer = Trainer::new(field(1, DType::F32), &TrainConfig::default()).unwrap();
    let constraints = [pixels(50, DType::F32)];
    trainer.step(&constraints).unwrap();
    let kept = trainer.model().snapshot().unwrap();
    let (flat, named) = (
        kept.parameters().flat().unwrap(),
        trainer.model().named_tensors().unwrap(),
    );
    let state = trainer.optimizer_state().unwrap();
    let read = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let before = (
        values(&kept),
        read(&flat),
        read(&named[0].1),
        read(&state.tensors[0].1),
    );
    for _ in 0..5 {
        trainer.step(&constraints).unwrap();
    }
    let after = (
        values(&kept),
        read(&flat),
        read(&named[0].1),
        read(&state.tensors[0].1),
    );
    assert_eq!(before, after);
    assert_ne!(values(trainer.model()), values(&kept));
}

#[test]
fn the_parameters_can_be_read_at_any_time_while_another_thread_trains() {
    let mut trainer = Trainer::new(field(1, DType::F32), &TrainConfig::default()).unwrap();
    let live = trainer
        .model()
        .parameters()
        .var()
        .unwrap()
        .as_tensor()
        .clone();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let values = live.to_vec1::<f32>().unwrap();
                assert!(values.iter().all(|value| value.is_finite()));
                reads += 1;
            }
            reads
        });
        let constraints = [pixels(20, DType::F32)];
        for _ in 0..300 {
            trainer.step(&constraints).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn two_fields_train_at_once_in_either_precision_as_they_do_alone() {
    let run = |seed: u64, dtype: DType| {
        let mut trainer = Trainer::new(field(seed, dtype), &TrainConfig::default()).unwrap();
        let constraints = [pixels(3000, dtype)];
        for _ in 0..10 {
            trainer.step(&constraints).unwrap();
        }
        values(trainer.model())
    };
    let alone = [run(1, DType::F32), run(2, DType::F64)];
    let together = std::thread::scope(|scope| {
        let first = scope.spawn(|| run(1, DType::F32));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap();
        let second = pool.install(|| run(2, DType::F64));
        [first.join().unwrap(), second]
    });
    assert_eq!(alone, together);
}

#[test]
fn an_objective_whose_terms_differ_from_chunk_to_chunk_is_refused() {
    let objective = from_fn(Order::Value, |context| {
        let per_point = context.jet.value()?.sqr()?.squeeze(1)?;
        let first: f32 = context.sample.coords().get(0)?.get(0)?.to_scalar()?;
        let name = if first == 0.0 { "first" } else { "other" };
        Ok(vec![Term::new(name, per_point)])
    });
    let constraint = Constraint::new(
        "odd",
        WholeSampler::new(sample(9000, DType::F32)),
        objective,
    );
    let mut trainer = Trainer::new(field(1, DType::F32), &TrainConfig::default()).unwrap();
    let error = trainer.step(&[constraint]).unwrap_err();
    assert!(
        matches!(&error, Error::Terms { constraint, .. } if constraint == "odd"),
        "{error}"
    );
}

#[test]
fn a_step_without_constraints_is_an_error() {
    let mut trainer = Trainer::new(field(1, DType::F32), &TrainConfig::default()).unwrap();
    let error = trainer.step(&[]).unwrap_err().to_string();
    assert!(error.contains("constraint"), "{error}");
    assert_eq!(trainer.step_count(), 0);
}

#[test]
fn data_that_is_not_finite_is_named_with_its_column_and_point() {
    for (column, point) in [("coordinates", 7), ("targets", 3)] {
        let good = sample(10, DType::F64);
        let [mut coords, mut targets] = [good.coords(), good.targets().unwrap()]
            .map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap());
        match column {
            "targets" => targets[point] = f64::NAN,
            _ => coords[2 * point + 1] = f64::INFINITY,
        }
        let coords = Tensor::from_vec(coords, (10, 2), &Device::Cpu).unwrap();
        let targets = Tensor::from_vec(targets, (10, 1), &Device::Cpu).unwrap();
        let bad = Sample::with_targets(coords, targets).unwrap();
        let constraint = Constraint::new("pixels", WholeSampler::new(bad), ValueMse);
        let mut trainer = Trainer::new(field(1, DType::F64), &TrainConfig::default()).unwrap();
        let error = trainer.step(&[constraint]).unwrap_err();
        let is_named = matches!(&error, Error::NotFinite { column: c, point: p } if c == column && *p == point);
        assert!(
            is_named && !error.to_string().contains("learning_rate"),
            "{error}"
        );
    }
}

#[test]
fn closures_serve_as_samplers_objectives_and_observers_that_stop() {
    let sampler = |step: u64| -> Result<Sample> {
        assert!(step < 5);
        Ok(sample(10, DType::F32))
    };
    let objective = from_fn(Order::Gradient, |context| {
        let slope = context.jet.gradient()?.sqr()?.sum((1, 2))?;
        Ok(vec![Term::new("slope", slope)])
    });
    let constraint = Constraint::new("flat", sampler, objective)
        .weighted(Weight::Piecewise(vec![(0, 1.0), (4, 0.5)]));
    let mut trainer = Trainer::new(field(1, DType::F32), &TrainConfig::default()).unwrap();
    let mut losses = Vec::new();
    let fit = trainer.run_with(&[constraint], |_, report| {
        losses.push((report.loss, report.terms[0].mean));
        Ok(match report.step {
            5 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    });
    fit.unwrap();
    assert_eq!(trainer.step_count(), 5);
    let weight = |index: usize| losses[index].0 / losses[index].1;
    assert!((weight(0) - 1.0).abs() < 1e-6 && (weight(4) - 0.5).abs() < 1e-6);
}

#[test]
fn a_stop_token_ends_one_training_after_its_current_step_and_no_other() {
    let [mut first, mut second] = [1, 2].map(|seed| {
        let config = TrainConfig {
            steps: 4,
            ..TrainConfig::default()
        };
        Trainer::new(field(seed, DType::F32), &config).unwrap()
    });
    let token = StopToken::new();
    assert!(!token.clone().stop());
    first
        .run_with(&[pixels(10, DType::F32)], |_, _| Ok(token.flow()))
        .unwrap();
    second.run(&[pixels(10, DType::F32)]).unwrap();
    assert_eq!([first.step_count(), second.step_count()], [1, 4]);
}

#[test]
fn terms_of_two_constraints_are_told_apart_by_the_names_of_the_constraints() {
    let mut trainer = Trainer::new(field(1, DType::F32), &TrainConfig::default()).unwrap();
    let second = Constraint::new("border", WholeSampler::new(sample(5, DType::F32)), ValueMse);
    let terms = trainer
        .step(&[pixels(10, DType::F32), second])
        .unwrap()
        .terms;
    let names: Vec<&str> = terms.iter().map(|term| term.name.as_str()).collect();
    assert_eq!(names, ["pixels.value_mse", "border.value_mse"]);
}

/// Facts of a signal.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Scale {
    peak: f32,
}

impl SignalMetadata for Scale {
    const VERSION: u32 = 1;
}

#[test]
fn a_saved_field_opens_as_itself_with_its_own_settings_coefficients_and_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("field.safetensors");
    for dtype in [DType::F32, DType::F64] {
        let config = SirenConfig {
            first_omega_0: 17.5.into(),
            encoding: Encoding::Fourier(FourierEncoding {
                features: 8,
                scale: 2.0,
            }),
            ..config()
        };
        let mut rng = Stream::PARAMETERS.rng(3, 0);
        let field = config.init(SHAPE, &mut rng, dtype, &Device::Cpu).unwrap();
        let field = field
            .with_coefficients(&[("speed", 1.5), ("decay", -0.25)])
            .unwrap();
        field.save_with(&Scale { peak: 0.1 }, &path).unwrap();
        let (opened, scale) = Siren::open_with::<Scale>(&path).unwrap();
        assert_eq!(scale, Scale { peak: 0.1 });
        assert_eq!(opened.network().config(), field.network().config());
        assert_eq!(opened.parameters().dtype(), dtype);
        assert_eq!(values(&opened), values(&field));
        let coefficient = |name: &str| opened.coefficient(name).unwrap().to_bits();
        assert_eq!(coefficient("speed"), 1.5_f64.to_bits());
        assert_eq!(coefficient("decay"), (-0.25_f64).to_bits());
        let bytes = std::fs::read(&path).unwrap();
        field.save_with(&Scale { peak: 0.1 }, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    field(1, DType::F32).save(&path).unwrap();
    assert!(Siren::open(&path).is_ok() && Siren::open_with::<NoMetadata>(&path).is_ok());
    assert!(Siren::open_with::<Scale>(&path).is_err());
}

#[test]
fn a_file_that_does_not_say_which_network_it_holds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let tensors = field(1, DType::F32).named_tensors().unwrap();
    candle_core::safetensors::save(&tensors.into_iter().collect(), &path).unwrap();
    let error = Siren::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("weights.safetensors") && error.contains("siren.saved"),
        "{error}"
    );
    assert!(
        field(1, DType::F32)
            .save(folder.path().join("field.pth"))
            .is_err()
    );
}

#[test]
fn plain_slices_of_points_give_values_gradients_and_laplacians() {
    let field = field(1, DType::F64);
    let (h, point) = (1e-4, [0.3, -0.2]);
    let value = |dx: f64, dy: f64| field.values(&[point[0] + dx, point[1] + dy]).unwrap()[0];
    let gradient = field.gradients(&point).unwrap();
    let differences = [
        value(h, 0.0) - value(-h, 0.0),
        value(0.0, h) - value(0.0, -h),
    ];
    for (exact, difference) in gradient.iter().zip(differences) {
        assert!((exact - difference / (2.0 * h)).abs() < 1e-5 * exact.abs().max(1.0));
    }
    let sum = value(h, 0.0) + value(-h, 0.0) + value(0.0, h) + value(0.0, -h);
    let laplacian = field.laplacians(&point).unwrap()[0];
    let difference = (sum - 4.0 * value(0.0, 0.0)) / (h * h);
    assert!((laplacian - difference).abs() < 1e-4 * laplacian.abs().max(1.0));
    assert!(field.values(&[0.1]).is_err());
    assert!(field.values(&[]).unwrap().is_empty());
}
