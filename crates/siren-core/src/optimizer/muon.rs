//! Muon.

mod matrix;
mod shared;

use candle_core::Tensor;
use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};

use self::matrix::{LARGEST_SINGULAR_VALUE, MatrixRule, scale};
use self::shared::MatrixStep;
use super::adam::{Adam, AdamConfig, Decay, check_decay};
use super::elementwise::are_far_from_infinite;
use super::evaluation::Evaluation;
use super::group::Group;
use super::{Optimizer, OptimizerState, Problem, positive};
use crate::config::variant::{self, Variant};
use crate::error::{Error, Result};
use crate::field::{
    Entry, FlatGradient, MuonConstants, Parameters, Resident, ResidentGradient, ResidentMatrix,
    ResidentMuon, Role,
};
use crate::ranks::Ranks;

/// Settings of Muon (Jordan et al. 2024; for fields, arXiv 2512.14366), which updates the hidden weight matrices, those between the first and
/// the last layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MuonConfig {
    /// Learning rate of the hidden matrices. It follows `train.schedule`.
    pub learning_rate: f64,
    /// Momentum μ.
    pub momentum: f64,
    /// Number of Newton–Schulz iterations per step.
    pub iterations: usize,
    /// Decoupled weight decay of the hidden matrices.
    pub weight_decay: f64,
    /// Optimizer of all other parameters. It uses `train.learning_rate`.
    pub others: OthersConfig,
}

/// Optimizer of the parameters that Muon does not update: a name, `"adam"` or `"adamw"`, or a table such as
/// `{ adam = { epsilon = 1e-6 } }`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OthersConfig {
    /// Adam.
    Adam(AdamConfig),
    /// Adam with decoupled weight decay.
    AdamW(AdamConfig),
}

impl Default for OthersConfig {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

/// The names that `train.optimizer.muon.others` may hold.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OthersName {
    Adam,
    AdamW,
}

impl<'de> Variant<'de> for OthersConfig {
    type Name = OthersName;
    const EXPECTED: &'static str =
        "`adam` or `adamw`, as a name or as a table such as { adam = { epsilon = 1e-6 } }";

