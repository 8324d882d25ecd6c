//! Adam and `AdamW`.

use serde::{Deserialize, Serialize};

use super::elementwise::{Before, Bounds, Elementwise, Rule, Slot, Value};
use super::evaluation::Evaluation;
use super::group::Group;
use super::sharded::Sharded;
use super::{Optimizer, OptimizerState, Problem, positive};
use crate::error::{Error, Result};
use crate::field::{AdamConstants, Parameters, Resident, ResidentAdam, ResidentGradient};
use crate::ranks::Ranks;

/// Names of the two state tensors.
const MOMENTS: [&str; 2] = ["first_moment", "second_moment"];

/// Settings of Adam and AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// β₁ and β₂, the decay rates of the two moments.
    pub betas: [f64; 2],
    /// ε, added to the denominator.
    pub epsilon: f64,
    /// Weight decay λ: added to the gradient by `adam`, decoupled from it by `adamw`.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl AdamConfig {
    /// Checks every value; `key` is the key of the table.
    pub(super) fn validate(&self, key: &str) -> Result<()> {
        positive(&format!("{key}.epsilon"), self.epsilon)?;
        if !self.betas.iter().all(|beta| (0.0..1.0).contains(beta)) {
            let (key, betas) = (format!("{key}.betas"), format!("{:?}", self.betas));
            return Err(Error::invalid(&key, betas, "two numbers from 0 to below 1"));
        }
        check_decay(&format!("{key}.weight_decay"), self.weight_decay)
    }
}

/// Checks a weight decay.
pub(super) fn check_decay(key: &str, decay: f64) -> Result<()> {
    if (decay as f32).is_finite() && decay >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid(key, decay, "a number of at least 0"))
}

/// Where weight decay acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decay {
    /// `weight_decay · θ` is added to the gradient (Adam).
    Coupled,
    /// θ is multiplied by `1 − η · weight_decay` (AdamW).
    Decoupled,
}

/// Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), as PyTorch computes them:
///
/// ```text
/// m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
/// θ ← θ (1 − η λ) − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
/// ```
///
/// with `λ = 0` for Adam, which instead adds `weight_decay · θ` to `g`.
pub(super) struct Adam {
    config: AdamConfig,
    decay: Decay,
    step: u64,
    moments: Elementwise<2>,
    /// The moments on the device of an engine, where those in `moments` are older.
    resident: Option<Box<dyn ResidentAdam>>,
}

impl Adam {
    /// Makes an optimizer of a group of the parameters, with zero moments.
    pub(super) fn new(
        config: &AdamConfig,
        decay: Decay,
        group: Group,
        parameters: &Parameters,
    ) -> Result<Self> {
        Ok(Self {
            config: config.clone(),
            decay,
            step: 0,
            moments: Elementwise::zeros(group, parameters)?,
            resident: None,
        })
    }

    /// Returns the rule of step `t`, counted from 1, for a gradient that is multiplied by `factor`.
    fn rule(&self, t: u64, learning_rate: f64, factor: f64) -> AdamConstants {
        let AdamConfig {
            betas,
            epsilon,
            weight_decay,
        } = self.config;
        let (decay, rest) = match self.decay {
            Decay::Coupled => (weight_decay, 1.0),
            Decay::Decoupled => (0.0, 1.0 - learning_rate * weight_decay),
        };
        AdamConstants {
            factor,
            betas,
            inverse_root: 1.0 / (1.0 - betas[1].powf(t as f64)).sqrt(),
            epsilon,
            rate: learning_rate / (1.0 - betas[0].powf(t as f64)),
            decay,
            rest,
        }
    }
}

impl Adam {
    /// Returns the number of steps taken.
    pub(super) fn steps_taken(&self) -> u64 {
        self.step
    }

    /// Takes one step with a gradient that is known.
    pub(super) fn apply(
        &mut self,
        parameters: &Parameters,
        evaluation: &Evaluation,
        learning_rate: f64,
    ) -> Result<()> {
        if let Some(gradient) = evaluation.gradient.resident() {
            let stepped = parameters.change_resident(|resident| {
                let Some(step) = self.resident_step(resident, evaluation, learning_rate)? else {
                    return Ok(false);
                };
                self.apply_resident(&step, resident, gradient)?;
                Ok(true)
            });
            if stepped? == Some(true) {
                return Ok(());
            }
        }
        self.bring_home()?;
        let rule = self.rule(self.step + 1, learning_rate, evaluation.factor);
        self.moments
            .step(&rule, parameters, evaluation, self.step)?;
        self.step += 1;
        Ok(())
    }

    /// Returns the next step on the device of an engine, if parameters and moments surely stay finite: only the CPU looks for numbers that do not.
    pub(super) fn resident_step(
        &self,
        parameters: &dyn Resident,
        evaluation: &Evaluation,
        learning_rate: f64,
    ) -> Result<Option<ResidentStep>> {
        let rule = self.rule(self.step + 1, learning_rate, evaluation.factor);
        let theta = if rule.decays() {
            parameters.norm()?
        } else {
            f64::INFINITY
        };
        let bounds = rule.bounds(Before {
            state: self.moments.finite_bounds()?,
            gradient: evaluation.norm,
            theta,
        });
        Ok(bounds.are_finite().then_some(ResidentStep {
            rule,
            moments: bounds.state,
        }))
    }

