//! Shared memory of a block, with a shadow that knows which warp touched what since the last barrier.

use crate::fault::FaultKind;
use crate::isa::Space;

/// Bits of [`SharedTag::stamp`]: epoch, then flags, then who wrote.
const EPOCH: u32 = 8;
const VALID: u32 = 1 << 7;
/// An asynchronous copy to here is not waited for.
const PENDING: u32 = 1 << 6;
const WRITER: u32 = PENDING - 1;
/// Writer of atomic operations; warps are 1 to 32.
const ATOMIC: u32 = 40;

#[derive(Clone, Copy, Debug, Default)]
struct SharedTag {
    /// Warps that have read in this epoch, a bit each.
    readers: u32,
    stamp: u32,
}

impl SharedTag {
    /// Marks a read. Returns whether it is a fault.
    #[inline(always)]
    fn read(&mut self, epoch: u32, me: u32, bit: u32) -> bool {
        let current = self.stamp & !(VALID | PENDING | WRITER) == epoch;
        let writer = self.stamp & WRITER;
        let valid = self.stamp & (VALID | PENDING) == VALID;
        self.readers = if current { self.readers | bit } else { bit };
        self.stamp = if current {
            self.stamp
        } else {
            epoch | (self.stamp & (VALID | PENDING))
        };
        !valid || (current && writer != 0 && writer != me)
    }
}

/// Shared memory.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    bytes: Vec<u8>,
    tags: Vec<SharedTag>,
    /// A granule has `1 << shift` bytes.
    shift: u32,
    epoch: u32,
}

