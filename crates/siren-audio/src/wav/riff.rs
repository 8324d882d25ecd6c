//! Reads the chunks of RIFF files and their variants: RIFX (big-endian), RF64 and BW64 (64-bit lengths).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Value of a 32-bit length field whose length does not fit or was not known to the writer.
const UNKNOWN_LENGTH: u64 = u32::MAX as u64;
/// Bytes of a chunk's identifier and length.
const HEADER_BYTES: u64 = 8;
/// Identifiers by which the start of a chunk is recognized after a chunk of odd length.
const COMMON_CHUNKS: [&[u8; 4]; 4] = [b"fmt ", b"data", b"fact", b"LIST"];

/// Byte order of integers and samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// Decodes an unsigned integer of at most eight bytes.
    pub(super) fn integer(self, bytes: &[u8]) -> u64 {
        let push = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, push),
            Self::Big => bytes.iter().fold(0, push),
        }
    }
}

/// Returns whether the first twelve bytes of a file are those of a WAV file.
pub(crate) fn is_wav(start: &[u8; 12]) -> bool {
    Variant::from_start(start).is_some()
}

/// Variant of the RIFF format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Variant {
    order: ByteOrder,
    /// Whether 64-bit lengths are in a `ds64` chunk.
    has_long_lengths: bool,
}

impl Variant {
    /// Recognizes the variant by the first twelve bytes of a file; `None` if the file is not a WAV file.
    fn from_start(start: &[u8; 12]) -> Option<Self> {
        let (order, has_long_lengths) = match &start[..4] {
            b"RIFF" => (ByteOrder::Little, false),
            b"RIFX" => (ByteOrder::Big, false),
            b"RF64" | b"BW64" => (ByteOrder::Little, true),
            _ => return None,
        };
        (&start[8..] == b"WAVE").then_some(Self {
            order,
            has_long_lengths,
        })
    }
}

/// Position of a chunk's contents in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) id: [u8; 4],
    /// Position of the first byte after the identifier and the length.
    pub(super) start: u64,
    /// Length in bytes that the chunk's header claims.
    pub(super) length: u64,
}

impl Chunk {
    /// Returns the position after the contents.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// Reader of the chunks of a WAV file, in the order of the file.
pub(super) struct Riff {
    file: File,
    pub(super) order: ByteOrder,
    /// Whether 64-bit lengths are in a `ds64` chunk.
    has_long_lengths: bool,
    /// Length of the samples in bytes that the `ds64` chunk claims.
    long_data_length: Option<u64>,
    /// Length of the file in bytes.
    pub(super) bytes: u64,
    /// Position of the next chunk.
    next: u64,
}

impl Riff {
    /// Reads the first twelve bytes; returns `None` if the file is not a WAV file. The RIFF length in these bytes is ignored,
    /// because programs that write to a pipe, or are killed, leave a wrong one.
    pub(super) fn open(mut file: File) -> io::Result<Option<Self>> {
        let bytes = file.metadata()?.len();
        let mut head = [0; 12];
        if bytes < head.len() as u64 {
            return Ok(None);
        }
        file.read_exact(&mut head)?;
        let Some(variant) = Variant::from_start(&head) else {
            return Ok(None);
        };
        let riff = Self {
            file,
            order: variant.order,
            has_long_lengths: variant.has_long_lengths,
            long_data_length: None,
            bytes,
            next: head.len() as u64,
        };
        Ok(Some(riff))
    }

    /// Reads the header of the next chunk; returns `None` at the end of the file.
    pub(super) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let Some(chunk) = self.chunk_at(self.next)? else {
            return Ok(None);
        };
        if &chunk.id == b"ds64" && self.has_long_lengths {
            let lengths = self.contents(&chunk, 16)?;
            let claimed = lengths.get(8..16).map(|bytes| self.order.integer(bytes));
            self.long_data_length = claimed.filter(|&length| length != 0 && length != u64::MAX);
        }
        self.next = self.position_after(&chunk)?;
        Ok(Some(chunk))
    }

    /// Reads the contents of a chunk, at most `max_bytes` of them.
    pub(super) fn contents(&mut self, chunk: &Chunk, max_bytes: u64) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        self.file.seek(SeekFrom::Start(chunk.start))?;
        Read::by_ref(&mut self.file)
            .take(chunk.length.min(max_bytes))
            .read_to_end(&mut contents)?;
        Ok(contents)
    }

    /// Returns the file, from which the samples can be read.
    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// Returns the number of bytes of samples that the `data` chunk claims, or `None` if the writer did not know the length.
    /// Samples of unknown length extend to the end of the file.
    pub(super) fn data_length(&mut self, data: &Chunk) -> io::Result<Option<u64>> {
        let available = self.bytes - data.start;
        let claimed = data.length;
        if self.has_long_lengths && claimed == UNKNOWN_LENGTH {
            return Ok(self.long_data_length);
        }
        // Some writers store the length of a file above 4 GiB modulo 2³².
        let is_wrapped = !self.has_long_lengths && claimed + (1 << 32) <= available;
        let is_unknown = match claimed {
            _ if is_wrapped => true,
            length if length > available => is_placeholder(length),
            length if length == 0 || is_placeholder(length) => {
                !self.only_chunks_from(data.end())?
            }
            _ => false,
        };
        Ok((!is_unknown).then_some(claimed))
    }

    /// Reads the chunk header at a position; returns `None` if the file ends before the header does.
    fn chunk_at(&mut self, position: u64) -> io::Result<Option<Chunk>> {
        let start = position.saturating_add(HEADER_BYTES);
        if start > self.bytes {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES as usize];
        self.file.seek(SeekFrom::Start(position))?;
        self.file.read_exact(&mut header)?;
        let [a, b, c, d, ..] = header;
        Ok(Some(Chunk {
            id: [a, b, c, d],
            start,
            length: self.order.integer(&header[4..]),
        }))
    }

    /// Returns the position of the next chunk. A chunk of odd length is followed by one byte of padding. Some writers omit this
    /// byte: the next chunk is then recognized by one of [`COMMON_CHUNKS`] at the position of the padding and none after it.
    fn position_after(&mut self, chunk: &Chunk) -> io::Result<u64> {
        let end = chunk.end();
        if chunk.length.is_multiple_of(2) || end >= self.bytes {
            return Ok(end);
        }
        let mut has_common_chunk = |position| -> io::Result<bool> {
            let chunk = self.chunk_at(position)?;
            Ok(chunk.is_some_and(|chunk| COMMON_CHUNKS.contains(&&chunk.id)))
        };
        let is_padded = has_common_chunk(end + 1)? || !has_common_chunk(end)?;
        Ok(end + u64::from(is_padded))
    }

    /// Returns whether the rest of the file, from a position on, consists of complete chunks.
    fn only_chunks_from(&mut self, position: u64) -> io::Result<bool> {
        let mut position = position;
        while position < self.bytes {
            let Some(chunk) = self.chunk_at(position)? else {
                return Ok(false);
            };
            position = self.position_after(&chunk)?;
            let is_named = chunk.id.iter().all(|byte| matches!(byte, b' '..=b'~'));
            if !is_named || position > self.bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns whether a length is one that programs write when they do not know it: 2 or 4 GiB, minus up to 4 KiB for headers.
fn is_placeholder(length: u64) -> bool {
    const SLACK: u64 = 0x1000;
    (0x8000_0000 - SLACK..=0x8000_0000).contains(&length) || length >= UNKNOWN_LENGTH - SLACK
}
