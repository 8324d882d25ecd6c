//! Operands of matrix products in bfloat16: the upper half of an `f32`, with 8 significant bits.

/// What multiplies pairs of bfloat16, which it adds to sums in `f32`. Both give the same bits.
///
/// Operands are rounded to the nearest bfloat16, ties to even, and subnormal ones to zero. A product of two is exact; each addition is rounded to
/// the nearest `f32`, and a subnormal sum is zero.
///
/// ```
/// use siren_kernel::Bfloat16;
///
/// assert!(Bfloat16::Emulation.is_available());
/// println!("this processor multiplies pairs of bfloat16: {}", Bfloat16::Instructions.is_available());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bfloat16 {
    /// The processor's instructions, `AVX512_BF16`: twice as many multiply-adds per cycle as in `f32`.
    Instructions,
    /// Arithmetic in `f64`, dozens of times slower.
    Emulation,
}

impl Bfloat16 {
    /// Returns whether this processor can do it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Emulation => true,
            Self::Instructions => crate::product::has_bfloat16_instructions(),
        }
    }
}
