//! `ldmatrix` and `mma`.

use super::block::Block;
use super::counting::Banks;
use super::memory_access::addresses;
use super::number::f32_from_f16;
use super::registers::{LANES, Registers, Words};
use super::warp::Warp;
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{Half, LoadMatrix, Mma, Slot, Space};

impl Block<'_> {
    /// Loads 8 x 8 matrices of halves; lane `8 m + r` has the address of row `r` of matrix `m`.
    pub(super) fn load_matrix(&mut self, warp: &mut Warp, load: &LoadMatrix) -> Result<(), Trap> {
        let rows = addresses(&warp.registers, load.base, load.offset);
        self.statistics.shared_accesses += 1;
        self.statistics.shared_bytes += 128 * load.count as u64;
        for matrix in 0..load.count {
            let (mut banks, mut words) = (Banks::default(), [0; LANES]);
            for row in 0..8 {
                let lane = matrix * 8 + row;
                let address = rows[lane];
                if address % 16 != 0 {
                    return Err(lane_trap(lane, FaultKind::Misaligned { space: Space::Shared, address, bytes: 16 }));
                }
                let bytes = self.shared.read(address, 16, warp.index).map_err(|kind| lane_trap(lane, kind))?;
                for (column, word) in bytes.as_chunks::<4>().0.iter().enumerate() {
                    words[row * 4 + column] = u32::from_le_bytes(*word);
                    banks.touch(address / 4 + column as u64);
                }
            }
            self.statistics.shared_wavefronts += banks.passes();
            self.statistics.shared_wavefronts_needed += 1;
            if load.transposed {
                words = transpose(&words);
            }
            warp.registers.words[load.d[matrix] as usize] = words;
        }
        Ok(())
    }
}

/// Transposes an 8 x 8 matrix of halves, two of a row in a word.
fn transpose(words: &Words) -> Words {
    let mut result = [0; LANES];
    for (lane, word) in result.iter_mut().enumerate() {
        let (row, column) = (lane / 4, lane % 4 * 2);
        let half = |r: usize| words[r * 4 + row / 2] >> (row % 2 * 16) & 0xffff;
        *word = half(column) | half(column + 1) << 16;
    }
    result
}

/// An 8 x 8 matrix of halves in a register as `f32`, by rows.
#[inline(always)]
fn expand(words: &Words, half: Half) -> [[f32; 8]; 8] {
    let (mut low, mut high) = ([0_u32; LANES], [0_u32; LANES]);
    for lane in 0..LANES {
        (low[lane], high[lane]) = match half {
            Half::F16 => (f32_from_f16(words[lane] & 0xffff), f32_from_f16(words[lane] >> 16)),
            Half::Bf16 => (words[lane] << 16, words[lane] & 0xffff_0000),
        };
    }
    let mut matrix = [[0.0; 8]; 8];
    for lane in 0..LANES {
        matrix[lane / 4][lane % 4 * 2] = f32::from_bits(low[lane]);
        matrix[lane / 4][lane % 4 * 2 + 1] = f32::from_bits(high[lane]);
    }
    matrix
}

/// `d = a b + c` with `a` 16 x 16, `b` 16 x 8 and `c`, `d` 16 x 8. Products are exact, and each sum is rounded to nearest in the order of
/// `k`; tensor cores round their sums otherwise.
#[inline(always)]
pub(super) fn product(registers: &mut Registers, mma: &Mma) {
    let quadrant = |slot: Slot| expand(registers.word(slot), mma.half);
    // Registers of `a`: rows 0..8 and 8..16 of columns 0..8, then of columns 8..16.
    let a = mma.a.map(quadrant);
    // Registers of `b` hold its columns.
    let columns = mma.b.map(quadrant);
    let mut b = [[0.0; 8]; 16];
    for k in 0..16 {
        for n in 0..8 {
            b[k][n] = columns[k / 8][n][k % 8];
        }
    }
    let mut sums = [[0.0_f32; 8]; 16];
    for lane in 0..LANES {
        for (index, &slot) in mma.c.iter().enumerate() {
            sums[lane / 4 + index / 2 * 8][lane % 4 * 2 + index % 2] = f32::from_bits(registers.word(slot)[lane]);
        }
    }
    for (row, sum) in sums.iter_mut().enumerate() {
        for k in 0..16 {
            let factor = a[row / 8 + k / 8 * 2][row % 8][k % 8];
            for n in 0..8 {
                sum[n] = factor.mul_add(b[k][n], sum[n]);
            }
        }
    }
    for (index, &slot) in mma.d.iter().enumerate() {
        let target = &mut registers.words[slot as usize];
        for lane in 0..LANES {
            target[lane] = super::number::bits32(sums[lane / 4 + index / 2 * 8][lane % 4 * 2 + index % 2]);
        }
    }
}
