//! Tests optimizers that evaluate the loss several times a step: those of the crate, and a test-only example of another.

mod gauss_newton;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use siren_core::Result;
use siren_core::field::{FieldShape, Order, Parameters, Siren, SirenConfig};
use siren_core::objective::{Constraint, Derivatives, Share, Term, ValueMse, from_fn};
use siren_core::optimizer::{
    AdamConfig, Evaluation, GaussNewtonConfig, LbfgsConfig, Optimizer, OptimizerConfig,
    OptimizerState, Problem, SsBroydenConfig,
};
use siren_core::saved::to_safetensors;
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};

/// Gradient descent whose first length is Barzilai & Borwein's, halved until the loss falls: the example of an optimizer that no config names.
#[derive(Default)]
struct BarzilaiBorwein {
    step: u64,
    /// Parameters and gradient before the last step.
    last: Option<[Tensor; 2]>,
}

/// Names of the state tensors.
const LAST: [&str; 2] = ["last_parameters", "last_gradient"];

fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok((a * b)?.sum_all()?.to_scalar::<f64>()?)
}

impl Optimizer for BarzilaiBorwein {
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation> {
        let before = problem.evaluate()?;
        let gradient = before.gradient.tensor()?;
        let theta = parameters.flat()?;
        let mut length = learning_rate;
        if let Some([last_theta, last_gradient]) = &self.last {
            let (s, y) = ((&theta - last_theta)?, (&gradient - last_gradient)?);
            length = (dot(&s, &s)? / dot(&s, &y)?).abs();
        }
        for _ in 0..50 {
            parameters.set(&(&theta - (&gradient * length)?)?)?;
            let after = problem.evaluate()?;
            if after.loss < before.loss {
                self.last = Some([theta, gradient]);
                self.step += 1;
                return Ok(after);
            }
            length *= 0.5;
        }
        parameters.set(&theta)?;
        self.step += 1;
        Ok(before)
    }

    fn state(&self) -> Result<OptimizerState> {
        let mut tensors = Vec::new();
        for (name, tensor) in LAST.iter().zip(self.last.iter().flatten()) {
            tensors.push(((*name).to_owned(), tensor.copy()?));
        }
        Ok(OptimizerState {
            step: self.step,
            tensors,
        })
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        self.last = match &state.tensors[..] {
            [] => None,
            [(_, tensor), ..] => {
                let find = |name| state.tensor(name, tensor.dims(), &Device::Cpu);
                Some([find(LAST[0])?, find(LAST[1])?])
            }
        };
        self.step = state.step;
        Ok(())
    }
}

/// Another optimizer, whose evaluations are counted.
struct Counted {
    inner: Box<dyn Optimizer>,
    evaluations: Arc<AtomicUsize>,
}

impl Optimizer for Counted {
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation> {
        let mut evaluate = || {
            self.evaluations.fetch_add(1, Ordering::Relaxed);
            problem.evaluate()
        };
        self.inner.step(parameters, &mut evaluate, learning_rate)
    }

    fn state(&self) -> Result<OptimizerState> {
        self.inner.state()
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        self.inner.restore(state)
    }
}

fn field(seed: u64, dtype: DType) -> Siren {
    let config = SirenConfig {
        hidden_features: 16.into(),
        hidden_layers: 1,
        first_omega_0: 5.0.into(),
        hidden_omega_0: 5.0,
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: 1,
        out_features: 1,
        samples_per_side: None,
    };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    config.init(shape, &mut rng, dtype, &Device::Cpu).unwrap()
}

/// Returns the coordinates `−1, …, 1` at `2 · half + 1` points, `(n, 1)`.
fn line(half: u32) -> Tensor {
    let half = f64::from(half);
    let coords = Tensor::arange(-half, half + 1.0, &Device::Cpu).unwrap();
    (coords / half).unwrap().reshape(((), 1)).unwrap()
}

/// Values of `sin 3x` at 101 points.
fn values(dtype: DType) -> [Constraint; 1] {
    let coords = line(50);
    let targets = (&coords * 3.0).unwrap().sin().unwrap();
    let [coords, targets] = [coords, targets].map(|tensor| tensor.to_dtype(dtype).unwrap());
    let sample = Sample::with_targets(coords, targets).unwrap();
    [Constraint::new(
        "points",
        WholeSampler::new(sample),
        ValueMse,
    )]
}

