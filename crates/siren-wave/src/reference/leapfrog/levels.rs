//! Time levels of the leapfrog scheme.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::laplacian::Laplacian;
use super::layer::{Layer, Padding, RowLevels};
use super::sampling::{GridPoint, grid_position};
use super::{InitialWave, LeapfrogOrder, PulsedSource, TimeSolver, WaveBorder};

/// The newest time levels of a run, and what is needed for the next one.
pub(super) struct Levels<'a> {
    solver: &'a TimeSolver,
    padding: Padding,
    laplacian: Laplacian,
    time_step: f64,
    /// `Δt²/(m h²)`.
    gain: Vec<f64>,
    layer: Option<Layer>,
    sources: Vec<SourceNode<'a>>,
    /// `Δt² u_tt` without damping, for the correction at fourth order.
    acceleration: Vec<f64>,
    /// The newest levels in ascending order; the last one is at the time `newest_step · Δt`.
    fields: VecDeque<Vec<f64>>,
    newest_step: usize,
}

/// A grid point that a source acts on.
struct SourceNode<'a> {
    row: usize,
    column: usize,
    /// `S Δt²` times the bilinear weight, over the area of the cell.
    factor: f64,
    source: &'a PulsedSource,
}

/// The factors of all source nodes in one step, by row.
struct Pushes(Vec<Push>);

struct Push {
    row: usize,
    column: usize,
    value: f64,
}

impl Pushes {
    fn add_to(&self, row: usize, values: &mut [f64]) {
        for push in self.0.iter().filter(|push| push.row == row) {
            values[push.column] += push.value;
        }
    }
}

impl<'a> Levels<'a> {
    /// Makes as many levels as a snapshot is interpolated from, the first one at time zero.
    pub(super) fn start(solver: &'a TimeSolver, initial: &InitialWave) -> Self {
        let padding = Padding::new(solver);
        let (spacing, time_step) = (solver.spacing(), solver.time_step());
        let medium = padding.extend(&solver.medium);
        let gain: Vec<f64> = medium
            .iter()
            .map(|m| (time_step / spacing).powi(2) / m)
            .collect();
        let layer = matches!(solver.border, WaveBorder::Absorbing { .. })
            .then(|| Layer::new(solver, padding));
        let parity = match solver.border {
            WaveBorder::Dirichlet => -1.0,
            WaveBorder::Neumann | WaveBorder::Absorbing { .. } => 1.0,
        };
        let mut levels = Self {
            solver,
            padding,
            laplacian: Laplacian {
                side: padding.side,
                order: solver.order,
                parity,
            },
            time_step,
            gain,
            layer,
            sources: source_nodes(solver, padding),
            acceleration: Vec::new(),
            fields: VecDeque::new(),
            newest_step: 0,
        };
        if solver.order == LeapfrogOrder::Fourth {
            levels.acceleration = vec![0.0; medium.len()];
        }
        let displacement = levels.extend(&initial.displacement);
        let velocity = levels.extend(&initial.velocity);
        levels.take_first_step(displacement, &velocity);
        while levels.fields.len() < solver.order.levels() {
            levels.advance();
        }
        levels
    }

    fn extend(&self, values: &[f64]) -> Vec<f64> {
        let mut field = self.padding.extend(values);
        if self.solver.border == WaveBorder::Dirichlet {
            let side = self.padding.side;
            let last = side - 1;
            for (at, value) in field.iter_mut().enumerate() {
                if [at / side, at % side]
                    .iter()
                    .any(|&index| index == 0 || index == last)
                {
                    *value = 0.0;
                }
            }
        }
        field
    }