    /// Takes a step on the device of an engine.
    pub(super) fn apply_resident(
        &mut self,
        step: &ResidentStep,
        parameters: &dyn Resident,
        gradient: &dyn ResidentGradient,
    ) -> Result<()> {
        let moments = if let Some(moments) = &mut self.resident {
            moments
        } else {
            let [first, second] = self.moments.state();
            let ranges = self.moments.group().ranges();
            self.resident
                .insert(parameters.adam(ranges, [first, second])?)
        };
        moments.step(&step.rule, parameters, gradient)?;
        self.moments.set_bounds(Some(step.moments));
        self.step += 1;
        Ok(())
    }

    /// Copies the moments from the device of an engine, and goes on in CPU memory.
    pub(super) fn bring_home(&mut self) -> Result<()> {
        if let Some(resident) = &self.resident {
            let bounds = self.moments.bounds();
            self.moments.set_state(resident.read()?.into())?;
            self.moments.set_bounds(bounds);
            self.resident = None;
        }
        Ok(())
    }
}

/// One step on the device of an engine.
pub(super) struct ResidentStep {
    rule: AdamConstants,
    /// Upper bounds of the absolute values of the moments after it.
    moments: [f64; 2],
}

impl Optimizer for Adam {
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation> {
        let evaluation = problem.evaluate()?;
        self.apply(parameters, &evaluation, learning_rate)?;
        Ok(evaluation)
    }

    fn state(&self) -> Result<OptimizerState> {
        let moments = if let Some(resident) = &self.resident {
            resident.read()?
        } else {
            let [first, second] = self.moments.state();
            [first.copy()?, second.copy()?]
        };
        let named = MOMENTS.iter().zip(moments);
        let tensors = named.map(|(name, moment)| ((*name).to_owned(), moment));
        let tensors = tensors.collect();
        Ok(OptimizerState {
            step: self.step,
            tensors,
        })
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let shape = [self.moments.len()];
        let device = self.moments.state()[0].device().clone();
        let moments = MOMENTS
            .iter()
            .map(|name| state.tensor(name, &shape, &device));
        self.moments.set_state(moments.collect::<Result<_>>()?)?;
        self.resident = None;
        self.step = state.step;
        Ok(())
    }

    fn lets_tiles_rest(&self) -> bool {
        true
    }

    fn sharded(
        &self,
        parameters: &Parameters,
        ranks: &Ranks,
    ) -> Result<Option<Box<dyn Optimizer>>> {
        let own = Group::of_range(ranks.own_slice(parameters.len()));
        let slice = Self::new(&self.config, self.decay, own, parameters)?;
        let sharded = Sharded::new(slice, parameters.len(), ranks);
        Ok(Some(Box::new(sharded)))
    }
}

impl AdamConstants {
    /// Returns whether θ itself takes part in a step, beside the gradient.
    fn decays(&self) -> bool {
        self.decay > 0.0 || self.rest < 1.0
    }
}

impl Rule<2> for AdamConstants {
    #[inline(always)]
    fn update<V: Value>(&self, slot: Slot<V, 2>, gradient: V) -> Slot<V, 2> {
        let Slot {
            theta,
            state: [first, second],
        } = slot;
        let [beta_1, beta_2] = self.betas;
        let gradient = gradient.scaled(self.factor) + theta.clone().scaled(self.decay);
        let first = first.scaled(beta_1) + gradient.clone().scaled(1.0 - beta_1);
        let square = gradient.clone() * gradient;
        let second = second.scaled(beta_2) + square.scaled(1.0 - beta_2);
        let denominator = second
            .clone()
            .sqrt()
            .scaled(self.inverse_root)
            .plus(self.epsilon);
        let theta = theta.scaled(self.rest) - (first.clone() / denominator).scaled(self.rate);
        Slot {
            theta,
            state: [first, second],
        }
    }

    fn bounds(&self, before: Before<2>) -> Bounds<2> {
        let [beta_1, beta_2] = self.betas;
        let [first, second] = before.state;
        // Without weight decay θ does not matter, and it may be unknown.
        let [added, taken] = if self.decays() {
            [self.decay, (1.0 - self.rest).abs()].map(|factor| times(factor, before.theta))
        } else {
            [0.0; 2]
        };
        let largest = before.gradient * self.factor + added;
        let first = beta_1 * first + (1.0 - beta_1) * largest;
        let second = beta_2 * second + (1.0 - beta_2) * largest * largest;
        Bounds {
            state: [first, second],
            step: self.rate * first / self.epsilon + taken,
        }
    }
}

/// Returns a product in which 0 times infinity is 0.
fn times(factor: f64, bound: f64) -> f64 {
    if factor == 0.0 { 0.0 } else { factor * bound }
}
