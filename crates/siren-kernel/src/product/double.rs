//! Matrix products by the `gemm` crate: those in `f64`, a reference implementation that shares nothing with the micro-kernels, and `a bᵀ` in either
//! type for symmetric matrices.

use std::ops::Range;

use gemm::Parallelism;
use num_traits::Float;

use super::gemm::{Accumulate, Destination, Epilogue, StridedMatrix};
use super::panel::stride;

/// A matrix `(inner, columns)`: the elements of a row-major matrix, or of its transpose.
#[derive(Default)]
pub struct PackedMatrix {
    data: Vec<f64>,
    inner: usize,
    columns: usize,
    row_stride: usize,
    col_stride: usize,
}

impl PackedMatrix {
    /// Copies a row-major matrix.
    pub(super) fn new(matrix: &[f64], rows: usize, columns: usize) -> Self {
        Self {
            data: matrix.to_vec(),
            inner: rows,
            columns,
            row_stride: columns,
            col_stride: 1,
        }
    }

    /// Copies a row-major matrix, to be read as its transpose.
    pub(super) fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Self {
        Self {
            data: matrix.to_vec(),
            inner: columns,
            columns: rows,
            row_stride: 1,
            col_stride: columns,
        }
    }
}

/// A matrix in a slice: element `(i, j)` at `i · row_stride + j · col_stride`.
struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<T> View<'_, T> {
    /// Returns whether every element lies in the slice.
    fn is_in_bounds(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride
                < self.data.len()
    }
}

/// Computes `out = a b`, `out = (a b) ∘ factor` or `out += a b`; see [`Gemm::multiply`](super::Gemm::multiply).
pub(super) fn multiply(
    a: StridedMatrix<'_, f64>,
    b: &PackedMatrix,
    out: Destination<'_, f64>,
    epilogue: Epilogue<'_, f64>,
) {
    let left = View {
        data: a.data,
        rows: a.rows,
        cols: a.columns,
        row_stride: a.stride,
        col_stride: 1,
    };
    let right = View {
        data: &b.data,
        rows: b.inner,
        cols: b.columns,
        row_stride: b.row_stride,
        col_stride: b.col_stride,
    };
    let accumulate = if epilogue.accumulates() {
        Accumulate::Add
    } else {
        Accumulate::Overwrite
    };
    let Destination {
        data: out,
        stride: out_stride,
    } = out;
    product(&left, &right, out, out_stride, accumulate);
    let Some(factor) = epilogue.factor() else {
        return;
    };
    let rows = out.chunks_mut(out_stride).zip(factor.chunks(out_stride));
    for (out, factor) in rows.take(a.rows) {
        for (out, &factor) in out.iter_mut().zip(&factor[..b.columns]) {
            *out *= factor;
        }
    }
}

/// Computes `out += aᵀ b`; see [`Gemm::multiply_transposed`](super::Gemm::multiply_transposed).
pub(super) fn multiply_transposed(
    a: StridedMatrix<'_, f64>,
    b: StridedMatrix<'_, f64>,
    out: &mut [f64],
) {
    let left = View {
        data: a.data,
        rows: a.columns,
        cols: a.rows,
        row_stride: 1,
        col_stride: a.stride,
    };
    let right = View {
        data: b.data,
        rows: b.rows,
        cols: b.columns,
        row_stride: b.stride,
        col_stride: 1,
    };
    product(&left, &right, out, stride(b.columns), Accumulate::Add);
}

/// Some columns of a row-major matrix.
pub(super) struct ColumnRange<'a, T> {
    pub(super) matrix: &'a [T],
    pub(super) columns: Range<usize>,
    /// Number of columns of the matrix.
    pub(super) stride: usize,
}

/// Computes `out += a bᵀ` in either type, on the calling thread. Rows of `out` are `out_stride` elements apart.
pub(super) fn add_product_transposed<T: Float + 'static>(
    a: &ColumnRange<'_, T>,
    b: &ColumnRange<'_, T>,
    out: &mut [T],
    out_stride: usize,
) {
    let left = View {
        data: &a.matrix[a.columns.start..],
        rows: a.matrix.len() / a.stride,
        cols: a.columns.len(),
        row_stride: a.stride,
        col_stride: 1,
    };
    let right = View {
        data: &b.matrix[b.columns.start..],
        rows: b.columns.len(),
        cols: b.matrix.len() / b.stride,
        row_stride: 1,
        col_stride: b.stride,
    };
    product(&left, &right, out, out_stride, Accumulate::Add);
}

/// Computes `out = a b` or `out += a b` on the calling thread. Rows of `out` are `out_stride` elements apart.
fn product<T: Float + 'static>(
    a: &View<'_, T>,
    b: &View<'_, T>,
    out: &mut [T],
    out_stride: usize,
    accumulate: Accumulate,
) {
    assert_eq!(a.cols, b.rows, "inner dimensions of a matrix product");
    assert!(
        a.is_in_bounds() && b.is_in_bounds(),
        "a factor of a matrix product has too few elements"
    );
    let last = (a.rows.max(1) - 1) * out_stride + b.cols.max(1) - 1;
    assert!(
        last < out.len() && b.cols <= out_stride,
        "the destination of a matrix product is too small"
    );
    // SAFETY: `is_in_bounds` and the assertion on `last` checked that every element of the three matrices lies in its slice. `out` is
    // borrowed mutably, so it overlaps neither factor. The pointers are valid during the whole call.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate == Accumulate::Add,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
