//! Quasi-Newton methods: a step is a direction from an approximate inverse Hessian, and a line search along it.

mod lbfgs;
mod line_search;
mod ssbroyden;
mod symmetric;
#[cfg(test)]
mod tests;
mod vector;

use candle_core::{Device, Tensor};

use self::line_search::{LineSearch, Trial};
use self::vector::{add_scaled, difference, dot, from_tensor, negated, to_tensor};
use super::evaluation::Evaluation;
use super::{Optimizer, OptimizerState, Problem};
use crate::error::{Error, Result};
use crate::field::Parameters;

pub use self::lbfgs::LbfgsConfig;
pub(super) use self::lbfgs::LimitedMemory;
pub(super) use self::ssbroyden::SelfScaledBroyden;
pub use self::ssbroyden::SsBroydenConfig;

/// Least cosine of the angle between a step and its gradient difference: a pair with less curvature, or with a negative one, is not used.
const LEAST_COSINE: f64 = 1e-10;
/// Name of the state tensor with loss and gradient norm where the last step found no lower loss; both are −1 if it did.
const STALLED: &str = "stalled";

/// Checks the number of evaluations of a line search; `key` is the key of the table.
fn check_evaluations(key: &str, max_evaluations: usize) -> Result<()> {
    if (2..=1000).contains(&max_evaluations) {
        return Ok(());
    }
    let key = format!("{key}.max_evaluations");
    Err(Error::invalid(&key, max_evaluations, "2 to 1000"))
}

/// An approximation `H (P, P)` of the inverse Hessian, positive definite, in double precision.
pub(super) trait InverseHessian: Send + Sync {
    /// Returns whether it is the identity, for want of pairs.
    fn is_identity(&self) -> bool;

    /// Returns `−H g` `(P,)`.
    fn direction(&self, gradient: &[f64]) -> Vec<f64>;

    /// Learns from a step.
    fn update(&mut self, pair: CurvaturePair);

    /// Becomes the identity.
    fn reset(&mut self);

    /// Returns a copy of the state, on the CPU.
    fn tensors(&self) -> Result<Vec<(String, Tensor)>>;

    /// Replaces the state by a copy of `state`; after an error it is unchanged.
    fn restore(&mut self, state: &OptimizerState) -> Result<()>;
}

/// A step and the change of the gradient over it, both at one sample.
pub(super) struct CurvaturePair {
    /// s, the change of the parameters.
    step: Vec<f64>,
    /// y, the change of the gradient.
    difference: Vec<f64>,
    /// α: `s = α d`, up to the rounding of the parameters.
    length: f64,
    /// `dᵀg` before the step.
    slope: f64,
}

impl CurvaturePair {
    fn has_curvature(&self) -> bool {
        let (s, y) = (&self.step, &self.difference);
        dot(s, y) > LEAST_COSINE * (dot(s, s) * dot(y, y)).sqrt()
    }
}

/// A quasi-Newton method with the strong Wolfe conditions.
///
/// ```text
/// θ ← θ + α d        d = −H g
/// ```
///
/// The first α that is tried is 1, and `min(1, 1/‖g‖₁) · η` where H is the identity: in the first step, and after a restart. Gradient and loss at
/// the start of a step are evaluated anew, at the sample of the step, so that every gradient difference compares one function.
///
/// A direction along which no lower loss is found is tried again with `H = I`. If there is none along the negative gradient either, the loss has
/// converged to the rounding of its precision: parameters stay as they are, and steps at that same loss and gradient take one evaluation.
pub(super) struct QuasiNewton<H> {
    hessian: H,
    max_evaluations: usize,
    step: u64,
    /// Loss and gradient norm where no lower loss was found.
    stalled: Option<[f64; 2]>,
}

/// What a step comes to, before the state is changed.
enum Outcome {
    Lower {
        evaluation: Evaluation,
        pair: CurvaturePair,
        restart: Restart,
    },
    Stalled(Evaluation),
}

/// Whether the curvature of past steps was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restart {
    Yes,
    No,
}

/// Where a step begins.
struct Start {
    theta: Vec<f64>,
    gradient: Vec<f64>,
    evaluation: Evaluation,
}

/// A place where the loss is finite.
struct Reached {
    theta: Vec<f64>,
    evaluation: Evaluation,
    gradient: Vec<f64>,
    length: f64,
}

/// The loss along a direction from the start of a step.
struct Descent<'a> {
    parameters: &'a Parameters,
    problem: &'a mut dyn Problem,
    max_evaluations: usize,
}

