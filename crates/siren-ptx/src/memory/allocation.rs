//! An allocation with its shadow.

use super::HOST;
use crate::fault::FaultKind;
use crate::isa::Space;

/// Who touched a granule of global memory last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GlobalTag {
    /// Stamp of the block that wrote it last, 0 if nobody has.
    pub(super) writer: u32,
    /// Stamp of the block that read it last, 0 if nobody has.
    pub(super) reader: u32,
}

/// Bytes of global memory, and who touched each granule of them.
#[derive(Debug)]
pub(crate) struct Allocation {
    /// Address of the first byte.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
    /// One tag per granule.
    pub(super) tags: Vec<GlobalTag>,
    /// A granule has `1 << shift` bytes: it is a word until something smaller is stored.
    pub(super) shift: u32,
}

/// Stamps of a block of a launch. Stamps below `first` are of earlier launches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    pub(crate) first: u32,
    /// The stamp of the block that runs.
    pub(crate) me: u32,
    /// The stamp of a place that several blocks have read.
    pub(super) many: u32,
    /// The stamp of a place that atomic operations have written.
    pub(super) atomic: u32,
}

impl Stamps {
    pub(crate) fn for_block(self, block: u32) -> Self {
        Self {
            me: self.first + block,
            ..self
        }
    }

    fn name(&self, stamp: u32, did: &str) -> String {
        match stamp {
            _ if stamp == self.many => format!("several blocks {did}"),
            _ if stamp == self.atomic => "an atomic operation".to_owned(),
            _ => format!("block {} (linear index) {did}", stamp - self.first),
        }
    }
}

impl Allocation {
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn written_by_host(&mut self, offset: usize, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let end = offset + bytes;
        if !offset.is_multiple_of(4) || (!end.is_multiple_of(4) && end != self.bytes.len()) {
            self.refine(0);
        }
        let tags = &mut self.tags[offset >> self.shift..=(end - 1) >> self.shift];
        tags.fill(GlobalTag {
            writer: HOST,
            reader: 0,
        });
    }

    /// Makes granules as small as `1 << shift` bytes.
    #[cold]
    pub(super) fn refine(&mut self, shift: u32) {
        if shift < self.shift {
            let copies = 1 << (self.shift - shift);
            let tags = self
                .tags
                .iter()
                .flat_map(|tag| std::iter::repeat_n(*tag, copies));
            self.tags = tags.collect();
            self.shift = shift;
        }
    }

    fn granules(&self, offset: usize, bytes: usize) -> std::ops::Range<usize> {
        offset >> self.shift..((offset + bytes - 1) >> self.shift) + 1
    }

    /// Bytes for a read by a block. None: out of bounds.
    #[inline(always)]
    pub(crate) fn read(
        &mut self,
        offset: usize,
        bytes: usize,
        stamps: &Stamps,
    ) -> Result<Option<&[u8]>, FaultKind> {
        if offset + bytes > self.bytes.len() {
            return Ok(None);
        }
        let range = self.granules(offset, bytes);
        let mut bad = false;
        for tag in &self.tags[range.clone()] {
            bad |= tag.writer == 0 || (tag.writer >= stamps.first && tag.writer != stamps.me);
        }
        if bad {
            return Err(self.bad_read(range, stamps));
        }
        for tag in &mut self.tags[range] {
            let shared = if tag.reader >= stamps.first {
                stamps.many
            } else {
                stamps.me
            };
            tag.reader = if tag.reader == stamps.me {
                stamps.me
            } else {
                shared
            };
        }
        Ok(Some(&self.bytes[offset..offset + bytes]))
    }

    /// `N` words for a read by a block; sets `bad` if it may not. None: out of bounds, or granules that are smaller than words.
    #[inline(always)]
    pub(crate) fn read_words<const N: usize>(
        &mut self,
        offset: usize,
        stamps: &Stamps,
        bad: &mut bool,
    ) -> Option<[u32; N]> {
        let first = offset / 4;
        let words = self.bytes.as_chunks::<4>().0.get(first..first + N)?;
        if self.shift != 2 {
            return None;
        }
        let tags = self.tags.get_mut(first..first + N)?;
        let mut values = [0; N];
        for ((value, word), tag) in values.iter_mut().zip(words).zip(tags) {
            *bad |= tag.writer == 0 || (tag.writer >= stamps.first && tag.writer != stamps.me);
            if tag.reader != stamps.me {
                tag.reader = if tag.reader >= stamps.first {
                    stamps.many
                } else {
                    stamps.me
                };
            }
            *value = u32::from_le_bytes(*word);
        }
        Some(values)
    }

