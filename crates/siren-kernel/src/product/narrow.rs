//! Products of a tile with so few columns that vectors of them would be mostly padding: those of the output layer, and of
//! the coordinates.

use std::ptr;

use pulp::{Simd, WithSimd};

use super::micro::{Block, micro_kernel};
use super::panel::{Strided, stride};

/// Most columns that count as few.
pub(super) const NARROW: usize = 4;
/// Most columns that a micro-kernel works on at once: four AVX-512 vectors.
const WIDEST_BLOCK: usize = 64;

/// `out = a bᵀ`, or `out += a bᵀ` if it adds, with few rows of `b`, each `padded(inner)` long: dot products.
pub(super) struct Dots<'a> {
    pub(super) a: Strided<'a, f32>,
    pub(super) b: &'a [f32],
    pub(super) inner: usize,
    pub(super) columns: usize,
    pub(super) out: &'a mut [f32],
    pub(super) out_stride: usize,
    pub(super) adds: bool,
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let b_stride = self.b.len() / self.columns;
        let rows = self.out.chunks_mut(self.out_stride).take(self.a.rows);
        for (row, out) in rows.enumerate() {
            let a = &self.a.data[row * self.a.stride..][..self.inner];
            for (b, out) in self.b.chunks_exact(b_stride).zip(out) {
                let product = dot(simd, a, &b[..self.inner]);
                *out = if self.adds { *out + product } else { product };
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

/// `out += aᵀ b` for `m` columns of `a` and few, `n`, of `b`: the micro-kernel with the factors exchanged, so that vectors go
/// along the columns of `a`. Rows of `out` are `stride(n)` apart.
pub(super) struct Exchanged<'a> {
    pub(super) a: Strided<'a, f32>,
    pub(super) m: usize,
    pub(super) b: Strided<'a, f32>,
    pub(super) n: usize,
    pub(super) out: &'a mut [f32],
}

impl Exchanged<'_> {
    #[inline(always)]
    pub(super) fn run<S: Simd, const NV: usize>(mut self, simd: S) {
        let mut column = 0;
        while column < self.m {
            // Rows of `a` hold whole vectors of the widest level, not always as many as a panel.
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
        // SAFETY: `multiply_transposed` checked that both factors hold `rows` rows; NARROW columns of `b` lie within its
        // stride, whole vectors of `a` from `column` on within its or, one at a time, within the SLACK past the `m` of its
        // last row; `sums` has NARROW rows of WIDEST_BLOCK ≥ NV vectors.
        unsafe { micro_kernel::<S, NARROW, NV>(simd, block) };
        let rows = self.out.chunks_mut(stride(self.n)).skip(column);
        let wide = (NV * S::F32_LANES).min(self.m - column);
        for (i, out) in rows.take(wide).enumerate() {
            for (out, sums) in out[..self.n].iter_mut().zip(&sums) {
                *out += sums[i];
            }
        }
    }
}
