//! Products in `f64`, by the `gemm` crate: an account that shares nothing with the micro-kernels.

use gemm::Parallelism;

use super::panel::{Finish, Strided, stride};

/// Row-major weights `(fan_out, fan_in)`, or their transpose.
#[derive(Default)]
pub struct Weight {
    data: Vec<f64>,
    inner: usize,
    columns: usize,
    row_stride: usize,
    col_stride: usize,
}

impl Weight {
    /// `Wᵀ`: `Z = H Wᵀ`.
    pub(crate) fn transposed(weight: &[f64], fan_out: usize, fan_in: usize) -> Self {
        Self {
            data: weight.to_vec(),
            inner: fan_in,
            columns: fan_out,
            row_stride: 1,
            col_stride: fan_in,
        }
    }

    /// `W`: `dH = dZ W`.
    pub(crate) fn straight(weight: &[f64], fan_out: usize, fan_in: usize) -> Self {
        Self {
            data: weight.to_vec(),
            inner: fan_out,
            columns: fan_in,
            row_stride: fan_in,
            col_stride: 1,
        }
    }
}

/// A matrix inside a slice: element `(i, j)` at `i · row + j · col`.
struct View<'a> {
    data: &'a [f64],
    rows: usize,
    cols: usize,
    row: usize,
    col: usize,
}

impl View<'_> {
    fn fits(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.row + (self.cols - 1) * self.col < self.data.len()
    }
}

/// `out = a b`, `out = (a b) ∘ factor` or `out += a b`, see [`super::product::multiply`].
pub(crate) fn multiply(
    a: Strided<'_, f64>,
    b: &Weight,
    (out, out_stride): (&mut [f64], usize),
    finish: Finish<'_, f64>,
) {
    let left = View {
        data: a.data,
        rows: a.rows,
        cols: b.inner,
        row: a.stride,
        col: 1,
    };
    let right = View {
        data: &b.data,
        rows: b.inner,
        cols: b.columns,
        row: b.row_stride,
        col: b.col_stride,
    };
    product(&left, &right, (out, out_stride), finish.adds());
    let Some(factor) = finish.factor() else {
        return;
    };
    let rows = out.chunks_mut(out_stride).zip(factor.chunks(out_stride));
    for (out, factor) in rows.take(a.rows) {
        for (out, &factor) in out.iter_mut().zip(&factor[..b.columns]) {
            *out *= factor;
        }
    }
}

/// `out += aᵀ b`, see [`super::product::multiply_transposed`].
pub(crate) fn multiply_transposed(
    (a, m): (Strided<'_, f64>, usize),
    (b, n): (Strided<'_, f64>, usize),
    out: &mut [f64],
) {
    let left = View {
        data: a.data,
        rows: m,
        cols: a.rows,
        row: 1,
        col: a.stride,
    };
    let right = View {
        data: b.data,
        rows: b.rows,
        cols: n,
        row: b.stride,
        col: 1,
    };
    product(&left, &right, (out, stride(n)), true);
}

/// `out = a b`, or `out += a b` if it shall accumulate, on the calling thread; rows of `out` are `out_stride` numbers apart.
fn product(a: &View<'_>, b: &View<'_>, (out, out_stride): (&mut [f64], usize), accumulate: bool) {
    assert_eq!(a.cols, b.rows, "inner dimensions of a product");
    assert!(a.fits() && b.fits(), "factors of a product");
    let last = (a.rows.max(1) - 1) * out_stride + b.cols.max(1) - 1;
    assert!(
        last < out.len() && b.cols <= out_stride,
        "room for a product"
    );
    // SAFETY: `fits` and the assertion on `last` checked that every element of the three matrices lies inside its slice;
    // `out` is `&mut`, so it overlaps neither factor; the pointers are valid for the whole call.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.col as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.col as isize,
            b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
