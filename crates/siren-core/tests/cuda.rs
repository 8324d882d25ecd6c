//! Compares networks on a CUDA device with the fused operation on the CPU. The device is one of the stand-in for the driver, which interprets the
//! kernels.

#![cfg(all(feature = "cuda", target_os = "linux"))]

mod compare;
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "starts a process whose driver is the stand-in"
)]
#[path = "../../siren-cuda/tests/networks/stand_in.rs"]
mod stand_in;

use candle_core::{DType, Device, Tensor, Var};
use compare::largest_error;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::Error;
use siren_core::field::{
    Encoding, FieldEngine, FieldShape, FourierEncoding, Jet, NerfEncoding, Order, RbfEncoding,
    Siren, SirenConfig,
};
use siren_core::objective::{Constraint, Context, Derivatives, Objective, Share, Term, ValueMse};
use siren_core::optimizer::{AdamConfig, GaussNewtonConfig, MuonConfig, OptimizerConfig};
use siren_core::signal::{Sample, Stream, SubsetSampler, SubsetSampling, WholeSampler};
use siren_core::train::{Precision, TrainConfig, Trainer};
use stand_in::under_stand_in_driver;

const SHAPE: FieldShape = FieldShape {
    in_features: 2,
    out_features: 3,
    samples_per_side: None,
};
const POINTS: usize = 43;

/// Calls `check` with the engine of a device of the stand-in for the driver, in a process of its own.
fn on_device(check: impl FnOnce(&FieldEngine)) {
    under_stand_in_driver(&[], || check(&FieldEngine::cuda(0).unwrap()));
}

fn config() -> SirenConfig {
    SirenConfig {
        first_omega_0: 3.0.into(),
        hidden_omega_0: 3.0,
        hidden_features: 24.into(),
        hidden_layers: 1,
        ..SirenConfig::default()
    }
}

fn field(config: &SirenConfig, dtype: DType) -> Siren {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let drawn = config
        .init(SHAPE, &mut rng, DType::F32, &Device::Cpu)
        .unwrap();
    let named = drawn.named_tensors().unwrap();
    let find = |name: &str| {
        let found = named.iter().find(|(known, _)| known == name);
        found.map(|(_, tensor)| tensor.clone())
    };
    config.load(SHAPE, find, dtype, &Device::Cpu).unwrap()
}

/// Returns a tensor of numbers in [−1, 1].
fn spread(shape: &[usize], frequency: f64, dtype: DType) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    let values = (0..count).map(|i| (frequency * f64::from(i) + 0.3).sin() as f32);
    let values = Tensor::from_iter(values, &Device::Cpu).unwrap();
    values.reshape(shape).unwrap().to_dtype(dtype).unwrap()
}

/// Returns the gradient of a smooth loss on all components of a jet with respect to a variable.
#[expect(
    clippy::disallowed_methods,
    reason = "the gradient of a loss that no trainer has"
)]
fn gradient(jet: &Jet, of: &Var) -> Tensor {
    let loss = (jet.packed().sqr().unwrap() + jet.packed()).unwrap();
    let store = loss.mean_all().unwrap().backward().unwrap();
    store.get(of).unwrap().clone()
}

/// Returns the largest relative errors of the jet and of its gradient, against the CPU in double precision.
fn errors(config: &SirenConfig, order: &Order, engine: &FieldEngine) -> [f64; 2] {
    let device = field(config, DType::F32).on(engine).unwrap();
    let exact = field(config, DType::F64);
    let [got, expected] = [&device, &exact].map(|field| {
        let coords = spread(&[POINTS, 2], 1.7, field.parameters().dtype());
        let jet = field.jet(&coords, order).unwrap();
        let evaluated = field.evaluate(&coords, order).unwrap();
        let gap = largest_error(evaluated.packed(), jet.packed());
        assert!(gap < 1e-6, "a jet without a graph differs by {gap:e}");
        let gradient = gradient(&jet, field.parameters().var().unwrap());
        [jet.packed().clone(), gradient]
    });
    [0, 1].map(|part| largest_error(&got[part], &expected[part]))
}

fn orders() -> [Order; 4] {
    [
        Order::Value,
        Order::Gradient,
        Order::laplacian(2),
        Order::hessian(2),
    ]
}

