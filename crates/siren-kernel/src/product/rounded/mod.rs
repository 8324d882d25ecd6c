//! Matrix products whose operands are rounded to bfloat16, with sums in `f32`.
//!
//! An instruction multiplies pairs of elements that are adjacent in the inner dimension. The weights are packed in pairs once per step; the other
//! operands are rounded and paired before each product, which takes one pass over them.

mod lanes;
mod pairs;
mod single;
#[cfg(test)]
mod tests;

use super::gemm::{Destination, Epilogue, StridedMatrix};
use super::{Gemm, double};
use crate::Bfloat16;

pub use self::pairs::{PairPanels, RoundedOperands};

/// Returns whether this processor has the instructions of [`Bfloat16::Instructions`].
pub(crate) fn has_bfloat16_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return lanes::Instructions::detect().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Matrix products of rounded operands, on the calling thread.
///
/// Buffers are padded as [`panel`](super::panel) describes, and shapes are those of [`Gemm`].
pub trait RoundedGemm: Gemm {
    /// A matrix packed as the right factor of products.
    type RoundedMatrix: Default + Send + Sync + 'static;

    /// Rounds and packs `matrix (rows, columns)`, row-major.
    fn round_matrix(matrix: &[Self], rows: usize, columns: usize) -> Self::RoundedMatrix;

    /// Rounds and packs the transpose of `matrix (rows, columns)`, row-major.
    fn round_transposed(matrix: &[Self], rows: usize, columns: usize) -> Self::RoundedMatrix;

    /// Rounds `a`, and computes what [`Gemm::multiply`] does.
    fn multiply_rounded(
        arithmetic: Bfloat16,
        a: StridedMatrix<'_, Self>,
        b: &Self::RoundedMatrix,
        out: Destination<'_, Self>,
        epilogue: Epilogue<'_, Self>,
        operands: &mut RoundedOperands,
    );

    /// Rounds `a` and `b`, and computes what [`Gemm::multiply_transposed`] does.
    fn multiply_transposed_rounded(
        arithmetic: Bfloat16,
        a: StridedMatrix<'_, Self>,
        b: StridedMatrix<'_, Self>,
        out: &mut [Self],
        operands: &mut RoundedOperands,
    );
}

impl RoundedGemm for f32 {
    type RoundedMatrix = PairPanels;

    fn round_matrix(matrix: &[Self], rows: usize, columns: usize) -> PairPanels {
        PairPanels::new(matrix, rows, columns)
    }

    fn round_transposed(matrix: &[Self], rows: usize, columns: usize) -> PairPanels {
        PairPanels::transposed(matrix, rows, columns)
    }

    fn multiply_rounded(
        arithmetic: Bfloat16,
        a: StridedMatrix<'_, Self>,
        b: &PairPanels,
        out: Destination<'_, Self>,
        epilogue: Epilogue<'_, Self>,
        operands: &mut RoundedOperands,
    ) {
        single::multiply(arithmetic, a, b, out, epilogue, &mut operands.left);
    }

    fn multiply_transposed_rounded(
        arithmetic: Bfloat16,
        a: StridedMatrix<'_, Self>,
        b: StridedMatrix<'_, Self>,
        out: &mut [Self],
        operands: &mut RoundedOperands,
    ) {
        single::multiply_transposed(arithmetic, a, b, out, operands);
    }
}

/// The reference implementation: operands are rounded, sums are those of double precision.
impl RoundedGemm for f64 {
    type RoundedMatrix = double::PackedMatrix;

    fn round_matrix(matrix: &[Self], rows: usize, columns: usize) -> double::PackedMatrix {
        double::PackedMatrix::new(&rounded(matrix), rows, columns)
    }

    fn round_transposed(matrix: &[Self], rows: usize, columns: usize) -> double::PackedMatrix {
        double::PackedMatrix::transposed(&rounded(matrix), rows, columns)
    }

    fn multiply_rounded(
        _arithmetic: Bfloat16,
        a: StridedMatrix<'_, Self>,
        b: &double::PackedMatrix,
        out: Destination<'_, Self>,
        epilogue: Epilogue<'_, Self>,
        _operands: &mut RoundedOperands,
    ) {
        let data = &rounded(a.data);
        double::multiply(StridedMatrix { data, ..a }, b, out, epilogue);
    }

    fn multiply_transposed_rounded(
        _arithmetic: Bfloat16,
        a: StridedMatrix<'_, Self>,
        b: StridedMatrix<'_, Self>,
        out: &mut [Self],
        _operands: &mut RoundedOperands,
    ) {
        let (left, right) = (&rounded(a.data), &rounded(b.data));
        let (a, b) = (
            StridedMatrix { data: left, ..a },
            StridedMatrix { data: right, ..b },
        );
        double::multiply_transposed(a, b, out);
    }
}

/// Returns the nearest bfloat16 of each element.
fn rounded(values: &[f64]) -> Vec<f64> {
    let round = |&value: &f64| f64::from(f32::from_bits(lanes::round(value as f32) << 16));
    values.iter().map(round).collect()
}
