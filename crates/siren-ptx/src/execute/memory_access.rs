//! Loads, stores, atomic operations and asynchronous copies of a warp.

use super::block::Block;
use super::counting::{sectors, wavefronts};
use super::registers::{LANES, Registers};
use super::warp::{PendingCopy, Warp};
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{Access, Atomic, AtomicAccess, Base, CopyAsync, Space};
use crate::memory::{Allocation, GLOBAL_WINDOW, LOCAL_WINDOW, SHARED_WINDOW, Stamps};
use crate::shadow::Shared;

/// A memory that a warp accesses, seen from that warp.
trait Storage {
    /// Bytes to read; the fault of the access otherwise.
    fn read(&mut self, address: u64, bytes: usize) -> Result<&[u8], FaultKind>;
    /// Bytes to write.
    fn write(&mut self, address: u64, bytes: usize) -> Result<&mut [u8], FaultKind>;
}

struct SharedView<'a> {
    shared: &'a mut Shared,
    warp: u32,
}

impl Storage for SharedView<'_> {
    #[inline]
    fn read(&mut self, address: u64, bytes: usize) -> Result<&[u8], FaultKind> {
        self.shared.read(address, bytes, self.warp)
    }

    #[inline]
    fn write(&mut self, address: u64, bytes: usize) -> Result<&mut [u8], FaultKind> {
        self.shared.write(address, bytes, self.warp)
    }
}

/// One allocation. Addresses outside of it are out of bounds here, and tried again by the memory.
struct GlobalView<'a> {
    allocation: &'a mut Allocation,
    stamps: &'a Stamps,
}

/// Marks an address outside of the allocation.
#[cold]
fn elsewhere(address: u64, bytes: usize) -> FaultKind {
    FaultKind::OutOfBounds {
        space: Space::Global,
        address,
        bytes,
        detail: String::new(),
    }
}

impl GlobalView<'_> {
    #[inline]
    fn offset(&self, address: u64) -> usize {
        // Below the start wraps around to an offset beyond every end.
        (address.wrapping_sub(self.allocation.start()) as usize).min(usize::MAX / 2)
    }
}

impl Storage for GlobalView<'_> {
    #[inline(always)]
    fn read(&mut self, address: u64, bytes: usize) -> Result<&[u8], FaultKind> {
        let offset = self.offset(address);
        self.allocation
            .read(offset, bytes, self.stamps)?
            .ok_or_else(|| elsewhere(address, bytes))
    }

    #[inline(always)]
    fn write(&mut self, address: u64, bytes: usize) -> Result<&mut [u8], FaultKind> {
        let offset = self.offset(address);
        self.allocation
            .write(offset, bytes, self.stamps)?
            .ok_or_else(|| elsewhere(address, bytes))
    }
}

/// Where the lanes of a warp access memory.
enum Pattern {
    /// All at one address.
    Same(u64),
    /// All 32 lanes, one after the other.
    Consecutive(u64),
    Scattered,
}

fn pattern(addresses: &[u64; LANES], mask: u32, bytes: u64) -> Pattern {
    let first = mask.trailing_zeros() as usize & 31;
    let start = addresses[first];
    let (mut same, mut consecutive) = (true, mask == u32::MAX);
    for lane in 0..LANES {
        same &= addresses[lane] == start || mask >> lane & 1 == 0;
        consecutive &= addresses[lane] == start.wrapping_add(lane as u64 * bytes);
    }
    match (same, consecutive) {
        (true, _) => Pattern::Same(start),
        (_, true) => Pattern::Consecutive(start),
        _ => Pattern::Scattered,
    }
}

fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let lane = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (lane < LANES).then_some(lane)
    })
}

pub(super) fn addresses(registers: &Registers, base: Base, offset: i64) -> [u64; LANES] {
    let mut addresses = [0; LANES];
    match base {
        Base::Long(slot) => {
            let base = registers.long(slot);
            for lane in 0..LANES {
                addresses[lane] = base[lane].wrapping_add(offset as u64);
            }
        }
        Base::Word(slot) => {
            let base = registers.word(slot);
            for lane in 0..LANES {
                addresses[lane] = u64::from(base[lane].wrapping_add(offset as u32));
            }
        }
    }
    addresses
}

