//! Global memory: allocations far apart, with a shadow that knows who wrote and who read.

mod allocation;

use self::allocation::GlobalTag;
pub(crate) use self::allocation::{Allocation, Stamps};
use crate::fault::FaultKind;
use crate::isa::Space;
use crate::module::{Module, Variable};

/// Address bits within an allocation: allocations lie 64 GiB apart.
const OFFSET_BITS: u32 = 36;
/// Start of the window of local memory in the generic address space, below all allocations.
pub(crate) const LOCAL_WINDOW: u64 = 1 << 34;
/// Start of the window of shared memory.
pub(crate) const SHARED_WINDOW: u64 = 1 << 35;
/// Start of global memory.
pub(crate) const GLOBAL_WINDOW: u64 = 1 << OFFSET_BITS;

/// Stamp of what the host wrote.
const HOST: u32 = 1;

/// Global memory of a card.
#[derive(Debug)]
pub struct Memory {
    slots: Vec<Slot>,
    used: u64,
    limit: u64,
    next_stamp: u32,
    /// Variables of modules: module, name, address.
    variables: Vec<(u64, String, u64)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_limit(u64::MAX)
    }
}

/// An error of the host's use of memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The card is full.
    #[error("out of memory: {requested} bytes requested, {free} bytes free")]
    OutOfMemory {
        /// Bytes requested.
        requested: u64,
        /// Bytes left.
        free: u64,
    },
    /// An address in no allocation, in a freed one, or too near to the end of one.
    #[error("{bytes} bytes at {address:#x} are in no allocation: {detail}")]
    Invalid {
        /// The address.
        address: u64,
        /// The bytes.
        bytes: usize,
        /// What is there.
        detail: String,
    },
}

#[derive(Debug)]
enum Slot {
    Live(Allocation),
    Freed { bytes: usize },
}

impl Memory {
    /// Returns memory without allocations and without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns memory of at most so many bytes.
    #[must_use]
    pub fn with_limit(limit: u64) -> Self {
        Self {
            slots: Vec::new(),
            used: 0,
            limit,
            next_stamp: HOST + 1,
            variables: Vec::new(),
        }
    }

    /// Returns the bytes that are allocated.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Returns the most bytes that can be allocated.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Allocates unwritten memory and returns its address, a multiple of 256.
    ///
    /// # Errors
    ///
    /// If the limit would be exceeded.
    pub fn allocate(&mut self, bytes: usize) -> Result<u64, MemoryError> {
        let free = self.limit - self.used;
        if bytes as u64 > free || bytes as u64 > GLOBAL_WINDOW / 2 {
            return Err(MemoryError::OutOfMemory {
                requested: bytes as u64,
                free,
            });
        }
        self.used += bytes as u64;
        let start = (self.slots.len() as u64 + 1) << OFFSET_BITS;
        let tags = vec![GlobalTag::default(); bytes.div_ceil(4)];
        // A pattern that is neither zero nor a usual number, should anything read it.
        self.slots.push(Slot::Live(Allocation {
            start,
            bytes: vec![0xcb; bytes],
            tags,
            shift: 2,
        }));
        Ok(start)
    }

    /// Allocates memory with this content.
    ///
    /// # Errors
    ///
    /// If the limit would be exceeded.
    pub fn allocate_with(&mut self, bytes: &[u8]) -> Result<u64, MemoryError> {
        let address = self.allocate(bytes.len())?;
        self.write(address, bytes)?;
        Ok(address)
    }

    /// Frees an allocation. Accesses to it are found from then on.
    ///
    /// # Errors
    ///
    /// If the address is not the start of an allocation, or if that is freed already.
    pub fn free(&mut self, address: u64) -> Result<(), MemoryError> {
        let invalid = |detail: &str| MemoryError::Invalid {
            address,
            bytes: 0,
            detail: detail.to_owned(),
        };
        let slot = (address >> OFFSET_BITS)
            .checked_sub(1)
            .and_then(|index| self.slots.get_mut(index as usize));
        match slot {
            Some(Slot::Live(allocation)) if allocation.start == address => {
                let bytes = allocation.bytes.len();
                self.used -= bytes as u64;
                *slot.ok_or_else(|| invalid("no allocation"))? = Slot::Freed { bytes };
                Ok(())
            }
            Some(Slot::Live(_)) => Err(invalid("not the start of the allocation")),
            Some(Slot::Freed { .. }) => Err(invalid("freed already")),
            None => Err(invalid("no allocation")),
        }
    }

