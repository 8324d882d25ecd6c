//! Gauss–Newton in the space of the sample, with damping by trial and momentum.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use siren_kernel::product::Symmetric;

use super::{Evaluation, Linearization, Optimizer, OptimizerState, Problem};
use crate::error::{Error, Result};
use crate::field::Parameters;
use crate::field::tensor::{Element, read};

/// Most trials of a step, each with a larger damping.
const MAX_TRIALS: u32 = 12;
/// Range of the relative damping.
const DAMPING_RANGE: [f64; 2] = [1e-16, 1e6];
/// Columns of the Jacobian that one task of a transposed product reads.
const COLUMNS: usize = 512;

/// Settings of Gauss–Newton.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GaussNewtonConfig {
    /// λ of the first step, relative to the mean diagonal element of `J Jᵀ`.
    pub damping: f64,
    /// Least λ, relative as `damping`: below it a step fits the points of one sample, and raises the loss between them.
    pub least_damping: f64,
    /// Factor of λ after a trial that raised the loss.
    pub increase: f64,
    /// Factor of λ after a step whose first trial lowered the loss.
    pub decrease: f64,
    /// μ, the share of the last step that a step starts from (SPRING); 0 is Gauss–Newton without memory.
    pub momentum: f64,
}

impl Default for GaussNewtonConfig {
    fn default() -> Self {
        Self {
            damping: 1e-4,
            least_damping: 1e-6,
            increase: 4.0,
            decrease: 0.5,
            momentum: 0.0,
        }
    }
}

impl GaussNewtonConfig {
    /// Checks every value; `key` is the key of the table.
    pub(super) fn validate(&self, key: &str) -> Result<()> {
        let check = |name: &str, value: f64, is_valid: bool, expected: &str| {
            if is_valid {
                return Ok(());
            }
            Err(Error::invalid(&format!("{key}.{name}"), value, expected))
        };
        let [least, most] = DAMPING_RANGE;
        let is_damping = (least..=most).contains(&self.damping);
        check("damping", self.damping, is_damping, "1e-16 to 1e6")?;
        let is_least = (least..=self.damping).contains(&self.least_damping);
        let expected = "1e-16 to `damping`";
        check("least_damping", self.least_damping, is_least, expected)?;
        let is_increase = self.increase > 1.0 && self.increase <= 1e3;
        check(
            "increase",
            self.increase,
            is_increase,
            "above 1 and at most 1000",
        )?;
        let is_decrease = self.decrease > 0.0 && self.decrease <= 1.0;
        check(
            "decrease",
            self.decrease,
            is_decrease,
            "above 0 and at most 1",
        )?;
        let is_momentum = (0.0..1.0).contains(&self.momentum);
        check("momentum", self.momentum, is_momentum, "from 0 to below 1")
    }
}

/// Gauss–Newton for losses that are sums of squares, `L(θ) = ‖r(θ)‖²`.
///
/// With the Jacobian `J = ∂r/∂θ (N, P)` and the last step `φ`, the next one is
///
/// ```text
/// φ ← μ φ + Jᵀ (J Jᵀ + λ I)⁻¹ (r − μ J φ)        θ ← θ − φ
/// ```
///
/// The system has the size of the sample, `(N, N)`, not of the parameters (the natural gradient of the energy by Woodbury's identity, with
/// SPRING momentum: Guzmán-Cordero et al. 2025, arXiv 2505.12149). If the loss rises, the step is tried again with a larger λ (Levenberg
/// 1944, Marquardt 1963), which costs one factorization and one evaluation, but no Jacobian. `train.learning_rate` is not used.
///
/// Linear algebra is in `f64` for parameters of either type. If no trial lowers the loss, the parameters stay as they are.
pub(super) struct GaussNewton {
    config: GaussNewtonConfig,
    step: u64,
    /// λ of the next first trial, relative to the mean diagonal element.
    damping: f64,
    /// φ `(P,)`.
    direction: Vec<f64>,
}

impl GaussNewton {
    /// Makes an optimizer of all parameters.
    pub(super) fn new(config: &GaussNewtonConfig, parameters: &Parameters) -> Self {
        Self {
            config: config.clone(),
            step: 0,
            damping: config.damping,
            direction: vec![0.0; parameters.len()],
        }
    }
}

/// Result of the trials of a step.
enum Found {
    /// A step that lowers the loss.
    Lower {
        evaluation: Evaluation,
        direction: Vec<f64>,
        /// λ of the next first trial.
        damping: f64,
    },
    /// No trial lowers the loss.
    Nothing {
        /// λ of the next first trial.
        damping: f64,
    },
}

