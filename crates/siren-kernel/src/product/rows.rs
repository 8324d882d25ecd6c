//! Products of row-major slices of the caller.
//!
//! The micro-kernels need whole vectors and padding rows. Slices that provide both are used in place. Others are copied: the last rows of a
//! matrix, and all rows of a matrix whose width is not a multiple of a vector.

use super::panel::{LANES, ROW_PAD, SLACK, buffer_len, padded, stride};
use super::{Accumulate, Destination, StridedMatrix};
use crate::{Level, Real};

/// Number of rows per product: a multiple of every micro-kernel's.
const BLOCK: usize = 16 * ROW_PAD;

/// The right factor `B (inner, columns)` of products, packed once for many of them.
///
/// ```
/// use siren_kernel::product::{Accumulate, Factor};
///
/// let b = Factor::new(&[1.0_f32, 2.0, 3.0, 4.0], 2);
/// let mut out = [10.0, 10.0];
/// b.multiply(&[1.0, 1.0], &mut out, Accumulate::Add);
/// assert_eq!(out, [14.0, 16.0]);
/// ```
pub struct Factor<T: Real> {
    packed: T::PackedMatrix,
    inner: usize,
    columns: usize,
}

impl<T: Real> Factor<T> {
    /// Packs a row-major matrix of `inner` rows.
    #[must_use]
    pub fn new(matrix: &[T], inner: usize) -> Self {
        let columns = matrix.len() / inner.max(1);
        Self {
            packed: T::pack_matrix(Level::best(), matrix, inner, columns),
            inner,
            columns,
        }
    }

    /// Packs the transpose of a row-major matrix of `columns` rows.
    #[must_use]
    pub fn transposed(matrix: &[T], columns: usize) -> Self {
        let inner = matrix.len() / columns.max(1);
        Self {
            packed: T::pack_transposed(Level::best(), matrix, columns, inner),
            inner,
            columns,
        }
    }

    /// Computes `out = A B` or `out = out + A B` on the calling thread, with row-major `a (rows, inner)` and `out (rows, columns)`.
    ///
    /// # Panics
    /// If the lengths of `a` and `out` are not of these shapes, or one of the dimensions of `B` is 0.
    pub fn multiply(&self, a: &[T], out: &mut [T], accumulate: Accumulate) {
        let rows = a.len() / self.inner.max(1);
        assert_eq!(a.len(), rows * self.inner, "length of the left factor");
        assert_eq!(out.len(), rows * self.columns, "length of the product");
        let blocks = a.chunks(BLOCK * self.inner);
        for (a, out) in blocks.zip(out.chunks_mut(BLOCK * self.columns)) {
            self.multiply_block(a, out, accumulate);
        }
    }

    fn multiply_block(&self, a: &[T], out: &mut [T], accumulate: Accumulate) {
        let rows = a.len() / self.inner;
        let mut padded_a = Vec::new();
        let has_whole_rows = rows.is_multiple_of(ROW_PAD);
        let data = if has_whole_rows {
            a
        } else {
            padded_a.extend_from_slice(a);
            padded_a.resize(rows.next_multiple_of(ROW_PAD) * self.inner, T::of(0.0));
            &padded_a
        };
        let a = StridedMatrix {
            data,
            rows,
            columns: self.inner,
            stride: self.inner,
        };
        let (level, stride) = (Level::best(), padded(self.columns));
        if has_whole_rows && stride == self.columns {
            let out = Destination { data: out, stride };
            T::multiply(level, a, &self.packed, out, accumulate.into());
            return;
        }
        let mut padded_out = vec![T::of(0.0); rows.next_multiple_of(ROW_PAD) * stride];
        if accumulate == Accumulate::Add {
            let rows = padded_out.chunks_exact_mut(stride);
            for (padded_row, row) in rows.zip(out.chunks_exact(self.columns)) {
                padded_row[..self.columns].copy_from_slice(row);
            }
        }
        let destination = Destination {
            data: &mut padded_out,
            stride,
        };
        T::multiply(level, a, &self.packed, destination, accumulate.into());
        let rows = out.chunks_exact_mut(self.columns);
        for (row, padded_row) in rows.zip(padded_out.chunks_exact(stride)) {
            row.copy_from_slice(&padded_row[..self.columns]);
        }
    }
}

/// A sum of products `Σ Aᵀ B`, of shape `(m, n)`.
///
/// ```
/// use siren_kernel::product::TransposedSum;
///
/// let mut sum = TransposedSum::new(1, 2);
/// sum.add(&[1.0_f64, 2.0], &[1.0, 0.0, 0.0, 1.0]);
/// assert_eq!(sum.to_vec(), [1.0, 2.0]);
/// ```
pub struct TransposedSum<T> {
    m: usize,
    n: usize,
    data: Vec<T>,
}

impl<T: Real> TransposedSum<T> {
    /// Returns a sum of zeros of shape `(m, n)`.
    #[must_use]
    pub fn new(m: usize, n: usize) -> Self {
        Self {
            m,
            n,
            data: vec![T::of(0.0); buffer_len(m, n)],
        }
    }

