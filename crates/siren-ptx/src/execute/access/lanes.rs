//! Memory as the lanes of a warp see it.

use crate::execute::registers::{LANES, Registers, Words};
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{Access, Base, Space};
use crate::memory::{Allocation, GLOBAL_WINDOW, LOCAL_WINDOW, SHARED_WINDOW, Stamps};
use crate::shadow::Shared;

/// A memory that a warp accesses, seen from that warp.
pub(super) trait Storage {
    /// Bytes to read; the fault of the access otherwise.
    fn read(&mut self, address: u64, bytes: usize) -> Result<&[u8], FaultKind>;
    /// Bytes to write.
    fn write(&mut self, address: u64, bytes: usize) -> Result<&mut [u8], FaultKind>;
    /// Reads `N` words in each lane of the mask, at addresses that are aligned. Returns false if a lane has a fault, without saying which.
    fn gather<const N: usize>(&mut self, lanes: &Lanes<'_>, out: &mut [Words; N]) -> bool;
}

/// The lanes of an access and their addresses.
pub(super) struct Lanes<'a> {
    pub(super) addresses: &'a [u64; LANES],
    pub(super) mask: u32,
}

pub(super) struct SharedView<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) warp: u32,
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

    #[inline(always)]
    fn gather<const N: usize>(&mut self, lanes: &Lanes<'_>, out: &mut [Words; N]) -> bool {
        let mut bad = false;
        for (lane, &address) in lanes.addresses.iter().enumerate() {
            if lanes.mask >> lane & 1 == 0 {
                continue;
            }
            let Some(words) = self.shared.read_words::<N>(address, self.warp, &mut bad) else {
                return false;
            };
            for (out, word) in out.iter_mut().zip(words) {
                out[lane] = word;
            }
        }
        !bad
    }
}

/// One allocation. Addresses outside of it are out of bounds here, and tried again by the memory.
pub(super) struct GlobalView<'a> {
    pub(super) allocation: &'a mut Allocation,
    pub(super) stamps: &'a Stamps,
}

/// Marks an address outside of the allocation.
#[cold]
pub(super) fn elsewhere(address: u64, bytes: usize) -> FaultKind {
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

    #[inline(always)]
    fn gather<const N: usize>(&mut self, lanes: &Lanes<'_>, out: &mut [Words; N]) -> bool {
        let mut bad = false;
        for (lane, &address) in lanes.addresses.iter().enumerate() {
            if lanes.mask >> lane & 1 == 0 {
                continue;
            }
            let offset = self.offset(address);
            let Some(words) = self
                .allocation
                .read_words::<N>(offset, self.stamps, &mut bad)
            else {
                return false;
            };
            for (out, word) in out.iter_mut().zip(words) {
                out[lane] = word;
            }
        }
        !bad
    }
}

/// Where the lanes of a warp access memory.
pub(super) enum Pattern {
    /// All at one address.
    Same(u64),
    /// All 32 lanes, one after the other.
    Consecutive(u64),
    Scattered,
}

pub(super) fn pattern(addresses: &[u64; LANES], mask: u32, bytes: u64) -> Pattern {
    let first = mask.trailing_zeros() as usize & 31;
    let start = addresses[first];
    let (mut same, mut consecutive) = (true, mask == u32::MAX);
    for (lane, &address) in addresses.iter().enumerate() {
        same &= address == start || mask >> lane & 1 == 0;
        consecutive &= address == start.wrapping_add(lane as u64 * bytes);
    }
    match (same, consecutive) {
        (true, _) => Pattern::Same(start),
        (_, true) => Pattern::Consecutive(start),
        _ => Pattern::Scattered,
    }
}

pub(super) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let lane = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (lane < LANES).then_some(lane)
    })
}

pub(in crate::execute) fn addresses(
    registers: &Registers,
    base: Base,
    offset: i64,
) -> [u64; LANES] {
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
pub(super) fn value(bytes: &[u8], signed: bool) -> u64 {
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
pub(super) fn fill_lane(registers: &mut Registers, access: &Access, lane: usize, bytes: &[u8]) {
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
pub(super) fn take_lane(registers: &Registers, access: &Access, lane: usize, bytes: &mut [u8]) {
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

pub(super) fn check_alignment(
    addresses: &[u64; LANES],
    mask: u32,
    space: Space,
    bytes: usize,
) -> Result<(), Trap> {
    let mut bits = 0;
    for (lane, &address) in addresses.iter().enumerate() {
        bits |= if mask >> lane & 1 == 1 { address } else { 0 };
    }
    if bits & (bytes as u64 - 1) == 0 {
        return Ok(());
    }
    let lane = lanes(mask)
        .find(|&lane| !addresses[lane].is_multiple_of(bytes as u64))
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

pub(super) fn gather(
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
        Pattern::Scattered => {
            let lanes = Lanes { addresses, mask };
            let done = match (access.width, access.count) {
                (4, 1) => gather_words::<1>(storage, registers, access, &lanes),
                (4, 2) => gather_words::<2>(storage, registers, access, &lanes),
                (4, 4) => gather_words::<4>(storage, registers, access, &lanes),
                _ => false,
            };
            if done {
                return Ok(());
            }
        }
    }
    for lane in lanes(mask) {
        let source = storage
            .read(addresses[lane], bytes)
            .map_err(|kind| lane_trap(lane, kind))?;
        fill_lane(registers, access, lane, source);
    }
    Ok(())
}

/// Reads words without a fault, or returns false.
fn gather_words<const N: usize>(
    storage: &mut impl Storage,
    registers: &mut Registers,
    access: &Access,
    lanes: &Lanes<'_>,
) -> bool {
    let mut out = [[0; LANES]; N];
    if !storage.gather(lanes, &mut out) {
        return false;
    }
    for (values, &slot) in out.iter().zip(&access.registers) {
        registers.set_word(slot, values, lanes.mask);
    }
    true
}

pub(super) fn scatter(
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
pub(super) fn by_window(addresses: &[u64; LANES], mask: u32) -> [(Space, u32, u64); 3] {
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
