//! Products of whole matrices, in parallel.

use std::ops::Range;

use rayon::prelude::*;

use super::StridedMatrix;
use super::panel::{ROW_PAD, buffer_len, stride};
use crate::{Level, Real};

/// Number of rows that a thread computes at once: a multiple of every micro-kernel's.
const BLOCK: usize = 8 * ROW_PAD;

/// A matrix `(rows, columns)`, stored in padded rows.
///
/// Products run on the current rayon pool at the widest SIMD level. Each element is computed by one thread, so results do not depend on the
/// number of threads.
///
/// ```
/// use siren_kernel::product::Matrix;
///
/// let a = Matrix::from_row_major(2, 2, &[1.0_f64, 2.0, 3.0, 4.0]);
/// let mut gram = Matrix::zeros(2, 2);
/// a.gram(&mut gram);
/// assert_eq!(gram.to_vec(), [10.0, 14.0, 14.0, 20.0]);
/// ```
#[derive(Clone)]
pub struct Matrix<T> {
    rows: usize,
    columns: usize,
    data: Vec<T>,
}

impl<T: Real> Matrix<T> {
    /// Returns a matrix `(rows, columns)` of zeros.
    #[must_use]
    pub fn zeros(rows: usize, columns: usize) -> Self {
        // A block of columns is read in whole rows, so the last one reads past the end by up to `stride(columns)`.
        let len = buffer_len(rows, columns) + stride(columns);
        Self {
            rows,
            columns,
            data: vec![T::of(0.0); len],
        }
    }

    /// Copies `rows × columns` row-major elements.
    ///
    /// # Panics
    /// If the number of elements is another one, or if `columns` is 0.
    #[must_use]
    pub fn from_row_major(rows: usize, columns: usize, elements: &[T]) -> Self {
        assert_eq!(
            elements.len(),
            rows * columns,
            "number of elements of a {rows} × {columns} matrix"
        );
        let mut matrix = Self::zeros(rows, columns);
        let padded_rows = matrix.data.chunks_exact_mut(stride(columns));
        for (padded_row, row) in padded_rows.zip(elements.chunks_exact(columns)) {
            padded_row[..columns].copy_from_slice(row);
        }
        matrix
    }