/// The equation `u'' = −(2π)² sin(2π x) − 3² cos(3 x)` at 101 points, and the values of its solution at both ends.
fn equation() -> [Constraint; 2] {
    let frequency = 2.0 * std::f64::consts::PI;
    let terms = |x: &Tensor| {
        let sine = (x * frequency).unwrap().sin().unwrap();
        (sine, (x * 3.0).unwrap().cos().unwrap())
    };
    let coords = line(50);
    let (sine, cosine) = terms(&coords);
    let curvature = ((sine * -frequency.powi(2)).unwrap() - cosine * 9.0).unwrap();
    let slopes = curvature.zeros_like().unwrap();
    let targets = Tensor::stack(&[slopes, curvature], 2).unwrap();
    let inside = Sample::with_targets(coords, targets).unwrap();
    let (sine, cosine) = terms(&line(1));
    let ends = Sample::with_targets(line(1), (sine + cosine).unwrap()).unwrap();
    let share = |weight| Share {
        weight,
        divisor: 1.0,
    };
    let objective = Derivatives::new(1, share(0.0), share(1.0));
    [
        Constraint::new("equation", WholeSampler::new(inside), objective),
        Constraint {
            weight: 100.0.into(),
            ..Constraint::new("ends", WholeSampler::new(ends), ValueMse)
        },
    ]
}

fn methods() -> [OptimizerConfig; 2] {
    [
        OptimizerConfig::Lbfgs(LbfgsConfig::default()),
        OptimizerConfig::SsBroyden(SsBroydenConfig::default()),
    ]
}

fn trainer(seed: u64, dtype: DType, optimizer: &OptimizerConfig) -> Trainer {
    let config = TrainConfig {
        optimizer: optimizer.clone(),
        ..TrainConfig::default()
    };
    Trainer::new(field(seed, dtype), &config).unwrap()
}

