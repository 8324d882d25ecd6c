//! Tests the methods on functions whose minimum is known.

use candle_core::{DType, Device, Tensor};

use super::line_search::{CURVATURE, SUFFICIENT_DECREASE};
use super::vector::{difference, dot, from_tensor};
use crate::error::{Error, Result};
use crate::field::{Layout, Parameters, Role};
use crate::optimizer::{Evaluation, LbfgsConfig, Optimizer, OptimizerConfig, SsBroydenConfig};

/// A function and its gradient.
type Function = fn(&[f64]) -> (f64, Vec<f64>);

/// `½ Σ kᵢ xᵢ²` with `k` from 1 to 100.
fn quadratic(x: &[f64]) -> (f64, Vec<f64>) {
    let stiffness = |i: usize| 100f64.powf(i as f64 / (x.len() - 1) as f64);
    let gradient: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(i, x)| stiffness(i) * x)
        .collect();
    (0.5 * dot(x, &gradient), gradient)
}

/// `Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²`.
fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let mut loss = 0.0;
    let mut gradient = vec![0.0; x.len()];
    for i in 0..x.len() - 1 {
        let (bend, rest) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        loss += 100.0 * bend * bend + rest * rest;
        gradient[i] -= 400.0 * bend * x[i] + 2.0 * rest;
        gradient[i + 1] += 200.0 * bend;
    }
    (loss, gradient)
}

fn methods() -> [OptimizerConfig; 2] {
    [
        OptimizerConfig::Lbfgs(LbfgsConfig::default()),
        OptimizerConfig::SsBroyden(SsBroydenConfig::default()),
    ]
}

/// An optimizer at work on a function.
struct Run {
    parameters: Parameters,
    optimizer: Box<dyn Optimizer>,
    function: Function,
    evaluations: usize,
}

impl Run {
    fn new(config: &OptimizerConfig, start: &[f64], function: Function) -> Self {
        Self::of_type(config, start, function, DType::F64)
    }

    fn of_type(config: &OptimizerConfig, start: &[f64], function: Function, dtype: DType) -> Self {
        let mut layout = Layout::default();
        layout.push("x", &[start.len()], Role::HiddenWeight);
        let start = Tensor::new(start, &Device::Cpu).unwrap();
        let parameters = Parameters::new(&start.to_dtype(dtype).unwrap(), layout).unwrap();
        Self {
            optimizer: config.init(&parameters, 1.0).unwrap(),
            parameters,
            function,
            evaluations: 0,
        }
    }

    fn place(&self) -> Vec<f64> {
        from_tensor(self.parameters.var().unwrap()).unwrap()
    }

    fn loss(&self) -> f64 {
        (self.function)(&self.place()).0
    }

    fn try_step(&mut self) -> Result<Evaluation> {
        let (parameters, function) = (&self.parameters, self.function);
        let mut evaluate = || {
            self.evaluations += 1;
            let (loss, gradient) = function(&from_tensor(parameters.var()?)?);
            let gradient = Tensor::new(gradient, &Device::Cpu)?.to_dtype(parameters.dtype())?;
            Evaluation::new(loss, gradient, None, 0)
        };
        self.optimizer.step(parameters, &mut evaluate, 1.0)
    }

    fn step(&mut self) {
        self.try_step().unwrap();
    }
}

#[test]
fn a_quadratic_of_twenty_dimensions_is_solved_to_rounding_within_three_times_as_many_steps() {
    for config in methods() {
        let mut run = Run::new(&config, &[1.0; 20], quadratic);
        let mut losses = vec![run.loss()];
        while losses.len() <= 60 {
            run.step();
            losses.push(run.loss());
        }
        let ratio = |steps: usize| losses[steps] / losses[0];
        assert!(ratio(60) < 1e-20, "{config:?}: {losses:?}");
        // Superlinear: the second half gains more digits than the first.
        assert!(ratio(60) < ratio(30) * ratio(30), "{config:?}: {losses:?}");
    }
}

