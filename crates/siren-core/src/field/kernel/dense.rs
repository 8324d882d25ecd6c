//! Products of whole matrices, for whoever has no tiles: the optimizer's.

use rayon::prelude::*;

use super::Real;
use super::level::Level;
use super::panel::{ROW_PAD, Strided, stride};
use super::tile::room;

/// Rows that a thread works on at once: a multiple of every micro-kernel's.
const BLOCK: usize = 8 * ROW_PAD;

/// A matrix in rows as the micro-kernels want them; zero in the padding.
#[derive(Clone)]
pub(crate) struct Matrix<T> {
    rows: usize,
    columns: usize,
    data: Vec<T>,
}

impl<T: Real> Matrix<T> {
    fn zero(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            data: vec![T::of(0.0); room(rows, columns)],
        }
    }

    /// From row-major numbers.
    pub(crate) fn new((rows, columns): (usize, usize), numbers: &[T]) -> Self {
        let mut matrix = Self::zero(rows, columns);
        let padded = matrix.data.chunks_exact_mut(stride(columns));
        for (row, numbers) in padded.zip(numbers.chunks_exact(columns)) {
            row[..columns].copy_from_slice(numbers);
        }
        matrix
    }

    /// Row-major numbers.
    pub(crate) fn numbers(&self) -> Vec<T> {
        let rows = self.data.chunks_exact(stride(self.columns)).take(self.rows);
        rows.flat_map(|row| row[..self.columns].iter().copied())
            .collect()
    }

    /// Every number of it through `f`, with that of `other` in the same place.
    pub(crate) fn zip(mut self, other: &Self, f: impl Fn(T, T) -> T) -> Self {
        for (a, &b) in self.data.iter_mut().zip(&other.data) {
            *a = f(*a, b);
        }
        self
    }

    /// `A Bᵀ`.
    pub(crate) fn times_transposed(&self, other: &Self) -> Self {
        let weight = T::transposed(&other.numbers(), other.rows, other.columns);
        self.times_packed(&weight, other.rows)
    }

    /// `A B`.
    pub(crate) fn times(&self, other: &Self) -> Self {
        let weight = T::straight(&other.numbers(), other.rows, other.columns);
        self.times_packed(&weight, other.columns)
    }

    fn times_packed(&self, weight: &T::Weight, columns: usize) -> Self {
        let level = Level::best();
        let mut out = Self::zero(self.rows, columns);
        let (own, new) = (stride(self.columns), stride(columns));
        let rows = out.data.par_chunks_mut(BLOCK * new).enumerate();
        rows.for_each(|(index, out)| {
            let first = index * BLOCK;
            // What is left over in the end is slack.
            if first < self.rows {
                let a = Strided {
                    data: &self.data[first * own..],
                    rows: BLOCK.min(self.rows - first),
                    stride: own,
                };
                T::multiply(level, a, weight, (out, new), None);
            }
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_every_shape_are_those_of_their_definition() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 2), (100, 70, 131), (49, 257, 64)] {
            let numbers = |count: usize| (0..count).map(|i| (1.7 * i as f64).sin());
            let (a, b): (Vec<f64>, Vec<f64>) = (numbers(m * k).collect(), numbers(k * n).collect());
            let turned: Vec<f64> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
            let entry = |i: usize| -> f64 {
                let (row, column) = (i / n, i % n);
                (0..k).map(|l| a[row * k + l] * b[l * n + column]).sum()
            };
            let expected: Vec<f64> = (0..m * n).map(entry).collect();
            let left = Matrix::new((m, k), &a);
            let straight = left.times(&Matrix::new((k, n), &b));
            let transposed = left.times_transposed(&Matrix::new((n, k), &turned));
            let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
            let fast = Matrix::new((m, k), &single(&a)).times(&Matrix::new((k, n), &single(&b)));
            for (i, &expected) in expected.iter().enumerate() {
                assert!((straight.numbers()[i] - expected).abs() < 1e-12);
                assert!((transposed.numbers()[i] - expected).abs() < 1e-12);
                assert!((f64::from(fast.numbers()[i]) - expected).abs() < 1e-4);
            }
        }
    }
}
