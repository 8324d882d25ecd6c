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

use crate::error::{Error, Result};
use crate::field::Siren;
use crate::objective::Objective;
use crate::signal::Sampler;

pub use self::config::{OptimizerKind, ScheduleKind, TrainConfig};
pub use self::in_place::numbers_of;
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
        if let Some(term) = terms.iter().find(|term| !term.mean.is_finite()) {
            return Err(Error::Diverged {
                step: self.step,
                what: format!("`{}`", term.name),
            });
        }
        let learning_rate = self.config.learning_rate_at(self.step);
        let parameters = self.model.parameters();
        let gradient_norm = self.optimizer.step(parameters, &gradient, learning_rate)?;
        self.model.reuse(gradient);
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
