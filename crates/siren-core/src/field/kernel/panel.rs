//! Matrix products of a tile, in `f32`: packed weights, register-blocked micro-kernels, one source for every SIMD level.
//!
//! Three products a layer, `Z = H Wᵀ`, `dH = dZ W`, `dW += dZᵀ H`, are one micro-kernel with different strides: a block of
//! `MR` rows × `NV` vectors of accumulators stays in registers while the kernel walks along the inner dimension, reading
//! one number a row (broadcast) and `NV` vectors of the other operand.

use pulp::{Arch, Simd, WithSimd};

/// Columns of a packed panel: four AVX-512 vectors.
const PANEL: usize = 64;
/// Rows of a panel that are walked along at once: they stay in the first-level cache while the rows of a tile go by.
const INNER: usize = 128;
/// Widths are padded to whole vectors of the widest level.
const LANES: usize = 16;
/// No micro-kernel works on more rows at once; buffers are padded to it.
pub(super) const ROW_PAD: usize = 6;
/// Numbers past the last row that a micro-kernel may read (and ignore).
pub(super) const SLACK: usize = 32;

/// Columns of a row as the micro-kernels see them: `width` rounded up to whole vectors.
pub(super) const fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Numbers from one row of a tile to the next: an odd number of cache lines, so that a column of a tile does not fall
/// into a few sets of the cache.
pub(super) const fn stride(width: usize) -> usize {
    let lines = padded(width) / LANES;
    LANES * (lines | 1)
}

/// A matrix `(inner, columns)` cut into panels of [`PANEL`] columns, each stored row by row; zero in the padding.
#[derive(Default)]
pub struct Panels {
    inner: usize,
    columns: usize,
    data: Vec<f32>,
}

impl Panels {
    /// From `at(k, c)`.
    fn pack(inner: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(inner * padded(columns));
        for first in (0..columns).step_by(PANEL) {
            let wide = PANEL.min(padded(columns) - first);
            for k in 0..inner {
                let in_range = |c: usize| if c < columns { at(k, c) } else { 0.0 };
                data.extend((first..first + wide).map(in_range));
            }
        }
        Self {
            inner,
            columns,
            data,
        }
    }

    /// `Wᵀ` of row-major `(fan_out, fan_in)` weights: `Z = H Wᵀ`.
    pub(super) fn transposed(weight: &[f32], fan_out: usize, fan_in: usize) -> Self {
        Self::pack(fan_in, fan_out, |k, c| weight[c * fan_in + k])
    }

    /// `W` itself: `dH = dZ W`.
    pub(super) fn straight(weight: &[f32], fan_out: usize, fan_in: usize) -> Self {
        Self::pack(fan_out, fan_in, |k, c| weight[k * fan_in + c])
    }
}

/// A row-major matrix in a buffer with padding: `rows` that count, `stride` numbers apart.
#[derive(Clone, Copy)]
pub struct Strided<'a, T> {
    pub(super) data: &'a [T],
    pub(super) rows: usize,
    pub(super) stride: usize,
}

/// `out = a b` with `a (rows, inner)` and packed `b (inner, columns)`; `out` has rows `out_stride` apart, padded to
/// [`ROW_PAD`] rows and whole vectors.
pub(super) fn multiply(a: Strided<'_, f32>, b: &Panels, out: &mut [f32], out_stride: usize) {
    let rows = a.rows.next_multiple_of(ROW_PAD);
    assert!(
        b.inner <= a.stride && padded(b.columns) <= out_stride,
        "widths of a product"
    );
    assert!(a.data.len() >= rows * a.stride, "rows of the left factor");
    assert!(out.len() >= rows * out_stride, "rows of the product");
    assert_eq!(b.data.len(), b.inner * padded(b.columns), "packed factor");
    Arch::new().dispatch(Product {
        a,
        b,
        out,
        out_stride,
    });
}

struct Product<'a> {
    a: Strided<'a, f32>,
    b: &'a Panels,
    out: &'a mut [f32],
    out_stride: usize,
}

