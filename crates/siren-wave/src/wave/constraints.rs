//! The constraints of the wave equation, one by one.

use std::sync::Arc;

use siren_core::Result;
use siren_core::objective::{Constraint, Weight};
use siren_core::signal::Sample;

use super::config::{BorderCondition, Initial, SoftInitialConfig};
use super::{WaveEquationProblem, points};
use crate::objective::{
    Condition, InitialState, NORMAL, ResidualNorm, Scaled, WaveCondition, WaveEquation,
};
use crate::signal::{Placement, weight_from};

impl WaveEquationProblem {
    /// Returns the constraints on a field, with samples at a place.
    pub(super) fn all_constraints(self: &Arc<Self>, at: &Placement) -> Result<Vec<Constraint>> {
        let mut constraints = vec![self.interior(at)?];
        if self.points.front > 0 {
            constraints.push(self.front(at)?);
        }
        if let Initial::Soft(soft) = self.config.initial {
            constraints.push(self.start(soft, at));
        }
        let condition = match self.config.border {
            BorderCondition::Open => None,
            BorderCondition::Dirichlet => Some(Condition::Still),
            BorderCondition::Neumann => Some(Condition::Free),
            BorderCondition::Absorbing => Some(Condition::Absorbing),
        };
        constraints.extend(condition.map(|condition| self.border(condition, at)));
        if self.config.quiet_points > 0 {
            constraints.push(self.quiet(at));
        }
        Ok(constraints)
    }

    fn equation(&self) -> Result<WaveEquation> {
        if self.medium.is_uniform() {
            WaveEquation::uniform(1.0, self.norm)
        } else {
            WaveEquation::varying(self.norm)
        }
    }

    /// Returns the weight of the equation: none in the steps with the initial state alone.
    fn equation_weight(&self, weight: f64) -> Weight {
        weight_from(self.start_steps(), weight)
    }

    fn interior(self: &Arc<Self>, at: &Placement) -> Result<Constraint> {
        let (problem, at, drawn) = (Arc::clone(self), at.clone(), self.draws("wave.interior"));
        let sampler = move |step| {
            let stage = problem.stage(step);
            let count = problem.points.domain;
            let mut events = points::domain(count, stage.last, &mut drawn.rng(step));
            if let Initial::Soft(soft) = problem.config.initial {
                events.extend(problem.initial_points(soft, &stage, step));
            }
            let spread = problem.spread(&stage);
            let is_weighted = problem.norm == ResidualNorm::Mse && problem.points.front > 0;
            let weight = |event| {
                if is_weighted {
                    spread.background(event)
                } else {
                    1.0
                }
            };
            problem.equation_sample(&stage, &events, weight, &at)
        };
        let constraint = Constraint::new("interior", sampler, self.equation()?);
        Ok(constraint.weighted(self.equation_weight(1.0)))
    }

    fn front(self: &Arc<Self>, at: &Placement) -> Result<Constraint> {
        let (problem, at, drawn) = (Arc::clone(self), at.clone(), self.draws("wave.front"));
        let sampler = move |step| {
            let stage = problem.stage(step);
            let (spread, count) = (problem.spread(&stage), problem.points.front);
            let events = spread.inside(count, stage.last, &mut drawn.rng(step));
            problem.equation_sample(&stage, &events, |_| 1.0, &at)
        };
        let constraint = Constraint::new("front", sampler, self.equation()?);
        Ok(constraint.weighted(self.equation_weight(self.points.front_weight)))
    }

    fn start(self: &Arc<Self>, soft: SoftInitialConfig, at: &Placement) -> Constraint {
        let (problem, at) = (Arc::clone(self), at.clone());
        let sampler = move |step| {
            let stage = problem.stage(step);
            let events = problem.initial_points(soft, &stage, step);
            let pulse = problem.initial(stage.pulse);
            let targets = events.iter().map(|&[_, x, y]| [pulse.cut([x, y])]);
            let targets: Vec<[f64; 1]> = targets.collect();
            Sample::with_targets(at.tensor(&events)?, at.tensor(&targets)?)
        };
        let points = soft.points as f64;
        let state = InitialState {
            norm: self.norm,
            displacement: Scaled {
                weight: soft.displacement_weight * points,
                unit: self.unit(),
            },
            velocity: Scaled {
                weight: soft.velocity_weight * points,
                unit: self.derivative_unit(),
            },
        };
        Constraint::new("initial", sampler, state)
    }

    fn border(self: &Arc<Self>, condition: Condition, at: &Placement) -> Constraint {
        let (problem, at, drawn) = (Arc::clone(self), at.clone(), self.draws("wave.border"));
        let sampler = move |step| {
            let stage = problem.stage(step);
            let count = problem.config.border_points;
            let border = points::border(count, stage.last, &mut drawn.rng(step));
            problem
                .condition_sample(&stage, &border.events, &at)?
                .with_column(NORMAL, at.tensor(&border.normals)?)
        };
        let unit = match condition {
            Condition::Still => self.unit(),
            Condition::Free | Condition::Absorbing => self.derivative_unit(),
        };
        let law = WaveCondition::new("border", condition, unit, self.norm);
        Constraint::new("border", sampler, law).weighted(self.config.border_weight)
    }

    fn quiet(self: &Arc<Self>, at: &Placement) -> Constraint {
        let (problem, at, drawn) = (Arc::clone(self), at.clone(), self.draws("wave.quiet"));
        let sampler = move |step| {
            let stage = problem.stage(step);
            let (spread, count) = (problem.spread(&stage), problem.config.quiet_points);
            let events = spread.outside(count, stage.last, &mut drawn.rng(step));
            problem.condition_sample(&stage, &events, &at)
        };
        let law = WaveCondition::new("quiet", Condition::Still, self.unit(), self.norm);
        Constraint::new("quiet", sampler, law).weighted(self.config.quiet_weight)
    }
}