impl Descent<'_> {
    /// Searches along a direction of negative slope. Leaves the parameters at the place that it returns, or anywhere if there is none.
    fn search(&mut self, start: &Start, direction: &[f64], first: f64) -> Result<Option<Reached>> {
        let at_start = Trial {
            length: 0.0,
            loss: start.evaluation.loss,
            slope: dot(direction, &start.gradient),
            place: None,
        };
        if !at_start.slope.is_finite() || at_start.slope >= 0.0 {
            return Ok(None);
        }
        let max_evaluations = self.max_evaluations;
        let mut evaluate = |length| self.trial(&start.theta, direction, length);
        let found = LineSearch::new(at_start, max_evaluations, &mut evaluate).run(first)?;
        if let Some(reached) = &found {
            let theta = to_tensor(&reached.theta, self.parameters.leaf())?;
            self.parameters.set(&theta)?;
        }
        Ok(found)
    }

    /// Evaluates the loss at one length.
    fn trial(&mut self, start: &[f64], direction: &[f64], length: f64) -> Result<Trial<Reached>> {
        let mut theta = start.to_vec();
        add_scaled(&mut theta, length, direction);
        let rounded = to_tensor(&theta, self.parameters.leaf())?;
        let theta = from_tensor(&rounded)?;
        if !theta.iter().all(|element| element.is_finite()) {
            return Ok(infinite(length));
        }
        self.parameters.set(&rounded)?;
        let evaluation = match self.problem.evaluate() {
            Ok(evaluation) => evaluation,
            Err(Error::Diverged { .. }) => return Ok(infinite(length)),
            Err(error) => return Err(error),
        };
        let gradient = from_tensor(&evaluation.gradient.tensor()?)?;
        let slope = dot(direction, &gradient);
        if !evaluation.loss.is_finite() || !slope.is_finite() {
            return Ok(infinite(length));
        }
        Ok(Trial {
            length,
            loss: evaluation.loss,
            slope,
            place: Some(Reached {
                theta,
                evaluation,
                gradient,
                length,
            }),
        })
    }
}

/// A trial too far away.
fn infinite<T>(length: f64) -> Trial<T> {
    Trial {
        length,
        loss: f64::INFINITY,
        slope: f64::INFINITY,
        place: None,
    }
}

impl<H: InverseHessian> QuasiNewton<H> {
    /// Makes an optimizer that has taken no step.
    pub(super) fn new(hessian: H, max_evaluations: usize) -> Self {
        Self {
            hessian,
            max_evaluations,
            step: 0,
            stalled: None,
        }
    }

    /// Takes a step of the parameters; the state is not changed.
    fn outcome(&self, descent: &mut Descent<'_>, learning_rate: f64) -> Result<Outcome> {
        let evaluation = descent.problem.evaluate()?;
        if self.stalled == Some([evaluation.loss, evaluation.norm]) {
            return Ok(Outcome::Stalled(evaluation));
        }
        let start = Start {
            theta: from_tensor(descent.parameters.var()?)?,
            gradient: from_tensor(&evaluation.gradient.tensor()?)?,
            evaluation,
        };
        if !self.hessian.is_identity() {
            let direction = self.hessian.direction(&start.gradient);
            if let Some(reached) = descent.search(&start, &direction, 1.0)? {
                return Ok(lower(&start, &direction, reached, Restart::No));
            }
        }
        let direction = negated(&start.gradient);
        let norm: f64 = direction.iter().map(|element| element.abs()).sum();
        let first = learning_rate * norm.recip().min(1.0);
        match descent.search(&start, &direction, first)? {
            Some(reached) => Ok(lower(&start, &direction, reached, Restart::Yes)),
            None => Ok(Outcome::Stalled(start.evaluation)),
        }
    }
}

/// Makes the outcome of a step to a lower loss.
fn lower(start: &Start, direction: &[f64], reached: Reached, restart: Restart) -> Outcome {
    let pair = CurvaturePair {
        step: difference(&reached.theta, &start.theta),
        difference: difference(&reached.gradient, &start.gradient),
        length: reached.length,
        slope: dot(direction, &start.gradient),
    };
    Outcome::Lower {
        evaluation: reached.evaluation,
        pair,
        restart,
    }
}

impl<H: InverseHessian> Optimizer for QuasiNewton<H> {
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation> {
        let before = parameters.flat()?;
        let mut descent = Descent {
            parameters,
            problem,
            max_evaluations: self.max_evaluations,
        };
        let outcome = self.outcome(&mut descent, learning_rate);
        if !matches!(outcome, Ok(Outcome::Lower { .. })) {
            parameters.set(&before)?;
        }
        let evaluation = match outcome? {
            Outcome::Lower {
                evaluation,
                pair,
                restart,
            } => {
                if restart == Restart::Yes {
                    self.hessian.reset();
                }
                if pair.has_curvature() {
                    self.hessian.update(pair);
                }
                self.stalled = None;
                evaluation
            }
            Outcome::Stalled(evaluation) => {
                self.hessian.reset();
                self.stalled = Some([evaluation.loss, evaluation.norm]);
                evaluation
            }
        };
        self.step += 1;
        Ok(evaluation)
    }

    fn state(&self) -> Result<OptimizerState> {
        let mut tensors = self.hessian.tensors()?;
        let stalled = self.stalled.unwrap_or([-1.0; 2]);
        tensors.push((STALLED.to_owned(), Tensor::new(&stalled, &Device::Cpu)?));
        Ok(OptimizerState {
            step: self.step,
            tensors,
        })
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let stalled: Vec<f64> = state.tensor(STALLED, &[2], &Device::Cpu)?.to_vec1()?;
        self.hessian.restore(state)?;
        // No norm is negative.
        self.stalled = match stalled[..] {
            [loss, norm] if norm >= 0.0 => Some([loss, norm]),
            _ => None,
        };
        self.step = state.step;
        Ok(())
    }
}
