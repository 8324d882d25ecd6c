//! SIMD levels: one source, compiled for each of them, chosen at run time.

use std::fmt;

use pulp::{Scalar, WithSimd};

/// SIMD instruction set of the `f32` kernels. Every processor supports [`Level::Scalar`].
///
/// Levels differ in the order of additions and in whether a multiplication followed by an addition is rounded once or twice. Results of
/// the same network are therefore equal to rounding between levels, and bit for bit on one level.
///
/// ```
/// use siren_kernel::Level;
///
/// let levels: Vec<Level> = Level::available().collect();
/// assert_eq!(levels.first(), Some(&Level::Scalar));
/// assert_eq!(levels.last(), Some(&Level::best()));
/// println!("matrix products use {}", Level::best());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The target's baseline instructions.
    Scalar,
    /// AVX2 and FMA: 8 `f32` lanes.
    Avx2,
    /// AVX-512 (x86-64-v4): 16 `f32` lanes.
    Avx512,
    /// NEON: 4 `f32` lanes.
    Neon,
}

impl Level {
    /// All levels, from the simplest to the widest.
    const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// Returns the levels that this processor supports, from the simplest to the widest.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|level| level.is_available())
    }

    /// Returns the widest level that this processor supports.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Scalar)
    }

    /// Returns whether this processor supports the level.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().is_some(),
            #[allow(
                unreachable_patterns,
                reason = "which patterns are reached depends on the architecture"
            )]
            _ => false,
        }
    }

    /// Returns the number of columns of a panel of packed weights: as many as the micro-kernel computes at once, so that it reads a panel
    /// contiguously. (Wider panels, read with a stride, map to a fraction of the sets of a first-level cache of 32 KiB.)
    pub(crate) fn panel_columns(self) -> usize {
        match self {
            Self::Avx512 => 64,
            Self::Avx2 | Self::Neon | Self::Scalar => 16,
        }
    }

    /// Runs `work` compiled for this level, or without SIMD instructions if the processor does not support the level.
    ///
    /// Only code that is inlined into `work` is compiled with the level's instructions. `work` must therefore be a `WithSimd` type whose
    /// callees are all `inline(always)`; a closure need not be inlined.
    #[inline]
    pub fn dispatch<W: WithSimd>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        match (self, pulp::x86::V4::try_new(), pulp::x86::V3::try_new()) {
            (Self::Avx512, Some(simd), _) => return pulp::Simd::vectorize(simd, work),
            (Self::Avx2, _, Some(simd)) => return pulp::Simd::vectorize(simd, work),
            _ => {}
        }
        #[cfg(target_arch = "aarch64")]
        if let (Self::Neon, Some(simd)) = (self, pulp::aarch64::Neon::try_new()) {
            return pulp::Simd::vectorize(simd, work);
        }
        work.with_simd(Scalar)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
            Self::Neon => "NEON",
        })
    }
}