    /// Returns the transpose.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.columns, self.rows);
        self.transpose_into(&mut out);
        out
    }

    /// Writes the transpose to `out`.
    ///
    /// # Panics
    /// If `out` is not `(columns, rows)`.
    pub fn transpose_into(&self, out: &mut Self) {
        let expected = [self.columns, self.rows];
        assert_eq!(out.shape(), expected, "shape of a transposed matrix");
        let rows = self.data.chunks_exact(stride(self.columns)).take(self.rows);
        let distance = stride(self.rows);
        for (place, row) in rows.enumerate() {
            let column = out.data[place..].iter_mut().step_by(distance);
            for (out, &element) in column.zip(&row[..self.columns]) {
                *out = element;
            }
        }
    }

    /// Copies the elements in row-major order.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        let rows = self.data.chunks_exact(stride(self.columns)).take(self.rows);
        rows.flat_map(|row| row[..self.columns].iter().copied())
            .collect()
    }

    /// Replaces each element `a` by `f(a, b)`, where `b` is the element of `other` at the same place. `f` is called with the padding of both
    /// matrices too; its results there are never read.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn zip_mut_with(&mut self, other: &Self, f: impl Fn(T, T) -> T) {
        assert_eq!(self.shape(), other.shape(), "shapes of two matrices");
        for (a, &b) in self.data.iter_mut().zip(&other.data) {
            *a = f(*a, b);
        }
    }

    /// Replaces each element `a` by `f(a)`, as [`zip_mut_with`](Self::zip_mut_with) does.
    pub fn map(&mut self, f: impl Fn(T) -> T) {
        for a in &mut self.data {
            *a = f(*a);
        }
    }

    /// Computes the Gram matrix `out = Aᵀ A`.
    ///
    /// # Panics
    /// If `out` is not `(columns, columns)`.
    pub fn gram(&self, out: &mut Self) {
        let expected = [self.columns, self.columns];
        assert_eq!(out.shape(), expected, "shape of a Gram matrix");
        out.data.fill(T::of(0.0));
        self.add_transposed_product(self, out);
    }

    /// Adds the product `Aᵀ B`, where `B` is `other`, to `out`.
    ///
    /// # Panics
    /// If `B` has not as many rows as `A`, or `out` is not of the shape of the product.
    pub fn add_transposed_product(&self, other: &Self, out: &mut Self) {
        let expected = [self.columns, other.columns];
        assert_eq!(out.shape(), expected, "shape of a matrix product");
        assert_eq!(self.rows, other.rows, "rows of a transposed product");
        out.fill_blocks(|level, columns, out| {
            let a = self.view(columns.start, self.rows, columns.len());
            let b = other.view(0, other.rows, other.columns);
            T::multiply_transposed(level, a, b, out);
        });
    }

    fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Returns a view of `rows × columns` elements whose first is element `first` of the buffer.
    fn view(&self, first: usize, rows: usize, columns: usize) -> StridedMatrix<'_, T> {
        StridedMatrix {
            data: &self.data[first..],
            rows,
            columns,
            stride: stride(self.columns),
        }
    }

    /// Calls `fill` with the SIMD level, the range and the buffer of each block of rows, on the threads of the current pool.
    fn fill_blocks(&mut self, fill: impl Fn(Level, Range<usize>, &mut [T]) + Sync) {
        let level = Level::best();
        let rows = self.rows;
        if rows <= BLOCK {
            return fill(level, 0..rows, &mut self.data);
        }
        let blocks = self.data.par_chunks_mut(BLOCK * stride(self.columns));
        blocks.enumerate().for_each(|(index, out)| {
            let first = index * BLOCK;
            // The last chunks may consist of padding.
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
    fn assert_close(double: &[f64], single: &[f32], expected: &[f64]) {
        assert_eq!(double.len(), expected.len());
        for ((double, expected), single) in double.iter().zip(expected).zip(single) {
            assert!((double - expected).abs() < 1e-12);
            assert!((f64::from(*single) - expected).abs() < 1e-4);
        }
    }

    fn multiply<T: Real>(a: &Matrix<T>, b: &Matrix<T>) -> Vec<T> {
        let mut product = Matrix::zeros(a.rows, b.columns);
        a.transposed().add_transposed_product(b, &mut product);
        product.to_vec()
    }

    fn gram<T: Real>(a: &Matrix<T>) -> Vec<T> {
        let mut gram = Matrix::zeros(a.columns, a.columns);
        a.gram(&mut gram);
        gram.to_vec()
    }

    #[test]
    fn products_of_every_shape_agree_with_the_definition() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 2), (100, 70, 131), (49, 257, 64)] {
            let values = |count: usize| (0..count).map(|i| (1.7 * i as f64).sin());
            let (a, b): (Vec<f64>, Vec<f64>) = (values(m * k).collect(), values(k * n).collect());
            let product_entry = |i: usize| -> f64 {
                let (row, column) = (i / n, i % n);
                (0..k).map(|l| a[row * k + l] * b[l * n + column]).sum()
            };
            let expected_product: Vec<f64> = (0..m * n).map(product_entry).collect();
            let gram_entry = |i: usize| -> f64 {
                let (row, column) = (i / k, i % k);
                (0..m).map(|l| a[l * k + row] * a[l * k + column]).sum()
            };
            let expected_gram: Vec<f64> = (0..k * k).map(gram_entry).collect();
            let to_single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
            let (a_single, b_single) = (to_single(&a), to_single(&b));
            let (a, b) = (
                Matrix::from_row_major(m, k, &a),
                Matrix::from_row_major(k, n, &b),
            );
            let (a_single, b_single) = (
                Matrix::from_row_major(m, k, &a_single),
                Matrix::from_row_major(k, n, &b_single),
            );
            let product = multiply(&a_single, &b_single);
            assert_close(&multiply(&a, &b), &product, &expected_product);
            assert_close(&gram(&a), &gram(&a_single), &expected_gram);
        }
    }
}
