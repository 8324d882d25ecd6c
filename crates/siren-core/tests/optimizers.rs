//! A test-only example of an optimizer: L-BFGS with a backtracking line search. It evaluates the loss several times a step, its state is a
//! growing list of tensors, and it resumes bit for bit through the same two methods as the shipped ones.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use siren_core::field::{FieldShape, Parameters, Siren, SirenConfig};
use siren_core::objective::{Constraint, ValueMse};
use siren_core::optimizer::{Evaluation, Optimizer, OptimizerState, Problem};
use siren_core::saved::to_safetensors;
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};
use siren_core::{Error, Result};

/// Pairs of steps and gradient differences that are kept.
const MEMORY: usize = 8;

/// L-BFGS (Nocedal & Wright, Numerical Optimization, algorithm 7.4).
#[derive(Default)]
struct Lbfgs {
    step: u64,
    /// Differences of parameters and of gradients, oldest first.
    pairs: Vec<(Tensor, Tensor)>,
}

fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok((a * b)?.sum_all()?.to_scalar::<f64>()?)
}

impl Lbfgs {
    /// Returns the product of the approximate inverse Hessian with a gradient.
    fn direction(&self, gradient: &Tensor) -> Result<Tensor> {
        let mut q = gradient.clone();
        let mut factors = Vec::new();
        for (s, y) in self.pairs.iter().rev() {
            let alpha = dot(s, &q)? / dot(s, y)?;
            q = (q - (y * alpha)?)?;
            factors.push(alpha);
        }
        if let Some((s, y)) = self.pairs.last() {
            q = (q * (dot(s, y)? / dot(y, y)?))?;
        }
        for ((s, y), alpha) in self.pairs.iter().zip(factors.into_iter().rev()) {
            let beta = dot(y, &q)? / dot(s, y)?;
            q = (q + (s * (alpha - beta))?)?;
        }
        Ok(q)
    }
}

impl Optimizer for Lbfgs {
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation> {
        let before = problem.evaluate()?;
        let theta = parameters.flat()?;
        let direction = self.direction(&before.gradient)?;
        let slope = dot(&direction, &before.gradient)?;
        let mut rate = if self.pairs.is_empty() {
            learning_rate
        } else {
            1.0
        };
        for _ in 0..20 {
            parameters.set(&(&theta - (&direction * rate)?)?)?;
            let after = problem.evaluate()?;
            if after.loss <= before.loss - 1e-4 * rate * slope {
                let s = (parameters.flat()? - &theta)?;
                let y = (&after.gradient - &before.gradient)?;
                if dot(&s, &y)? > 0.0 {
                    self.pairs.push((s, y));
                    self.pairs.drain(..self.pairs.len().saturating_sub(MEMORY));
                }
                self.step += 1;
                return Ok(after);
            }
            rate *= 0.5;
        }
        parameters.set(&theta)?;
        Err(Error::Diverged {
            step: self.step,
            what: "the line search".to_owned(),
        })
    }

    fn state(&self) -> Result<OptimizerState> {
        let mut tensors = Vec::new();
        for (index, (s, y)) in self.pairs.iter().enumerate() {
            tensors.push((format!("parameters.{index}"), s.copy()?));
            tensors.push((format!("gradients.{index}"), y.copy()?));
        }
        Ok(OptimizerState {
            step: self.step,
            tensors,
        })
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let find = |name: String| {
            let mut tensors = state.tensors.iter();
            tensors
                .find(|(own, _)| *own == name)
                .map(|(_, tensor)| tensor.clone())
        };
        let pair = |index: usize| {
            Some((
                find(format!("parameters.{index}"))?,
                find(format!("gradients.{index}"))?,
            ))
        };
        self.pairs = (0..).map_while(pair).collect();
        self.step = state.step;
        Ok(())
    }
}

fn field(seed: u64) -> Siren {
    let config = SirenConfig {
        hidden_features: 16,
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
    config
        .init(shape, &mut rng, DType::F64, &Device::Cpu)
        .unwrap()
}

fn constraints() -> [Constraint; 1] {
    let coords = Tensor::arange(-50.0, 51.0, &Device::Cpu).unwrap();
    let coords = (coords / 50.0).unwrap().reshape(((), 1)).unwrap();
    let targets = (&coords * 3.0).unwrap().sin().unwrap();
    let sample = Sample::with_targets(coords, targets).unwrap();
    [Constraint::new(
        "points",
        WholeSampler::new(sample),
        ValueMse,
    )]
}

fn trainer(seed: u64) -> Trainer {
    let config = TrainConfig {
        learning_rate: 1e-2,
        ..TrainConfig::default()
    };
    Trainer::with_optimizer(field(seed), &config, Box::new(Lbfgs::default())).unwrap()
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

#[test]
fn an_optimizer_with_a_line_search_and_a_growing_state_converges_and_resumes_bit_for_bit() {
    let constraints = constraints();
    let mut whole = trainer(1);
    let first = whole.step(&constraints).unwrap().loss;
    for _ in 0..30 {
        whole.step(&constraints).unwrap();
    }
    let mut resumed = trainer(2);
    let parameters = whole.model().parameters().flat().unwrap();
    resumed.model().parameters().set(&parameters).unwrap();
    let state = through_a_file(&whole.optimizer_state().unwrap());
    assert_eq!(state.tensors.len(), 2 * MEMORY);
    resumed.restore(whole.step_count(), &state).unwrap();
    let mut last = first;
    for _ in 0..30 {
        last = whole.step(&constraints).unwrap().loss;
        let resumed_loss = resumed.step(&constraints).unwrap().loss;
        assert_eq!(resumed_loss.to_bits(), last.to_bits());
    }
    assert!(
        last < 1e-4 * first,
        "the loss fell from {first} to {last} only"
    );
}