    /// Copies bytes from the host.
    ///
    /// # Errors
    ///
    /// If the range is not within one allocation.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let (allocation, offset) = self.range(address, bytes.len())?;
        allocation.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        allocation.written_by_host(offset, bytes.len());
        Ok(())
    }

    /// Fills `count` elements with a byte pattern, as `cuMemsetD8` or `cuMemsetD32`.
    ///
    /// # Errors
    ///
    /// If the range is not within one allocation.
    pub fn fill(&mut self, address: u64, pattern: &[u8], count: usize) -> Result<(), MemoryError> {
        let bytes = pattern.len().saturating_mul(count);
        let (allocation, offset) = self.range(address, bytes)?;
        for chunk in allocation.bytes[offset..offset + bytes].chunks_exact_mut(pattern.len().max(1))
        {
            chunk.copy_from_slice(pattern);
        }
        allocation.written_by_host(offset, bytes);
        Ok(())
    }

    /// Returns `bytes` bytes for the host. Bytes that were never written read as `0xcb`.
    ///
    /// # Errors
    ///
    /// If the range is not within one allocation.
    pub fn read(&mut self, address: u64, bytes: usize) -> Result<&[u8], MemoryError> {
        let (allocation, offset) = self.range(address, bytes)?;
        Ok(&allocation.bytes[offset..offset + bytes])
    }

    /// Copies within the memory; what was never written stays so.
    ///
    /// # Errors
    ///
    /// If a range is not within one allocation.
    pub fn copy(&mut self, to: u64, from: u64, bytes: usize) -> Result<(), MemoryError> {
        let (source, offset) = self.range(from, bytes)?;
        let content = source.bytes[offset..offset + bytes].to_vec();
        let written: Vec<bool> = (offset..offset + bytes)
            .map(|at| source.tags[at >> source.shift].writer != 0)
            .collect();
        let (target, offset) = self.range(to, bytes)?;
        target.bytes[offset..offset + bytes].copy_from_slice(&content);
        target.written_by_host(offset, bytes);
        if written.contains(&false) {
            target.refine(0);
            for (tag, written) in target.tags[offset..].iter_mut().zip(written) {
                tag.writer = if written { HOST } else { 0 };
            }
        }
        Ok(())
    }

    /// Returns the address and size of a `__device__` or `__constant__` variable.
    ///
    /// # Errors
    ///
    /// If memory for the module's variables is missing.
    pub fn variable(
        &mut self,
        module: &Module,
        name: &str,
    ) -> Result<Option<(u64, usize)>, MemoryError> {
        match module
            .variables
            .iter()
            .find(|variable| variable.name == name)
        {
            Some(variable) => Ok(Some((self.place(module.id, variable)?, variable.bytes))),
            None => Ok(None),
        }
    }

    /// Address of a variable, which is created at its first use.
    pub(crate) fn place(&mut self, module: u64, variable: &Variable) -> Result<u64, MemoryError> {
        let known = self
            .variables
            .iter()
            .find(|(of, name, _)| *of == module && *name == variable.name);
        if let Some(&(_, _, address)) = known {
            return Ok(address);
        }
        let mut content = variable.initial.clone();
        content.resize(variable.bytes, 0);
        let address = self.allocate_with(&content)?;
        self.variables
            .push((module, variable.name.clone(), address));
        Ok(address)
    }

    fn range(
        &mut self,
        address: u64,
        bytes: usize,
    ) -> Result<(&mut Allocation, usize), MemoryError> {
        match self.find(address, bytes) {
            Ok(()) => {
                let (allocation, offset) = self.allocation_mut(address);
                Ok((allocation, offset))
            }
            Err(detail) => Err(MemoryError::Invalid {
                address,
                bytes,
                detail,
            }),
        }
    }

    fn allocation_mut(&mut self, address: u64) -> (&mut Allocation, usize) {
        let index = (address >> OFFSET_BITS) as usize - 1;
        match &mut self.slots[index] {
            Slot::Live(allocation) => (allocation, (address & (GLOBAL_WINDOW - 1)) as usize),
            Slot::Freed { .. } => unreachable!("`find` has excluded freed allocations"),
        }
    }

    /// Says what is wrong with a range, if anything.
    fn find(&self, address: u64, bytes: usize) -> Result<(), String> {
        let slot = (address >> OFFSET_BITS)
            .checked_sub(1)
            .and_then(|index| self.slots.get(index as usize));
        let offset = (address & (GLOBAL_WINDOW - 1)) as usize;
        match slot {
            Some(Slot::Live(allocation)) if offset + bytes <= allocation.bytes.len() => Ok(()),
            Some(Slot::Live(allocation)) => {
                let length = allocation.bytes.len();
                // Addresses just below an allocation are in the slot before.
                Err(format!(
                    "offset {offset} of an allocation of {length} bytes"
                ))
            }
            Some(Slot::Freed { bytes }) => {
                Err(format!("an allocation of {bytes} bytes that was freed"))
            }
            None => Err("no allocation".to_owned()),
        }
    }

    /// Reserves stamps for a launch of so many blocks.
    pub(crate) fn begin_launch(&mut self, blocks: u32) -> Stamps {
        if self
            .next_stamp
            .checked_add(blocks)
            .and_then(|stamp| stamp.checked_add(2))
            .is_none()
        {
            self.forget_launches();
        }
        let first = self.next_stamp;
        self.next_stamp = first + blocks + 2;
        Stamps {
            first,
            me: first,
            many: first + blocks,
            atomic: first + blocks + 1,
        }
    }

    /// Starts the stamps again: all that is written counts as written by the host.
    fn forget_launches(&mut self) {
        for slot in &mut self.slots {
            if let Slot::Live(allocation) = slot {
                for tag in &mut allocation.tags {
                    *tag = GlobalTag {
                        writer: tag.writer.min(HOST),
                        reader: 0,
                    };
                }
            }
        }
        self.next_stamp = HOST + 1;
    }

    /// The allocation of a kernel's access.
    #[inline]
    pub(crate) fn allocation(&mut self, address: u64) -> Option<&mut Allocation> {
        let index = (address >> OFFSET_BITS).wrapping_sub(1) as usize;
        match self.slots.get_mut(index) {
            Some(Slot::Live(allocation)) => Some(allocation),
            _ => None,
        }
    }

    /// The fault of an access that is not within an allocation.
    #[cold]
    pub(crate) fn out_of_bounds(&self, address: u64, bytes: usize) -> FaultKind {
        let detail = self.find(address, bytes).err().unwrap_or_default();
        FaultKind::OutOfBounds {
            space: Space::Global,
            address,
            bytes,
            detail,
        }
    }
}
