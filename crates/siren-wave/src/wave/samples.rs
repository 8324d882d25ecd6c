//! Samples of the wave equation: known parts of waves at the events of a step.

use rayon::prelude::*;
use siren_core::Result;
use siren_core::signal::Sample;

use super::ansatz::{AnsatzValue, Event};
use super::config::SoftInitialConfig;
use super::{Stage, WaveEquationProblem};
use crate::Point;
use crate::objective::{FACTOR, MEDIUM, OFFSET, OFFSET_GRADIENT, REMAINDER, ResidualNorm};
use crate::sampler::{disk, square};
use crate::signal::Placement;

/// Fewest events whose rows of a sample a thread computes.
const EVENTS_PER_TASK: usize = 256;
/// Times of the steps with the initial state alone are within this one of zero.
const START_TIME: f64 = 0.001;
/// Radius of the disk around the source in which half of the points of time zero lie, in standard deviations of the pulse: the authors' 0.25 / √5e-4.
const DISK_DEVIATIONS: f64 = 11.18;

impl WaveEquationProblem {
    /// Returns the sample for the equation at some events, with the residual of each multiplied by a weight.
    pub(super) fn equation_sample(
        &self,
        stage: &Stage,
        events: &[Event],
        weight: impl Fn(Event) -> f64 + Sync,
        at: &Placement,
    ) -> Result<Sample> {
        let ansatz = self.ansatz(stage.pulse);
        let unit = match self.norm {
            ResidualNorm::Mse => stage.pulse.amplitude / stage.pulse.variance,
            ResidualNorm::L1 => 1.0,
        };
        let row = |&event: &Event| {
            let [_, x, y] = event;
            let (m, known) = (self.medium.squared_slowness([x, y]), ansatz.at(event));
            let rest = known.offset_acceleration
                - known.offset_laplacian / m
                - self.source(stage.pulse, event);
            let scale = weight(event) / unit;
            let factor = known.factor.map(|factor| scale * factor);
            ([m], (factor, [scale * rest]))
        };
        let rows = events.par_iter().with_min_len(EVENTS_PER_TASK).map(row);
        let (medium, (factor, remainder)): (Vec<_>, (Vec<_>, Vec<_>)) = rows.unzip();
        Sample::new(at.tensor(events)?)?
            .with_column(MEDIUM, at.tensor(&medium)?)?
            .with_column(FACTOR, at.tensor(&factor)?)?
            .with_column(REMAINDER, at.tensor(&remainder)?)
    }

    /// Returns the sample for a condition on the wave at some events.
    pub(super) fn condition_sample(
        &self,
        stage: &Stage,
        events: &[Event],
        at: &Placement,
    ) -> Result<Sample> {
        let ansatz = self.ansatz(stage.pulse);
        let known: Vec<AnsatzValue> = events.iter().map(|&event| ansatz.at(event)).collect();
        let column = |value: fn(&AnsatzValue) -> [f64; 3]| -> Vec<[f64; 3]> {
            known.iter().map(value).collect()
        };
        let offset: Vec<[f64; 1]> = known.iter().map(|known| [known.offset]).collect();
        let medium: Vec<[f64; 1]> = events
            .iter()
            .map(|&[_, x, y]| [self.medium.squared_slowness([x, y])])
            .collect();
        Sample::new(at.tensor(events)?)?
            .with_column(MEDIUM, at.tensor(&medium)?)?
            .with_column(FACTOR, at.tensor(&column(|known| known.factor))?)?
            .with_column(OFFSET, at.tensor(&offset)?)?
            .with_column(
                OFFSET_GRADIENT,
                at.tensor(&column(|known| known.offset_gradient))?,
            )
    }

    /// Returns the points of the initial state of a step, for soft constraints.
    pub(super) fn initial_points(
        &self,
        soft: SoftInitialConfig,
        stage: &Stage,
        step: u64,
    ) -> Vec<Event> {
        let mut rng = self.draws("wave.initial").rng(step);
        let around = soft.points / 2;
        let radius = DISK_DEVIATIONS * stage.pulse.variance.sqrt();
        let mut points = square(soft.points - around, 1.0, &mut rng);
        points.extend(disk(around, stage.pulse.center, radius, &mut rng));
        let count = points.len().max(2) - 1;
        let time = |index: usize| {
            if step < self.start_steps() {
                START_TIME * (2.0 * index as f64 / count as f64 - 1.0)
            } else {
                0.0
            }
        };
        let event =
            |(index, [x, y]): (usize, Point)| [time(index), x.clamp(-1.0, 1.0), y.clamp(-1.0, 1.0)];
        points.into_iter().enumerate().map(event).collect()
    }
}
