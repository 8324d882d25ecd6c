//! The three products of a layer, as those of [`single`](super::super::single), for rounded operands.

use std::ptr;

use super::lanes::{Emulation, Lanes, Pair, Work};
use super::pairs::{PANEL_COLUMNS, PairPanels, Pairs, RoundedOperands};
use crate::Bfloat16;
use crate::product::WIDE;
use crate::product::gemm::{Destination, Epilogue, StridedMatrix};
use crate::product::micro::prefetch;
use crate::product::panel::{LANES, ROW_PAD, padded, stride};

/// Rows of the micro-kernel.
const MR: usize = 6;
/// Vectors of the micro-kernel.
const NV: usize = PANEL_COLUMNS / LANES;
/// Number of pairs of rows of a panel per pass over the rows of a tile: 64 KiB.
const INNER: usize = 256;
/// Number of rows of `dW` that stay in the cache during a pass over the rows of a tile.
const GROUP: usize = 24;
/// Number of pairs of rows of a tile over which `dW` is summed at once.
const DEPTH: usize = 96;

/// Does work by instructions or by the emulation.
fn dispatch(arithmetic: Bfloat16, work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    if let (Bfloat16::Instructions, Some(lanes)) =
        (arithmetic, super::lanes::Instructions::detect())
    {
        return lanes.vectorize(work);
    }
    let _ = arithmetic;
    work.run(Emulation);
}

/// Computes `out = a b`, `out = (a b) ∘ factor` or `out += a b`; see [`RoundedGemm::multiply_rounded`](super::RoundedGemm::multiply_rounded).
pub(super) fn multiply(
    arithmetic: Bfloat16,
    a: StridedMatrix<'_, f32>,
    b: &PairPanels,
    out: Destination<'_, f32>,
    epilogue: Epilogue<'_, f32>,
    rounded: &mut Pairs,
) {
    let rows = a.rows.next_multiple_of(ROW_PAD);
    assert_eq!(a.columns, b.inner, "inner dimensions of a matrix product");
    assert!(
        padded(b.columns) <= out.stride && out.data.len() >= rows * out.stride,
        "the destination of a matrix product is too small"
    );
    let factor = epilogue.factor();
    assert!(
        factor.is_none_or(|factor| factor.len() >= rows * out.stride),
        "the elementwise factor of a matrix product has too few rows"
    );
    assert_eq!(
        b.data.len(),
        b.inner.div_ceil(2) * padded(b.columns),
        "length of a packed matrix"
    );
    let product = Product {
        a,
        rounded,
        b,
        out,
        epilogue,
    };
    dispatch(arithmetic, product);
}

/// Computes `out += aᵀ b`; see [`RoundedGemm::multiply_transposed_rounded`](super::RoundedGemm::multiply_transposed_rounded).
pub(super) fn multiply_transposed(
    arithmetic: Bfloat16,
    a: StridedMatrix<'_, f32>,
    b: StridedMatrix<'_, f32>,
    out: &mut [f32],
    rounded: &mut RoundedOperands,
) {
    assert_eq!(
        a.rows, b.rows,
        "rows of the factors of a transposed product"
    );
    assert!(
        out.len() >= a.columns.next_multiple_of(ROW_PAD) * stride(b.columns),
        "the destination of a transposed product is too small"
    );
    dispatch(arithmetic, TransposedProduct { a, b, rounded, out });
}

/// Operands of one call of the micro-kernel, in pairs of the inner dimension:
/// `c[i c_row + j] = Σ_k a[i a_row + k a_step] · b[k b_step + j]`.
#[derive(Clone, Copy)]
struct Block {
    pairs: usize,
    a: *const Pair,
    a_row: usize,
    a_step: usize,
    b: *const Pair,
    b_step: usize,
    c: *mut f32,
    c_row: usize,
    /// Whether the previous value of `c` is added to the sum.
    accumulate: bool,
    /// Elementwise factor of the result, laid out as `c`; null if there is none.
    factor: *const f32,
}

/// Computes a block of `ROWS` rows × `VECTORS` vectors, with the accumulators in registers.
///
/// # Safety
/// As [`micro_kernel`](crate::product::micro::micro_kernel), with pairs in place of elements of the inner dimension.
#[inline(always)]
unsafe fn micro_kernel<L: Lanes, const ROWS: usize, const VECTORS: usize>(lanes: L, block: Block) {
    let mut sums = [[lanes.zeros(); VECTORS]; ROWS];
    // SAFETY: the caller guarantees that every index below lies in its allocation and that `c` overlaps nothing else.
    unsafe {
        for k in 0..block.pairs {
            let a = block.a.add(k * block.a_step);
            let b = block.b.add(k * block.b_step).cast::<[Pair; LANES]>();
            let mut vectors = [lanes.splat(0); VECTORS];
            for (j, vector) in vectors.iter_mut().enumerate() {
                *vector = lanes.load_pairs(&*b.add(j));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let factor = lanes.splat(*a.add(i * block.a_row));
                for (sum, &vector) in row.iter_mut().zip(&vectors) {
                    *sum = lanes.dot(*sum, factor, vector);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            let c = block.c.add(i * block.c_row).cast::<[f32; LANES]>();
            for (j, &sum) in row.iter().enumerate() {
                let mut sum = sum;
                if block.accumulate {
                    sum = lanes.plus(lanes.load(&*c.add(j)), sum);
                }
                if !block.factor.is_null() {
                    let factor = block.factor.add(i * block.c_row).cast::<[f32; LANES]>();
                    sum = lanes.times(lanes.load(&*factor.add(j)), sum);
                }
                lanes.store(sum, &mut *c.add(j));
            }
        }
    }
}

/// Calls a method for whole blocks of columns, and for the vectors that remain.
macro_rules! by_columns {
    ($width:expr, $self:ident.$columns:ident($lanes:expr $(, $argument:expr)*)) => {
        let width: usize = $width;
        for column in (0..width).step_by(NV * LANES) {
            match (width - column) / LANES {
                1 => $self.$columns::<L, 1>($lanes, column $(, $argument)*),
                2 => $self.$columns::<L, 2>($lanes, column $(, $argument)*),
                3 => $self.$columns::<L, 3>($lanes, column $(, $argument)*),
                _ => $self.$columns::<L, NV>($lanes, column $(, $argument)*),
            }
        }
    };
}

/// `out = a b`, or another [`Epilogue`] of it.
struct Product<'a> {
    a: StridedMatrix<'a, f32>,
    rounded: &'a mut Pairs,
    b: &'a PairPanels,
    out: Destination<'a, f32>,
    epilogue: Epilogue<'a, f32>,
}

impl Work for Product<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        self.rounded.round_rows(lanes, self.a);
        for first in (0..self.b.inner.div_ceil(2)).step_by(INNER) {
            by_columns!(padded(self.b.columns), self.columns(lanes, first));
        }
    }
}

