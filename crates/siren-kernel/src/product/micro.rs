//! The innermost loop of every product.

use pulp::Simd;

/// Operands of one call of the micro-kernel: `c[i c_row + j] = Σ_k a[i a_row + k a_step] · b[k b_step + j]`.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) inner: usize,
    pub(super) a: *const f32,
    pub(super) a_row: usize,
    pub(super) a_step: usize,
    pub(super) b: *const f32,
    pub(super) b_step: usize,
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    /// Whether the previous value of `c` is added to the sum.
    pub(super) accumulate: bool,
    /// Elementwise factor of the result, laid out as `c`; null if there is none.
    pub(super) factor: *const f32,
}

/// Computes a block of `MR` rows × `NV` vectors. The accumulators stay in registers while the kernel runs over the inner dimension; each step
/// broadcasts one element of `a` per row and reads `NV` vectors of `b`.
///
/// # Safety
/// For `i < MR`, `k < inner` and `j < NV · F32_LANES` every index of [`Block`]'s formula must lie in its allocation, the same
/// for `factor` if it is not null, and `c` must overlap no other operand.
#[inline(always)]
pub(super) unsafe fn micro_kernel<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    block: Block,
) {
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    // SAFETY: the caller guarantees that every index below lies in its allocation and that `c` overlaps nothing else. Vectors are read and
    // written unaligned.
    unsafe {
        for k in 0..block.inner {
            let a = block.a.add(k * block.a_step);
            let b = block.b.add(k * block.b_step).cast::<S::f32s>();
            let mut vectors = [simd.splat_f32s(0.0); NV];
            for (j, vector) in vectors.iter_mut().enumerate() {
                *vector = b.add(j).read_unaligned();
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32s(*a.add(i * block.a_row));
                for (sum, &vector) in row.iter_mut().zip(&vectors) {
                    *sum = simd.mul_add_e_f32s(factor, vector, *sum);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            let c = block.c.add(i * block.c_row).cast::<S::f32s>();
            for (j, &sum) in row.iter().enumerate() {
                let mut sum = sum;
                if block.accumulate {
                    sum = simd.add_f32s(c.add(j).read_unaligned(), sum);
                }
                if !block.factor.is_null() {
                    let factor = block.factor.add(i * block.c_row).cast::<S::f32s>();
                    sum = simd.mul_f32s(factor.add(j).read_unaligned(), sum);
                }
                c.add(j).write_unaligned(sum);
            }
        }
    }
}

/// Prefetches the cache line at `address`, which may be any address: a hint without effect on results.
#[inline(always)]
pub(super) fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch does not access memory as far as the program can observe, and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