#[test]
fn fields_of_every_encoding_agree_with_the_cpu_at_every_order() {
    on_device(|engine| {
        let (frequencies, features, scale) = (Some(2), 5, 0.5);
        let (centers, sigma) = (7, 1.5);
        for encoding in [
            Encoding::Identity,
            Encoding::Nerf(NerfEncoding { frequencies }),
            Encoding::Fourier(FourierEncoding { features, scale }),
            Encoding::Rbf(RbfEncoding { centers, sigma }),
        ] {
            for order in orders() {
                let config = SirenConfig {
                    encoding: encoding.clone(),
                    ..config()
                };
                let [jet, gradient] = errors(&config, &order, engine);
                assert!(
                    jet < 1e-5 && gradient < 1e-5,
                    "{encoding:?} {order:?}: {jet:e} {gradient:e}"
                );
            }
        }
    });
}

#[test]
fn learned_frequencies_have_a_gradient_on_the_device_too() {
    on_device(|engine| {
        let config = SirenConfig {
            learn_omega: true,
            ..config()
        };
        let [jet, gradient] = errors(&config, &Order::laplacian(2), engine);
        assert!(jet < 1e-5 && gradient < 1e-5, "{jet:e} {gradient:e}");
    });
}

#[test]
fn one_half_is_less_accurate_than_two() {
    on_device(|engine| {
        let FieldEngine::Cuda { device, .. } = engine else {
            panic!("the engine is not a device");
        };
        let fast = FieldEngine::Cuda {
            device: device.clone(),
            precision: siren_core::siren_cuda::Precision::Fast,
        };
        for error in errors(&config(), &Order::laplacian(2), &fast) {
            assert!((1e-5..1e-2).contains(&error), "{error:e}");
        }
    });
}

#[test]
fn batches_of_fields_agree_with_the_cpu() {
    on_device(|engine| {
        let host = field(&config(), DType::F32);
        let parameters = host.parameters().len();
        let params = (spread(&[3, parameters], 0.9, DType::F32) * 0.2).unwrap();
        let params = Var::from_tensor(&params).unwrap();
        let coords = spread(&[3, POINTS, 2], 1.7, DType::F32);
        let targets = spread(&[3, POINTS, 3], 2.3, DType::F32);
        let device = host.network().clone().on(engine);
        let order = Order::Gradient;
        let [got, expected] = [&device, host.network()].map(|network| {
            let jet = network.batch_jet(&params, &coords, &order).unwrap();
            let [error, square] = network
                .batch_square_error(&params, &coords, &targets)
                .unwrap();
            let loss = (&error + (square * 0.1).unwrap()).unwrap();
            let store = siren_core::train::differentiate(&loss).unwrap();
            let d_loss = store.get(&params).unwrap().clone();
            let d_jet = gradient(&jet, &params);
            [jet.packed().clone(), d_jet, error, d_loss]
        });
        for (got, expected) in got.iter().zip(&expected) {
            let error = largest_error(got, expected);
            assert!(error < 1e-5, "{error:e}");
        }
    });
}

fn constraints() -> [Constraint; 1] {
    let coords = spread(&[POINTS, 2], 1.7, DType::F32);
    let targets = spread(&[POINTS, 3], 2.3, DType::F32);
    let sampler = WholeSampler::new(Sample::with_targets(coords, targets).unwrap());
    [Constraint::new("points", sampler, ValueMse)]
}

/// Takes steps on an engine and returns the parameters. A run that is stopped after a step continues on another engine from what a checkpoint
/// holds.
fn trained(train: &TrainConfig, engine: &FieldEngine, then: Option<&FieldEngine>) -> Tensor {
    trained_on(train, &constraints(), engine, then)
}