impl Product<'_> {
    /// Computes all rows of a panel of `VECTORS` vectors, over its pairs of rows from `first` on.
    #[inline(always)]
    fn columns<L: Lanes, const VECTORS: usize>(&mut self, lanes: L, column: usize, first: usize) {
        let inner = self.b.inner.div_ceil(2);
        let pairs = INNER.min(inner - first);
        let panel = &self.b.data[column * inner..][..VECTORS * LANES * inner];
        for row in (0..self.a.rows.next_multiple_of(MR)).step_by(MR) {
            let offset = row * self.out.stride + column;
            let factor = self.epilogue.factor();
            let factor = factor.filter(|_| first + pairs == inner);
            if let Some(factor) = factor {
                prefetch_block::<MR, VECTORS>(factor[offset..].as_ptr(), self.out.stride);
            }
            let block = Block {
                pairs,
                a: self.rounded.data[row * self.rounded.stride + first..].as_ptr(),
                a_row: self.rounded.stride,
                a_step: 1,
                b: panel[first * VECTORS * LANES..].as_ptr(),
                b_step: VECTORS * LANES,
                c: self.out.data[offset..].as_mut_ptr(),
                c_row: self.out.stride,
                accumulate: first > 0 || self.epilogue.accumulates(),
                factor: factor.map_or(ptr::null(), |factor| factor[offset..].as_ptr()),
            };
            // SAFETY: `multiply` checked that `out` and `factor` hold `rows` padded to ROW_PAD = MR rows of the padded width. `round_rows`
            // wrote as many rows of at least `inner` pairs. A panel has `inner` rows of VECTORS · LANES pairs: the last one has as many
            // vectors as remain. `out` is borrowed mutably, so it overlaps no other operand.
            unsafe { micro_kernel::<L, MR, VECTORS>(lanes, block) };
        }
    }
}

/// `out += aᵀ b`.
struct TransposedProduct<'a> {
    a: StridedMatrix<'a, f32>,
    b: StridedMatrix<'a, f32>,
    rounded: &'a mut RoundedOperands,
    out: &'a mut [f32],
}

impl Work for TransposedProduct<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let RoundedOperands { left, right } = &mut *self.rounded;
        left.round_across(lanes, self.a);
        right.round_across(lanes, self.b);
        by_columns!(padded(self.b.columns), self.columns(lanes));
    }
}

impl TransposedProduct<'_> {
    /// Computes all rows of `VECTORS` vectors of columns: [`GROUP`] rows at a time, over the whole inner dimension.
    #[inline(always)]
    fn columns<L: Lanes, const VECTORS: usize>(&mut self, lanes: L, column: usize) {
        let rows = self.a.columns.next_multiple_of(MR);
        for group in (0..rows).step_by(GROUP) {
            for first in (0..self.a.rows.div_ceil(2)).step_by(DEPTH) {
                for row in (group..rows.min(group + GROUP)).step_by(MR) {
                    self.block::<L, VECTORS>(lanes, row, column, first);
                }
            }
        }
    }

    #[inline(always)]
    fn block<L: Lanes, const VECTORS: usize>(
        &mut self,
        lanes: L,
        row: usize,
        column: usize,
        first: usize,
    ) {
        let RoundedOperands { left, right } = &*self.rounded;
        let width = stride(self.b.columns);
        let c = self.out[row * width + column..].as_mut_ptr();
        if self.b.columns >= WIDE {
            prefetch_block::<MR, VECTORS>(c, width);
        }
        let block = Block {
            pairs: DEPTH.min(self.a.rows.div_ceil(2) - first),
            a: left.data[first * left.stride + row..].as_ptr(),
            a_row: 1,
            a_step: left.stride,
            b: right.data[first * right.stride + column..].as_ptr(),
            b_step: right.stride,
            c,
            c_row: width,
            accumulate: true,
            factor: ptr::null(),
        };
        // SAFETY: `round_across` wrote the pairs of rows of both factors, padded to whole vectors, with SLACK ≥ MR pairs past the last row.
        // `multiply_transposed` checked that `out` has `m` padded to ROW_PAD = MR rows. It is borrowed mutably, so it overlaps neither factor.
        unsafe { micro_kernel::<L, MR, VECTORS>(lanes, block) };
    }
}

/// Prefetches a block of `ROWS` rows × `VECTORS` vectors that the micro-kernel uses at its end.
#[inline(always)]
fn prefetch_block<const ROWS: usize, const VECTORS: usize>(block: *const f32, stride: usize) {
    for i in 0..ROWS {
        for j in 0..VECTORS {
            prefetch(block.wrapping_add(i * stride + j * LANES));
        }
    }
}
