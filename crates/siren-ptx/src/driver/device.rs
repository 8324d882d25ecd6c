//! Properties of the card.

use super::status::{Result, Status};
use crate::card::Card;
use crate::memory::Memory;

/// Value of a `CUdevice_attribute`; 0 for features that the stand-in does not have.
pub(super) fn attribute(card: Card, attribute: i32) -> Result<i32> {
    let [major, minor] = card.compute_capability();
    let [double_ratio, slow_double_ratio] = [2, 64];
    let value = match attribute {
        // Threads of a block, in all and on the first two axes; KiB of shared memory that the system takes.
        1..=3 | 111 => 1024,
        4 => 64,
        // Blocks on the first axis; bytes of a pitch.
        5 | 11 => i32::MAX as u32,
        6 | 7 => 65_535,
        8 => Card::SHARED_BYTES,
        // Bytes of constant memory; registers of a block and of a multiprocessor.
        9 | 12 | 82 => 65_536,
        10 => 32,
        14 => 512,
        // Copies beside kernels, kernels beside each other, copy engines, unified addresses, priorities, both caches, memory pools.
        15 | 31 | 40 | 41 | 78..=80 | 115 => 1,
        16 => card.multiprocessors(),
        38 => card.l2_bytes() as u32,
        39 => card.threads_of_multiprocessor(),
        75 => major,
        76 => minor,
        81 => card.shared_bytes_of_multiprocessor(),
        87 if [[8, 0], [9, 0], [10, 0]].contains(&[major, minor]) => double_ratio,
        87 => slow_double_ratio,
        97 => card.shared_bytes_opt_in(),
        106 if card.threads_of_multiprocessor() == 2048 => 32,
        106 => 24,
        13 | 17..=120 => 0,
        _ => return Err(Status::INVALID_VALUE),
    };
    Ok(value as i32)
}

/// Bytes of a name that ends with 0, cut to `length`.
pub(super) fn name(card: Card) -> String {
    format!("{} (siren-ptx on the CPU)", card.name())
}

/// Free and total memory in bytes.
pub(super) fn memory(memory: &Memory) -> [usize; 2] {
    [
        (memory.limit() - memory.used()) as usize,
        memory.limit() as usize,
    ]
}
