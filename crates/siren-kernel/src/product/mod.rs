//! Matrix products of a tile, in `f32`: one source for every SIMD level.
//!
//! Three products a layer, `Z = H Wᵀ`, `dH = dZ W`, `dW += dZᵀ H`, are one micro-kernel with different strides. What a
//! block is multiplied by or added to at its end comes from far away and is asked for at its beginning.

mod convolution;
pub(crate) mod double;
mod matrix;
mod micro;
mod narrow;
pub(crate) mod panel;
mod rows;
mod squares;

use std::ptr;

use pulp::{Simd, WithSimd};

use self::micro::{Block, micro_kernel, prefetch};
use self::narrow::{Dots, Exchanged, NARROW};
use self::panel::{Finish, LANES, Panels, ROW_PAD, SLACK, Strided, padded, stride};
use crate::Level;

pub use self::convolution::{Convolution, Correlation, Plane, Windows};
pub use self::matrix::Matrix;
pub use self::rows::{Factor, TransposedSum};
pub use self::squares::sum_of_squares;

/// Networks at least this wide are wide: two of their weight matrices exceed a second-level cache.
pub(crate) const WIDE: usize = 512;

/// Rows of a panel that are walked along at once: they stay in the first-level cache while the rows of a tile go by.
const INNER: usize = 256;
/// Rows of a tile that `dW` is summed over at once: their part of a panel stays in the first-level cache.
const DEPTH: usize = 96;
/// Rows of `dW` that stay in the cache while the rows of a tile go by: a multiple of every micro-kernel's.
const GROUP: usize = 24;
/// Rows of the micro-kernel where `dW` has few.
const NARROW_BLOCK: usize = 2;

/// `out = a b`, `out = (a b) ∘ factor` or `out += a b` with `a (rows, inner)` and packed `b (inner, columns)`;
/// `out` and `factor` have rows `out_stride` apart, padded to [`ROW_PAD`] rows and whole vectors.
pub(crate) fn multiply(
    level: Level,
    a: Strided<'_, f32>,
    b: &Panels,
    (out, out_stride): (&mut [f32], usize),
    finish: Finish<'_, f32>,
) {
    let rows = a.rows.next_multiple_of(ROW_PAD);
    assert!(padded(b.columns) <= out_stride, "width of a product");
    assert!(
        rows == 0 || a.data.len() >= (rows - 1) * a.stride + b.inner,
        "rows of the left factor"
    );
    assert!(out.len() >= rows * out_stride, "rows of the product");
    let factor = finish.factor();
    assert!(
        factor.is_none_or(|factor| factor.len() >= rows * out_stride),
        "rows of the element-wise factor"
    );
    assert_eq!(b.data.len(), b.inner * padded(b.columns), "packed factor");
    if !b.few.is_empty() && factor.is_none() {
        let (b, inner, columns) = (b.few.as_slice(), b.inner, b.columns);
        return level.dispatch(Dots {
            a,
            b,
            inner,
            columns,
            out,
            out_stride,
            adds: finish.adds(),
        });
    }
    level.dispatch(Work::Straight(Product {
        a,
        b,
        out,
        out_stride,
        finish,
    }));
}

/// `out += aᵀ b` with `a (rows, m)` and `b (rows, n)`: `out` is `(m, n)` with rows `stride(n)` apart, padded to
/// [`ROW_PAD`] rows.
pub(crate) fn multiply_transposed(
    level: Level,
    (a, m): (Strided<'_, f32>, usize),
    (b, n): (Strided<'_, f32>, usize),
    out: &mut [f32],
) {
    assert_eq!(a.rows, b.rows, "rows of a transposed product");
    assert!(padded(n) <= b.stride, "width of a transposed product");
    assert!(
        a.data.len() + a.stride >= a.rows * a.stride + m + SLACK,
        "slack of the left factor"
    );
    assert!(
        b.data.len() >= b.rows * b.stride,
        "rows of the right factor"
    );
    assert!(
        out.len() >= m.next_multiple_of(ROW_PAD) * stride(n),
        "transposed product"
    );
    if n <= NARROW && m > NARROW {
        return level.dispatch(Work::Exchanged(Exchanged { a, m, b, n, out }));
    }
    level.dispatch(Work::Transposed(TransposedProduct { a, m, b, n, out }));
}

enum Work<'a> {
    Straight(Product<'a>),
    Transposed(TransposedProduct<'a>),
    Exchanged(Exchanged<'a>),
}

impl WithSimd for Work<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 | 4 => self.run::<S, 6, 4>(simd),
            8 => self.run::<S, 6, 2>(simd),
            _ => self.run::<S, 2, 16>(simd),
        }
    }
}

impl Work<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NV: usize>(self, simd: S) {
        match self {
            Self::Straight(product) => product.run::<S, MR, NV>(simd),
            Self::Transposed(product) if product.m <= NARROW => {
                product.run::<S, NARROW_BLOCK, NV>(simd);
            }
            Self::Transposed(product) => product.run::<S, MR, NV>(simd),
            Self::Exchanged(product) => product.run::<S, NV>(simd),
        }
    }
}

struct Product<'a> {
    a: Strided<'a, f32>,
    b: &'a Panels,
    out: &'a mut [f32],
    out_stride: usize,
    finish: Finish<'a, f32>,
}

