//! Products of whole matrices, for whoever has no tiles: the optimizer's.

use std::ops::Range;

use rayon::prelude::*;

use super::panel::{Finish, ROW_PAD, Strided, room, stride};
use crate::{Level, Real};

/// Rows that a thread works on at once: a multiple of every micro-kernel's.
const BLOCK: usize = 8 * ROW_PAD;

/// A matrix in rows as the micro-kernels want them; zero in the padding.
#[derive(Clone)]
pub struct Matrix<T> {
    rows: usize,
    columns: usize,
    data: Vec<T>,
}

impl<T: Real> Matrix<T> {
    /// Of zeros.
    pub fn zero((rows, columns): (usize, usize)) -> Self {
        // A block of columns is read as if its rows were whole: past the end by what lies before it.
        let len = room(rows, columns) + stride(columns);
        Self {
            rows,
            columns,
            data: vec![T::of(0.0); len],
        }
    }

    /// From row-major numbers.
    pub fn new((rows, columns): (usize, usize), numbers: &[T]) -> Self {
        let mut matrix = Self::zero((rows, columns));
        let padded = matrix.data.chunks_exact_mut(stride(columns));
        for (row, numbers) in padded.zip(numbers.chunks_exact(columns)) {
            row[..columns].copy_from_slice(numbers);
        }
        matrix
    }

    /// Row-major numbers.
    pub fn numbers(&self) -> Vec<T> {
        let rows = self.data.chunks_exact(stride(self.columns)).take(self.rows);
        rows.flat_map(|row| row[..self.columns].iter().copied())
            .collect()
    }

    /// Every number of it through `f`, with that of `other` in the same place.
    pub fn zip(&mut self, other: &Self, f: impl Fn(T, T) -> T) {
        for (a, &b) in self.data.iter_mut().zip(&other.data) {
            *a = f(*a, b);
        }
    }

    /// `out = Aᵀ A`.
    pub fn gram(&self, out: &mut Self) {
        assert_eq!((out.rows, out.columns), (self.columns, self.columns));
        out.data.fill(T::of(0.0));
        out.blocks(|level, columns, out| {
            let a = self.strided(columns.start, self.rows);
            let b = self.strided(0, self.rows);
            T::multiply_transposed(level, (a, columns.len()), (b, self.columns), out);
        });
    }

    /// `out = A B`.
    pub fn times(&self, other: &Self, out: &mut Self) {
        assert_eq!((out.rows, out.columns), (self.rows, other.columns));
        let packed = T::straight(Level::best(), &other.numbers(), other.rows, other.columns);
        out.blocks(|level, rows, out| {
            let a = self.strided(rows.start * stride(self.columns), rows.len());
            T::multiply(
                level,
                a,
                &packed,
                (out, stride(other.columns)),
                Finish::Write,
            );
        });
    }

    /// The numbers from `first` on, as `rows` rows.
    fn strided(&self, first: usize, rows: usize) -> Strided<'_, T> {
        Strided {
            data: &self.data[first..],
            rows,
            stride: stride(self.columns),
        }
    }

    /// Fills rows, block by block on the threads of the current pool; each number is computed in one block, so it does not depend
    /// on the threads.
    fn blocks(&mut self, fill: impl Fn(Level, Range<usize>, &mut [T]) + Sync) {
        let level = Level::best();
        let rows = self.rows;
        let blocks = self.data.par_chunks_mut(BLOCK * stride(self.columns));
        blocks.enumerate().for_each(|(index, out)| {
            let first = index * BLOCK;
            // What is left over in the end is slack.
            if first < rows {
                fill(level, first..rows.min(first + BLOCK), out);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close([exact, expected]: [&[f64]; 2], rough: &[f32]) {
        assert_eq!(exact.len(), expected.len());
        for ((exact, expected), rough) in exact.iter().zip(expected).zip(rough) {
            assert!((exact - expected).abs() < 1e-12);
            assert!((f64::from(*rough) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn products_of_every_shape_are_those_of_their_definition() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 2), (100, 70, 131), (49, 257, 64)] {
            let numbers = |count: usize| (0..count).map(|i| (1.7 * i as f64).sin());
            let (a, b): (Vec<f64>, Vec<f64>) = (numbers(m * k).collect(), numbers(k * n).collect());
            let entry = |i: usize| -> f64 {
                let (row, column) = (i / n, i % n);
                (0..k).map(|l| a[row * k + l] * b[l * n + column]).sum()
            };
            let expected: Vec<f64> = (0..m * n).map(entry).collect();
            let square = |i: usize| -> f64 {
                let (row, column) = (i / k, i % k);
                (0..m).map(|l| a[l * k + row] * a[l * k + column]).sum()
            };
            let gram: Vec<f64> = (0..k * k).map(square).collect();
            let left = Matrix::new((m, k), &a);
            let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
            let fast = Matrix::new((m, k), &single(&a));
            let mut product = [Matrix::zero((m, n)), Matrix::zero((k, k))];
            left.times(&Matrix::new((k, n), &b), &mut product[0]);
            left.gram(&mut product[1]);
            let mut rough = [Matrix::zero((m, n)), Matrix::zero((k, k))];
            fast.times(&Matrix::new((k, n), &single(&b)), &mut rough[0]);
            fast.gram(&mut rough[1]);
            close([&product[0].numbers(), &expected], &rough[0].numbers());
            close([&product[1].numbers(), &gram], &rough[1].numbers());
        }
    }
}
