//! Training: a [`Model`] reduces its constraints to a loss, and the optimizer takes a step.
//!
//! For a field, a sample is cut into chunks of points; each runs forward pass, terms and backward pass on its own, in parallel over the
//! threads of the current rayon pool, so hidden activations of a whole sample never exist at once. Sums over chunks are taken along a
//! binary tree whose shape depends on the number of chunks alone: the result does not depend on the number of threads, bit for bit.
//! A functional takes two passes: the values at all points, without a graph, and then the backward passes of the chunks with its gradient.

mod budget;
mod chunk;
mod config;
mod fit;
mod functional;
mod linearize;
mod model;
mod precision;
mod rest;
mod scatter;
mod schedule;
mod share;
mod start;
mod stop;
mod task;
mod tree;

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::field::{RestingTiles, Siren};
use crate::optimizer::{Evaluation, Linearization, Optimizer, OptimizerState, Problem};
use crate::ranks::Ranks;

use self::rest::Rest;

pub use crate::field::differentiate;

pub use self::budget::{Budget, Evaluations};
pub use self::config::{ScheduleKind, TrainConfig};
pub use self::fit::{Fit, FitConfig, resolve};
pub use self::model::{Blueprint, Loss, Model, Time};
pub use self::precision::Precision;
pub use self::start::{must_start, prepare};
pub use self::stop::StopToken;
pub use self::task::Task;

/// One named part of the loss: its mean over the points of its sample, unweighted.
#[derive(Clone, Debug, PartialEq)]
pub struct TermReport {
    /// Name that the objective gives it.
    pub name: String,
    /// Mean over points.
    pub mean: f64,
}

/// Report of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Steps taken so far, this one included.
    pub step: u64,
    /// Weighted sum of the terms, before the step.
    pub loss: f64,
    /// Parts of the loss.
    pub terms: Vec<TermReport>,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Euclidean norm of the gradient before clipping.
    pub gradient_norm: f64,
}

/// The loss of a model at one step.
struct StepProblem<'a, M: Model> {
    model: &'a M,
    constraints: &'a [M::Constraint],
    time: Time,
    clip_norm: Option<f64>,
    ranks: &'a Ranks,
    /// The tiles that rest, in a training where tiles may.
    resting: Option<&'a RestingTiles>,
    state: StatePlace,
    /// What the report of the step says.
    first: Option<FirstEvaluation>,
}

/// The first evaluation of a step, before the parameters change.
#[derive(Default)]
struct FirstEvaluation {
    loss: f64,
    terms: Vec<TermReport>,
    gradient_norm: f64,
}

impl<M: Model> Problem for StepProblem<'_, M> {
    fn evaluate(&mut self) -> Result<Evaluation> {
        let (model, constraints) = (self.model, self.constraints);
        let Loss {
            value,
            terms,
            gradient,
        } = match self.resting {
            None => model.loss_and_gradient(constraints, self.time, self.ranks)?,
            Some(resting) => model.loss_of_active_tiles(constraints, self.time, resting)?,
        };
        let step = self.time.step;
        if let Some(term) = terms.iter().find(|term| !term.mean.is_finite()) {
            return Err(Error::Diverged {
                step,
                what: format!("`{}`", term.name),
            });
        }
        let gradient = match self.state {
            StatePlace::Whole => scatter::complete(gradient, self.ranks)?,
            StatePlace::Slices => gradient,
        };
        let norm = scatter::norm(&gradient, self.ranks)?;
        let evaluation = Evaluation::with_norm(value, gradient, norm, self.clip_norm, step)?;
        self.first.get_or_insert(FirstEvaluation {
            loss: value,
            terms,
            gradient_norm: evaluation.norm,
        });
        Ok(evaluation)
    }

    fn linearize(&mut self) -> Result<Linearization> {
        self.model.linearize(self.constraints, self.time)
    }
}

/// Where the state of an optimizer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatePlace {
    /// Every rank has all of it.
    Whole,
    /// Every rank has that of its slice of the parameters.
    Slices,
}

