//! SIMD levels: one source, compiled for each of them, chosen at run time.

use std::fmt;

use pulp::{Scalar, WithSimd};

/// An instruction set of the field's operation in `f32`; every processor has [`Level::Scalar`].
///
/// Levels differ in the order of additions and in whether a multiplication and an addition are rounded once or twice: the
/// same network gives results equal to rounding on all of them, and equal bits on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// No instructions beyond the target's baseline.
    Scalar,
    /// AVX2 and FMA: 8 numbers at once.
    Avx2,
    /// AVX-512 (x86-64-v4): 16 numbers at once.
    Avx512,
    /// NEON: 4 numbers at once.
    Neon,
}

impl Level {
    /// From the simplest to the widest.
    const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// Those of this processor, from the simplest to the widest.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|level| level.is_available())
    }

    /// The widest of this processor.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Scalar)
    }

    /// Whether this processor has it.
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
                reason = "which are reached depends on the architecture"
            )]
            _ => false,
        }
    }

    /// Columns of a panel of packed weights: as many as the micro-kernel works on at once, so that it reads a panel from its beginning to its
    /// end. (Wider panels, read with a stride, fall into a fraction of the sets of a first-level cache of 32 KiB.)
    pub(crate) fn panel_columns(self) -> usize {
        match self {
            Self::Avx512 => 64,
            Self::Avx2 | Self::Neon | Self::Scalar => 16,
        }
    }

    /// Runs `work` compiled for this level, or, on a processor without it, for none. What is not inlined into `work` is
    /// compiled without the level's instructions: a `WithSimd` type with `inline(always)` all the way down, not a closure.
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
