//! The CPU kernel of sinusoidal fields: matrix products, convolutions, pointwise functions, and whole networks with their spatial
//! derivatives, forward and backward, tile by tile.
//!
//! [`network`] evaluates a multilayer perceptron and its backward pass on chunks of points; [`product`] holds the matrix products under
//! it, which other networks use too; [`function`] the activations with their first three derivatives. One source is compiled for every
//! SIMD [`Level`], and the level is chosen at run time. `f32` is the fast path; `f64` ([`Real`]) is a reference implementation that
//! shares little with it.
//!
//! This crate is the only one of the workspace with unsafe code, and depends on no tensor library.

#![deny(clippy::undocumented_unsafe_blocks)]

pub mod function;
mod level;
pub mod network;
#[expect(
    unsafe_code,
    reason = "raw pointers and SIMD intrinsics; each block says why it is sound"
)]
pub mod product;
mod real;

pub use self::function::{Pointwise, SELU_ALPHA, SELU_SCALE, SOFTPLUS_THRESHOLD};
pub use self::level::Level;
pub use self::real::Real;
