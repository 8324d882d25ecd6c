//! Symmetric positive definite matrices in `f64`: Gram matrices and Cholesky factors, in parallel.

use rayon::prelude::*;

use super::double;
use crate::Real;

/// Rows of a block. It fixes the order of all additions, whatever the number of threads.
const BLOCK: usize = 128;
/// Columns whose products are summed in the type of the elements.
const SUMMED: usize = 1024;

/// Lower triangle of a symmetric matrix `(side, side)`.
#[derive(Clone, Debug)]
pub struct Symmetric {
    side: usize,
    /// Row-major. Elements above the diagonal have no meaning.
    data: Vec<f64>,
}

/// Lower triangular factor `L` of a symmetric positive definite matrix `A = L Lᵀ`.
#[derive(Clone, Debug)]
pub struct Cholesky {
    side: usize,
    data: Vec<f64>,
}

impl Symmetric {
    /// Returns `A Aᵀ` of a row-major matrix `A (rows, columns)`. Products of single-precision elements are summed in single precision over
    /// 1024 columns, and in double precision over these.
    ///
    /// # Panics
    /// If the length of `matrix` is not a multiple of `rows`.
    #[must_use]
    pub fn gram<T: Real>(matrix: &[T], rows: usize) -> Self {
        let mut data = vec![0.0; rows * rows];
        if rows > 0 {
            assert!(matrix.len().is_multiple_of(rows), "rows of one length");
            let columns = matrix.len() / rows;
            let blocks = data.par_chunks_mut(BLOCK * rows).enumerate();
            // The last blocks are the longest: they start first.
            blocks.rev().for_each(|(index, out)| {
                let (first, count) = (index * BLOCK, out.len() / rows);
                let own = &matrix[first * columns..(first + count) * columns];
                let before = &matrix[..(first + count) * columns];
                add_products(own, before, columns, out, rows);
            });
        }
        Self { side: rows, data }
    }

    /// Returns the mean of the diagonal, 0 for an empty matrix.
    #[must_use]
    pub fn mean_diagonal(&self) -> f64 {
        let diagonal = self.data.iter().step_by(self.side + 1);
        diagonal.sum::<f64>() / self.side.max(1) as f64
    }

    /// Returns the Cholesky factor of `A + shift · I`; `None` if that is not positive definite to rounding.
    #[must_use]
    pub fn cholesky(&self, shift: f64) -> Option<Cholesky> {
        let side = self.side;
        let mut data = self.data.clone();
        data.iter_mut()
            .step_by(side + 1)
            .for_each(|diagonal| *diagonal += shift);
        for first in (0..side).step_by(BLOCK) {
            let count = BLOCK.min(side - first);
            let (_, rest) = data.split_at_mut(first * side);
            let (diagonal, below) = rest.split_at_mut(count * side);
            factor_block(diagonal, side, first)?;
            let diagonal = &*diagonal;
            below
                .par_chunks_mut(side)
                .for_each(|row| solve_row(diagonal, row, first, count));
            let panel: Vec<f64> = below
                .chunks(side)
                .flat_map(|row| &row[first..first + count])
                .copied()
                .collect();
            let blocks = below.par_chunks_mut(BLOCK * side).enumerate();
            blocks.rev().for_each(|(index, out)| {
                let (start, rows) = (index * BLOCK, out.len() / side);
                let own: Vec<f64> = panel[start * count..(start + rows) * count]
                    .iter()
                    .map(|x| -x)
                    .collect();
                let before = &panel[..(start + rows) * count];
                add_products(&own, before, count, &mut out[first + count..], side);
            });
        }
        Some(Cholesky { side, data })
    }
}

/// Adds `a bᵀ` of row-major `a (m, columns)` and `b (n, columns)` to `out`, whose rows are `out_stride` elements apart.
fn add_products<T: Real>(a: &[T], b: &[T], columns: usize, out: &mut [f64], out_stride: usize) {
    let (m, n) = (a.len() / columns.max(1), b.len() / columns.max(1));
    let mut part = vec![T::of(0.0); m * n];
    for start in (0..columns).step_by(SUMMED) {
        let count = SUMMED.min(columns - start);
        part.fill(T::of(0.0));
        let range = |matrix| double::ColumnRange {
            matrix,
            columns: start..start + count,
            stride: columns,
        };
        double::add_product_transposed(&range(a), &range(b), &mut part, n);
        for (out, part) in out.chunks_mut(out_stride).zip(part.chunks(n)) {
            for (out, part) in out.iter_mut().zip(part) {
                *out += part.to_double();
            }
        }
    }
}

