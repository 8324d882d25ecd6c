//! Objectives and functionals on their domains.

use super::{Functional, Objective};
use crate::signal::Sampler;

/// A named objective or functional on its own domain, with a weight in the loss.
pub struct Constraint {
    /// Name in messages, and in front of the names of terms that another constraint has too.
    pub name: String,
    /// Factor of its terms in the loss.
    pub weight: Weight,
    /// Points at which it holds.
    pub sampler: Box<dyn Sampler>,
    /// What holds there.
    pub law: Law,
}

/// What holds at the points of a constraint.
pub enum Law {
    /// At each point for itself. The loss is the mean over points.
    Pointwise(Box<dyn Objective>),
    /// For the values at all points together.
    Functional(Box<dyn Functional>),
}

impl Constraint {
    /// Makes a pointwise constraint of weight 1.
    pub fn new(
        name: impl Into<String>,
        sampler: impl Sampler + 'static,
        objective: impl Objective + 'static,
    ) -> Self {
        Self::boxed(name, Box::new(sampler), Box::new(objective))
    }

    /// Makes a pointwise constraint of weight 1, as [`new`](Self::new).
    #[must_use]
    pub fn boxed(
        name: impl Into<String>,
        sampler: Box<dyn Sampler>,
        objective: Box<dyn Objective>,
    ) -> Self {
        Self::of_law(name, sampler, Law::Pointwise(objective))
    }

    /// Makes a constraint of weight 1 on the values at all points of each sample together.
    pub fn functional(
        name: impl Into<String>,
        sampler: impl Sampler + 'static,
        functional: impl Functional + 'static,
    ) -> Self {
        Self::of_law(
            name,
            Box::new(sampler),
            Law::Functional(Box::new(functional)),
        )
    }

    fn of_law(name: impl Into<String>, sampler: Box<dyn Sampler>, law: Law) -> Self {
        Self {
            name: name.into(),
            weight: Weight::Constant(1.0),
            sampler,
            law,
        }
    }

    /// Returns the constraint with another weight.
    #[must_use]
    pub fn weighted(self, weight: impl Into<Weight>) -> Self {
        Self {
            weight: weight.into(),
            ..self
        }
    }
}

/// Weight of a constraint, constant or a function of the step.
#[derive(Clone, Debug, PartialEq)]
pub enum Weight {
    /// The same in every step.
    Constant(f64),
    /// Linear between these `(step, weight)` points, ascending in the step, and constant before the first and after the last.
    Piecewise(Vec<(u64, f64)>),
}

impl From<f64> for Weight {
    fn from(weight: f64) -> Self {
        Self::Constant(weight)
    }
}

impl Weight {
    /// Returns the weight at a step, counted from 0; 0 for a list without points.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let points = match self {
            Self::Constant(weight) => return *weight,
            Self::Piecewise(points) => points,
        };
        let next = points.partition_point(|(at, _)| *at <= step);
        match (
            next.checked_sub(1).map(|last| points[last]),
            points.get(next),
        ) {
            (Some((from, a)), Some(&(to, b))) => {
                a + (b - a) * (step - from) as f64 / (to - from) as f64
            }
            (Some((_, weight)), None) | (None, Some(&(_, weight))) => weight,
            (None, None) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piecewise_weight_is_linear_between_its_points_and_constant_beyond_them() {
        let weight = Weight::Piecewise(vec![(10, 1.0), (20, 3.0), (30, 0.0)]);
        let steps = [0, 10, 15, 20, 25, 30, 99];
        let expected = [1.0, 1.0, 2.0, 3.0, 1.5, 0.0, 0.0];
        for (step, expected) in steps.into_iter().zip(expected) {
            let found = weight.at(step);
            assert!((found - expected).abs() < 1e-12, "{step}: {found}");
        }
        assert!((Weight::from(0.5).at(7) - 0.5).abs() < 1e-12);
    }
}