    /// Adds `Aᵀ B` on the calling thread, with row-major `a (rows, m)` and `b (rows, n)`.
    ///
    /// # Panics
    /// If the lengths of `a` and `b` are not of these shapes, or `m` or `n` is 0.
    pub fn add(&mut self, a: &[T], b: &[T]) {
        let Self { m, n, .. } = *self;
        let rows = a.len() / m.max(1);
        assert_eq!(a.len(), rows * m, "length of the left factor");
        assert_eq!(b.len(), rows * n, "length of the right factor");
        let (mut padded_a, mut padded_b) = (Vec::new(), Vec::new());
        for (a, b) in a.chunks(BLOCK * m).zip(b.chunks(BLOCK * n)) {
            let rows = a.len() / m;
            padded_a.clear();
            padded_a.extend_from_slice(a);
            padded_a.resize(a.len() + SLACK, T::of(0.0));
            let a = StridedMatrix {
                data: &padded_a,
                rows,
                columns: m,
                stride: m,
            };
            let data = if n.is_multiple_of(LANES) {
                b
            } else {
                padded_b.clear();
                for row in b.chunks_exact(n) {
                    padded_b.extend_from_slice(row);
                    padded_b.resize(padded_b.len().next_multiple_of(LANES), T::of(0.0));
                }
                &padded_b
            };
            let b = StridedMatrix {
                data,
                rows,
                columns: n,
                stride: padded(n),
            };
            T::multiply_transposed(Level::best(), a, b, &mut self.data);
        }
    }

    /// Copies the elements `(m, n)` in row-major order.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        let rows = self.data.chunks(stride(self.n)).take(self.m);
        rows.flat_map(|row| row[..self.n].iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves<T: Real>(count: usize, frequency: f64) -> Vec<T> {
        let wave = |i: usize| T::of((frequency * i as f64).sin());
        (1..=count).map(wave).collect()
    }

    /// A row-major matrix.
    struct RowMajor<T> {
        rows: usize,
        columns: usize,
        data: Vec<T>,
    }

    impl<T: Real> RowMajor<T> {
        fn waves(rows: usize, columns: usize, frequency: f64) -> Self {
            Self {
                rows,
                columns,
                data: waves(rows * columns, frequency),
            }
        }

        fn transpose(&self) -> Self {
            let column = |j: usize| self.data[j..].iter().step_by(self.columns).copied();
            Self {
                rows: self.columns,
                columns: self.rows,
                data: (0..self.columns).flat_map(column).collect(),
            }
        }

        /// Returns the product by definition, in double precision. The terms are rounded to `T`.
        fn multiply(&self, other: &Self) -> Vec<f64> {
            let entry = |index: usize| -> f64 {
                let (i, j) = (index / other.columns, index % other.columns);
                let left = &self.data[i * self.columns..][..self.columns];
                let right = other.data[j..].iter().step_by(other.columns);
                let terms = left.iter().zip(right);
                terms.map(|(&a, &b)| (a * b).to_double()).sum()
            };
            (0..self.rows * other.columns).map(entry).collect()
        }
    }

    /// Returns the largest difference of `found` from `factor` times `expected`.
    fn largest_error<T: Real>(found: &[T], expected: &[f64], factor: f64) -> f64 {
        assert_eq!(found.len(), expected.len());
        let errors = found
            .iter()
            .zip(expected)
            .map(|(&found, &expected)| (found.to_double() - factor * expected).abs());
        // Unlike `max`, the comparison propagates NaN.
        errors.fold(0.0, |most, error| if error <= most { most } else { error })
    }

    /// Returns the largest errors of `A B`, of `A B + A B` and of `Aᵀ C + Aᵀ C`.
    fn errors<T: Real>(rows: usize, inner: usize, columns: usize) -> [f64; 3] {
        let a: RowMajor<T> = RowMajor::waves(rows, inner, 1.7);
        let b: RowMajor<T> = RowMajor::waves(inner, columns, 0.9);
        let c: RowMajor<T> = RowMajor::waves(rows, columns, 2.3);
        let mut product = vec![T::of(f64::NAN); rows * columns];
        Factor::new(&b.data, inner).multiply(&a.data, &mut product, Accumulate::Overwrite);
        let mut twice = product.clone();
        let factor = Factor::transposed(&b.transpose().data, columns);
        factor.multiply(&a.data, &mut twice, Accumulate::Add);
        let mut sum = TransposedSum::new(inner, columns);
        sum.add(&a.data, &c.data);
        sum.add(&a.data, &c.data);
        [
            largest_error(&product, &a.multiply(&b), 1.0),
            largest_error(&twice, &a.multiply(&b), 2.0),
            largest_error(&sum.to_vec(), &a.transpose().multiply(&c), 2.0),
        ]
    }

    #[test]
    fn products_of_every_shape_agree_with_the_definition() {
        for (rows, inner, columns) in [
            (1, 1, 1),
            (5, 3, 2),
            (6, 16, 32),
            (100, 70, 131),
            (213, 5, 64),
            (98, 300, 3),
            (97, 2, 16),
        ] {
            let double = errors::<f64>(rows, inner, columns);
            let single = errors::<f32>(rows, inner, columns);
            assert!(
                double.iter().all(|&error| error < 1e-12),
                "{rows} × {inner} × {columns}: {double:?}"
            );
            assert!(
                single.iter().all(|&error| error < 2e-4),
                "{rows} × {inner} × {columns}: {single:?}"
            );
        }
    }
}
