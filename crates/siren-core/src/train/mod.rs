//! Training: a [`Model`] reduces its constraints to a loss, and the optimizer takes a step.
//!
//! For a field, a sample is cut into chunks of a few thousand points; each runs forward, terms and reverse pass on its own, in
//! parallel over the threads of the current rayon pool, so hidden activations of a whole sample never exist at once.
//! Sums over chunks are taken along a binary tree whose shape depends on the number of chunks alone: the result does not
//! depend on the number of threads, bit for bit.

mod adam;
mod chunk;
mod config;
mod in_place;
mod model;
mod muon;
mod optimizer;
mod schedule;

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};
use crate::field::{Siren, read};
use crate::objective::Objective;
use crate::signal::Sampler;

pub use self::config::{OptimizerKind, ScheduleKind, TrainConfig};
pub use self::in_place::sum_of_squares;
pub use self::model::{Blueprint, Loss, Model, differentiate};
pub use self::muon::MuonConfig;
pub use self::optimizer::{Moments, Optimizer};

/// A constraint on its own domain: points from `sampler`, judged by `objective`.
pub struct Constraint {
    /// Where it holds.
    pub sampler: Box<dyn Sampler>,
    /// What holds there.
    pub objective: Box<dyn Objective>,
}

/// One named part of the loss: its mean over the points of its sample, unweighted.
#[derive(Clone, Debug, PartialEq)]
pub struct TermReport {
    /// As the objective names it.
    pub name: String,
    /// Mean over points.
    pub mean: f64,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Steps taken so far, this one included.
    pub step: u64,
    /// Weighted sum of the terms, before the step.
    pub loss: f64,
    /// The parts of the loss.
    pub terms: Vec<TermReport>,
    /// Used in this step.
    pub learning_rate: f64,
    /// Euclidean norm of the gradient before clipping.
    pub gradient_norm: f64,
}

/// A model on its way to satisfying constraints.
pub struct Trainer<M = Siren> {
    model: M,
    config: TrainConfig,
    optimizer: Optimizer,
    step: u64,
}

impl<M: Model> Trainer<M> {
    /// At step 0.
    ///
    /// # Errors
    /// If a value of the config is out of range.
    pub fn new(model: M, config: &TrainConfig) -> Result<Self> {
        config.validate()?;
        let optimizer = Optimizer::new(config, model.parameters(), model.layout())?;
        Ok(Self {
            model,
            config: config.clone(),
            optimizer,
            step: 0,
        })
    }

    /// The model as it is now.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Steps taken.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// The optimizer's state after the steps taken, for a checkpoint.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        self.optimizer.moments()
    }

    /// Continues after `step` steps with these moments; the model's parameters must be those of the same moment.
    ///
    /// # Errors
    /// If the moments are of another network.
    pub fn restore(&mut self, step: u64, moments: &Moments) -> Result<()> {
        self.optimizer.restore(moments)?;
        self.step = step;
        Ok(())
    }

    /// Draws a sample for every constraint, sums loss and gradient, clips, and steps.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss, the gradient or the step is not finite; parameters and moments are then untouched.
    pub fn step(&mut self, constraints: &[M::Constraint]) -> Result<StepReport> {
        let Loss {
            value: loss,
            terms,
            gradient,
        } = self.loss_and_gradient(constraints)?;
        let step = self.step;
        let finite = |what: String, value: f64| {
            if value.is_finite() {
                return Ok(value);
            }
            Err(Error::Diverged { step, what })
        };
        for term in &terms {
            finite(format!("`{}`", term.name), term.mean)?;
        }
        // In f64: the square of a large but finite f32 would overflow, and clipping is there to mend just that.
        let norm = length(&gradient)?;
        let gradient_norm = finite("the gradient".to_owned(), norm)?;
        let gradient = match self.config.clip_norm {
            // PyTorch's `clip_grad_norm_` divides by the norm plus 1e-6.
            Some(limit) if gradient_norm > limit => {
                scaled(gradient, limit / (gradient_norm + 1e-6))?
            }
            _ => gradient,
        };
        let learning_rate = self.config.learning_rate_at(self.step);
        self.optimizer
            .step(self.model.parameters(), &gradient, learning_rate)?;
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            loss,
            terms,
            learning_rate,
            gradient_norm,
        })
    }

    /// Loss, its terms, and its gradient in the flat parameters `(P,)` at the current step's samples.
    ///
    /// # Errors
    /// If a sampler or an objective fails.
    pub fn loss_and_gradient(&self, constraints: &[M::Constraint]) -> Result<Loss> {
        self.model.loss_and_gradient(constraints, self.step)
    }
}

/// Euclidean norm.
fn length(tensor: &Tensor) -> Result<f64> {
    let here = tensor.to_device(&Device::Cpu)?.contiguous()?;
    let sum = match here.dtype() {
        DType::F64 => read(&here, sum_of_squares::<f64>)?,
        _ => read(&here, sum_of_squares::<f32>)?,
    };
    Ok(sum.sqrt())
}

/// A tensor that nothing else holds, times a number.
fn scaled(tensor: Tensor, factor: f64) -> Result<Tensor> {
    match (tensor.device().is_cpu(), tensor.dtype()) {
        (true, DType::F64) => in_place::scale::<f64>(&tensor, factor)?,
        (true, _) => in_place::scale::<f32>(&tensor, factor)?,
        (false, _) => return Ok((tensor * factor)?),
    }
    Ok(tensor)
}
