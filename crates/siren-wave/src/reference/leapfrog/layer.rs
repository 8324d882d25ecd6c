//! Layers that absorb waves: where they lie, and the perfectly matched layer in time.

use std::ops::Range;

use rayon::prelude::*;

use super::{TimeSolver, WaveBorder};

/// Amplitude that is left of a wave that crosses the layer at a right angle, is reflected at its end, and returns.
const LEFT_OVER: f64 = 1e-4;

/// The grid of a solver, with a layer around it if its border absorbs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Padding {
    /// Points of the layer on each side.
    pub(super) points: usize,
    /// Points of a side of the grid that is computed.
    pub(super) side: usize,
}

impl Padding {
    pub(super) fn new(solver: &TimeSolver) -> Self {
        let points = match solver.border {
            WaveBorder::Absorbing { width } => (width / solver.spacing()).ceil() as usize,
            WaveBorder::Dirichlet | WaveBorder::Neumann => 0,
        };
        Self {
            points,
            side: solver.side + 2 * points,
        }
    }

    /// Returns the share of a cell that lies inside along one axis: ½ on the border.
    pub(super) fn weight(&self, index: usize) -> f64 {
        if index == 0 || index == self.side - 1 {
            0.5
        } else {
            1.0
        }
    }

    /// Extends a grid by its border values.
    pub(super) fn extend(&self, values: &[f64]) -> Vec<f64> {
        let inner = self.side - 2 * self.points;
        let clamp = |at: usize| at.saturating_sub(self.points).min(inner - 1);
        (0..self.side * self.side)
            .map(|at| values[clamp(at / self.side) * inner + clamp(at % self.side)])
            .collect()
    }
}

/// A perfectly matched layer in time (Grote and Sim 2010), of the Helmholtz layer's stretch `1 + ζ/(iω)` of each coordinate:
///
/// `m (u_tt + (ζ_x + ζ_y) u_t + ζ_x ζ_y u) = Δu + ∂x φ_x + ∂y φ_y`, `∂t φ_x = −ζ_x φ_x + (ζ_y − ζ_x) u_x`, likewise `φ_y`.
///
/// `ζ = 3 c ln(1/R)/(2W) (d/W)²` at the depth `d` of the width `W`, where `c` is the largest speed. The `φ` lie between grid points.
pub(super) struct Layer {
    padding: Padding,
    /// `ζ Δt/2` at the points of an axis.
    damping: Vec<f64>,
    /// 1 at the end points of an axis, 0 elsewhere.
    ends: Vec<f64>,
    /// The damping between each point and the next.
    between: Vec<HalfPoint>,
    /// `h φ_x` between each point and the next in its row.
    along_row: Vec<f64>,
    /// `h φ_y` between each point and the one in the next row.
    along_column: Vec<f64>,
}

/// A place between two points of an axis, with its own damping `z = ζ Δt/2`.
#[derive(Clone, Copy)]
struct HalfPoint {
    damping: f64,
    /// `(1 − z)/(1 + z)`.
    keep: f64,
    /// `1/(1 + z)`.
    gain: f64,
}

impl HalfPoint {
    fn new(damping: f64) -> Self {
        let gain = 1.0 / (1.0 + damping);
        Self {
            damping,
            keep: (1.0 - damping) * gain,
            gain,
        }
    }

    /// Moves `φ` one step on, with the damping of the other axis and the difference of the field over this place.
    #[inline]
    fn step(self, phi: f64, other: f64, difference: f64) -> f64 {
        self.keep * phi + self.gain * (other - self.damping) * difference
    }
}

impl Layer {
    pub(super) fn new(solver: &TimeSolver, padding: Padding) -> Self {
        let width = padding.points as f64 * solver.spacing();
        // Path of the fastest wave in a step.
        let path = solver.order.courant_number() * solver.spacing();
        let damping: Vec<f64> = (0..padding.side)
            .map(|at| {
                let outward = at.min(padding.side - 1 - at);
                let depth = padding.points.saturating_sub(outward) as f64 * solver.spacing();
                if depth > 0.0 {
                    -0.75 * LEFT_OVER.ln() * path * depth * depth / width.powi(3)
                } else {
                    0.0
                }
            })
            .collect();
        let points = padding.side * padding.side;
        let halves = damping
            .windows(2)
            .map(|pair| HalfPoint::new(0.5 * (pair[0] + pair[1])));
        Self {
            padding,
            between: halves.collect(),
            damping,
            ends: (0..padding.side)
                .map(|at| {
                    if at == 0 || at == padding.side - 1 {
                        1.0
                    } else {
                        0.0
                    }
                })
                .collect(),
            along_row: vec![0.0; points],
            along_column: vec![0.0; points],
        }
    }

    /// Returns `g = γ Δt/2` at a point for all damping `γ` of `u_t`; `gain` is `(c Δt/h)²`.
    pub(super) fn friction(&self, row: usize, column: usize, gain: f64) -> f64 {
        let axes = [row, column];
        friction(
            axes.map(|at| self.damping[at]),
            axes.map(|at| self.ends[at]),
            gain,
        )
    }