impl Shared {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            bytes: vec![0; bytes],
            tags: vec![SharedTag::default(); bytes.div_ceil(4)],
            shift: 2,
            epoch: 1,
        }
    }

    /// Makes the memory as new for the next block.
    pub(crate) fn reset(&mut self) {
        self.bytes.fill(0xcb);
        self.tags.fill(SharedTag::default());
        self.epoch = 1;
    }

    /// All warps have met: what they did before is ordered before what they do next.
    pub(crate) fn barrier(&mut self) {
        self.epoch += 1;
        if self.epoch >> (32 - EPOCH) != 0 {
            self.epoch = 2;
            for tag in &mut self.tags {
                *tag = SharedTag {
                    readers: 0,
                    stamp: 1 << EPOCH | (tag.stamp & (VALID | PENDING)),
                };
            }
        }
    }

    fn refine(&mut self, shift: u32) {
        if shift < self.shift {
            let copies = 1 << (self.shift - shift);
            self.tags = self
                .tags
                .iter()
                .flat_map(|tag| std::iter::repeat_n(*tag, copies))
                .collect();
            self.shift = shift;
        }
    }

    fn check_bounds(&self, address: u64, bytes: usize) -> Result<usize, FaultKind> {
        if address.saturating_add(bytes as u64) > self.bytes.len() as u64 {
            let detail = format!("the block has {} bytes", self.bytes.len());
            return Err(FaultKind::OutOfBounds {
                space: Space::Shared,
                address,
                bytes,
                detail,
            });
        }
        Ok(address as usize)
    }

    /// Bytes for a read by a warp.
    #[inline]
    pub(crate) fn read(
        &mut self,
        address: u64,
        bytes: usize,
        warp: u32,
    ) -> Result<&[u8], FaultKind> {
        let offset = self.check_bounds(address, bytes)?;
        let (epoch, me, bit) = (self.epoch << EPOCH, warp + 1, 1 << warp);
        let range = offset >> self.shift..((offset + bytes - 1) >> self.shift) + 1;
        let mut bad = false;
        for tag in &mut self.tags[range.clone()] {
            bad |= tag.read(epoch, me, bit);
        }
        if bad {
            return Err(self.bad_read(range, me));
        }
        Ok(&self.bytes[offset..offset + bytes])
    }

    /// `N` words for a read by a warp; sets `bad` if it may not. None: out of bounds.
    #[inline(always)]
    pub(crate) fn read_words<const N: usize>(
        &mut self,
        address: u64,
        warp: u32,
        bad: &mut bool,
    ) -> Option<[u32; N]> {
        let first = address as usize / 4;
        let words = self.bytes.as_chunks::<4>().0.get(first..first + N)?;
        let (epoch, me, bit) = (self.epoch << EPOCH, warp + 1, 1 << warp);
        let split = 2 - self.shift;
        for tag in self.tags.get_mut(first << split..(first + N) << split)? {
            *bad |= tag.read(epoch, me, bit);
        }
        let mut values = [0; N];
        for (value, word) in values.iter_mut().zip(words) {
            *value = u32::from_le_bytes(*word);
        }
        Some(values)
    }

    #[cold]
    fn bad_read(&self, range: std::ops::Range<usize>, me: u32) -> FaultKind {
        for index in range {
            let (stamp, address) = (self.tags[index].stamp, (index as u64) << self.shift);
            let writer = stamp & WRITER;
            if stamp & PENDING != 0 {
                return FaultKind::PendingCopy { address };
            }
            if stamp & VALID == 0 {
                return FaultKind::Unwritten {
                    space: Space::Shared,
                    address,
                };
            }
            if writer != 0 && writer != me {
                return FaultKind::SharedRace {
                    address,
                    action: "a read",
                    other: writer_name(writer),
                };
            }
        }
        unreachable!("a tag of the range was bad")
    }

    /// Bytes for a write by a warp.
    #[inline]
    pub(crate) fn write(
        &mut self,
        address: u64,
        bytes: usize,
        warp: u32,
    ) -> Result<&mut [u8], FaultKind> {
        self.mark_written(address, bytes, warp, VALID)
    }

    /// Bytes for the destination of an asynchronous copy.
    pub(crate) fn begin_copy(
        &mut self,
        address: u64,
        bytes: usize,
        warp: u32,
    ) -> Result<&mut [u8], FaultKind> {
        self.mark_written(address, bytes, warp, VALID | PENDING)
    }

    /// The copy has arrived, as if it wrote now.
    pub(crate) fn end_copy(
        &mut self,
        address: u64,
        bytes: usize,
        warp: u32,
    ) -> Result<(), FaultKind> {
        self.mark_written(address, bytes, warp, VALID).map(|_| ())
    }

    #[inline]
    fn mark_written(
        &mut self,
        address: u64,
        bytes: usize,
        warp: u32,
        flags: u32,
    ) -> Result<&mut [u8], FaultKind> {
        let offset = self.check_bounds(address, bytes)?;
        if bytes < 1 << self.shift {
            self.refine(bytes.trailing_zeros());
        }
        let (epoch, me, bit) = (self.epoch << EPOCH, warp + 1, 1 << warp);
        let range = offset >> self.shift..((offset + bytes - 1) >> self.shift) + 1;
        let mut bad = false;
        for tag in &self.tags[range.clone()] {
            let current = tag.stamp & !(VALID | PENDING | WRITER) == epoch;
            let writer = tag.stamp & WRITER;
            bad |= current && ((writer != 0 && writer != me) || tag.readers & !bit != 0);
        }
        if bad {
            return Err(self.bad_write(range, warp, "a write"));
        }
        for tag in &mut self.tags[range] {
            let current = tag.stamp & !(VALID | PENDING | WRITER) == epoch;
            tag.readers = if current { tag.readers } else { 0 };
            tag.stamp = epoch | flags | me;
        }
        Ok(&mut self.bytes[offset..offset + bytes])
    }

    #[cold]
    fn bad_write(
        &self,
        range: std::ops::Range<usize>,
        warp: u32,
        action: &'static str,
    ) -> FaultKind {
        for index in range {
            let (tag, address) = (self.tags[index], (index as u64) << self.shift);
            if tag.stamp >> EPOCH != self.epoch {
                continue;
            }
            let (writer, readers) = (tag.stamp & WRITER, tag.readers & !(1 << warp));
            if writer != 0 && writer != warp + 1 {
                return FaultKind::SharedRace {
                    address,
                    action,
                    other: writer_name(writer),
                };
            }
            if readers != 0 {
                let other = format!("warp {} read", readers.trailing_zeros());
                return FaultKind::SharedRace {
                    address,
                    action,
                    other,
                };
            }
        }
        unreachable!("a tag of the range was bad")
    }

    /// Bytes for an atomic operation, which is no race with others of its kind.
    pub(crate) fn atomic(
        &mut self,
        address: u64,
        bytes: usize,
        warp: u32,
    ) -> Result<&mut [u8], FaultKind> {
        let offset = self.check_bounds(address, bytes)?;
        for index in (offset >> self.shift)..=((offset + bytes - 1) >> self.shift) {
            let tag = self.tags[index];
            if tag.stamp & VALID == 0 {
                return Err(FaultKind::Unwritten {
                    space: Space::Shared,
                    address,
                });
            }
            let current = tag.stamp >> EPOCH == self.epoch;
            let writer = tag.stamp & WRITER;
            if current
                && ((writer != 0 && writer != warp + 1 && writer != ATOMIC)
                    || tag.readers & !(1 << warp) != 0)
            {
                return Err(self.bad_write(index..index + 1, warp, "an atomic operation"));
            }
            let readers = if current { tag.readers } else { 0 };
            self.tags[index] = SharedTag {
                readers,
                stamp: self.epoch << EPOCH | VALID | ATOMIC,
            };
        }
        Ok(&mut self.bytes[offset..offset + bytes])
    }
}

fn writer_name(writer: u32) -> String {
    if writer == ATOMIC {
        "an atomic operation".to_owned()
    } else {
        format!("warp {} wrote", writer - 1)
    }
}