#[test]
fn every_step_meets_the_strong_wolfe_conditions_until_the_minimum_of_the_rosenbrock_function() {
    for config in methods() {
        let mut run = Run::new(&config, &[-1.2, 1.0, -1.2, 1.0, -1.2, 1.0], rosenbrock);
        let mut count = 0;
        while run.loss() > 1e-18 {
            let before = run.place();
            let (loss, gradient) = rosenbrock(&before);
            run.step();
            let (new_loss, new_gradient) = rosenbrock(&run.place());
            let step = difference(&run.place(), &before);
            let (slope, new_slope) = (dot(&step, &gradient), dot(&step, &new_gradient));
            assert!(
                new_loss <= loss + SUFFICIENT_DECREASE * slope,
                "step {count}"
            );
            assert!(new_slope.abs() <= CURVATURE * slope.abs(), "step {count}");
            count += 1;
            assert!(count < 150, "{config:?} is at {new_loss}");
        }
        let close = run.place().iter().all(|x| (x - 1.0).abs() < 1e-7);
        assert!(close, "{config:?}: {:?}", run.place());
        assert!(run.evaluations < 3 * count, "{} {count}", run.evaluations);
    }
}

#[test]
fn steps_after_convergence_neither_fail_nor_move_nor_search_again() {
    for (dtype, rounding) in [(DType::F32, 1e-10), (DType::F64, 1e-20)] {
        for config in methods() {
            let start = [-1.2, 1.0, -1.2, 1.0];
            let mut run = Run::of_type(&config, &start, rosenbrock, dtype);
            let mut last = run.loss();
            for _ in 0..300 {
                run.step();
                assert!(run.loss() <= last);
                last = run.loss();
            }
            assert!(last < rounding, "{config:?} {dtype:?}: {last}");
            let (place, evaluations) = (run.place(), run.evaluations);
            for _ in 0..300 {
                run.step();
            }
            assert_eq!((run.place(), run.evaluations), (place, evaluations + 300));
        }
    }
}

#[test]
fn a_trial_where_the_loss_is_not_finite_is_stepped_back_from() {
    // Finite for |x| < 0.1 only; the first trial is 1 away.
    let wall: Function = |x| {
        let inside = 1.0 - 100.0 * x[0] * x[0];
        (-inside.ln() - x[0], vec![200.0 * x[0] / inside - 1.0])
    };
    for config in methods() {
        let mut run = Run::new(&config, &[0.09], wall);
        for _ in 0..30 {
            run.step();
        }
        let minimum = 1.01f64.sqrt() - 1.0;
        assert!((run.place()[0] - minimum).abs() < 1e-7);
    }
}

#[test]
fn an_error_in_the_middle_of_a_search_changes_neither_parameters_nor_state() {
    for config in methods() {
        let mut run = Run::new(&config, &[-1.2, 1.0], rosenbrock);
        for _ in 0..5 {
            run.step();
        }
        let state = |run: &Run| {
            let state = run.optimizer.state().unwrap();
            let own = state.tensors.iter().map(|(_, tensor)| tensor);
            let own = own.map(|tensor| from_tensor(&tensor.flatten_all().unwrap()).unwrap());
            (state.step, own.collect::<Vec<_>>(), run.place())
        };
        let before = state(&run);
        let (mut count, parameters) = (0, &run.parameters);
        let mut evaluate = || {
            count += 1;
            if count > 1 {
                return Err(Error::NoConstraints);
            }
            let (loss, gradient) = rosenbrock(&from_tensor(parameters.var()?)?);
            Evaluation::new(loss, Tensor::new(gradient, &Device::Cpu)?, None, 5)
        };
        let error = run.optimizer.step(parameters, &mut evaluate, 1.0);
        assert!(matches!(error, Err(Error::NoConstraints)));
        assert_eq!(state(&run), before);
        run.step();
        assert_ne!(state(&run), before);
    }
}

#[test]
fn a_state_of_other_shapes_is_refused_and_leaves_the_own_one_as_it_was() {
    for config in methods() {
        let mut run = Run::new(&config, &[-1.2, 1.0], rosenbrock);
        for _ in 0..3 {
            run.step();
        }
        let mut other = Run::new(&config, &[-1.2, 1.0, 1.0], rosenbrock);
        for _ in 0..2 {
            other.step();
        }
        let state = other.optimizer.state().unwrap();
        let error = run.optimizer.restore(&state).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
        let mut missing = run.optimizer.state().unwrap();
        assert_eq!(missing.step, 3);
        missing.tensors.remove(0);
        let error = run.optimizer.restore(&missing).unwrap_err();
        assert!(
            matches!(error, Error::Missing { .. } | Error::Shape { .. }),
            "{error}"
        );
        run.step();
        let mut reference = Run::new(&config, &[-1.2, 1.0], rosenbrock);
        for _ in 0..4 {
            reference.step();
        }
        assert_eq!(run.place(), reference.place());
    }
}
