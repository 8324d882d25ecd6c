//! Values of a grid at points, and the transposed operation.

use num_complex::Complex64;
use siren_core::{Error, Result};

use crate::Point;

/// Number of grid points per axis that enter a sample.
const WIDTH: usize = 4;

/// Cubic interpolation of a grid on [−1, 1]² at fixed points: an operator `P` of shape `(points, side²)`, and its transpose.
///
/// The cubic through the four nearest grid points of each axis errs by at most `(3/128) h⁴ |u''''|`.
#[derive(Clone, Debug)]
pub struct PointSampler {
    side: usize,
    rows: Vec<SampleWeights>,
}

/// Entries of one row of `P`: the tensor product of four columns and four rows of the grid.
#[derive(Clone, Debug)]
struct SampleWeights {
    first_column: usize,
    first_row: usize,
    columns: [f64; WIDTH],
    rows: [f64; WIDTH],
}

impl PointSampler {
    /// Makes the sampler of a grid of `side` × `side` points.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a point lies outside [−1, 1]², or the grid has fewer than four points a side.
    pub fn new(side: usize, points: &[Point]) -> Result<Self> {
        if side < WIDTH {
            return Err(Error::invalid("side", side, "at least 4 grid points"));
        }
        let rows = points.iter().enumerate().map(|(at, &[x, y])| {
            // A comparison that is false for NaN.
            if !(x.abs() <= 1.0 && y.abs() <= 1.0) {
                let found = format!("[{x}, {y}] (point {at}, counted from 0)");
                return Err(Error::invalid("points", found, "points in [-1, 1]²"));
            }
            let (first_column, columns) = cubic(side, x);
            let (first_row, rows) = cubic(side, y);
            Ok(SampleWeights {
                first_column,
                first_row,
                columns,
                rows,
            })
        });
        Ok(Self {
            side,
            rows: rows.collect::<Result<_>>()?,
        })
    }

    /// Returns the number of points.
    #[must_use]
    pub fn points(&self) -> usize {
        self.rows.len()
    }

    /// Returns `P u`, one value per point, of a grid `u` of `side²` values.
    ///
    /// # Errors
    /// [`Error::Shape`] if the grid has another number of values.
    pub fn sample(&self, grid: &[Complex64]) -> Result<Vec<Complex64>> {
        if grid.len() != self.side * self.side {
            return Err(Error::Shape {
                what: "grid to sample",
                expected: format!("{} values", self.side * self.side),
                got: grid.len().to_string(),
            });
        }
        let value = |weights: &SampleWeights| {
            weights
                .entries(self.side)
                .map(|(index, weight)| grid[index] * weight)
                .sum()
        };
        Ok(self.rows.iter().map(value).collect())
    }

    /// Returns `Pᵀ v`, a grid of `side²` values, of one value `v` per point.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is another number of values than of points.
    pub fn spread(&self, values: &[Complex64]) -> Result<Vec<Complex64>> {
        if values.len() != self.rows.len() {
            return Err(Error::Shape {
                what: "values to spread",
                expected: format!("{}, one per point", self.rows.len()),
                got: values.len().to_string(),
            });
        }
        let mut grid = vec![Complex64::ZERO; self.side * self.side];
        for (weights, value) in self.rows.iter().zip(values) {
            for (index, weight) in weights.entries(self.side) {
                grid[index] += value * weight;
            }
        }
        Ok(grid)
    }
}

impl SampleWeights {
    /// Returns the indices of the grid points, and their weights.
    fn entries(&self, side: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        (0..WIDTH * WIDTH).map(move |at| {
            let (i, j) = (at / WIDTH, at % WIDTH);
            let index = (self.first_row + i) * side + self.first_column + j;
            (index, self.rows[i] * self.columns[j])
        })
    }
}

/// Returns the first of four grid points around a coordinate of [−1, 1], and the weights of Lagrange's cubic through them.
pub(super) fn cubic(side: usize, coordinate: f64) -> (usize, [f64; WIDTH]) {
    let position = 0.5 * (coordinate + 1.0) * (side - 1) as f64;
    let first = (position.floor() as usize)
        .saturating_sub(1)
        .min(side - WIDTH);
    let t = position - first as f64;
    let [a, b, c, d] = [t, t - 1.0, t - 2.0, t - 3.0];
    let weights = [
        -b * c * d / 6.0,
        a * c * d / 2.0,
        -a * b * d / 2.0,
        a * b * c / 6.0,
    ];
    (first, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [Point; 5] = [
        [0.123, -0.456],
        [-1.0, 1.0],
        [0.999, -0.999],
        [0.0, 0.0],
        [0.25, 0.7],
    ];

    fn grid(side: usize, function: impl Fn(f64, f64) -> f64) -> Vec<Complex64> {
        let at = |i: usize| 2.0 * i as f64 / (side - 1) as f64 - 1.0;
        (0..side * side)
            .map(|i| Complex64::new(function(at(i % side), at(i / side)), 0.0))
            .collect()
    }

    #[test]
    fn cubics_are_sampled_exactly() {
        let function = |x: f64, y: f64| 1.0 + x - 2.0 * y * x * x + y.powi(3) * x.powi(3);
        let sampler = PointSampler::new(9, &POINTS).unwrap();
        for (value, [x, y]) in sampler
            .sample(&grid(9, function))
            .unwrap()
            .iter()
            .zip(POINTS)
        {
            assert!((value.re - function(x, y)).abs() < 1e-13, "{x} {y} {value}");
        }
    }

    #[test]
    fn spreading_is_the_transpose_of_sampling() {
        let sampler = PointSampler::new(9, &POINTS).unwrap();
        let u = grid(9, |x, y| (3.0 * x + y * y).sin());
        let v: Vec<Complex64> = (0..5).map(|i| Complex64::new(1.0, f64::from(i))).collect();
        let left: Complex64 = sampler
            .sample(&u)
            .unwrap()
            .iter()
            .zip(&v)
            .map(|(a, b)| a * b)
            .sum();
        let right: Complex64 = sampler
            .spread(&v)
            .unwrap()
            .iter()
            .zip(&u)
            .map(|(a, b)| a * b)
            .sum();
        assert!((left - right).norm() < 1e-13 && left.norm() > 0.1);
    }

    #[test]
    fn points_outside_the_domain_and_grids_of_another_size_are_refused() {
        for x in [1.001, f64::NAN, f64::INFINITY] {
            assert!(PointSampler::new(9, &[[0.0, x]]).is_err(), "{x}");
        }
        let sampler = PointSampler::new(9, &POINTS).unwrap();
        assert!(sampler.sample(&grid(8, |_, _| 0.0)).is_err());
        assert!(sampler.spread(&[Complex64::ONE; 4]).is_err());
    }
}