/// A model in training.
pub struct Trainer<M = Siren> {
    model: M,
    config: TrainConfig,
    optimizer: Box<dyn Optimizer>,
    step: u64,
    ranks: Ranks,
    state: StatePlace,
    /// The tiles that rest, if the config lets them.
    rest: Option<Rest>,
}

impl<M: Model> Trainer<M> {
    /// Makes a trainer at step 0, with the optimizer of the config. On a CUDA device, `train.precision` chooses that of products.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value of the config is out of range, or the engine of the model does not compute in its precision; also for
    /// `train.seconds`, which a [`Budget`] replaces by a number of steps.
    pub fn new(model: M, config: &TrainConfig) -> Result<Self> {
        config.validate()?;
        let optimizer = config
            .optimizer
            .init(model.parameters(), config.learning_rate)?;
        Self::with_optimizer(model, config, optimizer)
    }

    /// Makes a trainer at step 0 with an optimizer that no config names.
    ///
    /// # Errors
    /// As [`new`](Self::new); also for `train.rest_db` with an optimizer that does not let tiles rest.
    pub fn with_optimizer(
        model: M,
        config: &TrainConfig,
        optimizer: Box<dyn Optimizer>,
    ) -> Result<Self> {
        config.validate()?;
        if let Some(seconds) = config.seconds {
            let expected = "no value here, because only a run measures time: give `train.steps`, or start a run";
            return Err(Error::invalid("train.seconds", seconds, expected));
        }
        let rest = config
            .rest_db
            .map(|rest_db| Rest::new(rest_db, model.network().tiles()));
        if let Some(rest_db) = config.rest_db
            && !optimizer.lets_tiles_rest()
        {
            let expected =
                "no value with this optimizer, which steps all parameters: remove the key";
            return Err(rest::refused(rest_db, expected));
        }
        let engine = config.precision.engine(model.network().engine())?;
        Ok(Self {
            model: model.on(&engine)?,
            config: config.clone(),
            optimizer,
            step: 0,
            ranks: Ranks::one(),
            state: StatePlace::Whole,
            rest,
        })
    }

    /// Shares all steps with other ranks, which must make the same trainer and call the same methods. Call it before the first step.
    ///
    /// The parameters of a field are then the same, bit for bit, on all ranks and for any number of them. Each rank computes its share of the
    /// points of pointwise constraints; functionals, the residuals of Gauss–Newton and optimizers are computed by every rank alike, except that Muon shares matrices. A hypernetwork
    /// shares pictures, and each rank has the state of Adam for its slice of the parameters; the result depends on the number of ranks, to
    /// rounding.
    ///
    /// # Errors
    /// If the device is out of memory; [`Error::InvalidValue`] for `train.rest_db` with several ranks.
    pub fn among(mut self, ranks: &Ranks) -> Result<Self> {
        if let Some(rest_db) = self.config.rest_db
            && ranks.count() > 1
        {
            let expected = "no value with several ranks: remove the key, or start one process";
            return Err(rest::refused(rest_db, expected));
        }
        self.ranks = ranks.clone();
        self.optimizer.among(ranks);
        if M::IS_SHARDED && ranks.count() > 1 {
            let sharded = self.optimizer.sharded(self.model.parameters(), ranks)?;
            if let Some(optimizer) = sharded {
                self.optimizer = optimizer;
                self.state = StatePlace::Slices;
            }
        }
        Ok(self)
    }

    /// Returns the model as it is now.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Returns the model, and ends the training.
    #[must_use]
    pub fn into_model(self) -> M {
        self.model
    }