    /// Takes the Taylor step `u + Δt u_t + Δt²/2 u_tt`, at fourth order with `Δt³/6 u_ttt + Δt⁴/24 u_tttt`.
    fn take_first_step(&mut self, displacement: Vec<f64>, velocity: &[f64]) {
        let (side, dt) = (self.padding.side, self.time_step);
        let mut odd = vec![0.0; velocity.len()];
        if self.solver.order == LeapfrogOrder::Fourth {
            let rates = self
                .pushes(|source| 0.5 * (source.wavelet.value(dt) - source.wavelet.value(-dt)) / dt);
            let gain = &self.gain;
            self.laplacian.apply(velocity, &mut odd, |row, out| {
                multiply(out, &gain[row * side..]);
                rates.add_to(row, out);
            });
        }
        for (odd, velocity) in odd.iter_mut().zip(velocity) {
            *odd = dt * (velocity + *odd / 6.0);
        }
        let mut next = vec![0.0; displacement.len()];
        let (layer, gain) = (self.layer.as_ref(), &self.gain);
        let acceleration = std::mem::take(&mut self.acceleration);
        self.acceleration = self.force(acceleration, &displacement, &mut next, |at, out| {
            let inside = &displacement[at..][..side];
            let odd = &odd[at..][..side];
            for j in 0..side {
                let g = layer.map_or(0.0, |layer| layer.friction(at / side, j, gain[at + j]));
                out[j] = inside[j] + (1.0 - g) * odd[j] + 0.5 * out[j];
            }
        });
        self.fields.extend([displacement, next]);
        self.newest_step = 1;
    }

    /// Takes one step: `u⁺ = 2u − u⁻ + Δt² A u`, with the damping of a layer.
    pub(super) fn advance(&mut self) {
        let full = self.fields.len() == self.solver.order.levels();
        let recycled = if full { self.fields.pop_front() } else { None };
        let mut next = recycled.unwrap_or_else(|| vec![0.0; self.gain.len()]);
        let side = self.padding.side;
        let acceleration = std::mem::take(&mut self.acceleration);
        let count = self.fields.len();
        let (before, now) = (&self.fields[count - 2], &self.fields[count - 1]);
        if let Some(layer) = &mut self.layer {
            layer.advance(before, now);
        }
        let acceleration = self.force(acceleration, now, &mut next, |at, out| {
            let levels = RowLevels {
                before: &before[at..][..side],
                now: &now[at..][..side],
                gain: &self.gain[at..][..side],
            };
            if let Some(layer) = &self.layer {
                layer.finish(at / side, &levels, out);
            } else {
                for (out, (now, before)) in out.iter_mut().zip(levels.now.iter().zip(levels.before))
                {
                    *out += 2.0 * now - before;
                }
            }
        });
        self.acceleration = acceleration;
        self.fields.push_back(next);
        self.newest_step += 1;
    }

    /// Computes `Δt² A u` of the newest level into `out`, with the sources at its time, and hands each row to `finish` with the index of its first
    /// value. Returns the storage of the acceleration.
    fn force(
        &self,
        mut acceleration: Vec<f64>,
        field: &[f64],
        out: &mut [f64],
        finish: impl Fn(usize, &mut [f64]) + Sync,
    ) -> Vec<f64> {
        let (side, gain) = (self.padding.side, &self.gain);
        let (time, dt) = (self.newest_step as f64 * self.time_step, self.time_step);
        let now = self.pushes(|source| source.wavelet.value(time));
        let stretch = |row: usize, out: &mut [f64]| {
            if let Some(layer) = &self.layer {
                layer.add_to(row, out);
            }
        };
        match self.solver.order {
            LeapfrogOrder::Second => self.laplacian.apply(field, out, |row, out| {
                stretch(row, out);
                multiply(out, &gain[row * side..]);
                now.add_to(row, out);
                finish(row * side, out);
            }),
            LeapfrogOrder::Fourth => {
                self.laplacian.apply(field, &mut acceleration, |row, out| {
                    stretch(row, out);
                    multiply(out, &gain[row * side..]);
                    now.add_to(row, out);
                });
                let curvatures = self.pushes(|source| {
                    let at = |time| source.wavelet.value(time);
                    at(time + dt) - 2.0 * at(time) + at(time - dt)
                });
                let first = &acceleration;
                self.laplacian.apply(first, out, |row, out| {
                    multiply(out, &gain[row * side..]);
                    curvatures.add_to(row, out);
                    for (out, first) in out.iter_mut().zip(&first[row * side..]) {
                        *out = first + *out / 12.0;
                    }
                    finish(row * side, out);
                });
            }
        }
        acceleration
    }

    fn pushes(&self, amplitude: impl Fn(&PulsedSource) -> f64) -> Pushes {
        Pushes(
            self.sources
                .iter()
                .map(|node| Push {
                    row: node.row,
                    column: node.column,
                    value: node.factor * amplitude(node.source),
                })
                .collect(),
        )
    }

