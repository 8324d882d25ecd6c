//! General matrix multiplication of either precision.

use super::panel::Panels;
use super::{double, single};
use crate::Level;

/// Whether a product replaces its destination or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// `out = a b`.
    Overwrite,
    /// `out = out + a b`.
    Add,
}

/// Operation that combines a product with its destination.
#[derive(Clone, Copy)]
pub enum Epilogue<'a, T> {
    /// `out = a b`.
    Overwrite,
    /// `out = (a b) ∘ factor`, the elementwise product; `factor` is laid out as `out`.
    Multiply(&'a [T]),
    /// `out = out + a b`.
    Add,
}

impl<'a, T> Epilogue<'a, T> {
    pub(super) fn factor(self) -> Option<&'a [T]> {
        match self {
            Self::Multiply(factor) => Some(factor),
            Self::Overwrite | Self::Add => None,
        }
    }

    pub(super) fn accumulates(&self) -> bool {
        matches!(self, Self::Add)
    }
}

impl<T> From<Accumulate> for Epilogue<'_, T> {
    fn from(accumulate: Accumulate) -> Self {
        match accumulate {
            Accumulate::Overwrite => Self::Overwrite,
            Accumulate::Add => Self::Add,
        }
    }
}

/// A row-major matrix `(rows, columns)` in a buffer with padding. Row `i` starts at element `i · stride`; rows overlap if `columns` exceeds
/// `stride`.
#[derive(Clone, Copy)]
pub struct StridedMatrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) stride: usize,
}

/// Buffer that receives a product, row-major; row `i` starts at element `i · stride`.
pub struct Destination<'a, T> {
    pub(crate) data: &'a mut [T],
    pub(crate) stride: usize,
}

/// Matrix products of one element type, on the calling thread.
///
/// Buffers are padded as [`panel`](super::panel) describes.
pub trait Gemm: Sized {
    /// A matrix packed as the right factor of products.
    type PackedMatrix: Default + Send + Sync + 'static;

    /// Packs `matrix (rows, columns)`, row-major. With the weights `W` of a layer: for `dH = dZ W`.
    fn pack_matrix(
        level: Level,
        matrix: &[Self],
        rows: usize,
        columns: usize,
    ) -> Self::PackedMatrix;

    /// Packs the transpose of `matrix (rows, columns)`, row-major. With the weights `W` of a layer: for `Z = H Wᵀ`.
    fn pack_transposed(
        level: Level,
        matrix: &[Self],
        rows: usize,
        columns: usize,
    ) -> Self::PackedMatrix;

    /// Computes `out = a b`, `out = (a b) ∘ factor` or `out += a b`, as `epilogue` says, with `a (rows, inner)` and `b (inner, columns)`.
    ///
    /// `a`, `out` and `factor` must hold `rows` padded to [`ROW_PAD`](super::panel::ROW_PAD) rows, and rows of `out` and `factor` must be
    /// padded to whole vectors.
    fn multiply(
        level: Level,
        a: StridedMatrix<'_, Self>,
        b: &Self::PackedMatrix,
        out: Destination<'_, Self>,
        epilogue: Epilogue<'_, Self>,
    );

    /// Computes `out += aᵀ b` with `a (rows, m)` and `b (rows, n)`. `out` is `(m, n)` with rows `stride(n)` apart.
    ///
    /// `a` must hold [`SLACK`](super::panel::SLACK) elements past its last row, rows of `b` must be padded to whole vectors, and `out` must
    /// hold `m` padded to [`ROW_PAD`](super::panel::ROW_PAD) rows.
    fn multiply_transposed(
        level: Level,
        a: StridedMatrix<'_, Self>,
        b: StridedMatrix<'_, Self>,
        out: &mut [Self],
    );
}

impl Gemm for f64 {
    type PackedMatrix = double::PackedMatrix;

    fn pack_matrix(
        _level: Level,
        matrix: &[Self],
        rows: usize,
        columns: usize,
    ) -> Self::PackedMatrix {
        double::PackedMatrix::new(matrix, rows, columns)
    }

    fn pack_transposed(
        _level: Level,
        matrix: &[Self],
        rows: usize,
        columns: usize,
    ) -> Self::PackedMatrix {
        double::PackedMatrix::transposed(matrix, rows, columns)
    }

    fn multiply(
        _level: Level,
        a: StridedMatrix<'_, Self>,
        b: &Self::PackedMatrix,
        out: Destination<'_, Self>,
        epilogue: Epilogue<'_, Self>,
    ) {
        double::multiply(a, b, out, epilogue);
    }

    fn multiply_transposed(
        _level: Level,
        a: StridedMatrix<'_, Self>,
        b: StridedMatrix<'_, Self>,
        out: &mut [Self],
    ) {
        double::multiply_transposed(a, b, out);
    }
}

impl Gemm for f32 {
    type PackedMatrix = Panels;

    fn pack_matrix(
        level: Level,
        matrix: &[Self],
        rows: usize,
        columns: usize,
    ) -> Self::PackedMatrix {
        Panels::new(level, matrix, rows, columns)
    }

    fn pack_transposed(
        level: Level,
        matrix: &[Self],
        rows: usize,
        columns: usize,
    ) -> Self::PackedMatrix {
        Panels::transposed(level, matrix, rows, columns)
    }

    fn multiply(
        level: Level,
        a: StridedMatrix<'_, Self>,
        b: &Self::PackedMatrix,
        out: Destination<'_, Self>,
        epilogue: Epilogue<'_, Self>,
    ) {
        single::multiply(level, a, b, out, epilogue);
    }

    fn multiply_transposed(
        level: Level,
        a: StridedMatrix<'_, Self>,
        b: StridedMatrix<'_, Self>,
        out: &mut [Self],
    ) {
        single::multiply_transposed(level, a, b, out);
    }
}