/// Which part of a panel: its first column, how many, and the first of the rows that are walked along.
#[derive(Clone, Copy)]
struct Part {
    first: usize,
    wide: usize,
    k: usize,
}

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NV: usize>(mut self, simd: S) {
        let width = padded(self.b.columns);
        for first in (0..width).step_by(self.b.panel.max(1)) {
            let wide = self.b.panel.min(width - first);
            for k in (0..self.b.inner).step_by(INNER) {
                let part = Part { first, wide, k };
                let mut column = 0;
                while column < wide {
                    if column + NV * S::F32_LANES <= wide {
                        self.columns::<S, MR, NV>(simd, part, column);
                        column += NV * S::F32_LANES;
                    } else if column + 2 * S::F32_LANES <= wide {
                        self.columns::<S, MR, 2>(simd, part, column);
                        column += 2 * S::F32_LANES;
                    } else {
                        self.columns::<S, MR, 1>(simd, part, column);
                        column += S::F32_LANES;
                    }
                }
            }
        }
    }

    /// `NV` vectors of columns, all rows.
    #[inline(always)]
    fn columns<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        part: Part,
        column: usize,
    ) {
        let Part { first, wide, k } = part;
        let whole = self.b.inner;
        let inner = INNER.min(whole - k);
        let panel = &self.b.data[first * whole..][..wide * whole];
        let rows = self.a.rows.next_multiple_of(MR);
        for row in (0..rows).step_by(MR) {
            let at = row * self.out_stride + first + column;
            let factor = self.finish.factor().filter(|_| k + inner == whole);
            if let Some(factor) = factor {
                ask_ahead::<S, MR, NV>(factor[at..].as_ptr(), self.out_stride);
            }
            let block = Block {
                inner,
                a: self.a.data[row * self.a.stride + k..].as_ptr(),
                a_row: self.a.stride,
                a_step: 1,
                b: panel[k * wide + column..].as_ptr(),
                b_step: wide,
                c: self.out[at..].as_mut_ptr(),
                c_row: self.out_stride,
                accumulate: k > 0 || self.finish.adds(),
                factor: factor.map_or(ptr::null(), |factor| factor[at..].as_ptr()),
            };
            // SAFETY: `multiply` checked that `a`, `out` and `factor` hold `rows` padded to ROW_PAD rows (a multiple of
            // MR), the last of `a` with `inner` numbers and those of `out` and `factor` with the padded width; a panel has
            // `inner` rows of `wide` numbers, of which `k .. k + INNER` at most and columns from `column` on are read,
            // whole vectors of them because widths are padded to LANES, a multiple of every F32_LANES.
            unsafe { micro_kernel::<S, MR, NV>(simd, block) };
        }
    }
}

struct TransposedProduct<'a> {
    a: Strided<'a, f32>,
    m: usize,
    b: Strided<'a, f32>,
    n: usize,
    out: &'a mut [f32],
}

impl TransposedProduct<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NV: usize>(mut self, simd: S) {
        let width = padded(self.n);
        let mut column = 0;
        while column < width {
            if column + NV * S::F32_LANES <= width {
                self.columns::<S, MR, NV>(simd, column);
                column += NV * S::F32_LANES;
            } else if column + 2 * S::F32_LANES <= width {
                self.columns::<S, MR, 2>(simd, column);
                column += 2 * S::F32_LANES;
            } else {
                self.columns::<S, MR, 1>(simd, column);
                column += S::F32_LANES;
            }
        }
    }

    /// `NV` vectors of columns, all rows: few rows at a time, all of the inner dimension for these.
    #[inline(always)]
    fn columns<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, column: usize) {
        let rows = self.m.next_multiple_of(MR);
        for group in (0..rows).step_by(GROUP) {
            for k in (0..self.a.rows).step_by(DEPTH) {
                for row in (group..rows.min(group + GROUP)).step_by(MR) {
                    self.block::<S, MR, NV>(simd, (row, column), k);
                }
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        (row, column): (usize, usize),
        k: usize,
    ) {
        let width = stride(self.n);
        let c = self.out[row * width + column..].as_mut_ptr();
        if self.n >= WIDE {
            ask_ahead::<S, MR, NV>(c, width);
        }
        let block = Block {
            inner: DEPTH.min(self.a.rows - k),
            a: self.a.data[k * self.a.stride + row..].as_ptr(),
            a_row: 1,
            a_step: self.a.stride,
            b: self.b.data[k * self.b.stride + column..].as_ptr(),
            b_step: self.b.stride,
            c,
            c_row: width,
            accumulate: true,
            factor: ptr::null(),
        };
        // SAFETY: `multiply_transposed` checked that both factors hold `rows` rows and that `a` has SLACK ≥ MR numbers
        // past the `m` of its last row, so that `row .. row + MR` of it can be read; columns come in whole vectors because strides and
        // widths are padded to LANES; `out` has `m` padded to ROW_PAD rows, a multiple of MR.
        unsafe { micro_kernel::<S, MR, NV>(simd, block) };
    }
}

/// Asks for the cache lines of a block that the micro-kernel will use when it is done.
#[inline(always)]
fn ask_ahead<S: Simd, const MR: usize, const NV: usize>(block: *const f32, row: usize) {
    for i in 0..MR {
        for line in (0..NV * S::F32_LANES).step_by(LANES) {
            prefetch(block.wrapping_add(i * row + line));
        }
    }
}