    /// Turns a row of accelerations `Δt² A u` into the next level:
    /// `(1 + g + b) u⁺ = 2 (1 − b) u − (1 − g + b) u⁻ + Δt² A u`, with the friction `g` and `b = ζ_x ζ_y Δt²/4`.
    pub(super) fn finish(&self, row: usize, levels: &RowLevels<'_>, out: &mut [f64]) {
        let [left, right] = layer_columns(self.padding, row);
        let inner = left.end..right.start;
        for range in [left, right] {
            let [before, now, gain] =
                [levels.before, levels.now, levels.gain].map(|values| &values[range.clone()]);
            let (damping, ends) = (&self.damping[range.clone()], &self.ends[range.clone()]);
            for (j, out) in out[range].iter_mut().enumerate() {
                let b = self.damping[row] * damping[j];
                let g = friction(
                    [self.damping[row], damping[j]],
                    [self.ends[row], ends[j]],
                    gain[j],
                );
                let old = 2.0 * (1.0 - b) * now[j] - (1.0 - g + b) * before[j];
                *out = (old + *out) / (1.0 + g + b);
            }
        }
        let (before, now) = (&levels.before[inner.clone()], &levels.now[inner.clone()]);
        for (out, (now, before)) in out[inner].iter_mut().zip(now.iter().zip(before)) {
            *out += 2.0 * now - before;
        }
    }

    /// Moves `φ` one step on, to the time of the field `now`.
    pub(super) fn advance(&mut self, before: &[f64], now: &[f64]) {
        let side = self.padding.side;
        let (damping, between) = (&self.damping, &self.between);
        let columns = |row| layer_columns(self.padding, row);
        let rows = self.along_row.par_chunks_mut(side);
        rows.zip(self.along_column.par_chunks_mut(side))
            .enumerate()
            .for_each(|(row, (along_row, along_column))| {
                let row_at = |row: usize| row * side..(row + 1) * side;
                let (u, v) = (&now[row_at(row)], &before[row_at(row)]);
                for Range { start, end } in columns(row) {
                    // The last point of a row has no next one.
                    let range = start..end.min(side - 1);
                    let next = start + 1..range.end + 1;
                    let (u, v, u_next, v_next) = (
                        &u[range.clone()],
                        &v[range.clone()],
                        &u[next.clone()],
                        &v[next],
                    );
                    let between = &between[range.clone()];
                    for (j, phi) in along_row[range].iter_mut().enumerate() {
                        let difference = u_next[j] - u[j] + v_next[j] - v[j];
                        *phi = between[j].step(*phi, damping[row], difference);
                    }
                }
                if row + 1 == side {
                    return;
                }
                let (u_next, v_next) = (&now[row_at(row + 1)], &before[row_at(row + 1)]);
                let own = between[row];
                for range in columns(row) {
                    let (u, v) = (&u[range.clone()], &v[range.clone()]);
                    let (u_next, v_next) = (&u_next[range.clone()], &v_next[range.clone()]);
                    let damping = &damping[range.clone()];
                    for (j, phi) in along_column[range].iter_mut().enumerate() {
                        let difference = u_next[j] - u[j] + v_next[j] - v[j];
                        *phi = own.step(*phi, damping[j], difference);
                    }
                }
            });
    }

    /// Adds `h²` times the divergence of `φ` to a row of Laplacians.
    pub(super) fn add_to(&self, row: usize, out: &mut [f64]) {
        let side = self.padding.side;
        let start = row * side;
        let along_row = &self.along_row[start..][..side];
        // Beyond the ends, values are mirrored with the opposite sign.
        let (below, below_sign) = if row == 0 {
            (0, -1.0)
        } else {
            (start - side, 1.0)
        };
        let (above, above_sign) = if row == side - 1 {
            (below, -1.0)
        } else {
            (start, 1.0)
        };
        let below = &self.along_column[below..][..side];
        let above = &self.along_column[above..][..side];
        for range in layer_columns(self.padding, row) {
            let (below, above) = (&below[range.clone()], &above[range.clone()]);
            for (j, out) in out[range.clone()].iter_mut().enumerate() {
                *out += above_sign * above[j] - below_sign * below[j];
            }
            let inner = range.start.max(1)..range.end.min(side - 1);
            let (left, right) = (&along_row[inner.start - 1..], &along_row[inner.clone()]);
            for (j, out) in out[inner].iter_mut().enumerate() {
                *out += right[j] - left[j];
            }
        }
        out[0] += 2.0 * along_row[0];
        out[side - 1] -= 2.0 * along_row[side - 2];
    }
}

/// One row of what the next level is computed from.
pub(super) struct RowLevels<'a> {
    pub(super) before: &'a [f64],
    pub(super) now: &'a [f64],
    /// `(c Δt/h)²`.
    pub(super) gain: &'a [f64],
}

/// Returns `ζ_x + ζ_y`, and `2c/h` on end points, all times `Δt/2`: there, `u_t + c ∂ₙu = 0` takes the value beyond the border from the
/// reflected Laplacian.
#[inline]
fn friction(damping: [f64; 2], ends: [f64; 2], gain: f64) -> f64 {
    damping[0] + damping[1] + (ends[0] + ends[1]) * gain.sqrt()
}

/// Returns the columns of a row that the layer acts on: all of them, or those at both ends.
fn layer_columns(padding: Padding, row: usize) -> [Range<usize>; 2] {
    let Padding { points, side } = padding;
    let reach = points + 1;
    if row < reach || row + reach >= side {
        [0..reach, reach..side]
    } else {
        [0..reach, side - reach..side]
    }
}