    /// Returns the number of steps taken.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Returns whether all steps of the config are taken, or all tiles rest.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.step >= self.config.steps || self.rest.as_ref().is_some_and(Rest::is_complete)
    }

    /// Returns the tiles that rest, in a training where tiles may (`train.rest_db`).
    #[must_use]
    pub fn resting_tiles(&self) -> Option<&RestingTiles> {
        self.rest.as_ref().map(Rest::resting)
    }

    /// Returns the config.
    #[must_use]
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Returns a copy of the optimizer's state after the steps taken, for a checkpoint, and with it which tiles rest. Of several ranks, all must call this function; rank 0 gets
    /// the whole state, the others perhaps none.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn optimizer_state(&self) -> Result<OptimizerState> {
        let mut state = self.optimizer.state()?;
        if let Some(rest) = &self.rest {
            rest.save(&mut state)?;
        }
        Ok(state)
    }

    /// Continues after `step` steps with what [`optimizer_state`](Self::optimizer_state) returned; the model's parameters must be those of the same step.
    ///
    /// # Errors
    /// If the state is that of another network or optimizer.
    pub fn restore(&mut self, step: u64, state: &OptimizerState) -> Result<()> {
        let rest = self.rest.as_ref().map(|rest| rest.restored(state));
        let rest = rest.transpose()?;
        self.optimizer.restore(state)?;
        self.rest = rest;
        self.step = step;
        Ok(())
    }

    /// Draws a sample for every constraint, computes loss and gradient, clips the gradient, and takes a step of the optimizer. Where tiles rest
    /// (`train.rest_db`), the loss is the sum over the other points, divided by the number of all.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss, the gradient or the step is not finite, [`Error::NotFinite`] if the data is not; parameters and
    /// optimizer state are then unchanged. Also as [`must_train`](Self::must_train).
    pub fn step(&mut self, constraints: &[M::Constraint]) -> Result<StepReport> {
        let learning_rate = self.config.learning_rate_at(self.step);
        self.must_train(constraints)?;
        let mut step = StepProblem {
            model: &self.model,
            constraints,
            time: self.time(),
            clip_norm: self.config.clip_norm,
            ranks: &self.ranks,
            resting: self.rest.as_ref().map(Rest::resting),
            state: self.state,
            first: None,
        };
        let parameters = self.model.parameters();
        let evaluation = self.optimizer.step(parameters, &mut step, learning_rate)?;
        let first = step.first.unwrap_or_default();
        self.step += 1;
        if let Some(rest) = &mut self.rest {
            rest.count(self.step, &evaluation.gradient);
        }
        if let Some(gradient) = evaluation.gradient.into_memory() {
            self.model.reuse(gradient);
        }
        let FirstEvaluation {
            loss,
            terms,
            gradient_norm,
        } = first;
        Ok(StepReport {
            step: self.step,
            loss,
            terms,
            learning_rate,
            gradient_norm,
        })
    }

    /// Takes the steps that the config still asks for.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run(&mut self, constraints: &[M::Constraint]) -> Result<()> {
        self.run_with(constraints, |_, _| Ok(ControlFlow::Continue(())))
    }

    /// Takes the steps that the config still asks for, and calls `after_step` after each. `Break` and an error end the training.
    ///
    /// # Errors
    /// As [`step`](Self::step), and those of `after_step`.
    pub fn run_with(
        &mut self,
        constraints: &[M::Constraint],
        mut after_step: impl FnMut(&M, &StepReport) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        while !self.is_finished() {
            let report = self.step(constraints)?;
            if after_step(&self.model, &report)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Checks that the model can be trained on these constraints as the config says, as every step does.
    ///
    /// # Errors
    /// As [`TrainConfig::must_train`].
    pub fn must_train(&self, constraints: &[M::Constraint]) -> Result<()> {
        self.config.must_train(&self.model, constraints)
    }

    /// Computes the loss, its terms, and its gradient with respect to the flat parameters `(P,)` at the samples of the current step.
    ///
    /// # Errors
    /// As [`must_train`](Self::must_train); if a sampler or an objective fails.
    pub fn loss_and_gradient(&self, constraints: &[M::Constraint]) -> Result<Loss> {
        self.must_train(constraints)?;
        let (model, time) = (&self.model, self.time());
        match self.resting_tiles() {
            None => model.loss_and_gradient(constraints, time, &self.ranks),
            Some(resting) => model.loss_of_active_tiles(constraints, time, resting),
        }
    }

    fn time(&self) -> Time {
        Time {
            step: self.step,
            progress: self.step as f64 / self.config.steps as f64,
            rounding: self.config.rounding_at(self.step),
        }
    }
}
