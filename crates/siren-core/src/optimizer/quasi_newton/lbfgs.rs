//! The inverse Hessian of L-BFGS.

use std::collections::VecDeque;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::vector::{add_scaled, dot, negated};
use super::{CurvaturePair, InverseHessian, check_evaluations};
use crate::error::{Error, Result};
use crate::optimizer::OptimizerState;

/// Names of the state tensors.
const TENSORS: [&str; 2] = ["steps", "gradient_differences"];

/// Settings of L-BFGS (Liu & Nocedal 1989). Its memory is `16 · history` bytes for each parameter. A step takes about two evaluations of loss and
/// gradient.
///
/// `train.learning_rate` scales the first length that a line search tries, in the first step and after a restart alone: the search finds the
/// lengths of all steps. `train.schedule` has no other effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LbfgsConfig {
    /// Number of past steps from which the curvature is estimated.
    pub history: usize,
    /// Most evaluations of loss and gradient in one line search.
    pub max_evaluations: usize,
}

impl Default for LbfgsConfig {
    fn default() -> Self {
        Self {
            history: 50,
            max_evaluations: 25,
        }
    }
}

impl LbfgsConfig {
    /// Checks every value; `key` is the key of the table.
    pub(in crate::optimizer) fn validate(&self, key: &str) -> Result<()> {
        if !(1..=1000).contains(&self.history) {
            let key = format!("{key}.history");
            return Err(Error::invalid(&key, self.history, "1 to 1000"));
        }
        check_evaluations(key, self.max_evaluations)
    }
}

/// The inverse Hessian that past steps `s` and gradient differences `y` imply:
///
/// ```text
/// H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ,        ρ = 1 / sᵀy
/// ```
///
/// from the oldest pair to the newest, beginning with `γ I`, `γ = sᵀy / yᵀy` of the newest (Nocedal & Wright 2006, algorithm 7.4 and equation
/// 7.20). The matrix is never formed.
pub(in crate::optimizer) struct LimitedMemory {
    history: usize,
    parameters: usize,
    /// Oldest first.
    pairs: VecDeque<StoredPair>,
}

/// A step, its gradient difference, and `sᵀy`.
struct StoredPair {
    step: Vec<f64>,
    difference: Vec<f64>,
    product: f64,
}

impl StoredPair {
    fn new(step: Vec<f64>, difference: Vec<f64>) -> Self {
        Self {
            product: dot(&step, &difference),
            step,
            difference,
        }
    }
}

impl LimitedMemory {
    pub(in crate::optimizer) fn new(config: &LbfgsConfig, parameters: usize) -> Self {
        Self {
            history: config.history,
            parameters,
            pairs: VecDeque::new(),
        }
    }
}

impl InverseHessian for LimitedMemory {
    fn is_identity(&self) -> bool {
        self.pairs.is_empty()
    }

    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction = negated(gradient);
        let mut factors = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let factor = dot(&pair.step, &direction) / pair.product;
            add_scaled(&mut direction, -factor, &pair.difference);
            factors.push(factor);
        }
        if let Some(newest) = self.pairs.back() {
            let scale = newest.product / dot(&newest.difference, &newest.difference);
            for element in &mut direction {
                *element *= scale;
            }
        }
        for (pair, factor) in self.pairs.iter().zip(factors.into_iter().rev()) {
            let back = dot(&pair.difference, &direction) / pair.product;
            add_scaled(&mut direction, factor - back, &pair.step);
        }
        direction
    }

    fn update(&mut self, pair: CurvaturePair) {
        if self.pairs.len() == self.history {
            self.pairs.pop_front();
        }
        let CurvaturePair {
            step, difference, ..
        } = pair;
        self.pairs.push_back(StoredPair::new(step, difference));
    }

    fn reset(&mut self) {
        self.pairs.clear();
    }

    fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let shape = (self.pairs.len(), self.parameters);
        let stacked = |part: fn(&StoredPair) -> &[f64]| {
            let elements: Vec<f64> = self.pairs.iter().flat_map(part).copied().collect();
            Tensor::from_vec(elements, shape, &Device::Cpu)
        };
        let [steps, differences] = TENSORS.map(str::to_owned);
        Ok(vec![
            (steps, stacked(|pair| &pair.step)?),
            (differences, stacked(|pair| &pair.difference)?),
        ])
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let steps = state.tensors.iter().find(|(name, _)| name == TENSORS[0]);
        let count = steps.and_then(|(_, steps)| steps.dims().first().copied());
        let shape = [count.unwrap_or(0), self.parameters];
        let rows = |name: &str| -> Result<Vec<Vec<f64>>> {
            let stacked = state.tensor(name, &shape, &Device::Cpu)?;
            let row = |index| Ok(stacked.get(index)?.to_vec1()?);
            (0..shape[0]).map(row).collect()
        };
        let [steps, differences] = TENSORS.map(rows);
        let pairs = steps?.into_iter().zip(differences?);
        let skipped = shape[0].saturating_sub(self.history);
        self.pairs = pairs
            .skip(skipped)
            .map(|(step, difference)| StoredPair::new(step, difference))
            .collect();
        Ok(())
    }
}
