//! Dense matrix products, convolutions, symmetric systems and sums of squares.
//!
//! | type | computes | storage of the operands |
//! |---|---|---|
//! | [`Matrix`] | `Aᵀ B` and `Aᵀ A`, in parallel | its own, padded |
//! | [`Factor`], [`TransposedSum`] | `A B` and `Σ Aᵀ B`, on the calling thread | row-major slices of the caller |
//! | [`Symmetric`], [`Cholesky`] | `A Aᵀ` and solutions of `A Aᵀ + λ I`, in `f64`, in parallel | row-major |
//! | [`Convolution`], [`Correlation`] | 2D convolutions and their gradients | [`Plane`]: one padded picture |
//!
//! In `f32` all of them but [`Symmetric`] are calls of one micro-kernel with different strides; in `f64`, and for [`Symmetric`], they are calls of
//! the `gemm` crate.

mod convolution;
mod double;
mod gemm;
mod matrix;
mod micro;
mod narrow;
pub(crate) mod panel;
mod rounded;
mod rows;
mod single;
mod squares;
mod symmetric;

pub(crate) use self::gemm::{Destination, Epilogue, Gemm, StridedMatrix};
pub(crate) use self::rounded::{RoundedGemm, RoundedOperands, has_bfloat16_instructions};

pub use self::convolution::{Convolution, Correlation, Plane, Windows};
pub use self::gemm::Accumulate;
pub use self::matrix::Matrix;
pub use self::rows::{Factor, TransposedSum};
pub use self::squares::sum_of_squares;
pub use self::symmetric::{Cholesky, Symmetric};

/// Least width of a hidden layer that counts as wide: two weight matrices of this width exceed a second-level cache.
pub(crate) const WIDE: usize = 512;