/// Value of up to 8 bytes.
#[inline]
fn value(bytes: &[u8], signed: bool) -> u64 {
    match *bytes {
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        [a, b] if signed => i16::from_le_bytes([a, b]) as u64,
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a] if signed => a as i8 as u64,
        [a] => u64::from(a),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// Puts a lane's elements into its registers.
#[inline(always)]
fn fill_lane(registers: &mut Registers, access: &Access, lane: usize, bytes: &[u8]) {
    if access.width == 4 {
        for (chunk, &slot) in bytes.as_chunks::<4>().0.iter().zip(&access.registers) {
            registers.words[slot as usize][lane] = u32::from_le_bytes(*chunk);
        }
        return;
    }
    for (element, chunk) in bytes.chunks_exact(access.width as usize).enumerate() {
        let (slot, value) = (
            access.registers[element] as usize,
            value(chunk, access.signed),
        );
        if access.long {
            registers.longs[slot][lane] = value;
        } else {
            registers.words[slot][lane] = value as u32;
        }
    }
}

/// Takes a lane's elements from its registers.
#[inline(always)]
fn take_lane(registers: &Registers, access: &Access, lane: usize, bytes: &mut [u8]) {
    let width = access.width as usize;
    if width == 4 && !access.long {
        for (chunk, &slot) in bytes
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .zip(&access.registers)
        {
            *chunk = registers.words[slot as usize][lane].to_le_bytes();
        }
        return;
    }
    for (element, chunk) in bytes.chunks_exact_mut(width).enumerate() {
        let slot = access.registers[element] as usize;
        let value = if access.long {
            registers.longs[slot][lane]
        } else {
            u64::from(registers.words[slot][lane])
        };
        chunk.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

fn check_alignment(
    addresses: &[u64; LANES],
    mask: u32,
    space: Space,
    bytes: usize,
) -> Result<(), Trap> {
    let mut bits = 0;
    for lane in 0..LANES {
        bits |= if mask >> lane & 1 == 1 {
            addresses[lane]
        } else {
            0
        };
    }
    if bits & (bytes as u64 - 1) == 0 {
        return Ok(());
    }
    let lane = lanes(mask)
        .find(|&lane| addresses[lane] % bytes as u64 != 0)
        .unwrap_or(0);
    Err(lane_trap(
        lane,
        FaultKind::Misaligned {
            space,
            address: addresses[lane],
            bytes,
        },
    ))
}

fn gather(
    storage: &mut impl Storage,
    registers: &mut Registers,
    access: &Access,
    addresses: &[u64; LANES],
    mask: u32,
) -> Result<(), Trap> {
    let bytes = access.width as usize * access.count;
    match pattern(addresses, mask, bytes as u64) {
        Pattern::Same(start) => {
            let first = mask.trailing_zeros() as usize;
            let source = storage
                .read(start, bytes)
                .map_err(|kind| lane_trap(first, kind))?;
            for lane in lanes(mask) {
                fill_lane(registers, access, lane, source);
            }
            return Ok(());
        }
        Pattern::Consecutive(start) => {
            if let Ok(source) = storage.read(start, bytes * LANES) {
                for (lane, chunk) in source.chunks_exact(bytes).enumerate() {
                    fill_lane(registers, access, lane, chunk);
                }
                return Ok(());
            }
        }
        Pattern::Scattered => {}
    }
    for lane in lanes(mask) {
        let source = storage
            .read(addresses[lane], bytes)
            .map_err(|kind| lane_trap(lane, kind))?;
        fill_lane(registers, access, lane, source);
    }
    Ok(())
}

fn scatter(
    storage: &mut impl Storage,
    registers: &Registers,
    access: &Access,
    addresses: &[u64; LANES],
    mask: u32,
) -> Result<(), Trap> {
    let bytes = access.width as usize * access.count;
    if let Pattern::Consecutive(start) = pattern(addresses, mask, bytes as u64)
        && let Ok(target) = storage.write(start, bytes * LANES)
    {
        for (lane, chunk) in target.chunks_exact_mut(bytes).enumerate() {
            take_lane(registers, access, lane, chunk);
        }
        return Ok(());
    }
    for lane in lanes(mask) {
        let target = storage
            .write(addresses[lane], bytes)
            .map_err(|kind| lane_trap(lane, kind))?;
        take_lane(registers, access, lane, target);
    }
    // What another lane has overwritten with something else is lost on one card and kept on another.
    let mut expected = [0; 16];
    for lane in lanes(mask) {
        take_lane(registers, access, lane, &mut expected[..bytes]);
        let found = storage
            .write(addresses[lane], bytes)
            .map_err(|kind| lane_trap(lane, kind))?;
        if found
            .iter()
            .zip(&expected)
            .any(|(found, expected)| found != expected)
        {
            return Err(lane_trap(
                lane,
                FaultKind::StoreConflict {
                    space: access.space,
                    address: addresses[lane],
                },
            ));
        }
    }
    Ok(())
}

/// Splits generic addresses by their window: the lanes and their addresses in global, shared and local memory.
fn by_window(addresses: &[u64; LANES], mask: u32) -> [(Space, u32, u64); 3] {
    let (mut shared, mut local) = (0, 0);
    for lane in lanes(mask) {
        let bit = 1 << lane;
        match addresses[lane] {
            SHARED_WINDOW..GLOBAL_WINDOW => shared |= bit,
            LOCAL_WINDOW..SHARED_WINDOW => local |= bit,
            _ => {}
        }
    }
    let global = mask & !shared & !local;
    [
        (Space::Global, global, 0),
        (Space::Shared, shared, SHARED_WINDOW),
        (Space::Local, local, LOCAL_WINDOW),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Load,
    Store,
}

impl Block<'_> {
    pub(super) fn load(&mut self, warp: &mut Warp, access: &Access, mask: u32) -> Result<(), Trap> {
        self.access(warp, access, mask, Direction::Load)
    }

    pub(super) fn store(
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
                self.count_shared(addresses, mask, access.width as u64 * access.count as u64);
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
            for lane in 0..LANES {
                here |= u32::from((addresses[lane] ^ start) < GLOBAL_WINDOW) << lane;
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
                if let FaultKind::OutOfBounds { address, bytes, .. } = trap.1 {
                    trap.1 = self.memory.out_of_bounds(address, bytes);
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
    pub(super) fn load_param(
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

    pub(super) fn atomic(
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

    /// `cp.async`: copies at once; the destination is marked until it is waited for.
    pub(super) fn copy_async(
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
    pub(super) fn wait_copies(
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