impl WithSimd for Product<'_> {
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

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NV: usize>(mut self, simd: S) {
        let width = padded(self.b.columns);
        for first in (0..width).step_by(PANEL) {
            let wide = PANEL.min(width - first);
            for k in (0..self.b.inner).step_by(INNER) {
                let part = Part { first, wide, k };
                let mut column = 0;
                while column < wide {
                    if column + NV * S::F32_LANES <= wide {
                        self.columns::<S, MR, NV>(simd, part, column);
                        column += NV * S::F32_LANES;
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
        let inner = self.b.inner;
        let panel = &self.b.data[first * inner..][..wide * inner];
        for row in (0..self.a.rows.next_multiple_of(MR)).step_by(MR) {
            let block = Block {
                inner: INNER.min(inner - k),
                a: self.a.data[row * self.a.stride + k..].as_ptr(),
                a_row: self.a.stride,
                a_step: 1,
                b: panel[k * wide + column..].as_ptr(),
                b_step: wide,
                c: self.out[row * self.out_stride + first + column..].as_mut_ptr(),
                c_row: self.out_stride,
            };
            // SAFETY: `multiply` checked that `a` and `out` hold `rows` padded to ROW_PAD rows (a multiple of MR), that
            // a row of `a` has `inner` numbers and a row of `out` the padded width; a panel has `inner` rows of `wide`
            // numbers, of which `k .. k + INNER` at most and columns from `column` on are read, whole vectors of them
            // because widths are padded to LANES, a multiple of every F32_LANES.
            unsafe { micro_kernel::<S, MR, NV>(simd, block, k > 0) };
        }
    }
}

/// Which part of a panel: its first column, how many, and the first of the rows that are walked along.
#[derive(Clone, Copy)]
struct Part {
    first: usize,
    wide: usize,
    k: usize,
}

/// `out += aᵀ b` with `a (rows, m)` and `b (rows, n)`: `out` is `(m, n)` with rows `padded(n)` apart, padded to
/// [`ROW_PAD`] rows.
pub(super) fn multiply_transposed(
    a: (Strided<'_, f32>, usize),
    b: (Strided<'_, f32>, usize),
    out: &mut [f32],
) {
    let ((a, m), (b, n)) = (a, b);
    assert_eq!(a.rows, b.rows, "rows of a transposed product");
    assert!(
        padded(n) <= b.stride && m <= a.stride,
        "widths of a transposed product"
    );
    assert!(
        a.data.len() >= a.rows * a.stride + SLACK,
        "slack of the left factor"
    );
    assert!(
        b.data.len() >= b.rows * b.stride,
        "rows of the right factor"
    );
    assert!(
        out.len() >= m.next_multiple_of(ROW_PAD) * padded(n),
        "transposed product"
    );
    Arch::new().dispatch(TransposedProduct { a, m, b, n, out });
}

struct TransposedProduct<'a> {
    a: Strided<'a, f32>,
    m: usize,
    b: Strided<'a, f32>,
    n: usize,
    out: &'a mut [f32],
}

impl WithSimd for TransposedProduct<'_> {
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

impl TransposedProduct<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NV: usize>(mut self, simd: S) {
        let width = padded(self.n);
        let mut column = 0;
        while column < width {
            if column + NV * S::F32_LANES <= width {
                self.columns::<S, MR, NV>(simd, column);
                column += NV * S::F32_LANES;
            } else {
                self.columns::<S, MR, 1>(simd, column);
                column += S::F32_LANES;
            }
        }
    }

    /// `NV` vectors of columns, all rows.
    #[inline(always)]
    fn columns<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, column: usize) {
        let width = padded(self.n);
        for row in (0..self.m.next_multiple_of(MR)).step_by(MR) {
            let block = Block {
                inner: self.a.rows,
                a: self.a.data[row..].as_ptr(),
                a_row: 1,
                a_step: self.a.stride,
                b: self.b.data[column..].as_ptr(),
                b_step: self.b.stride,
                c: self.out[row * width + column..].as_mut_ptr(),
                c_row: width,
            };
            // SAFETY: `multiply_transposed` checked that both factors hold `rows` rows and that `a` has SLACK ≥ MR
            // numbers more, so that `row .. row + MR` of its last row can be read; columns come in whole vectors
            // because strides and widths are padded to LANES; `out` has `m` padded to ROW_PAD rows, a multiple of MR.
            unsafe { micro_kernel::<S, MR, NV>(simd, block, true) };
        }
    }
}

/// Where a micro-kernel reads and writes: `c[i][j] (+)= Σ_k a[i a_row + k a_step] · b[k b_step + j]`.
#[derive(Clone, Copy)]
struct Block {
    inner: usize,
    a: *const f32,
    a_row: usize,
    a_step: usize,
    b: *const f32,
    b_step: usize,
    c: *mut f32,
    c_row: usize,
}

/// # Safety
/// For `i < MR`, `k < inner` and `j < NV · F32_LANES` every index of [`Block`]'s formula must lie in its allocation, and `c`
/// must not overlap `a` or `b`.
#[inline(always)]
unsafe fn micro_kernel<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    block: Block,
    accumulate: bool,
) {
    let Block {
        inner,
        a,
        a_row,
        a_step,
        b,
        b_step,
        c,
        c_row,
    } = block;
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    // SAFETY: the caller's promise, index by index.
    unsafe {
        for k in 0..inner {
            let a = a.add(k * a_step);
            let b = b.add(k * b_step).cast::<S::f32s>();
            let mut vectors = [simd.splat_f32s(0.0); NV];
            for (j, vector) in vectors.iter_mut().enumerate() {
                *vector = b.add(j).read_unaligned();
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32s(*a.add(i * a_row));
                for (sum, &vector) in row.iter_mut().zip(&vectors) {
                    *sum = simd.mul_add_e_f32s(factor, vector, *sum);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            let c = c.add(i * c_row).cast::<S::f32s>();
            for (j, &sum) in row.iter().enumerate() {
                let sum = if accumulate {
                    simd.add_f32s(c.add(j).read_unaligned(), sum)
                } else {
                    sum
                };
                c.add(j).write_unaligned(sum);
            }
        }
    }
}
