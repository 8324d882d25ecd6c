//! Asynchronous copies from global to shared memory.

use super::lanes::{addresses, check_alignment, lanes};
use crate::execute::block::Block;
use crate::execute::warp::{PendingCopy, Warp};
use crate::fault::{Trap, lane_trap};
use crate::isa::{CopyAsync, Space};

impl Block<'_> {
    /// `cp.async`: copies at once; the destination is marked until it is waited for.
    pub(in crate::execute) fn copy_async(
        &mut self,
        warp: &mut Warp,
        copy: &CopyAsync,
        mask: u32,
    ) -> Result<(), Trap> {
        let to = addresses(&warp.registers, copy.to, copy.to_offset);
        let from = addresses(&warp.registers, copy.from, copy.from_offset);
        let bytes = copy.bytes as usize;
        check_alignment(&to, mask, Space::Shared, bytes)?;
        check_alignment(&from, mask, Space::Global, bytes)?;
        self.count_shared(&to, mask, bytes as u64);
        self.count_global(&from, mask, bytes as u64);
        for lane in lanes(mask) {
            let size = copy.size.map_or(bytes, |slot| {
                (warp.registers.word(slot)[lane] as usize).min(bytes)
            });
            let mut buffer = [0; 16];
            if size > 0 {
                let fault = self.memory.out_of_bounds(from[lane], size);
                let allocation = self
                    .memory
                    .allocation(from[lane])
                    .ok_or_else(|| lane_trap(lane, fault.clone()))?;
                let offset = (from[lane] - allocation.start()) as usize;
                let source = allocation
                    .read(offset, size, &self.stamps)
                    .map_err(|kind| lane_trap(lane, kind))?;
                buffer[..size].copy_from_slice(source.ok_or_else(|| lane_trap(lane, fault))?);
            }
            let target = self
                .shared
                .begin_copy(to[lane], bytes, warp.index)
                .map_err(|kind| lane_trap(lane, kind))?;
            target.copy_from_slice(&buffer[..bytes]);
            warp.copies.push(PendingCopy {
                address: to[lane],
                bytes,
                lane,
                group: None,
            });
        }
        Ok(())
    }

    /// `cp.async.wait_group`: the oldest groups of each lane arrive until `pending` are left.
    pub(in crate::execute) fn wait_copies(
        &mut self,
        warp: &mut Warp,
        pending: u32,
        mask: u32,
    ) -> Result<(), Trap> {
        let mut kept = Vec::new();
        for copy in std::mem::take(&mut warp.copies) {
            let newest = warp.copy_groups[copy.lane];
            let arrives = mask >> copy.lane & 1 == 1
                && match copy.group {
                    _ if pending == u32::MAX => true,
                    Some(group) => newest - group >= pending,
                    None => false,
                };
            if arrives {
                let done = self.shared.end_copy(copy.address, copy.bytes, warp.index);
                done.map_err(|kind| lane_trap(copy.lane, kind))?;
            } else {
                kept.push(copy);
            }
        }
        warp.copies = kept;
        Ok(())
    }
}
