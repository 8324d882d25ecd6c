//! Atomic operations.

use super::lanes::{addresses, by_window, check_alignment, lanes, value};
use crate::execute::block::Block;
use crate::execute::warp::Warp;
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{Atomic, AtomicAccess, Space};

impl Block<'_> {
    pub(in crate::execute) fn atomic(
        &mut self,
        warp: &mut Warp,
        atomic: &AtomicAccess,
        mask: u32,
    ) -> Result<(), Trap> {
        let access = &atomic.access;
        let generic = addresses(&warp.registers, access.base, access.offset);
        let bytes = access.width as usize;
        check_alignment(&generic, mask, access.space, bytes)?;
        if atomic.f == Atomic::AddF32 {
            return Err(lane_trap(
                mask.trailing_zeros() as usize,
                FaultKind::UnorderedSum,
            ));
        }
        let parts = match access.space {
            Space::Generic => by_window(&generic, mask),
            space => [(space, mask, 0), (space, 0, 0), (space, 0, 0)],
        };
        for (space, mask, window) in parts.into_iter().filter(|part| part.1 != 0) {
            let addresses = generic.map(|address| address.wrapping_sub(window));
            match space {
                Space::Shared => self.count_shared(&addresses, mask, bytes as u64),
                _ => self.count_global(&addresses, mask, bytes as u64),
            }
            for lane in lanes(mask) {
                let address = addresses[lane];
                let place = self
                    .atomic_place(space, address, bytes, warp.index)
                    .map_err(|kind| lane_trap(lane, kind))?;
                let old = value(place, false);
                let operand = |slot: u16| {
                    if access.long {
                        warp.registers.longs[slot as usize][lane]
                    } else {
                        u64::from(warp.registers.words[slot as usize][lane])
                    }
                };
                let new = combine_atomic(
                    atomic.f,
                    access.long,
                    old,
                    (operand(atomic.b), operand(atomic.c)),
                );
                place.copy_from_slice(&new.to_le_bytes()[..bytes]);
                let target = access.registers[0] as usize;
                if access.long {
                    warp.registers.longs[target][lane] = old;
                } else {
                    warp.registers.words[target][lane] = old as u32;
                }
            }
        }
        Ok(())
    }

    fn atomic_place(
        &mut self,
        space: Space,
        address: u64,
        bytes: usize,
        warp: u32,
    ) -> Result<&mut [u8], FaultKind> {
        if space == Space::Shared {
            return self.shared.atomic(address, bytes, warp);
        }
        let fault = self.memory.out_of_bounds(address, bytes);
        let allocation = self
            .memory
            .allocation(address)
            .ok_or_else(|| fault.clone())?;
        let offset = (address - allocation.start()) as usize;
        allocation.atomic(offset, bytes, &self.stamps)?.ok_or(fault)
    }
}

fn combine_atomic(f: Atomic, long: bool, old: u64, (b, c): (u64, u64)) -> u64 {
    let signed = |value: u64| {
        if long {
            value as i64
        } else {
            i64::from(value as u32 as i32)
        }
    };
    match f {
        Atomic::Add => old.wrapping_add(b),
        Atomic::MinS if signed(b) < signed(old) => b,
        Atomic::MaxS if signed(b) > signed(old) => b,
        Atomic::MinU => old.min(b),
        Atomic::MaxU => old.max(b),
        Atomic::And => old & b,
        Atomic::Or => old | b,
        Atomic::Xor => old ^ b,
        Atomic::Exchange => b,
        Atomic::CompareExchange if old == b => c,
        Atomic::CompareExchange | Atomic::MinS | Atomic::MaxS | Atomic::AddF32 => old,
    }
}
