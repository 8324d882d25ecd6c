//! Products with so few columns that vectors of them would be mostly padding: those of the output layer, and of the coordinates.

use std::ptr;

use pulp::{Simd, WithSimd};

use super::gemm::{Destination, StridedMatrix};
use super::micro::{Block, micro_kernel};
use super::panel::stride;

/// Largest number of columns that counts as narrow.
pub(super) const NARROW: usize = 4;
/// Largest number of columns that a micro-kernel computes at once: four AVX-512 vectors.
const WIDEST_BLOCK: usize = 64;

/// `out = a b`, or `out += a b` if `accumulate` is set, as dot products of rows of `a` with columns of `b`.
pub(super) struct DotProducts<'a> {
    pub(super) a: StridedMatrix<'a, f32>,
    /// Columns of the right factor, each contiguous and padded to the same length.
    pub(super) b: &'a [f32],
    /// Number of columns of `b`.
    pub(super) columns: usize,
    pub(super) out: Destination<'a, f32>,
    pub(super) accumulate: bool,
}

impl WithSimd for DotProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let b_stride = self.b.len() / self.columns;
        let inner = self.a.columns;
        let rows = self.out.data.chunks_mut(self.out.stride);
        for (row, out) in rows.take(self.a.rows).enumerate() {
            let a = &self.a.data[row * self.a.stride..][..inner];
            for (b, out) in self.b.chunks_exact(b_stride).zip(out) {
                let product = dot(simd, a, &b[..inner]);
                *out = if self.accumulate {
                    *out + product
                } else {
                    product
                };
            }
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a, a_tail) = S::as_simd_f32s(a);
    let (b, b_tail) = S::as_simd_f32s(b);
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (a_fours, a_rest) = a.as_chunks::<4>();
    let (b_fours, b_rest) = b.as_chunks::<4>();
    for (a, b) in a_fours.iter().zip(b_fours) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum = simd.mul_add_e_f32s(a, b, *sum);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum = simd.mul_add_e_f32s(a, b, *sum);
    }
    let [s0, s1, s2, s3] = sums;
    let sum = simd.add_f32s(simd.add_f32s(s0, s1), simd.add_f32s(s2, s3));
    let tail = a_tail.iter().zip(b_tail);
    tail.fold(simd.reduce_sum_f32s(sum), |sum, (&a, &b)| sum + a * b)
}

/// `out += aᵀ b` with `a (rows, m)` and narrow `b (rows, n)`, `n ≤ NARROW`. The factors of the micro-kernel are exchanged, so that vectors run
/// along the columns of `a`. Rows of `out` are `stride(n)` apart.
pub(super) struct NarrowTransposedProduct<'a> {
    pub(super) a: StridedMatrix<'a, f32>,
    pub(super) b: StridedMatrix<'a, f32>,
    pub(super) out: &'a mut [f32],
}

impl NarrowTransposedProduct<'_> {
    #[inline(always)]
    pub(super) fn run<S: Simd, const NV: usize>(mut self, simd: S) {
        let mut column = 0;
        while column < self.a.columns {
            // Rows of `a` hold whole vectors of the widest level, but not always `NV` of them.
            if column + NV * S::F32_LANES <= self.a.stride {
                self.columns::<S, NV>(simd, column);
                column += NV * S::F32_LANES;
            } else {
                self.columns::<S, 1>(simd, column);
                column += S::F32_LANES;
            }
        }
    }

    #[inline(always)]
    fn columns<S: Simd, const NV: usize>(&mut self, simd: S, column: usize) {
        let mut sums = [[0.0; WIDEST_BLOCK]; NARROW];
        let block = Block {
            inner: self.a.rows,
            a: self.b.data.as_ptr(),
            a_row: 1,
            a_step: self.b.stride,
            b: self.a.data[column..].as_ptr(),
            b_step: self.a.stride,
            c: sums.as_flattened_mut().as_mut_ptr(),
            c_row: WIDEST_BLOCK,
            accumulate: false,
            factor: ptr::null(),
        };
        // SAFETY: `multiply_transposed` checked that both factors hold `rows` rows. NARROW columns of `b` lie within its stride. Whole
        // vectors of `a` from `column` on lie within its stride or, one vector at a time, within the SLACK past the `m` columns of its last
        // row. `sums` is a local array of NARROW rows of WIDEST_BLOCK elements, at least NV vectors.
        unsafe { micro_kernel::<S, NARROW, NV>(simd, block) };
        let rows = self.out.chunks_mut(stride(self.b.columns)).skip(column);
        let count = (NV * S::F32_LANES).min(self.a.columns - column);
        for (i, out) in rows.take(count).enumerate() {
            for (out, sums) in out[..self.b.columns].iter_mut().zip(&sums) {
                *out += sums[i];
            }
        }
    }
}