/// Factors the diagonal block of rows `first ..`, whose columns start at `first`.
fn factor_block(rows: &mut [f64], side: usize, first: usize) -> Option<()> {
    for i in 0..rows.len() / side {
        let (above, row) = rows.split_at_mut(i * side);
        let row = &mut row[first..=first + i];
        for j in 0..i {
            let other = &above[j * side + first..=j * side + first + j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let square = row[i] - dot(&row[..i], &row[..i]);
        // The negation also refuses NaN.
        if !(square > 0.0 && square.is_finite()) {
            return None;
        }
        row[i] = square.sqrt();
    }
    Some(())
}

/// Solves `x L_blockᵀ = row` in place, in the `count` columns from `first`.
fn solve_row(block: &[f64], row: &mut [f64], first: usize, count: usize) {
    let side = row.len();
    let row = &mut row[first..first + count];
    for j in 0..count {
        let other = &block[j * side + first..=j * side + first + j];
        row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
    }
}

/// Returns the scalar product, in eight interleaved sums that the compiler turns into vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_parts.remainder().iter().zip(b_parts.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

impl Cholesky {
    /// Replaces `b (side,)` by the solution `x` of `L Lᵀ x = b`.
    ///
    /// # Panics
    /// If `b` has another length.
    pub fn solve(&self, b: &mut [f64]) {
        let side = self.side;
        assert_eq!(b.len(), side, "right-hand side of a linear system");
        for (i, row) in self.data.chunks(side.max(1)).enumerate() {
            b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
        }
        for (i, row) in self.data.chunks(side.max(1)).enumerate().rev() {
            b[i] /= row[i];
            let x = b[i];
            for (b, l) in b[..i].iter_mut().zip(&row[..i]) {
                *b -= l * x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize) -> Vec<f64> {
        let element = |i: usize| (12.9898 * i as f64).sin() + 0.3 * (0.37 * i as f64).cos();
        (0..rows * columns).map(element).collect()
    }

    #[test]
    fn the_gram_matrix_holds_all_scalar_products_of_rows() {
        let (rows, columns) = (300, 41);
        let a = matrix(rows, columns);
        let gram = Symmetric::gram(&a, rows);
        for i in 0..rows {
            for j in 0..=i {
                let expected = dot(
                    &a[i * columns..(i + 1) * columns],
                    &a[j * columns..(j + 1) * columns],
                );
                assert!((gram.data[i * rows + j] - expected).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn a_gram_matrix_of_single_precision_is_exact_to_single_precision() {
        let (rows, columns) = (70, 3000);
        let a = matrix(rows, columns);
        let single: Vec<f32> = a.iter().map(|&x| x as f32).collect();
        let (exact, rounded) = (Symmetric::gram(&a, rows), Symmetric::gram(&single, rows));
        for i in 0..rows {
            for j in 0..=i {
                let difference = exact.data[i * rows + j] - rounded.data[i * rows + j];
                assert!(
                    difference.abs() < 1e-6 * exact.mean_diagonal(),
                    "{difference}"
                );
            }
        }
    }

    #[test]
    fn the_cholesky_factor_solves_shifted_systems_of_any_size() {
        for rows in [1, 7, 128, 129, 300] {
            let columns = rows + 3;
            let a = matrix(rows, columns);
            let gram = Symmetric::gram(&a, rows);
            let shift = 0.5;
            let x: Vec<f64> = (0..rows).map(|i| (i as f64).cos()).collect();
            let full = |i: usize, j: usize| gram.data[i.max(j) * rows + i.min(j)];
            let row = |i: usize| {
                let products = (0..rows).map(|j| full(i, j) * x[j]);
                products.sum::<f64>() + shift * x[i]
            };
            let mut b: Vec<f64> = (0..rows).map(row).collect();
            gram.cholesky(shift).unwrap().solve(&mut b);
            let error = b.iter().zip(&x).map(|(b, x)| (b - x).abs());
            assert!(error.fold(0.0, f64::max) < 1e-9, "{rows}");
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_factor() {
        let gram = Symmetric::gram(&matrix(140, 10), 140);
        assert!(gram.cholesky(-1e-3).is_none());
        assert!(gram.cholesky(f64::NAN).is_none());
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let a = matrix(300, 500);
        let solve = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let mut b = vec![1.0; 300];
                let gram = Symmetric::gram(&a, 300);
                gram.cholesky(1e-3).unwrap().solve(&mut b);
                b
            })
        };
        assert_eq!(solve(1), solve(3));
    }
}