/// As [`trained`], on any constraints.
fn trained_on(
    train: &TrainConfig,
    constraints: &[Constraint],
    engine: &FieldEngine,
    then: Option<&FieldEngine>,
) -> Tensor {
    let steps = train.steps as usize;
    let device_field = |engine| field(&config(), DType::F32).on(engine).unwrap();
    let mut trainer = Trainer::new(device_field(engine), train).unwrap();
    let stop = then.map_or(steps, |_| steps / 2);
    for _ in 0..stop {
        trainer.step(constraints).unwrap();
    }
    if let Some(engine) = then {
        let (step, state) = (trainer.step_count(), trainer.optimizer_state().unwrap());
        let resumed = device_field(engine);
        let parameters = trainer.model().parameters().flat().unwrap();
        resumed.parameters().set(&parameters).unwrap();
        trainer = Trainer::new(resumed, train).unwrap();
        trainer.restore(step, &state).unwrap();
        trainer.run(constraints).unwrap();
    }
    trainer.model().parameters().flat().unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values = tensor.to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn training_gives_the_same_bits_when_resumed_and_agrees_with_the_cpu() {
    on_device(|engine| {
        let train = TrainConfig {
            steps: 6,
            learning_rate: 1e-3,
            ..TrainConfig::default()
        };
        let undisturbed = trained(&train, engine, None);
        let resumed = trained(&train, engine, Some(engine));
        assert_eq!(bits(&undisturbed), bits(&resumed));
        let host = trained(&train, &FieldEngine::Cpu, None);
        assert_ne!(bits(&undisturbed), bits(&host));
        let moved = trained(&train, &FieldEngine::Cpu, Some(engine));
        for got in [&undisturbed, &moved] {
            let error = largest_error(got, &host);
            assert!(error < 1e-4, "{error:e}");
        }
    });
}

/// Returns the file to which the stand-in for the driver appends.
#[expect(clippy::disallowed_methods, reason = "a setting of the stand-in")]
fn report_file() -> String {
    std::env::var("SIREN_PTX_REPORT").unwrap()
}

/// Returns the bytes that the stand-in for the driver has copied to the device, and from it.
#[expect(clippy::disallowed_methods, reason = "the file of the stand-in")]
fn copied_bytes(report: &str) -> [usize; 2] {
    let lines = std::fs::read_to_string(report).unwrap();
    ["to", "from"].map(|direction| {
        let start = format!("{{\"copy\":\"{direction} the device\",\"bytes\":");
        let bytes = lines.lines().filter_map(|line| line.strip_prefix(&start));
        bytes
            .map(|bytes| bytes.trim_end_matches('}').parse::<usize>().unwrap())
            .sum()
    })
}

#[test]
fn a_training_step_copies_the_indices_of_its_points_and_its_loss_and_no_parameter() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report").display().to_string();
    let settings = [("SIREN_PTX_REPORT", report.as_str())];
    under_stand_in_driver(&settings, || {
        let report = report_file();
        let engine = FieldEngine::cuda(0).unwrap();
        for optimizer in ["adam", "adamw", "muon"] {
            let train = TrainConfig {
                optimizer: optimizer_named(optimizer),
                ..TrainConfig::default()
            };
            let on_engine = field(&config(), DType::F32).on(&engine).unwrap();
            let parameters = on_engine.parameters().len();
            let mut trainer = Trainer::new(on_engine, &train).unwrap();
            trainer.step(&subset_constraints()).unwrap();
            let constraints = subset_constraints();
            trainer.step(&constraints).unwrap();
            let before = copied_bytes(&report);
            trainer.step(&constraints).unwrap();
            let after = copied_bytes(&report);
            let [up, down] = [0, 1].map(|k| after[k] - before[k]);
            // A few numbers beside the indices: the shapes of layers, the constants of the optimizer, norms.
            assert!((4 * SUBSET..4 * SUBSET + 500).contains(&up), "{up}");
            assert!((4..100).contains(&down), "{down}");
            assert!(up < 2 * parameters && parameters > 700);
        }
    });
}

fn optimizer_named(name: &str) -> OptimizerConfig {
    match name {
        "adam" => OptimizerConfig::Adam(AdamConfig::default()),
        "adamw" => OptimizerConfig::AdamW(AdamConfig {
            weight_decay: 0.1,
            ..AdamConfig::default()
        }),
        _ => OptimizerConfig::Muon(MuonConfig::default()),
    }
}

const SUBSET: usize = 20;

/// As [`constraints`], with some of the points in each step.
fn subset_constraints() -> [Constraint; 1] {
    let coords = spread(&[POINTS, 2], 1.7, DType::F32);
    let targets = spread(&[POINTS, 3], 2.3, DType::F32);
    let sampler = SubsetSampler {
        from: Sample::with_targets(coords, targets).unwrap(),
        subset: SubsetSampling {
            points: SUBSET,
            replacement: true,
        },
        seed: 3,
        stream: Stream::SUBSET,
    };
    [Constraint::new("points", sampler, ValueMse)]
}

#[test]
fn every_optimizer_on_the_device_takes_the_steps_of_the_cpu_and_resumes_with_the_same_bits() {
    on_device(|engine| {
        for optimizer in ["adam", "adamw", "muon"] {
            let train = TrainConfig {
                steps: 6,
                learning_rate: 1e-3,
                clip_norm: Some(0.05),
                optimizer: optimizer_named(optimizer),
                ..TrainConfig::default()
            };
            let run = |engine: &FieldEngine, then: Option<&FieldEngine>| {
                trained_on(&train, &subset_constraints(), engine, then)
            };
            let undisturbed = run(engine, None);
            let resumed = run(engine, Some(engine));
            assert_eq!(bits(&undisturbed), bits(&resumed), "{optimizer}");
            let host = run(&FieldEngine::Cpu, None);
            for got in [
                undisturbed,
                run(engine, Some(&FieldEngine::Cpu)),
                run(&FieldEngine::Cpu, Some(engine)),
            ] {
                let error = largest_error(&got, &host);
                assert!(error < 1e-4, "{optimizer}: {error:e}");
            }
        }
    });
}

