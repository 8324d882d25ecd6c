//! Matrix products in `f32`, one source for every SIMD level.
//!
//! The three products of a layer, `Z = H Wᵀ`, `dH = dZ W` and `dW += dZᵀ H`, call one micro-kernel with different strides. The epilogue of a
//! block reads memory that is not in a near cache, so it is prefetched before the block is computed.

use std::ptr;

use pulp::{Simd, WithSimd};

use super::WIDE;
use super::gemm::{Destination, Epilogue, StridedMatrix};
use super::micro::{Block, micro_kernel, prefetch};
use super::narrow::{DotProducts, NARROW, NarrowTransposedProduct};
use super::panel::{LANES, Panels, ROW_PAD, SLACK, padded, stride};
use crate::Level;

/// Number of rows of a panel per pass over the rows of a tile: these stay in the first-level cache.
const INNER: usize = 256;
/// Number of rows of a tile over which `dW` is summed at once: their part of a panel stays in the first-level cache.
const DEPTH: usize = 96;
/// Number of rows of `dW` that stay in the cache during a pass over the rows of a tile: a multiple of every micro-kernel's.
const GROUP: usize = 24;
/// Rows of a smaller micro-kernel, for the last rows of `dW`.
const FOUR: usize = 4;
/// Rows of the micro-kernel where `dW` has at most [`NARROW`].
const NARROW_BLOCK: usize = 2;

/// Computes `out = a b`, `out = (a b) ∘ factor` or `out += a b`; see [`Gemm::multiply`](super::Gemm::multiply).
pub(super) fn multiply(
    level: Level,
    a: StridedMatrix<'_, f32>,
    b: &Panels,
    out: Destination<'_, f32>,
    epilogue: Epilogue<'_, f32>,
) {
    let rows = a.rows.next_multiple_of(ROW_PAD);
    assert_eq!(a.columns, b.inner, "inner dimensions of a matrix product");
    assert!(
        padded(b.columns) <= out.stride,
        "rows of the destination of a matrix product are too short"
    );
    assert!(
        rows == 0 || a.data.len() >= (rows - 1) * a.stride + b.inner,
        "the left factor of a matrix product has too few rows"
    );
    assert!(
        out.data.len() >= rows * out.stride,
        "the destination of a matrix product has too few rows"
    );
    let factor = epilogue.factor();
    assert!(
        factor.is_none_or(|factor| factor.len() >= rows * out.stride),
        "the elementwise factor of a matrix product has too few rows"
    );
    assert_eq!(
        b.data.len(),
        b.inner * padded(b.columns),
        "length of a packed matrix"
    );
    if !b.narrow.is_empty() && factor.is_none() {
        return level.dispatch(DotProducts {
            a,
            b: &b.narrow,
            columns: b.columns,
            out,
            accumulate: epilogue.accumulates(),
        });
    }
    level.dispatch(Work::Product(Product {
        a,
        b,
        out,
        epilogue,
    }));
}

/// Computes `out += aᵀ b`; see [`Gemm::multiply_transposed`](super::Gemm::multiply_transposed).
pub(super) fn multiply_transposed(
    level: Level,
    a: StridedMatrix<'_, f32>,
    b: StridedMatrix<'_, f32>,
    out: &mut [f32],
) {
    let (m, n) = (a.columns, b.columns);
    assert_eq!(
        a.rows, b.rows,
        "rows of the factors of a transposed product"
    );
    assert!(
        padded(n) <= b.stride,
        "rows of the right factor of a transposed product are too short"
    );
    assert!(
        a.data.len() + a.stride >= a.rows * a.stride + m + SLACK,
        "the left factor of a transposed product has too little slack"
    );
    assert!(
        b.data.len() >= b.rows * b.stride,
        "the right factor of a transposed product has too few rows"
    );
    assert!(
        out.len() >= m.next_multiple_of(ROW_PAD) * stride(n),
        "the destination of a transposed product is too small"
    );
    if n <= NARROW && m > NARROW {
        let product = NarrowTransposedProduct { a, b, out };
        return level.dispatch(Work::NarrowTransposedProduct(product));
    }
    level.dispatch(Work::TransposedProduct(TransposedProduct { a, b, out }));
}

