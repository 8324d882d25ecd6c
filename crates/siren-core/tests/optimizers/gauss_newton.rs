//! Gauss–Newton on linear problems and through failures, and the residuals that it minimizes.

use candle_core::{DType, Device, Tensor};
use siren_core::field::Parameters;
use siren_core::objective::{Constraint, Derivatives, Share, ValueMse};
use siren_core::optimizer::{
    Evaluation, GaussNewtonConfig, Linearization, OptimizerConfig, Problem,
};
use siren_core::ranks::Ranks;
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{Model as _, Time};
use siren_core::{Error, Result};

use super::{dot, field};

/// The loss `‖A θ − b‖²` of all parameters.
struct LinearProblem<'a> {
    parameters: &'a Parameters,
    matrix: Tensor,
    target: Tensor,
}

impl<'a> LinearProblem<'a> {
    /// Makes a problem of so many residuals, whose values look random.
    fn new(parameters: &'a Parameters, residuals: usize) -> Self {
        let values = |count: usize| (0..count).map(|i| (1e3 * (i as f64 + 0.5).sin()).sin());
        let count = parameters.len();
        let matrix = Tensor::from_iter(values(residuals * count), &Device::Cpu).unwrap();
        Self {
            matrix: matrix.reshape((residuals, count)).unwrap(),
            target: Tensor::from_iter(values(residuals), &Device::Cpu).unwrap(),
            parameters,
        }
    }

    fn residuals(&self) -> Result<Tensor> {
        let theta = self.parameters.flat()?.unsqueeze(1)?;
        Ok((self.matrix.matmul(&theta)?.squeeze(1)? - &self.target)?)
    }
}

impl Problem for LinearProblem<'_> {
    fn evaluate(&mut self) -> Result<Evaluation> {
        let residuals = self.residuals()?;
        let slope = residuals.unsqueeze(0)?.matmul(&self.matrix)?;
        let gradient = (slope.squeeze(0)? * 2.0)?;
        Evaluation::new(dot(&residuals, &residuals)?, gradient, None, 0)
    }

    fn linearize(&mut self) -> Result<Linearization> {
        Ok(Linearization {
            residuals: self.residuals()?.to_vec1()?,
            jacobian: self.matrix.clone(),
        })
    }
}

#[test]
fn gauss_newton_solves_linear_least_squares_in_one_step() {
    let config = OptimizerConfig::GaussNewton(GaussNewtonConfig {
        damping: 1e-8,
        least_damping: 1e-8,
        ..GaussNewtonConfig::default()
    });
    // Fewer residuals than parameters, and more.
    for residuals in [100, 500] {
        let field = field(1, DType::F64);
        let parameters = field.parameters();
        let mut problem = LinearProblem::new(parameters, residuals);
        let mut optimizer = config.init(parameters, 1.0).unwrap();
        let before = problem.evaluate().unwrap();
        optimizer.step(parameters, &mut problem, 1.0).unwrap();
        let after = problem.evaluate().unwrap();
        assert_eq!(
            residuals < parameters.len(),
            after.loss < 1e-12 * before.loss
        );
        // The gradient of the least loss is zero.
        assert!(
            after.norm < 1e-5 * before.norm,
            "{:e} of {:e}",
            after.norm,
            before.norm
        );
    }
}

/// A problem whose evaluations fail from the second one on.
struct Failing<'a> {
    inner: LinearProblem<'a>,
    evaluations: usize,
}

impl Problem for Failing<'_> {
    fn evaluate(&mut self) -> Result<Evaluation> {
        self.evaluations += 1;
        if self.evaluations > 1 {
            return Err(Error::NoConstraints);
        }
        self.inner.evaluate()
    }

    fn linearize(&mut self) -> Result<Linearization> {
        self.inner.linearize()
    }
}

#[test]
fn gauss_newton_leaves_parameters_and_state_as_they_were_if_a_trial_fails() {
    let field = field(1, DType::F64);
    let parameters = field.parameters();
    let config = OptimizerConfig::GaussNewton(GaussNewtonConfig::default());
    let mut optimizer = config.init(parameters, 1.0).unwrap();
    let mut problem = Failing {
        inner: LinearProblem::new(parameters, 50),
        evaluations: 0,
    };
    let values = |tensor: &Tensor| tensor.to_vec1::<f64>().unwrap();
    let before = values(&parameters.flat().unwrap());
    let step = optimizer.step(parameters, &mut problem, 1.0);
    assert!(matches!(step, Err(Error::NoConstraints)) && problem.evaluations == 2);
    assert_eq!(values(&parameters.flat().unwrap()), before);
    let state = optimizer.state().unwrap();
    assert_eq!(state.step, 0);
    assert!(state.tensors.iter().all(|(name, tensor)| {
        name != "direction" || values(tensor).iter().all(|&x| x.to_bits() == 0)
    }));
}

#[test]
fn residuals_and_their_jacobian_give_the_loss_and_its_gradient() {
    // More points than are linearized at once, and weights and divisors other than 1.
    let points = 600;
    let values = |count: usize| (0..count).map(|i| (0.7 * i as f64).sin());
    let coords = Tensor::from_iter(values(points), &Device::Cpu).unwrap();
    let coords = coords.reshape((points, 1)).unwrap();
    let targets = |width: usize| {
        let targets = Tensor::from_iter(values(points * width).map(f64::cos), &Device::Cpu);
        targets.unwrap()
    };
    let share = |weight, divisor| Share { weight, divisor };
    let sample = |targets: Tensor| Sample::with_targets(coords.clone(), targets).unwrap();
    let value = sample(targets(1).reshape((points, 1)).unwrap());
    let slopes = sample(targets(2).reshape((points, 1, 2)).unwrap());
    let derivatives = Derivatives::new(1, share(2.0, 3.0), share(0.5, 7.0));
    let constraints = [
        Constraint::new("value", WholeSampler::new(value), ValueMse).weighted(5.0),
        Constraint::new("slopes", WholeSampler::new(slopes), derivatives).weighted(0.1),
    ];
    let time = Time {
        step: 0,
        progress: 0.0,
        rounding: None,
    };
    let field = field(3, DType::F64);
    let loss = field
        .loss_and_gradient(&constraints, time, &Ranks::one())
        .unwrap();
    let Linearization {
        residuals,
        jacobian,
    } = field.linearize(&constraints, time).unwrap();
    let sum: f64 = residuals.iter().map(|r| r * r).sum();
    assert!((sum / loss.value - 1.0).abs() < 1e-12);
    let row = Tensor::from_vec(residuals, (1, 3 * points), &Device::Cpu).unwrap();
    let gradient = (row.matmul(&jacobian).unwrap().squeeze(0).unwrap() * 2.0).unwrap();
    let expected = loss.gradient.tensor().unwrap();
    let error = (gradient - &expected).unwrap();
    let norm = |tensor: &Tensor| dot(tensor, tensor).unwrap().sqrt();
    assert!(norm(&error) < 1e-11 * norm(&expected), "{}", norm(&error));
}
