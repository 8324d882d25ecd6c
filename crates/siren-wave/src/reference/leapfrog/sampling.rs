//! Values between grid points and between time levels.

use crate::Point;
use crate::reference::sampler::cubic;

/// A point between grid points: its place and the cubic weights of four neighbors along each axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct GridPoint {
    /// Lowest row and column of the neighbors.
    first: [usize; 2],
    weights: [[f64; 4]; 2],
}

impl GridPoint {
    /// Places a point of [−1, 1]² on a grid of at least four points a side.
    pub(super) fn new(side: usize, [x, y]: Point) -> Self {
        let [(row, row_weights), (column, column_weights)] = [y, x].map(|z| cubic(side, z));
        Self {
            first: [row, column],
            weights: [row_weights, column_weights],
        }
    }

    /// Interpolates a field whose rows are `stride` apart, and in which the grid begins at row and column `offset`.
    pub(super) fn sample(&self, field: &[f64], stride: usize, offset: usize) -> f64 {
        let [row, column] = self.first.map(|first| first + offset);
        let [row_weights, column_weights] = &self.weights;
        let mut sum = 0.0;
        for (i, row_weight) in row_weights.iter().enumerate() {
            for (j, column_weight) in column_weights.iter().enumerate() {
                sum += row_weight * column_weight * field[(row + i) * stride + column + j];
            }
        }
        sum
    }
}

/// Returns the position of a coordinate on an axis of the grid, in points from the first.
pub(super) fn grid_position(side: usize, coordinate: f64) -> f64 {
    let last = (side - 1) as f64;
    (0.5 * (coordinate + 1.0) * last).clamp(0.0, last)
}

/// Returns the Lagrange weights of the levels `0, 1, …, count − 1` for a position among them. At a level the weights are exactly 1 and 0.
pub(super) fn time_weights(position: f64, count: usize) -> Vec<f64> {
    (0..count)
        .map(|own| lagrange_weight(position, own, count))
        .collect()
}

fn lagrange_weight(position: f64, own: usize, count: usize) -> f64 {
    (0..count)
        .filter(|&other| other != own)
        .map(|other| (position - other as f64) / (own as f64 - other as f64))
        .product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubic_fields_are_sampled_exactly_up_to_the_corners() {
        let side = 9;
        let cubic = |[x, y]: Point| (1.0 + x - 2.0 * x.powi(3)) * (y * y - 0.5 * y.powi(3));
        let coordinate = |index: usize| -1.0 + 2.0 * index as f64 / 8.0;
        let field: Vec<f64> = (0..side * side)
            .map(|at| cubic([coordinate(at % side), coordinate(at / side)]))
            .collect();
        for point in [[-1.0, 1.0], [0.97, -0.99], [0.1, 0.3], [1.0, 0.0]] {
            let value = GridPoint::new(side, point).sample(&field, side, 0);
            assert!((value - cubic(point)).abs() < 1e-13, "{point:?}");
        }
    }
}