/// A product to be computed at a SIMD level.
enum Work<'a> {
    Product(Product<'a>),
    TransposedProduct(TransposedProduct<'a>),
    NarrowTransposedProduct(NarrowTransposedProduct<'a>),
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
            Self::Product(product) => product.run::<S, MR, NV>(simd),
            Self::TransposedProduct(product) if product.a.columns <= NARROW => {
                product.run::<S, NARROW_BLOCK, NV>(simd);
            }
            Self::TransposedProduct(product) => product.run::<S, MR, NV>(simd),
            Self::NarrowTransposedProduct(product) => product.run::<S, NV>(simd),
        }
    }
}

/// `out = a b`, or another [`Epilogue`] of it.
struct Product<'a> {
    a: StridedMatrix<'a, f32>,
    b: &'a Panels,
    out: Destination<'a, f32>,
    epilogue: Epilogue<'a, f32>,
}

/// Up to [`INNER`] rows of a panel.
#[derive(Clone, Copy)]
struct PanelRows {
    /// First column of the panel.
    first_column: usize,
    /// Number of columns of the panel.
    columns: usize,
    /// First row.
    k: usize,
}

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NV: usize>(mut self, simd: S) {
        let width = padded(self.b.columns);
        for first_column in (0..width).step_by(self.b.panel_columns.max(1)) {
            let columns = self.b.panel_columns.min(width - first_column);
            for k in (0..self.b.inner).step_by(INNER) {
                let part = PanelRows {
                    first_column,
                    columns,
                    k,
                };
                let needed = columns.min(computed::<S>(self.b.columns) - first_column);
                let mut column = 0;
                while column < needed {
                    if column + NV * S::F32_LANES <= needed {
                        self.columns::<S, MR, NV>(simd, part, column);
                        column += NV * S::F32_LANES;
                    } else if NV > 3 && column + 3 * S::F32_LANES <= needed {
                        self.columns::<S, MR, 3>(simd, part, column);
                        column += 3 * S::F32_LANES;
                    } else if column + 2 * S::F32_LANES <= needed {
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

    /// Computes all rows of `NV` vectors of columns, from `column` of the panel on.
    #[inline(always)]
    fn columns<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        part: PanelRows,
        column: usize,
    ) {
        let PanelRows {
            first_column,
            columns,
            k,
        } = part;
        let full_inner = self.b.inner;
        let inner = INNER.min(full_inner - k);
        let panel = &self.b.data[first_column * full_inner..][..columns * full_inner];
        let rows = self.a.rows.next_multiple_of(MR);
        for row in (0..rows).step_by(MR) {
            let offset = row * self.out.stride + first_column + column;
            let factor = self.epilogue.factor().filter(|_| k + inner == full_inner);
            if let Some(factor) = factor {
                prefetch_block::<S, MR, NV>(factor[offset..].as_ptr(), self.out.stride);
            }
            let block = Block {
                inner,
                a: self.a.data[row * self.a.stride + k..].as_ptr(),
                a_row: self.a.stride,
                a_step: 1,
                b: panel[k * columns + column..].as_ptr(),
                b_step: columns,
                c: self.out.data[offset..].as_mut_ptr(),
                c_row: self.out.stride,
                accumulate: k > 0 || self.epilogue.accumulates(),
                factor: factor.map_or(ptr::null(), |factor| factor[offset..].as_ptr()),
            };
            // SAFETY: `multiply` checked that `a`, `out` and `factor` hold `rows` padded to ROW_PAD rows (a multiple of MR), the last of
            // `a` with `inner` elements and those of `out` and `factor` with the padded width. A panel has `full_inner` rows of `columns`
            // elements. The kernel reads `inner` of these rows from `k` on, and whole vectors of columns from `column` on: widths are
            // padded to LANES, a multiple of every F32_LANES. `out` is borrowed mutably, so it overlaps no other operand.
            unsafe { micro_kernel::<S, MR, NV>(simd, block) };
        }
    }
}

/// `out += aᵀ b`.
struct TransposedProduct<'a> {
    a: StridedMatrix<'a, f32>,
    b: StridedMatrix<'a, f32>,
    out: &'a mut [f32],
}

impl TransposedProduct<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NV: usize>(mut self, simd: S) {
        let width = computed::<S>(self.b.columns);
        let mut column = 0;
        while column < width {
            if column + NV * S::F32_LANES <= width {
                self.columns::<S, MR, NV>(simd, column);
                column += NV * S::F32_LANES;
            } else if NV > 3 && column + 3 * S::F32_LANES <= width {
                self.columns::<S, MR, 3>(simd, column);
                column += 3 * S::F32_LANES;
            } else if column + 2 * S::F32_LANES <= width {
                self.columns::<S, MR, 2>(simd, column);
                column += 2 * S::F32_LANES;
            } else {
                self.columns::<S, MR, 1>(simd, column);
                column += S::F32_LANES;
            }
        }
    }

    /// Computes all rows of `NV` vectors of columns: [`GROUP`] rows at a time, over the whole inner dimension.
    #[inline(always)]
    fn columns<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, column: usize) {
        let rows = self.a.columns;
        let fours = fours::<MR>(rows);
        let first_four = rows.saturating_sub(fours * FOUR).next_multiple_of(MR);
        for group in (0..first_four).step_by(GROUP) {
            for k in (0..self.a.rows).step_by(DEPTH) {
                for row in (group..first_four.min(group + GROUP)).step_by(MR) {
                    self.block::<S, MR, NV>(simd, row, column, k);
                }
            }
        }
        for k in (0..self.a.rows).step_by(DEPTH) {
            for four in 0..fours {
                self.block::<S, FOUR, NV>(simd, first_four + four * FOUR, column, k);
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
        k: usize,
    ) {
        let width = stride(self.b.columns);
        let c = self.out[row * width + column..].as_mut_ptr();
        if self.b.columns >= WIDE {
            prefetch_block::<S, MR, NV>(c, width);
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
        // SAFETY: `multiply_transposed` checked that both factors hold `rows` rows and that `a` has SLACK ≥ MR elements past the `m` columns
        // of its last row, so that its columns `row .. row + MR` can be read. Columns come in whole vectors because strides and widths are
        // padded to LANES. `out` has `m` padded to ROW_PAD rows, which no block exceeds: the
        // blocks of FOUR rows end at most one row past `m`, where ROW_PAD has a row. It is borrowed mutably, so it overlaps neither factor.
        unsafe { micro_kernel::<S, MR, NV>(simd, block) };
    }
}

/// Returns how many of the last blocks have [`FOUR`] rows instead of `MR`, so that fewer rows are computed in vain.
#[inline(always)]
fn fours<const MR: usize>(rows: usize) -> usize {
    match (MR, rows % 6) {
        (6, 3 | 4) => 1,
        (6, 1 | 2) if rows > 6 => 2,
        _ => 0,
    }
}

/// Returns the number of columns to compute for `columns`.
#[inline(always)]
fn computed<S: Simd>(columns: usize) -> usize {
    // Vectors of eight need less padding than rows have.
    columns.next_multiple_of(if S::F32_LANES == 8 { 8 } else { LANES })
}

/// Prefetches a block of `MR` rows × `NV` vectors that the micro-kernel uses at its end.
#[inline(always)]
fn prefetch_block<S: Simd, const MR: usize, const NV: usize>(block: *const f32, stride: usize) {
    for i in 0..MR {
        for line in (0..NV * S::F32_LANES).step_by(LANES) {
            prefetch(block.wrapping_add(i * stride + line));
        }
    }
}