    pub(super) fn time_step(&self) -> f64 {
        self.time_step
    }

    pub(super) fn newest(&self) -> &[f64] {
        &self.fields[self.fields.len() - 1]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.fields.iter().map(Vec::as_slice)
    }

    /// Returns the time up to which the levels surround a snapshot evenly: that of the first level after the middle.
    pub(super) fn centered_time(&self) -> f64 {
        (self.newest_step + 1 - self.fields.len() / 2) as f64 * self.time_step
    }

    /// Returns the position of a time among the levels, 0 at the oldest.
    pub(super) fn position(&self, time: f64) -> f64 {
        time / self.time_step - (self.newest_step + 1 - self.fields.len()) as f64
    }

    /// Interpolates a level at a receiver.
    pub(super) fn sample(&self, level: &[f64], receiver: &GridPoint) -> f64 {
        receiver.sample(level, self.padding.side, self.padding.points)
    }

    /// Sums the levels with weights, on the grid of the solver.
    pub(super) fn combine(&self, weights: &[f64]) -> Vec<f64> {
        let mut values = vec![0.0; self.solver.side * self.solver.side];
        let Padding { points, side } = self.padding;
        values
            .par_chunks_mut(self.solver.side)
            .enumerate()
            .for_each(|(row, out)| {
                for (field, weight) in self.fields.iter().zip(weights) {
                    let field = &field[(row + points) * side + points..];
                    for (out, value) in out.iter_mut().zip(field) {
                        *out += weight * value;
                    }
                }
            });
        values
    }

    /// Returns the energy of the step that holds a time.
    pub(super) fn energy(&self, time: f64) -> f64 {
        let step = (self.position(time).floor() as usize).min(self.fields.len() - 2);
        let (now, next) = (&self.fields[step], &self.fields[step + 1]);
        let side = self.padding.side;
        let gain = &self.gain;
        let scale = |row: usize, out: &mut [f64]| multiply(out, &gain[row * side..]);
        let mut force = vec![0.0; now.len()];
        self.laplacian.apply(now, &mut force, scale);
        if self.solver.order == LeapfrogOrder::Fourth {
            let mut correction = vec![0.0; now.len()];
            self.laplacian.apply(&force, &mut correction, scale);
            for (force, correction) in force.iter_mut().zip(&correction) {
                *force += correction / 12.0;
            }
        }
        let weight = |index| self.padding.weight(index);
        // Row by row, so that the order of the sum does not depend on the threads. `h² m = Δt²/gain`, and `Δt²` drops out.
        let sum: f64 = (0..side)
            .map(|row| {
                let of_row: f64 = (0..side)
                    .map(|column| {
                        let at = row * side + column;
                        let kinetic = (next[at] - now[at]).powi(2);
                        weight(column) * (kinetic - next[at] * force[at]) / gain[at]
                    })
                    .sum();
                weight(row) * of_row
            })
            .sum();
        0.5 * sum
    }
}

fn multiply(values: &mut [f64], factors: &[f64]) {
    for (value, factor) in values.iter_mut().zip(factors) {
        *value *= factor;
    }
}

/// Shares the sources among the grid points around them. Points of a Dirichlet border, where `u = 0`, get none.
fn source_nodes(solver: &TimeSolver, padding: Padding) -> Vec<SourceNode<'_>> {
    let side = solver.side;
    let scale = (solver.time_step() / solver.spacing()).powi(2);
    let mut nodes = Vec::new();
    for source in &solver.sources {
        let [x, y] = source
            .position
            .map(|coordinate| grid_position(side, coordinate));
        let [first_column, first_row] = [x, y].map(|at| (at.floor() as usize).min(side - 2));
        for (row, column) in
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| (first_row + i, first_column + j))
        {
            let share = (1.0 - (y - row as f64).abs()) * (1.0 - (x - column as f64).abs());
            let on_border = [row, column].iter().any(|&at| at == 0 || at == side - 1);
            if share > 0.0 && !(on_border && solver.border == WaveBorder::Dirichlet) {
                let [row, column] = [row, column].map(|at| at + padding.points);
                nodes.push(SourceNode {
                    row,
                    column,
                    factor: source.strength * scale * share
                        / (padding.weight(row) * padding.weight(column)),
                    source,
                });
            }
        }
    }
    nodes
}