impl GaussNewton {
    /// Tries steps from `theta` with growing damping until one lowers the loss, and leaves the parameters at the last trial.
    fn descend(
        &self,
        system: &System,
        parameters: &Parameters,
        theta: &Tensor,
        problem: &mut dyn Problem,
        loss: f64,
    ) -> Result<Found> {
        let mut damping = self.damping;
        for trial in 0..MAX_TRIALS {
            if let Some(direction) = system.direction(damping)? {
                let step = Tensor::from_slice(&direction, direction.len(), &Device::Cpu)?;
                let step = step.to_dtype(theta.dtype())?.to_device(theta.device())?;
                parameters.set(&(theta - step)?)?;
                match problem.evaluate() {
                    Ok(evaluation) if evaluation.loss < loss => {
                        if trial == 0 {
                            let smaller = damping * self.config.decrease;
                            damping = smaller.max(self.config.least_damping);
                        }
                        return Ok(Found::Lower {
                            evaluation,
                            direction,
                            damping,
                        });
                    }
                    // A step that is too long may leave the finite numbers; a shorter one is tried next.
                    Ok(_) | Err(Error::Diverged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if damping >= DAMPING_RANGE[1] {
                break;
            }
            damping = (damping * self.config.increase).min(DAMPING_RANGE[1]);
        }
        Ok(Found::Nothing { damping })
    }
}

impl Optimizer for GaussNewton {
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        _learning_rate: f64,
    ) -> Result<Evaluation> {
        let before = problem.evaluate()?;
        let system = System::new(problem.linearize()?, &self.direction, self.config.momentum)?;
        let theta = parameters.flat()?;
        let found = self.descend(&system, parameters, &theta, problem, before.loss);
        if !matches!(found, Ok(Found::Lower { .. })) {
            parameters.set(&theta)?;
        }
        let evaluation = match found? {
            Found::Lower {
                evaluation,
                direction,
                damping,
            } => {
                self.direction = direction;
                self.damping = damping;
                evaluation
            }
            Found::Nothing { damping } => {
                self.direction.fill(0.0);
                self.damping = damping;
                before
            }
        };
        self.step += 1;
        Ok(evaluation)
    }

    fn state(&self) -> Result<OptimizerState> {
        let tensor = |values: &[f64]| Tensor::from_slice(values, values.len(), &Device::Cpu);
        Ok(OptimizerState {
            step: self.step,
            tensors: vec![
                ("direction".to_owned(), tensor(&self.direction)?),
                ("damping".to_owned(), tensor(&[self.damping])?),
            ],
        })
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let values = |name: &str, len: usize| -> Result<Vec<f64>> {
            let tensor = state.tensor(name, &[len], &Device::Cpu)?;
            Ok(tensor.to_dtype(DType::F64)?.to_vec1()?)
        };
        let direction = values("direction", self.direction.len())?;
        self.damping = values("damping", 1)?[0];
        self.direction = direction;
        self.step = state.step;
        Ok(())
    }
}

/// The linear system of one step.
struct System {
    jacobian: Tensor,
    gram: Symmetric,
    /// `r − μ J φ`.
    target: Vec<f64>,
    /// `μ φ`.
    start: Vec<f64>,
}

impl System {
    fn new(linearization: Linearization, direction: &[f64], momentum: f64) -> Result<Self> {
        match linearization.jacobian.dtype() {
            DType::F64 => Self::of::<f64>(linearization, direction, momentum),
            _ => Self::of::<f32>(linearization, direction, momentum),
        }
    }

    fn of<T: Element>(
        linearization: Linearization,
        direction: &[f64],
        momentum: f64,
    ) -> Result<Self> {
        let Linearization {
            residuals,
            jacobian,
        } = linearization;
        let start: Vec<f64> = direction.iter().map(|x| momentum * x).collect();
        let gram = read(&jacobian, |jacobian: &[T]| {
            Symmetric::gram(jacobian, residuals.len())
        })?;
        let target = if momentum == 0.0 {
            residuals
        } else {
            read(&jacobian, |jacobian: &[T]| {
                let rows = jacobian.par_chunks(start.len().max(1));
                let target = residuals.par_iter().zip(rows).map(|(residual, row)| {
                    let products = row.iter().zip(&start).map(|(a, b)| a.to_double() * b);
                    residual - products.sum::<f64>()
                });
                target.collect()
            })?
        };
        Ok(Self {
            jacobian,
            gram,
            target,
            start,
        })
    }

    /// Returns `μ φ + Jᵀ (J Jᵀ + λ I)⁻¹ (r − μ J φ)`; `None` if the system cannot be solved to rounding.
    fn direction(&self, damping: f64) -> Result<Option<Vec<f64>>> {
        let shift = damping * self.gram.mean_diagonal();
        let Some(factor) = self.gram.cholesky(shift) else {
            return Ok(None);
        };
        let mut weights = self.target.clone();
        factor.solve(&mut weights);
        let direction = match self.jacobian.dtype() {
            DType::F64 => read(&self.jacobian, |jacobian: &[f64]| {
                self.combine(jacobian, &weights)
            }),
            _ => read(&self.jacobian, |jacobian: &[f32]| {
                self.combine(jacobian, &weights)
            }),
        }?;
        Ok(direction.iter().all(|x| x.is_finite()).then_some(direction))
    }

    /// Returns `μ φ + Jᵀ weights`.
    fn combine<T: Element>(&self, jacobian: &[T], weights: &[f64]) -> Vec<f64> {
        let parameters = self.start.len();
        let mut direction = self.start.clone();
        let parts = direction.par_chunks_mut(COLUMNS).enumerate();
        parts.for_each(|(index, part)| {
            let first = index * COLUMNS;
            for (row, weight) in jacobian.chunks(parameters).zip(weights) {
                for (sum, x) in part.iter_mut().zip(&row[first..]) {
                    *sum += weight * x.to_double();
                }
            }
        });
        direction
    }
}
