//! The waves that a field is compared with, at a few times.

use siren_core::Result;

use super::ansatz::InitialPulse;
use super::config::{BorderCondition, Excitation};
use crate::Point;
use crate::medium::Medium;
use crate::reference::leapfrog::{InitialWave, PulsedSource, TimeSolver};
use crate::reference::pulse::GaussianPulse;
use crate::scores::grid;

use super::points::REACH;

/// Times at which waves are compared, as in the paper's figure.
const TIMES: [f64; 4] = [0.05, 0.1, 0.15, 0.25];
/// Points along each side of the grid on [−1, 1]² on which waves are compared.
pub(super) const COMPARED_SIDE: usize = 129;
/// Points along each side of the grid of finite differences; every fourth is compared.
const REFERENCE_SIDE: usize = 513;

/// A wave at one time, on a grid of 129 × 129 points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// The time.
    pub(crate) time: f64,
    /// `u`, in rows of ascending y.
    pub(crate) values: Vec<f64>,
}

/// What determines the waves.
pub(crate) struct Scene<'a> {
    pub(crate) medium: &'a Medium,
    pub(crate) pulse: InitialPulse,
    pub(crate) excitation: Excitation,
    pub(crate) border: BorderCondition,
}

/// Returns the times of the frames up to a duration, or the duration if all are later.
pub(crate) fn times(duration: f64) -> Vec<f64> {
    let mut times: Vec<f64> = TIMES.into_iter().filter(|&time| time <= duration).collect();
    if times.is_empty() {
        times.push(duration);
    }
    times
}

/// Returns the points of a frame.
pub(crate) fn points() -> Vec<Point> {
    grid(COMPARED_SIDE, 1.0)
}

impl Scene<'_> {
    /// Returns the waves at some times: the closed form of a pulse in an open uniform medium, else finite differences of fourth order.
    ///
    /// # Errors
    /// As [`GaussianPulse::profiles`] and [`TimeSolver::run`].
    pub(crate) fn frames(&self, times: &[f64]) -> Result<Vec<Frame>> {
        let is_open = self.border == BorderCondition::Open;
        if self.medium.is_uniform() && is_open && self.excitation == Excitation::Pulse {
            return self.closed_form(times);
        }
        self.finite_differences(times)
    }

    fn closed_form(&self, times: &[f64]) -> Result<Vec<Frame>> {
        let pulse = GaussianPulse {
            center: self.pulse.center,
            amplitude: self.pulse.amplitude,
            variance: self.pulse.variance,
            speed: 1.0,
        };
        let points = points();
        let frame = |profile: &crate::reference::pulse::PulseProfile| {
            let values = points
                .iter()
                .map(|&point| Ok(profile.at(point)?.displacement));
            Ok(Frame {
                time: profile.time(),
                values: values.collect::<Result<_>>()?,
            })
        };
        pulse.profiles(times)?.iter().map(frame).collect()
    }

    fn finite_differences(&self, times: &[f64]) -> Result<Vec<Frame>> {
        let points = grid(REFERENCE_SIDE, 1.0);
        let mut solver = TimeSolver::new(REFERENCE_SIDE, self.medium.on_grid(REFERENCE_SIDE));
        solver.border = self.border.of_reference();
        let initial = match self.excitation {
            Excitation::Pulse => points
                .iter()
                .map(|&point| self.pulse.value(point))
                .collect(),
            Excitation::Ricker(ricker) => {
                let area = solver.spacing().powi(2);
                let least = (-0.5 * REACH * REACH).exp() * self.pulse.amplitude;
                let values = points.iter().map(|&point| (point, self.pulse.value(point)));
                let near = values.filter(|(_, value)| value.abs() > least);
                let source = |(position, value): (Point, f64)| PulsedSource {
                    position,
                    strength: area * value / self.pulse.variance,
                    wavelet: ricker.wavelet(),
                };
                solver.sources = near.map(source).collect();
                vec![0.0; points.len()]
            }
        };
        let record = solver.run(&InitialWave::at_rest(initial), times)?;
        let stride = (REFERENCE_SIDE - 1) / (COMPARED_SIDE - 1);
        let frame = |snapshot: &crate::reference::leapfrog::WaveSnapshot| {
            let rows = snapshot.values.chunks(REFERENCE_SIDE).step_by(stride);
            Frame {
                time: snapshot.time,
                values: rows
                    .flat_map(|row| row.iter().step_by(stride).copied())
                    .collect(),
            }
        };
        Ok(record.snapshots.iter().map(frame).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(medium: &Medium, border: BorderCondition) -> Scene<'_> {
        Scene {
            medium,
            pulse: InitialPulse {
                center: [0.2, -0.1],
                amplitude: 0.02,
                variance: 4e-3,
            },
            excitation: Excitation::Pulse,
            border,
        }
    }

    fn distance(a: &Frame, b: &Frame) -> f64 {
        let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
        let difference = a.values.iter().zip(&b.values).map(|(a, b)| a - b);
        let norm = square(&mut b.values.iter().copied());
        (square(&mut { difference }) / norm).sqrt()
    }

    #[test]
    fn the_closed_form_and_finite_differences_agree_on_every_point_of_a_frame() {
        let medium = Medium::uniform();
        let closed = scene(&medium, BorderCondition::Open)
            .frames(&[0.1, 0.3])
            .unwrap();
        let solved = scene(&medium, BorderCondition::Dirichlet)
            .frames(&[0.1, 0.3])
            .unwrap();
        for (closed, solved) in closed.iter().zip(&solved) {
            assert_eq!(closed.values.len(), points().len());
            let error = distance(solved, closed);
            assert!(error < 1e-3, "{error}");
        }
    }

    #[test]
    fn frames_end_with_the_duration() {
        assert_eq!(times(0.4), TIMES);
        assert_eq!(times(0.12), [0.05, 0.1]);
        assert_eq!(times(0.01), [0.01]);
    }
}
