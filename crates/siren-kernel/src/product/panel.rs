//! How the matrices of a tile lie in memory, in `f32`: weights in packed panels, activations in padded rows.

use super::narrow::NARROW;
use crate::Level;

/// Widths are padded to whole vectors of the widest level.
pub(crate) const LANES: usize = 16;
/// No micro-kernel works on more rows at once; buffers are padded to it.
pub(crate) const ROW_PAD: usize = 6;
/// Numbers past the last row that a micro-kernel may read (and ignore).
pub(crate) const SLACK: usize = 32;

/// Columns of a row as the micro-kernels see them: `width` rounded up to whole vectors.
pub(crate) const fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Numbers from one row of a tile to the next: an odd number of cache lines, so that a column of a tile does not fall
/// into a few sets of the cache.
pub(crate) const fn stride(width: usize) -> usize {
    let lines = padded(width) / LANES;
    LANES * (lines | 1)
}

/// A matrix `(inner, columns)` cut into panels of columns, each stored row by row; zero in the padding.
#[derive(Default)]
pub struct Panels {
    /// Columns of a panel, the last one perhaps excepted.
    pub(crate) panel: usize,
    pub(crate) inner: usize,
    pub(crate) columns: usize,
    pub(crate) data: Vec<f32>,
    /// The columns themselves, `padded(inner)` apart, where there are few.
    pub(crate) few: Vec<f32>,
}

impl Panels {
    /// From `at(k, c)`, for products at `level`.
    fn pack(
        level: Level,
        (inner, columns): (usize, usize),
        at: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let panel = level.panel_columns();
        let mut data = Vec::with_capacity(inner * padded(columns));
        for first in (0..columns).step_by(panel) {
            let wide = panel.min(padded(columns) - first);
            for k in 0..inner {
                let in_range = |c: usize| if c < columns { at(k, c) } else { 0.0 };
                data.extend((first..first + wide).map(in_range));
            }
        }
        let mut few = Vec::new();
        if columns <= NARROW {
            few.resize(columns * padded(inner), 0.0);
            for (c, column) in few.chunks_mut(padded(inner).max(1)).enumerate() {
                for (k, number) in column[..inner].iter_mut().enumerate() {
                    *number = at(k, c);
                }
            }
        }
        Self {
            panel,
            inner,
            columns,
            data,
            few,
        }
    }

    /// `Wᵀ` of row-major `(fan_out, fan_in)` weights: `Z = H Wᵀ`.
    pub(crate) fn transposed(level: Level, weight: &[f32], fan_out: usize, fan_in: usize) -> Self {
        Self::pack(level, (fan_in, fan_out), |k, c| weight[c * fan_in + k])
    }

    /// `W` itself: `dH = dZ W`.
    pub(crate) fn straight(level: Level, weight: &[f32], fan_out: usize, fan_in: usize) -> Self {
        Self::pack(level, (fan_out, fan_in), |k, c| weight[k * fan_in + c])
    }
}

/// What is done with a product.
#[derive(Clone, Copy)]
pub enum Finish<'a, T> {
    Write,
    /// Written times what lies here, element by element.
    Scale(&'a [T]),
    /// Added to what is there.
    Add,
}

impl<'a, T> Finish<'a, T> {
    pub(crate) fn factor(self) -> Option<&'a [T]> {
        match self {
            Self::Scale(factor) => Some(factor),
            Self::Write | Self::Add => None,
        }
    }

    pub(crate) fn adds(&self) -> bool {
        matches!(self, Self::Add)
    }
}

/// A row-major matrix in a buffer with padding: `rows` that count, `stride` numbers apart. Rows that are longer than that overlap.
#[derive(Clone, Copy)]
pub struct Strided<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) stride: usize,
}

/// Numbers in a buffer of `rows` rows of this width.
pub(crate) fn room(rows: usize, width: usize) -> usize {
    rows.next_multiple_of(ROW_PAD) * stride(width) + SLACK
}