fn parameters(trainer: &Trainer) -> Vec<f64> {
    let flat = trainer.model().parameters().flat().unwrap();
    flat.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Returns the state as it comes back from a checkpoint file.
fn through_a_file(state: &OptimizerState) -> OptimizerState {
    let path = std::path::Path::new("state.safetensors");
    let bytes = to_safetensors(&state.tensors, HashMap::new(), path).unwrap();
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
    OptimizerState {
        step: state.step,
        tensors: tensors.into_iter().collect(),
    }
}

/// Continues a training of `steps` steps in a new trainer, checks that both take the same 20 steps, and returns the last loss.
fn resumes(make: &dyn Fn(u64) -> Trainer, constraints: &[Constraint], steps: usize) -> f64 {
    let mut whole = make(1);
    for _ in 0..steps {
        whole.step(constraints).unwrap();
    }
    let mut resumed = make(2);
    let copy = whole.model().parameters().flat().unwrap();
    resumed.model().parameters().set(&copy).unwrap();
    let state = through_a_file(&whole.optimizer_state().unwrap());
    resumed.restore(whole.step_count(), &state).unwrap();
    let mut last = f64::INFINITY;
    for _ in 0..20 {
        last = whole.step(constraints).unwrap().loss;
        let resumed_loss = resumed.step(constraints).unwrap().loss;
        assert_eq!(resumed_loss.to_bits(), last.to_bits());
    }
    assert_eq!(parameters(&whole), parameters(&resumed));
    last
}

#[test]
fn an_optimizer_that_no_config_names_converges_and_resumes_bit_for_bit() {
    let constraints = values(DType::F64);
    let config = TrainConfig::default();
    let make = |seed| {
        let optimizer = Box::new(BarzilaiBorwein::default());
        Trainer::with_optimizer(field(seed, DType::F64), &config, optimizer).unwrap()
    };
    resumes(&make, &constraints, 1);
    let last = resumes(&make, &constraints, 200);
    assert!(last < 1e-5, "the loss is still {last}");
}

#[test]
fn quasi_newton_methods_resume_bit_for_bit_from_any_step_in_both_precisions() {
    for dtype in [DType::F32, DType::F64] {
        let constraints = values(dtype);
        for optimizer in methods() {
            let make = |seed| trainer(seed, dtype, &optimizer);
            // Without any pair, with some, with as many as are kept.
            for steps in [0, 7, 70] {
                resumes(&make, &constraints, steps);
            }
        }
    }
}

#[test]
fn quasi_newton_methods_take_the_same_steps_with_any_number_of_threads() {
    for optimizer in methods() {
        let mut reached = Vec::new();
        for threads in [1, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            reached.push(pool.build().unwrap().install(|| {
                let mut trainer = trainer(1, DType::F64, &optimizer);
                for _ in 0..30 {
                    trainer.step(&equation()).unwrap();
                }
                parameters(&trainer)
            }));
        }
        assert_eq!(reached[0], reached[1]);
    }
}

#[test]
fn a_run_of_600_steps_goes_on_and_the_loss_never_rises() {
    for (dtype, reached) in [(DType::F32, 1e-7), (DType::F64, 1e-9)] {
        let constraints = values(dtype);
        for optimizer in methods() {
            let mut trainer = trainer(1, dtype, &optimizer);
            let mut last = f64::INFINITY;
            for _ in 0..600 {
                let loss = trainer.step(&constraints).unwrap().loss;
                assert!(loss <= last, "from {last} to {loss}");
                last = loss;
            }
            assert!(last < reached, "{dtype:?} {optimizer:?}: {last}");
        }
    }
}

/// Trains on the equation until a number of evaluations, and returns the loss.
fn loss_after(evaluations: usize, learning_rate: f64, optimizer: &OptimizerConfig) -> f64 {
    let config = TrainConfig {
        learning_rate,
        optimizer: optimizer.clone(),
        ..TrainConfig::default()
    };
    let field = field(1, DType::F64);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Counted {
        inner: optimizer.init(field.parameters(), learning_rate).unwrap(),
        evaluations: Arc::clone(&count),
    };
    let mut trainer = Trainer::with_optimizer(field, &config, Box::new(counted)).unwrap();
    let constraints = equation();
    while count.load(Ordering::Relaxed) < evaluations {
        trainer.step(&constraints).unwrap();
    }
    trainer.loss_and_gradient(&constraints).unwrap().value
}

#[test]
fn on_an_equation_ssbroyden_is_far_below_lbfgs_and_that_far_below_adam_after_as_many_evaluations() {
    let [lbfgs, broyden] = methods();
    let adam = OptimizerConfig::Adam(AdamConfig::default());
    let adam = [3e-4, 1e-3, 3e-3, 1e-2].map(|rate| loss_after(1500, rate, &adam));
    let adam = adam.into_iter().fold(f64::INFINITY, f64::min);
    let [lbfgs, broyden] = [lbfgs, broyden].map(|method| loss_after(1500, 1e-4, &method));
    let all = format!("Adam {adam:e}, L-BFGS {lbfgs:e}, SSBroyden {broyden:e}");
    assert!(lbfgs < 1e-2 * adam && broyden < 3e-2 * lbfgs, "{all}");
}

/// The constraints of [`equation`] as sums of squares with their residuals.
fn equation_of_squares(dtype: DType) -> [Constraint; 2] {
    let [inside, ends] = equation().map(|constraint| {
        let sample = constraint.sampler.draw(0).unwrap();
        [sample.coords().clone(), sample.targets().unwrap().clone()]
            .map(|tensor| tensor.to_dtype(dtype).unwrap())
    });
    let sampler = |[coords, targets]: [Tensor; 2]| {
        WholeSampler::new(Sample::with_targets(coords, targets).unwrap())
    };
    let curvature = from_fn(Order::laplacian(1), |context| {
        let targets = context.sample.targets()?.narrow(2, 1, 1)?.squeeze(2)?;
        let residual = (context.jet.traces()?.squeeze(2)? - targets)?;
        Ok(vec![Term::squares("curvature", residual)?])
    });
    let value = from_fn(Order::Value, |context| {
        let residual = (context.jet.value()? - context.sample.targets()?)?;
        Ok(vec![Term::squares("value", residual)?])
    });
    [
        Constraint::new("equation", sampler(inside), curvature),
        Constraint::new("ends", sampler(ends), value).weighted(100.0),
    ]
}

#[test]
fn gauss_newton_resumes_bit_for_bit_from_any_step_in_both_precisions() {
    for dtype in [DType::F32, DType::F64] {
        let constraints = equation_of_squares(dtype);
        for momentum in [0.0, 0.6] {
            let optimizer = OptimizerConfig::GaussNewton(GaussNewtonConfig {
                momentum,
                ..GaussNewtonConfig::default()
            });
            let make = |seed| trainer(seed, dtype, &optimizer);
            for steps in [0, 1, 9] {
                resumes(&make, &constraints, steps);
            }
        }
    }
}

#[test]
fn gauss_newton_solves_an_equation_to_less_than_a_millionth_in_200_steps() {
    let optimizer = OptimizerConfig::GaussNewton(GaussNewtonConfig {
        least_damping: 1e-16,
        ..GaussNewtonConfig::default()
    });
    let mut trainer = trainer(1, DType::F64, &optimizer);
    let constraints = equation_of_squares(DType::F64);
    for _ in 0..200 {
        trainer.step(&constraints).unwrap();
    }
    let coords: Vec<f64> = (0..=1000).map(|i| 2e-3 * f64::from(i) - 1.0).collect();
    let found = trainer.model().values(&coords).unwrap();
    let exact = |x: &f64| (2.0 * std::f64::consts::PI * x).sin() + (3.0 * x).cos();
    let pairs = || found.iter().zip(coords.iter().map(exact));
    let difference: f64 = pairs().map(|(u, exact)| (u - exact).powi(2)).sum();
    let error = (difference / pairs().map(|(_, exact)| exact * exact).sum::<f64>()).sqrt();
    assert!(error < 3e-7, "{error:e}");
}