    fn with_defaults(name: OthersName) -> Self {
        match name {
            OthersName::Adam => Self::Adam(AdamConfig::default()),
            OthersName::AdamW => Self::AdamW(AdamConfig::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: OthersName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(Some(match name {
            OthersName::Adam => Self::Adam(settings.next_value()?),
            OthersName::AdamW => Self::AdamW(settings.next_value()?),
        }))
    }
}

impl<'de> Deserialize<'de> for OthersConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

impl Default for MuonConfig {
    fn default() -> Self {
        Self {
            learning_rate: 5e-3,
            momentum: 0.95,
            iterations: 5,
            weight_decay: 0.0,
            others: OthersConfig::default(),
        }
    }
}

impl MuonConfig {
    /// Checks every value; `key` is the key of the table.
    pub(super) fn validate(&self, key: &str) -> Result<()> {
        positive(&format!("{key}.learning_rate"), self.learning_rate)?;
        if !(0.0..1.0).contains(&self.momentum) {
            let expected = "a number from 0 to below 1";
            return Err(Error::invalid(
                &format!("{key}.momentum"),
                self.momentum,
                expected,
            ));
        }
        if !(1..=20).contains(&self.iterations) {
            let key = format!("{key}.iterations");
            return Err(Error::invalid(&key, self.iterations, "1 to 20"));
        }
        check_decay(&format!("{key}.weight_decay"), self.weight_decay)?;
        match &self.others {
            OthersConfig::Adam(adam) => adam.validate(&format!("{key}.others.adam")),
            OthersConfig::AdamW(adam) => adam.validate(&format!("{key}.others.adamw")),
        }
    }
}

/// Muon for the hidden matrices, another optimizer for all other parameters.
pub(super) struct Muon {
    config: MuonConfig,
    /// Highest learning rate of the training.
    base_rate: f64,
    matrices: Vec<Hidden>,
    others: Adam,
    /// The momenta on the device of an engine, where those of `matrices` are older.
    resident: Option<ResidentMomenta>,
    /// The ranks that share the matrices of a step.
    ranks: Ranks,
}

/// Momenta on the device of an engine.
struct ResidentMomenta {
    state: Box<dyn ResidentMuon>,
    /// Upper bound of the absolute values.
    bound: f64,
}

/// A hidden matrix.
struct Hidden {
    entry: Entry,
    /// Running mean of the gradient, `(m, n)`.
    momentum: Tensor,
}

/// A hidden matrix `(m n,)` and its momentum `(m, n)` after a step.
struct Stepped {
    /// Index among the hidden matrices.
    matrix: usize,
    weight: Tensor,
    momentum: Tensor,
}

impl Muon {
    pub(super) fn new(
        config: &MuonConfig,
        parameters: &Parameters,
        base_rate: f64,
    ) -> Result<Self> {
        let layout = parameters.layout();
        let zeros = |entry: &Entry| {
            let shape = entry.shape.as_slice();
            Tensor::zeros(shape, parameters.dtype(), parameters.device())
        };
        let hidden = |entry: &Entry| {
            Ok(Hidden {
                momentum: zeros(entry)?,
                entry: entry.clone(),
            })
        };
        let rest = Group::of_role(layout, Role::HiddenWeight).complement(layout.len());
        let (adam, decay) = match &config.others {
            OthersConfig::Adam(adam) => (adam, Decay::Coupled),
            OthersConfig::AdamW(adam) => (adam, Decay::Decoupled),
        };
        Ok(Self {
            config: config.clone(),
            base_rate,
            matrices: layout
                .of_role(Role::HiddenWeight)
                .flat_map(Entry::matrices)
                .map(|matrix| hidden(&matrix))
                .collect::<Result<_>>()?,
            others: Adam::new(adam, decay, rest, parameters)?,
            resident: None,
            ranks: Ranks::one(),
        })
    }

    /// Takes a step on the device of an engine, if everything surely stays finite. Returns whether it does.
    fn step_resident(
        &mut self,
        parameters: &dyn Resident,
        gradient: &dyn ResidentGradient,
        evaluation: &Evaluation,
        learning_rate: f64,
    ) -> Result<bool> {
        let step = self
            .others
            .resident_step(parameters, evaluation, learning_rate)?;
        let rate = self.rate(learning_rate);
        let largest = |hidden: &Hidden| FlatGradient::from(hidden.momentum.clone()).norm();
        let before = match &self.resident {
            Some(momenta) => momenta.bound,
            None => self.matrices.iter().try_fold(0.0, |most: f64, hidden| {
                Ok::<_, Error>(most.max(largest(hidden)?))
            })?,
        };
        let bound = before.max(evaluation.norm * evaluation.factor);
        let scale = |hidden: &Hidden| scale([hidden.entry.shape[0], hidden.entry.shape[1]]);
        let scale = self.matrices.iter().map(scale).fold(1.0, f64::max);
        let distance = rate * scale * LARGEST_SINGULAR_VALUE;
        let Some(step) = step.filter(|_| are_far_from_infinite([bound, distance])) else {
            return Ok(false);
        };
        let constants = MuonConstants {
            factor: evaluation.factor,
            momentum: self.config.momentum,
            rate,
            weight_decay: self.config.weight_decay,
            iterations: self.config.iterations,
        };
        let momenta = if let Some(momenta) = &mut self.resident {
            momenta
        } else {
            let state = uploaded(&self.matrices, parameters)?;
            self.resident.insert(ResidentMomenta { state, bound })
        };
        momenta.state.step(&constants, parameters, gradient)?;
        momenta.bound = bound;
        self.others.apply_resident(&step, parameters, gradient)?;
        Ok(true)
    }

    /// Copies the momenta from the device of an engine, and goes on in CPU memory.
    fn bring_home(&mut self) -> Result<()> {
        if let Some(momenta) = &self.resident {
            for (hidden, momentum) in self.matrices.iter_mut().zip(momenta.state.read()?) {
                hidden.momentum = momentum;
            }
            self.resident = None;
        }
        Ok(())
    }

    /// Returns the indices of the matrices that a step changes: those of tiles that do not rest.
    fn active_matrices(&self, gradient: &FlatGradient) -> Vec<usize> {
        let resting = gradient.resting();
        let rests = |hidden: &Hidden| {
            let start = hidden.entry.range.start;
            let next = resting.partition_point(|range| range.end <= start);
            resting
                .get(next)
                .is_some_and(|range| range.contains(&start))
        };
        let matrices = self.matrices.iter().enumerate();
        let active = matrices.filter(|(_, hidden)| !rests(hidden));
        active.map(|(index, _)| index).collect()
    }

    /// Returns the learning rate of the hidden matrices, given that of all other parameters.
    fn rate(&self, learning_rate: f64) -> f64 {
        self.config.learning_rate * (learning_rate / self.base_rate)
    }
}

impl Optimizer for Muon {
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation> {
        let evaluation = problem.evaluate()?;
        if let Some(gradient) = evaluation.gradient.resident() {
            let stepped = parameters.change_resident(|resident| {
                self.step_resident(resident, gradient, &evaluation, learning_rate)
            });
            if stepped? == Some(true) {
                return Ok(evaluation);
            }
        }
        self.bring_home()?;
        let taken = self.others.steps_taken();
        let rate = self.rate(learning_rate);
        let theta = parameters.var()?.as_detached_tensor();
        let stepped = self.stepped(&MatrixStep {
            theta: &theta,
            gradient: &evaluation.gradient.tensor()?,
            matrices: self.active_matrices(&evaluation.gradient),
            rule: MatrixRule::new(&self.config, rate, evaluation.factor),
            taken,
        })?;
        // The other optimizer may fail, and nothing has been changed by then.
        self.others.apply(parameters, &evaluation, learning_rate)?;
        for stepped in stepped {
            let hidden = &mut self.matrices[stepped.matrix];
            let theta = parameters.var()?;
            theta.slice_set(&stepped.weight, 0, hidden.entry.range.start)?;
            hidden.momentum = stepped.momentum;
        }
        Ok(evaluation)
    }

    fn state(&self) -> Result<OptimizerState> {
        let mut state = self.others.state()?;
        let momenta = if let Some(momenta) = &self.resident {
            momenta.state.read()?
        } else {
            let momenta = self.matrices.iter().map(|hidden| hidden.momentum.copy());
            momenta.collect::<candle_core::Result<_>>()?
        };
        for (hidden, momentum) in self.matrices.iter().zip(momenta) {
            let name = format!("momentum.{}", hidden.entry.name);
            state.tensors.push((name, momentum));
        }
        Ok(state)
    }

    fn among(&mut self, ranks: &Ranks) {
        self.ranks = ranks.clone();
    }

    fn lets_tiles_rest(&self) -> bool {
        true
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let mut momenta = Vec::new();
        for hidden in &self.matrices {
            let name = format!("momentum.{}", hidden.entry.name);
            let device = hidden.momentum.device();
            momenta.push(state.tensor(&name, &hidden.entry.shape, device)?);
        }
        self.others.restore(state)?;
        self.resident = None;
        for (hidden, momentum) in self.matrices.iter_mut().zip(momenta) {
            hidden.momentum = momentum;
        }
        Ok(())
    }
}

/// Uploads the momenta of matrices.
fn uploaded(matrices: &[Hidden], parameters: &dyn Resident) -> Result<Box<dyn ResidentMuon>> {
    let place = |hidden: &Hidden| ResidentMatrix {
        first: hidden.entry.range.start,
        rows: hidden.entry.shape[0],
        columns: hidden.entry.shape[1],
    };
    let places: Vec<ResidentMatrix> = matrices.iter().map(place).collect();
    let momenta: Vec<&Tensor> = matrices.iter().map(|hidden| &hidden.momentum).collect();
    Ok(parameters.muon(&places, &momenta)?)
}

#[cfg(test)]
mod tests;
