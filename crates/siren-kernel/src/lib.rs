//! CPU kernels of small neural networks: matrix products, convolutions, activations, and multilayer perceptrons with their spatial
//! derivatives, forward and backward.
//!
//! Three modules, from the inside out:
//!
//! * [`function`]: activations with their first three derivatives.
//! * [`product`]: matrix products, convolutions and sums of squares.
//! * [`network`]: a multilayer perceptron on a chunk of points. The forward pass computes the value, the gradient and second-order
//!   derivatives with respect to the input; the backward pass computes the gradient of a loss on all of them with respect to the
//!   parameters.
//!
//! All matrices are dense and row-major. One source is compiled for every SIMD [`Level`], and the level is chosen at run time. `f32` is
//! the fast path; `f64` is a reference implementation that shares little code with it. Both implement [`Real`].
//!
//! This crate is the only one of the workspace with unsafe code. It depends on no tensor library.
//!
//! # Examples
//!
//! ```
//! use siren_kernel::Level;
//! use siren_kernel::product::Matrix;
//!
//! // Matrices use the widest level of the processor; results differ between levels by rounding only.
//! assert!(Level::best().is_available());
//!
//! let a = Matrix::from_row_major(2, 3, &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
//! let b = Matrix::from_row_major(3, 2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
//! let mut product = Matrix::zeros(2, 2);
//! a.transposed().add_transposed_product(&b, &mut product);
//! assert_eq!(product.to_vec(), [4.0, 5.0, 10.0, 11.0]);
//! ```

#![deny(
    clippy::undocumented_unsafe_blocks,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod bfloat16;
pub mod function;
mod level;
pub mod network;
#[expect(
    unsafe_code,
    reason = "raw pointers and SIMD intrinsics; each block says why it is sound"
)]
pub mod product;
mod real;

pub use self::bfloat16::Bfloat16;
pub use self::function::{Pointwise, SELU_ALPHA, SELU_SCALE, SOFTPLUS_THRESHOLD};
pub use self::level::Level;
pub use self::real::Real;
