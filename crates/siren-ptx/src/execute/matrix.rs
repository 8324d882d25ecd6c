//! `ldmatrix` and `mma`.

use super::access::addresses;
use super::block::Block;
use super::counting::Banks;
use super::number::{bits32, f32_from_f16};
use super::registers::{LANES, Registers, Words};
use super::warp::Warp;
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{Half, LoadMatrix, Mma, Space};

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
                if !address.is_multiple_of(16) {
                    return Err(lane_trap(
                        lane,
                        FaultKind::Misaligned {
                            space: Space::Shared,
                            address,
                            bytes: 16,
                        },
                    ));
                }
                let bytes = self
                    .shared
                    .read(address, 16, warp.index)
                    .map_err(|kind| lane_trap(lane, kind))?;
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

/// An 8 x 8 matrix, by rows.
type Tile = [f32; 64];

/// Values of two registers that hold neighbors in a row, by lanes: lane `l` has the elements `2 l` and `2 l + 1` of the matrix.
#[inline(always)]
fn interleave(even: &Words, odd: &Words) -> Tile {
    let mut tile = [0.0; 64];
    for lane in 0..LANES {
        tile[2 * lane] = f32::from_bits(even[lane]);
        tile[2 * lane + 1] = f32::from_bits(odd[lane]);
    }
    tile
}

/// The matrix of halves in a register.
#[inline(always)]
fn expand(words: &Words, half: Half) -> Tile {
    let (mut low, mut high) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        (low[lane], high[lane]) = match half {
            Half::F16 => (
                f32_from_f16(words[lane] & 0xffff),
                f32_from_f16(words[lane] >> 16),
            ),
            Half::Bf16 => (words[lane] << 16, words[lane] & 0xffff_0000),
        };
    }
    interleave(&low, &high)
}

/// `d = a b + c` with `a` 16 x 16, `b` 16 x 8 and `c`, `d` 16 x 8. Products are exact, and each sum is rounded to nearest in the order of
/// `k`; tensor cores round their sums otherwise.
#[inline(always)]
pub(super) fn product(registers: &mut Registers, mma: &Mma) {
    // Registers of `a`: rows 0..8 and 8..16 of columns 0..8, then of columns 8..16. `array::map` would not be inlined into the loop that is
    // compiled for an instruction set.
    let mut a = [[0.0; 64]; 4];
    for (tile, &slot) in a.iter_mut().zip(&mma.a) {
        *tile = expand(registers.word(slot), mma.half);
    }
    // Registers of `b` hold it transposed.
    let mut b = [[0.0; 8]; 16];
    for (rows, &slot) in b.as_chunks_mut::<8>().0.iter_mut().zip(&mma.b) {
        let tile = expand(registers.word(slot), mma.half);
        for k in 0..8 {
            for n in 0..8 {
                rows[k][n] = tile[8 * n + k];
            }
        }
    }
    // A register of the result may be one of `c`: all are read before the first is written.
    let mut results = [[0; LANES]; 4];
    for half in 0..2 {
        let mut sums = interleave(
            registers.word(mma.c[2 * half]),
            registers.word(mma.c[2 * half + 1]),
        );
        for (row, sum) in sums.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            for k in 0..16 {
                let factor = a[half + k / 8 * 2][8 * row + k % 8];
                for n in 0..8 {
                    sum[n] = factor.mul_add(b[k][n], sum[n]);
                }
            }
        }
        for lane in 0..LANES {
            results[2 * half][lane] = bits32(sums[2 * lane]);
            results[2 * half + 1][lane] = bits32(sums[2 * lane + 1]);
        }
    }
    for (result, &slot) in results.iter().zip(&mma.d) {
        registers.set_word(slot, result, u32::MAX);
    }
}
