//! Layers that absorb waves: where they lie and how much they damp.

use super::{TimeSolver, WaveBorder};

/// Amplitude that is left of a wave that crosses the layer at a right angle, is reflected at its end, and returns.
const LEFT_OVER: f64 = 1e-3;

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

    /// Returns the damping `γ` of `u_tt + γ u_t = (1/m) Δu` at every point, for the squared slowness `m`.
    ///
    /// In the layer, `γ = 3 c ln(1/R)/W (d/W)²` at the depth `d` of the width `W` for each axis. On the end points, `u_t + c ∂ₙu = 0` takes the
    /// value beyond the border from the reflected Laplacian, which leaves `γ = 2c/h`.
    pub(super) fn damping(&self, medium: &[f64], spacing: f64) -> Vec<f64> {
        let width = self.points as f64 * spacing;
        let along: Vec<f64> = (0..self.side)
            .map(|at| {
                let outward = at.min(self.side - 1 - at);
                let depth = self.points.saturating_sub(outward) as f64 * spacing;
                let layer = if self.points == 0 {
                    0.0
                } else {
                    3.0 * -LEFT_OVER.ln() * depth * depth / width.powi(3)
                };
                layer + if outward == 0 { 2.0 / spacing } else { 0.0 }
            })
            .collect();
        medium
            .iter()
            .enumerate()
            .map(|(at, m)| (along[at / self.side] + along[at % self.side]) / m.sqrt())
            .collect()
    }
}
