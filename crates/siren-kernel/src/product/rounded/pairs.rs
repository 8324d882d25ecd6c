//! Operands in pairs of bfloat16 that are adjacent in the inner dimension of a product.

use super::lanes::{Lanes, Pair, round};
use crate::product::StridedMatrix;
use crate::product::panel::{LANES, ROW_PAD, SLACK, padded, stride};

/// Number of columns of a panel: as many as the micro-kernel computes at once.
pub(super) const PANEL_COLUMNS: usize = 64;

/// A matrix `(inner, columns)` in panels of columns. A panel is stored pair of rows by pair of rows, with zeros in the padding.
#[derive(Default)]
pub struct PairPanels {
    pub(super) inner: usize,
    pub(super) columns: usize,
    pub(super) data: Vec<Pair>,
}

impl PairPanels {
    fn pack(inner: usize, columns: usize, element: impl Fn(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(inner.div_ceil(2) * padded(columns));
        let or_zero = |k: usize, c: usize| {
            if k < inner && c < columns {
                round(element(k, c))
            } else {
                0
            }
        };
        for first in (0..columns).step_by(PANEL_COLUMNS) {
            let width = PANEL_COLUMNS.min(padded(columns) - first);
            for k in (0..inner).step_by(2) {
                let pair = |c: usize| or_zero(k, c) | or_zero(k + 1, c) << 16;
                data.extend((first..first + width).map(pair));
            }
        }
        Self {
            inner,
            columns,
            data,
        }
    }

    /// Rounds and packs a row-major matrix.
    pub(super) fn new(matrix: &[f32], rows: usize, columns: usize) -> Self {
        Self::pack(rows, columns, |k, c| matrix[k * columns + c])
    }

    /// Rounds and packs the transpose of a row-major matrix.
    pub(super) fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Self {
        Self::pack(columns, rows, |k, c| matrix[c * columns + k])
    }
}

/// Buffers of the rounded operands of a product.
#[derive(Default)]
pub struct RoundedOperands {
    pub(super) left: Pairs,
    pub(super) right: Pairs,
}

/// Buffer of a rounded operand.
#[derive(Default)]
pub(super) struct Pairs {
    pub(super) data: Vec<Pair>,
    /// Distance between rows of pairs.
    pub(super) stride: usize,
}

impl Pairs {
    /// Grows the buffer to rows of pairs, `stride` apart.
    fn resize(&mut self, rows: usize, stride: usize) {
        self.stride = stride;
        let len = rows * stride + SLACK;
        if self.data.len() < len {
            self.data.resize(len, 0);
        }
    }

    /// Rounds the rows of a matrix, padded to [`ROW_PAD`]; pairs are of adjacent columns. The column after an odd last one is zero.
    #[inline(always)]
    pub(super) fn round_rows<L: Lanes>(&mut self, lanes: L, a: StridedMatrix<'_, f32>) {
        let rows = a.rows.next_multiple_of(ROW_PAD);
        self.resize(rows, stride(a.columns.div_ceil(2)));
        let targets = self.data.chunks_exact_mut(self.stride).take(rows);
        for (row, target) in targets.enumerate() {
            let source = &a.data[row * a.stride..][..a.columns];
            let (whole, rest) = source.as_chunks::<{ 2 * LANES }>();
            let (targets, _) = target.as_chunks_mut::<LANES>();
            for (source, target) in whole.iter().zip(&mut *targets) {
                round_adjacent(lanes, source, target);
            }
            if !rest.is_empty() {
                let mut last = [0.0; 2 * LANES];
                last[..rest.len()].copy_from_slice(rest);
                round_adjacent(lanes, &last, &mut targets[whole.len()]);
            }
        }
    }

    /// Rounds pairs of rows of a matrix whose rows are padded to whole vectors, [`stride`] of its columns apart. The row after an odd last one is zero.
    #[inline(always)]
    pub(super) fn round_across<L: Lanes>(&mut self, lanes: L, a: StridedMatrix<'_, f32>) {
        self.resize(a.rows.div_ceil(2), stride(a.columns));
        let width = padded(a.columns);
        let zeros = [[0.0; LANES]];
        let targets = self.data.chunks_exact_mut(self.stride);
        for (first, target) in (0..a.rows).step_by(2).zip(targets) {
            let (even, _) = a.data[first * a.stride..][..width].as_chunks::<LANES>();
            let odd = if first + 1 < a.rows {
                a.data[(first + 1) * a.stride..][..width]
                    .as_chunks::<LANES>()
                    .0
            } else {
                &[]
            };
            let odd = odd.iter().chain(zeros.iter().cycle());
            let (targets, _) = target.as_chunks_mut::<LANES>();
            for ((even, odd), target) in even.iter().zip(odd).zip(targets) {
                let pairs = lanes.round_across(lanes.load(even), lanes.load(odd));
                lanes.store_pairs(pairs, target);
            }
        }
    }
}

/// Rounds two vectors of adjacent elements.
#[inline(always)]
fn round_adjacent<L: Lanes>(lanes: L, source: &[f32; 2 * LANES], target: &mut [Pair; LANES]) {
    let (halves, _) = source.as_chunks::<LANES>();
    if let [first, second] = halves {
        lanes.store_pairs(
            lanes.round_adjacent(lanes.load(first), lanes.load(second)),
            target,
        );
    }
}
