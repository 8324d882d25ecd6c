//! Register files of a warp and loops over its lanes.

use crate::isa::Slot;

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;
pub(crate) type Words = [u32; LANES];
pub(crate) type Longs = [u64; LANES];

/// Registers of a warp; a predicate is a bit a lane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registers {
    pub(crate) words: Vec<Words>,
    pub(crate) longs: Vec<Longs>,
    pub(crate) predicates: Vec<u32>,
}

/// Writes the lanes of `mask`.
#[inline(always)]
fn put<T: Copy>(target: &mut [T; LANES], values: &[T; LANES], mask: u32) {
    if mask == u32::MAX {
        *target = *values;
        return;
    }
    for lane in 0..LANES {
        if mask >> lane & 1 == 1 {
            target[lane] = values[lane];
        }
    }
}

impl Registers {
    #[inline(always)]
    pub(crate) fn word(&self, slot: Slot) -> &Words {
        &self.words[slot as usize]
    }

    #[inline(always)]
    pub(crate) fn long(&self, slot: Slot) -> &Longs {
        &self.longs[slot as usize]
    }

    #[inline(always)]
    pub(crate) fn set_word(&mut self, slot: Slot, values: &Words, mask: u32) {
        put(&mut self.words[slot as usize], values, mask);
    }

    #[inline(always)]
    pub(crate) fn set_long(&mut self, slot: Slot, values: &Longs, mask: u32) {
        put(&mut self.longs[slot as usize], values, mask);
    }

    #[inline(always)]
    pub(crate) fn set_predicate(&mut self, slot: Slot, values: u32, mask: u32) {
        let target = &mut self.predicates[slot as usize];
        *target = (*target & !mask) | (values & mask);
    }

    #[inline(always)]
    pub(crate) fn word_from_word(&mut self, d: Slot, a: Slot, mask: u32, f: impl Fn(u32) -> u32) {
        let (a, mut r) = (self.word(a), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane]);
        }
        self.set_word(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn long_from_long(&mut self, d: Slot, a: Slot, mask: u32, f: impl Fn(u64) -> u64) {
        let (a, mut r) = (self.long(a), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane]);
        }
        self.set_long(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn long_from_word(&mut self, d: Slot, a: Slot, mask: u32, f: impl Fn(u32) -> u64) {
        let (a, mut r) = (self.word(a), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane]);
        }
        self.set_long(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn word_from_long(&mut self, d: Slot, a: Slot, mask: u32, f: impl Fn(u64) -> u32) {
        let (a, mut r) = (self.long(a), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane]);
        }
        self.set_word(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn word_from_words(
        &mut self,
        d: Slot,
        [a, b]: [Slot; 2],
        mask: u32,
        f: impl Fn(u32, u32) -> u32,
    ) {
        let (a, b, mut r) = (self.word(a), self.word(b), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane], b[lane]);
        }
        self.set_word(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn long_from_longs(
        &mut self,
        d: Slot,
        [a, b]: [Slot; 2],
        mask: u32,
        f: impl Fn(u64, u64) -> u64,
    ) {
        let (a, b, mut r) = (self.long(a), self.long(b), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane], b[lane]);
        }
        self.set_long(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn long_from_words(
        &mut self,
        d: Slot,
        [a, b]: [Slot; 2],
        mask: u32,
        f: impl Fn(u32, u32) -> u64,
    ) {
        let (a, b, mut r) = (self.word(a), self.word(b), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane], b[lane]);
        }
        self.set_long(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn word_from_three(
        &mut self,
        d: Slot,
        [a, b, c]: [Slot; 3],
        mask: u32,
        f: impl Fn(u32, u32, u32) -> u32,
    ) {
        let (a, b, c, mut r) = (self.word(a), self.word(b), self.word(c), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane], b[lane], c[lane]);
        }
        self.set_word(d, &r, mask);
    }

    #[inline(always)]
    pub(crate) fn long_from_three(
        &mut self,
        d: Slot,
        [a, b, c]: [Slot; 3],
        mask: u32,
        f: impl Fn(u64, u64, u64) -> u64,
    ) {
        let (a, b, c, mut r) = (self.long(a), self.long(b), self.long(c), [0; LANES]);
        for lane in 0..LANES {
            r[lane] = f(a[lane], b[lane], c[lane]);
        }
        self.set_long(d, &r, mask);
    }

    /// Bit per lane where `f` holds for two words.
    #[inline(always)]
    pub(crate) fn test_words(&self, [a, b]: [Slot; 2], f: impl Fn(u32, u32) -> bool) -> u32 {
        let (a, b, mut r) = (self.word(a), self.word(b), [0_u32; LANES]);
        for lane in 0..LANES {
            r[lane] = u32::from(f(a[lane], b[lane])) << lane;
        }
        r.iter().fold(0, |bits, bit| bits | bit)
    }

    #[inline(always)]
    pub(crate) fn test_longs(&self, [a, b]: [Slot; 2], f: impl Fn(u64, u64) -> bool) -> u32 {
        let (a, b, mut r) = (self.long(a), self.long(b), [0_u32; LANES]);
        for lane in 0..LANES {
            r[lane] = u32::from(f(a[lane], b[lane])) << lane;
        }
        r.iter().fold(0, |bits, bit| bits | bit)
    }
}
