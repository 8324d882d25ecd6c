//! The innermost loop of every product.

use pulp::Simd;

/// Where a micro-kernel reads and writes: `c[i][j] = Σ_k a[i a_row + k a_step] · b[k b_step + j]`.
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
    /// Add to `c` what is there.
    pub(super) accumulate: bool,
    /// Multiply `c` at last, element by element, by what lies here in the same way; nothing if null.
    pub(super) factor: *const f32,
}

/// A block of `MR` rows × `NV` vectors of accumulators stays in registers while the kernel walks along the inner dimension,
/// reading one number a row (broadcast) and `NV` vectors of the other operand.
///
/// # Safety
/// For `i < MR`, `k < inner` and `j < NV · F32_LANES` every index of [`Block`]'s formula must lie in its allocation, the same
/// for `factor` if it is not null, and `c` must overlap nothing else.
#[inline(always)]
pub(super) unsafe fn micro_kernel<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    block: Block,
) {
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    // SAFETY: the caller's promise, index by index.
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

/// Asks for the cache line at `address`, which may be any: a hint, without effect on what the program computes.
#[inline(always)]
pub(super) fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing as far as the program can tell, and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