#[test]
fn a_step_that_would_leave_the_finite_numbers_changes_nothing_on_the_device() {
    on_device(|engine| {
        for optimizer in ["adam", "muon"] {
            let train = TrainConfig {
                optimizer: optimizer_named(optimizer),
                ..TrainConfig::default()
            };
            let on_engine = field(&config(), DType::F32).on(engine).unwrap();
            let mut trainer = Trainer::new(on_engine, &train).unwrap();
            trainer.step(&constraints()).unwrap();
            let before = trainer.model().parameters().flat().unwrap();
            // The gradient is finite, its square is not.
            let huge = (spread(&[POINTS, 3], 2.3, DType::F32) * 1e25).unwrap();
            let sample = Sample::with_targets(spread(&[POINTS, 2], 1.7, DType::F32), huge);
            let sampler = WholeSampler::new(sample.unwrap());
            let constraint = Constraint::new("points", sampler, ValueMse).weighted(1e-25);
            let error = trainer.step(&[constraint]).unwrap_err();
            assert!(
                matches!(error, Error::Diverged { .. }),
                "{optimizer}: {error}"
            );
            let after = trainer.model().parameters().flat().unwrap();
            assert_eq!(bits(&before), bits(&after), "{optimizer}");
            trainer.step(&constraints()).unwrap();
        }
    });
}

/// A loss on derivatives without a loss that the device computes beside the network.
struct FromJets(Derivatives);

impl Objective for FromJets {
    fn order(&self) -> &Order {
        self.0.order()
    }

    fn terms(&self, context: &Context<'_>) -> siren_core::Result<Vec<Term>> {
        self.0.terms(context)
    }
}

#[test]
fn losses_beside_the_network_equal_those_of_jets_that_are_copied() {
    on_device(|engine| {
        let share = |weight| Share {
            weight,
            divisor: 3.0,
        };
        let coords = spread(&[POINTS, 2], 1.7, DType::F32);
        let targets = spread(&[POINTS, 3, 3], 2.3, DType::F32);
        let sample = Sample::with_targets(coords, targets).unwrap();
        // Without a weight of the Laplacian, its targets do not count.
        for weight in [0.5, 0.0] {
            let derivatives = || Derivatives::new(2, share(1.0), share(weight));
            let losses = [true, false].map(|beside| {
                let sampler = WholeSampler::new(sample.clone());
                let constraint = if beside {
                    Constraint::new("points", sampler, derivatives())
                } else {
                    Constraint::new("points", sampler, FromJets(derivatives()))
                };
                let device_field = field(&config(), DType::F32).on(engine).unwrap();
                let mut trainer = Trainer::new(device_field, &TrainConfig::default()).unwrap();
                let constraints = [constraint.weighted(2.0)];
                let reports = [(); 3].map(|()| trainer.step(&constraints).unwrap());
                (reports, trainer.model().parameters().flat().unwrap())
            });
            let [(got, parameters), (expected, expected_parameters)] = losses;
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got.loss - expected.loss).abs() < 1e-5 * expected.loss);
                for (got, expected) in got.terms.iter().zip(&expected.terms) {
                    assert_eq!(got.name, expected.name);
                    assert!((got.mean - expected.mean).abs() < 1e-5 * expected.mean);
                }
            }
            let error = largest_error(&parameters, &expected_parameters);
            assert!(error < 1e-5, "{error:e}");
        }
    });
}

#[test]
fn a_gauss_newton_step_agrees_with_the_cpu() {
    on_device(|engine| {
        let train = TrainConfig {
            steps: 1,
            optimizer: OptimizerConfig::GaussNewton(GaussNewtonConfig::default()),
            ..TrainConfig::default()
        };
        let got = trained(&train, engine, None);
        let expected = trained(&train, &FieldEngine::Cpu, None);
        let error = largest_error(&got, &expected);
        assert!(error < 1e-4, "{error:e}");
    });
}

#[test]
fn double_precision_is_refused_on_the_device() {
    on_device(|engine| {
        let error = field(&config(), DType::F64).on(engine).unwrap_err();
        assert!(error.to_string().contains("got F64"), "{error}");
        let single = field(&config(), DType::F32).on(engine).unwrap();
        let train = TrainConfig {
            precision: Precision::Double,
            ..TrainConfig::default()
        };
        let error = Trainer::new(single, &train).err().unwrap();
        assert!(error.to_string().contains("`train.precision`"), "{error}");
    });
}
