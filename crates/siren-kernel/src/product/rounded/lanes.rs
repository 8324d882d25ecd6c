//! Sixteen sums in `f32`, to which products of pairs of bfloat16 are added: by the processor's instructions, or by an emulation of them.

use crate::product::panel::LANES;

/// Two bfloat16: the first in the lower half.
pub(super) type Pair = u32;

/// Vectors of [`LANES`] `f32`, and of as many pairs of bfloat16.
pub(super) trait Lanes: Copy {
    type Singles: Copy;
    type Pairs: Copy;

    /// Returns zeros.
    fn zeros(self) -> Self::Singles;

    /// Reads a vector.
    fn load(self, source: &[f32; LANES]) -> Self::Singles;

    /// Writes a vector.
    fn store(self, vector: Self::Singles, target: &mut [f32; LANES]);

    /// Reads pairs.
    fn load_pairs(self, source: &[Pair; LANES]) -> Self::Pairs;

    /// Writes pairs.
    fn store_pairs(self, pairs: Self::Pairs, target: &mut [Pair; LANES]);

    /// Returns equal pairs.
    fn splat(self, pair: Pair) -> Self::Pairs;

    /// Returns `a + b`.
    fn plus(self, a: Self::Singles, b: Self::Singles) -> Self::Singles;

    /// Returns `a ∘ b`.
    fn times(self, a: Self::Singles, b: Self::Singles) -> Self::Singles;

    /// Returns `(sums + a₁ ∘ b₁) + a₀ ∘ b₀`: the second elements of the pairs are added first, and each addition is rounded.
    fn dot(self, sums: Self::Singles, a: Self::Pairs, b: Self::Pairs) -> Self::Singles;

    /// Rounds two vectors. Pairs are of adjacent elements: first those of `first`, then those of `second`.
    fn round_adjacent(self, first: Self::Singles, second: Self::Singles) -> Self::Pairs;

    /// Rounds two vectors. Pair `i` holds element `i` of `first` and element `i` of `second`.
    fn round_across(self, first: Self::Singles, second: Self::Singles) -> Self::Pairs;
}

/// Work that is compiled for either implementation of [`Lanes`].
pub(super) trait Work {
    /// Does it. Everything that it calls must be inlined.
    fn run<L: Lanes>(self, lanes: L);
}

/// The same results as [`Instructions`] on any processor.
#[derive(Clone, Copy)]
pub(super) struct Emulation;

/// Returns the nearest bfloat16, in the lower half; ties go to even, subnormal numbers to zero.
pub(super) fn round(value: f32) -> Pair {
    let bits = value.to_bits();
    if value.is_nan() {
        return bits >> 16 | 0x40;
    }
    if value.is_subnormal() {
        return bits >> 16 & 0x8000;
    }
    (bits + 0x7fff + (bits >> 16 & 1)) >> 16
}

/// Returns the two elements of a pair.
fn elements(pair: Pair) -> [f32; 2] {
    [pair << 16, pair & 0xffff_0000].map(|bits| flushed(f32::from_bits(bits)))
}

/// Returns a number, or zero in place of a subnormal one.
fn flushed(value: f32) -> f32 {
    if value.is_subnormal() {
        0.0_f32.copysign(value)
    } else {
        value
    }
}

/// Returns `sum + a b` for elements of bfloat16, rounded once.
fn add_product(sum: f32, a: f32, b: f32) -> f32 {
    // The product is exact in `f64`. So is the sum, unless one of both is below half a unit in the last place of the other as an `f32`: rounding
    // twice is then the same as once.
    let sum = f64::from(flushed(sum)) + f64::from(a) * f64::from(b);
    flushed(sum as f32)
}

impl Lanes for Emulation {
    type Singles = [f32; LANES];
    type Pairs = [Pair; LANES];

    fn zeros(self) -> [f32; LANES] {
        [0.0; LANES]
    }

    fn load(self, source: &[f32; LANES]) -> [f32; LANES] {
        *source
    }

    fn store(self, vector: [f32; LANES], target: &mut [f32; LANES]) {
        *target = vector;
    }

    fn load_pairs(self, source: &[Pair; LANES]) -> [Pair; LANES] {
        *source
    }

    fn store_pairs(self, pairs: [Pair; LANES], target: &mut [Pair; LANES]) {
        *target = pairs;
    }

    fn splat(self, pair: Pair) -> [Pair; LANES] {
        [pair; LANES]
    }

