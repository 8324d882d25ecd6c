//! Memory layout of matrices: rows padded to whole vectors, and right factors packed in panels of columns.

use super::narrow::NARROW;
use crate::Level;

/// Number of `f32` lanes of the widest level. Widths are padded to a multiple of it.
pub(crate) const LANES: usize = 16;
/// Largest number of rows of a micro-kernel. Buffers are padded to a multiple of it.
pub(crate) const ROW_PAD: usize = 6;
/// Number of elements past the last row that a micro-kernel may read (and ignore).
pub(crate) const SLACK: usize = 32;

/// Returns the number of columns that a micro-kernel computes: `width` rounded up to whole vectors.
pub(crate) const fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Returns the distance between rows of a tile, in elements: an odd number of cache lines, so that the elements of a column are spread over
/// all sets of the cache.
pub(crate) const fn stride(width: usize) -> usize {
    let lines = padded(width) / LANES;
    LANES * (lines | 1)
}

/// Returns the length of a buffer for `rows` rows of `width` columns, [`stride`] apart, with all padding.
pub(crate) fn buffer_len(rows: usize, width: usize) -> usize {
    rows.next_multiple_of(ROW_PAD) * stride(width) + SLACK
}

/// A matrix `(inner, columns)` in panels of columns, each stored row by row, with zeros in the padding.
#[derive(Default)]
pub struct Panels {
    /// Number of columns of a panel; the last panel may have fewer.
    pub(super) panel_columns: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
    pub(super) data: Vec<f32>,
    /// The columns, each contiguous, `padded(inner)` apart, if there are at most [`NARROW`]; otherwise empty.
    pub(super) narrow: Vec<f32>,
}

impl Panels {
    /// Packs the matrix with the elements `element(k, c)`, for products at `level`.
    fn pack(
        level: Level,
        inner: usize,
        columns: usize,
        element: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let panel_columns = level.panel_columns();
        let mut data = Vec::with_capacity(inner * padded(columns));
        for first in (0..columns).step_by(panel_columns) {
            let width = panel_columns.min(padded(columns) - first);
            for k in 0..inner {
                let or_zero = |c: usize| if c < columns { element(k, c) } else { 0.0 };
                data.extend((first..first + width).map(or_zero));
            }
        }
        let mut narrow = Vec::new();
        if columns <= NARROW {
            narrow.resize(columns * padded(inner), 0.0);
            for (c, column) in narrow.chunks_mut(padded(inner).max(1)).enumerate() {
                for (k, value) in column[..inner].iter_mut().enumerate() {
                    *value = element(k, c);
                }
            }
        }
        Self {
            panel_columns,
            inner,
            columns,
            data,
            narrow,
        }
    }

    /// Packs a row-major matrix.
    pub(super) fn new(level: Level, matrix: &[f32], rows: usize, columns: usize) -> Self {
        Self::pack(level, rows, columns, |k, c| matrix[k * columns + c])
    }

    /// Packs the transpose of a row-major matrix.
    pub(super) fn transposed(level: Level, matrix: &[f32], rows: usize, columns: usize) -> Self {
        Self::pack(level, columns, rows, |k, c| matrix[c * columns + k])
    }
}
