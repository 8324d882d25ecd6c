//! The two element types of the kernel.

use std::fmt::{Debug, Display};
use std::iter::Sum;

use num_traits::{Float, NumAssign};
use pulp::{Scalar, Simd, WithSimd};

use crate::Level;
use crate::function::{Elementary, Vectors};
use crate::product::RoundedGemm;

/// An element type: `f32`, the fast path, or `f64`, the reference implementation.
///
/// The trait is sealed: its supertraits with the elementary functions and the matrix products are private to this crate.
pub trait Real:
    Float
    + NumAssign
    + Sum
    + Default
    + Debug
    + Display
    + Send
    + Sync
    + Elementary
    + Vectors
    + RoundedGemm
    + 'static
{
    /// Rounds a constant to this type.
    fn of(value: f64) -> Self;

    /// Returns the value in double precision.
    fn to_double(self) -> f64;

    /// Runs `work` compiled for `level`, as [`Level::dispatch`] does. In double precision `work` runs without SIMD instructions: its
    /// functions are those of the standard library, which no level makes faster.
    fn dispatch<W: WithSimd>(level: Level, work: W) -> W::Output;
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn to_double(self) -> f64 {
        self
    }

    fn dispatch<W: WithSimd>(_level: Level, work: W) -> W::Output {
        work.with_simd(Scalar)
    }
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn to_double(self) -> f64 {
        self.into()
    }

    fn dispatch<W: WithSimd>(level: Level, work: W) -> W::Output {
        level.dispatch(work)
    }
}

/// Returns `a b + c`, fused except at the scalar level: its processors may lack the instruction.
#[inline(always)]
pub(crate) fn mul_add<S: Simd>(_simd: S, a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR {
        a * b + c
    } else {
        a.mul_add(b, c)
    }
}