    fn plus(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    fn times(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    fn dot(self, sums: [f32; LANES], a: [Pair; LANES], b: [Pair; LANES]) -> [f32; LANES] {
        std::array::from_fn(|i| {
            let ([a0, a1], [b0, b1]) = (elements(a[i]), elements(b[i]));
            add_product(add_product(sums[i], a1, b1), a0, b0)
        })
    }

    fn round_adjacent(self, first: [f32; LANES], second: [f32; LANES]) -> [Pair; LANES] {
        std::array::from_fn(|i| {
            let half = if 2 * i < LANES { &first } else { &second };
            let element = 2 * i % LANES;
            round(half[element]) | round(half[element + 1]) << 16
        })
    }

    fn round_across(self, first: [f32; LANES], second: [f32; LANES]) -> [Pair; LANES] {
        std::array::from_fn(|i| round(first[i]) | round(second[i]) << 16)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use self::x86::Instructions;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_permutexvar_epi16,
        _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_storeu_si512,
    };
    use std::is_x86_feature_detected;

    use super::{LANES, Lanes, Pair, Work};

    /// The instructions of `AVX512_BF16`. A value exists only on a processor that has them.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Instructions(());

    /// Order in which the elements of two vectors, one after the other, become pairs.
    const ACROSS: [u16; 2 * LANES] = {
        let mut order = [0; 2 * LANES];
        let mut i = 0;
        while i < LANES {
            order[2 * i] = i as u16;
            order[2 * i + 1] = (i + LANES) as u16;
            i += 1;
        }
        order
    };

    impl Instructions {
        /// Returns a value if this processor has the instructions.
        pub(in super::super) fn detect() -> Option<Self> {
            let has_all = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512bf16");
            has_all.then_some(Self(()))
        }

        /// Does work compiled for these instructions.
        pub(in super::super) fn vectorize(self, work: impl Work) {
            #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
            fn vectorized(lanes: Instructions, work: impl Work) {
                work.run(lanes);
            }
            // SAFETY: `self` exists only on a processor with these features.
            unsafe { vectorized(self, work) }
        }
    }

    /// Reinterprets a vector of integers as pairs of bfloat16, which are as long.
    #[inline(always)]
    fn pairs(vector: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes, and any bits are valid in either.
        unsafe { std::mem::transmute(vector) }
    }

    /// Reinterprets pairs of bfloat16 as a vector of integers.
    #[inline(always)]
    fn bits(pairs: __m512bh) -> __m512i {
        // SAFETY: as in `pairs`.
        unsafe { std::mem::transmute(pairs) }
    }

    // SAFETY of all blocks below: `self` exists only on a processor with the instructions; memory is accessed through references to as many
    // elements as a vector has, unaligned.
    impl Lanes for Instructions {
        type Singles = __m512;
        type Pairs = __m512bh;

        #[inline(always)]
        fn zeros(self) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_setzero_ps() }
        }

        #[inline(always)]
        fn load(self, source: &[f32; LANES]) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_loadu_ps(source.as_ptr()) }
        }

        #[inline(always)]
        fn store(self, vector: __m512, target: &mut [f32; LANES]) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_ps(target.as_mut_ptr(), vector) }
        }

        #[inline(always)]
        fn load_pairs(self, source: &[Pair; LANES]) -> __m512bh {
            // SAFETY: see above.
            pairs(unsafe { _mm512_loadu_si512(source.as_ptr().cast()) })
        }

        #[inline(always)]
        fn store_pairs(self, pairs: __m512bh, target: &mut [Pair; LANES]) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_si512(target.as_mut_ptr().cast(), bits(pairs)) }
        }

        #[inline(always)]
        fn splat(self, pair: Pair) -> __m512bh {
            // SAFETY: see above.
            pairs(unsafe { _mm512_set1_epi32(pair.cast_signed()) })
        }

        #[inline(always)]
        fn plus(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        fn times(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_mul_ps(a, b) }
        }

        #[inline(always)]
        fn dot(self, sums: __m512, a: __m512bh, b: __m512bh) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_dpbf16_ps(sums, a, b) }
        }

        #[inline(always)]
        fn round_adjacent(self, first: __m512, second: __m512) -> __m512bh {
            // SAFETY: see above. The instruction takes the upper half first.
            unsafe { _mm512_cvtne2ps_pbh(second, first) }
        }

        #[inline(always)]
        fn round_across(self, first: __m512, second: __m512) -> __m512bh {
            let rounded = bits(self.round_adjacent(first, second));
            // SAFETY: see above; `ACROSS` has 64 bytes.
            pairs(unsafe {
                _mm512_permutexvar_epi16(_mm512_loadu_si512(ACROSS.as_ptr().cast()), rounded)
            })
        }
    }
}