    #[cold]
    fn bad_read(&self, range: std::ops::Range<usize>, stamps: &Stamps) -> FaultKind {
        for index in range {
            let (tag, address) = (
                self.tags[index],
                self.start + ((index as u64) << self.shift),
            );
            if tag.writer == 0 {
                return FaultKind::Unwritten {
                    space: Space::Global,
                    address,
                };
            }
            if tag.writer >= stamps.first && tag.writer != stamps.me {
                return FaultKind::GlobalRace {
                    address,
                    action: "a read",
                    other: stamps.name(tag.writer, "wrote"),
                };
            }
        }
        unreachable!("a tag of the range was bad")
    }

    /// Bytes for a write by a block. None: out of bounds.
    #[inline(always)]
    pub(crate) fn write(
        &mut self,
        offset: usize,
        bytes: usize,
        stamps: &Stamps,
    ) -> Result<Option<&mut [u8]>, FaultKind> {
        if offset + bytes > self.bytes.len() {
            return Ok(None);
        }
        if bytes < 1 << self.shift {
            self.refine(bytes.trailing_zeros());
        }
        let range = self.granules(offset, bytes);
        let mut bad = false;
        for tag in &self.tags[range.clone()] {
            bad |= tag.writer >= stamps.first && tag.writer != stamps.me;
            bad |= tag.reader >= stamps.first && tag.reader != stamps.me;
        }
        if bad {
            return Err(self.bad_write(range, stamps, "a write"));
        }
        for tag in &mut self.tags[range] {
            tag.writer = stamps.me;
        }
        Ok(Some(&mut self.bytes[offset..offset + bytes]))
    }

    #[cold]
    fn bad_write(
        &self,
        range: std::ops::Range<usize>,
        stamps: &Stamps,
        action: &'static str,
    ) -> FaultKind {
        for index in range {
            let (tag, address) = (
                self.tags[index],
                self.start + ((index as u64) << self.shift),
            );
            if tag.writer >= stamps.first && tag.writer != stamps.me {
                return FaultKind::GlobalRace {
                    address,
                    action,
                    other: stamps.name(tag.writer, "wrote"),
                };
            }
            if tag.reader >= stamps.first && tag.reader != stamps.me {
                return FaultKind::GlobalRace {
                    address,
                    action,
                    other: stamps.name(tag.reader, "read"),
                };
            }
        }
        unreachable!("a tag of the range was bad")
    }

    /// Bytes for an atomic operation, which is no race with others of its kind. None: out of bounds.
    pub(crate) fn atomic(
        &mut self,
        offset: usize,
        bytes: usize,
        stamps: &Stamps,
    ) -> Result<Option<&mut [u8]>, FaultKind> {
        if offset + bytes > self.bytes.len() {
            return Ok(None);
        }
        for index in self.granules(offset, bytes) {
            let tag = self.tags[index];
            let address = self.start + ((index as u64) << self.shift);
            if tag.writer == 0 {
                return Err(FaultKind::Unwritten {
                    space: Space::Global,
                    address,
                });
            }
            let others = Stamps {
                me: if tag.writer == stamps.atomic {
                    stamps.atomic
                } else {
                    stamps.me
                },
                ..*stamps
            };
            let writer_is_other = tag.writer >= stamps.first && tag.writer != others.me;
            let reader_is_other = tag.reader >= stamps.first && tag.reader != stamps.me;
            if writer_is_other || reader_is_other {
                return Err(self.bad_write(
                    index..index + 1,
                    &Stamps {
                        me: stamps.me,
                        ..others
                    },
                    "an atomic operation",
                ));
            }
            self.tags[index].writer = stamps.atomic;
        }
        Ok(Some(&mut self.bytes[offset..offset + bytes]))
    }
}
