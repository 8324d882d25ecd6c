//! Counts of bank passes and sectors.

use super::registers::LANES;

/// Passes through the 32 banks of four bytes for the words at these byte addresses. Lanes at one word share a pass.
///
/// An access of 8 bytes a lane is served half a warp at a time, one of 16 bytes a quarter of a warp at a time.
pub(super) fn wavefronts(addresses: &[u64; LANES], mask: u32, bytes: u64) -> (u64, u64) {
    let lanes_together = if bytes <= 4 {
        LANES
    } else {
        128 / bytes as usize
    };
    let (mut passes, mut needed) = (0, 0);
    for first in (0..LANES).step_by(lanes_together) {
        let mut banks = Banks::default();
        for (lane, &address) in addresses
            .iter()
            .enumerate()
            .skip(first)
            .take(lanes_together)
        {
            if mask >> lane & 1 == 1 {
                for word in address / 4..=(address + bytes - 1) / 4 {
                    banks.touch(word);
                }
            }
        }
        passes += u64::from(banks.passes);
        needed += u64::from(banks.words.div_ceil(32));
    }
    (passes, needed)
}

/// Distinct words of each bank.
pub(super) struct Banks {
    first: [u64; 32],
    count: [u32; 32],
    /// Words beyond the first of a bank.
    more: [u64; 128],
    more_count: usize,
    words: u32,
    passes: u32,
}

impl Default for Banks {
    fn default() -> Self {
        Self {
            first: [u64::MAX; 32],
            count: [0; 32],
            more: [0; 128],
            more_count: 0,
            words: 0,
            passes: 0,
        }
    }
}

impl Banks {
    #[inline]
    pub(super) fn touch(&mut self, word: u64) {
        let bank = word as usize % 32;
        if self.first[bank] == word {
            return;
        }
        if self.count[bank] == 0 {
            self.first[bank] = word;
        } else {
            if self.more[..self.more_count].contains(&word) || self.more_count == self.more.len() {
                return;
            }
            self.more[self.more_count] = word;
            self.more_count += 1;
        }
        self.count[bank] += 1;
        self.words += 1;
        self.passes = self.passes.max(self.count[bank]);
    }

    pub(super) fn passes(&self) -> u64 {
        u64::from(self.passes)
    }
}

/// Distinct sectors of 32 bytes.
pub(super) fn sectors(addresses: &[u64; LANES], mask: u32) -> u64 {
    let (mut seen, mut count) = ([u64::MAX; LANES], 0);
    let (mut last, mut filter) = (u64::MAX, 0_u64);
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 == 1) {
        // An access is aligned to its size of at most 16 bytes: it lies within a sector.
        let sector = addresses[lane] / 32;
        let bit = 1 << (sector % 64);
        if sector != last && (filter & bit == 0 || !seen[..count].contains(&sector)) {
            seen[count] = sector;
            count += 1;
            filter |= bit;
        }
        last = sector;
    }
    count as u64
}
