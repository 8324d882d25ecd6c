//! Properties of the card.

use super::status::{Result, Status};
use crate::card::Card;
use crate::memory::Memory;

/// Value of a `CUdevice_attribute`; 0 for features that the stand-in does not have.
pub(super) fn attribute(card: Card, attribute: i32) -> Result<i32> {
    let [major, minor] = card.compute_capability();
    let value = match attribute {
        1 | 2 | 3 => 1024,
        4 => 64,
        5 => i32::MAX as u32,
        6 | 7 => 65_535,
        8 => Card::SHARED_BYTES,
        9 => 65_536,
        10 => 32,
        11 => i32::MAX as u32,
        12 | 82 => 65_536,
        // Alignment of textures, asynchronous copies, unified addresses, priorities, caches of global and local memory.
        14 => 512,
        15 | 31 | 40 | 41 | 78 | 79 | 80 => 1,
        16 => card.multiprocessors(),
        38 => card.l2_bytes() as u32,
        39 => card.threads_of_multiprocessor(),
        75 => major,
        76 => minor,
        81 => card.shared_bytes_of_multiprocessor(),
        87 => {
            if matches!(card.architecture().as_str(), "sm_80" | "sm_90" | "sm_100") {
                2
            } else {
                64
            }
        }
        97 => card.shared_bytes_opt_in(),
        106 => {
            if card.threads_of_multiprocessor() == 2048 {
                32
            } else {
                24
            }
        }
        111 => 1024,
        // Memory pools: `cuMemAllocAsync`.
        115 => 1,
        13 | 17..=37 | 42..=120 => 0,
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
