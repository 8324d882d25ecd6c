//! Loads and stores of a warp.

mod atomic;
mod copy;
mod lanes;

pub(super) use self::lanes::addresses;
use self::lanes::{
    GlobalView, Pattern, SharedView, by_window, check_alignment, fill_lane, gather, lanes, pattern,
    scatter, take_lane,
};
use super::block::Block;
use super::counting::{sectors, wavefronts};
use super::registers::LANES;
use super::warp::Warp;
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{Access, Space};
use crate::memory::GLOBAL_WINDOW;

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Load,
    Store,
}

impl Block<'_> {
    pub(in crate::execute) fn load(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        mask: u32,
    ) -> Result<(), Trap> {
        self.access(warp, access, mask, Direction::Load)
    }

    pub(in crate::execute) fn store(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        mask: u32,
    ) -> Result<(), Trap> {
        self.access(warp, access, mask, Direction::Store)
    }

    fn access(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        mask: u32,
        direction: Direction,
    ) -> Result<(), Trap> {
        let addresses = addresses(&warp.registers, access.base, access.offset);
        let bytes = access.width as usize * access.count;
        check_alignment(&addresses, mask, access.space, bytes)?;
        if access.space != Space::Generic {
            return self.access_space(warp, access, &addresses, (access.space, mask), direction);
        }
        for (space, mask, window) in by_window(&addresses, mask) {
            if mask != 0 {
                let addresses = addresses.map(|address| address.wrapping_sub(window));
                self.access_space(warp, access, &addresses, (space, mask), direction)?;
            }
        }
        Ok(())
    }

    fn access_space(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        addresses: &[u64; LANES],
        (space, mask): (Space, u32),
        direction: Direction,
    ) -> Result<(), Trap> {
        match space {
            Space::Shared => {
                self.count_shared(
                    addresses,
                    mask,
                    u64::from(access.width) * access.count as u64,
                );
                let mut view = SharedView {
                    shared: &mut self.shared,
                    warp: warp.index,
                };
                match direction {
                    Direction::Load => {
                        gather(&mut view, &mut warp.registers, access, addresses, mask)
                    }
                    Direction::Store => {
                        scatter(&mut view, &warp.registers, access, addresses, mask)
                    }
                }
            }
            Space::Local => {
                warp.access_local(access, addresses, mask, direction == Direction::Store)
            }
            _ => self.access_global(warp, access, addresses, mask, direction),
        }
    }

    fn access_global(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        addresses: &[u64; LANES],
        mask: u32,
        direction: Direction,
    ) -> Result<(), Trap> {
        let bytes = access.width as usize * access.count;
        self.count_global(addresses, mask, bytes as u64);
        // Nearly always all lanes are in one allocation.
        let mut left = mask;
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let Some(allocation) = self.memory.allocation(addresses[first]) else {
                return Err(lane_trap(
                    first,
                    self.memory.out_of_bounds(addresses[first], bytes),
                ));
            };
            let start = allocation.start();
            let mut here = 0;
            for (lane, address) in addresses.iter().enumerate() {
                here |= u32::from((address ^ start) < GLOBAL_WINDOW) << lane;
            }
            here &= left;
            left &= !here;
            let mut view = GlobalView {
                allocation,
                stamps: &self.stamps,
            };
            let done = match direction {
                Direction::Load => gather(&mut view, &mut warp.registers, access, addresses, here),
                Direction::Store => scatter(&mut view, &warp.registers, access, addresses, here),
            };
            if let Err(mut trap) = done {
                if let &mut FaultKind::OutOfBounds { address, bytes, .. } = trap.kind_mut() {
                    *trap.kind_mut() = self.memory.out_of_bounds(address, bytes);
                }
                return Err(trap);
            }
        }
        Ok(())
    }

    fn count_shared(&mut self, addresses: &[u64; LANES], mask: u32, bytes: u64) {
        let (passes, needed) = match pattern(addresses, mask, bytes) {
            Pattern::Same(_) => (1, 1),
            Pattern::Consecutive(_) => ((bytes / 4).max(1), (bytes / 4).max(1)),
            Pattern::Scattered => wavefronts(addresses, mask, bytes),
        };
        self.statistics.shared_accesses += 1;
        self.statistics.shared_wavefronts += passes;
        self.statistics.shared_wavefronts_needed += needed;
        self.statistics.shared_bytes += bytes * u64::from(mask.count_ones());
    }

    fn count_global(&mut self, addresses: &[u64; LANES], mask: u32, bytes: u64) {
        self.statistics.global_accesses += 1;
        self.statistics.global_sectors += match pattern(addresses, mask, bytes) {
            Pattern::Same(_) => 1,
            Pattern::Consecutive(start) => (start + bytes * LANES as u64 - 1) / 32 - start / 32 + 1,
            Pattern::Scattered => sectors(addresses, mask),
        };
        self.statistics.global_bytes += bytes * u64::from(mask.count_ones());
    }

    /// `ld.param`.
    pub(in crate::execute) fn load_param(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        mask: u32,
    ) -> Result<(), Trap> {
        let addresses = addresses(&warp.registers, access.base, access.offset);
        let bytes = access.width as usize * access.count;
        check_alignment(&addresses, mask, Space::Param, bytes)?;
        for lane in lanes(mask) {
            let (address, size) = (addresses[lane], self.arguments.len());
            let start = usize::try_from(address).unwrap_or(usize::MAX);
            let Some(source) = start
                .checked_add(bytes)
                .and_then(|end| self.arguments.get(start..end))
            else {
                let detail = format!("the parameters have {size} bytes");
                return Err(lane_trap(
                    lane,
                    FaultKind::OutOfBounds {
                        space: Space::Param,
                        address,
                        bytes,
                        detail,
                    },
                ));
            };
            fill_lane(&mut warp.registers, access, lane, source);
        }
        Ok(())
    }
}

impl Warp {
    fn access_local(
        &mut self,
        access: &Access,
        addresses: &[u64; LANES],
        mask: u32,
        store: bool,
    ) -> Result<(), Trap> {
        let bytes = access.width as usize * access.count;
        for lane in lanes(mask) {
            let (address, size) = (addresses[lane], self.local.len() / LANES);
            if address.saturating_add(bytes as u64) > size as u64 {
                let detail = format!("the thread has {size} bytes");
                return Err(lane_trap(
                    lane,
                    FaultKind::OutOfBounds {
                        space: Space::Local,
                        address,
                        bytes,
                        detail,
                    },
                ));
            }
            let start = lane * size + address as usize;
            if store {
                take_lane(
                    &self.registers,
                    access,
                    lane,
                    &mut self.local[start..start + bytes],
                );
                self.local_written[start..start + bytes].fill(true);
            } else if let Some(at) = self.local_written[start..start + bytes]
                .iter()
                .position(|written| !written)
            {
                let address = address + at as u64;
                return Err(lane_trap(
                    lane,
                    FaultKind::Unwritten {
                        space: Space::Local,
                        address,
                    },
                ));
            } else {
                let mut buffer = [0; 16];
                buffer[..bytes].copy_from_slice(&self.local[start..start + bytes]);
                fill_lane(&mut self.registers, access, lane, &buffer[..bytes]);
            }
        }
        Ok(())
    }
}
