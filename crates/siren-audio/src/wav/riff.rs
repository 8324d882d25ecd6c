//! Chunks of a RIFF file and of its kin: RIFX (big-endian), RF64 and BW64 (lengths of 64 bits).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// A length in a field of 32 bits that does not fit there, or was never known.
const NO_LENGTH: u64 = u32::MAX as u64;
/// Bytes of a chunk's identifier and length.
const HEADER_BYTES: u64 = 8;
/// Chunks that decide how the samples are read.
const NEEDED: [&[u8; 4]; 4] = [b"fmt ", b"data", b"fact", b"LIST"];

/// Order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The unsigned integer that the bytes hold.
    pub(super) fn integer(self, bytes: &[u8]) -> u64 {
        let push = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, push),
            Self::Big => bytes.iter().fold(0, push),
        }
    }
}

/// Whether a file begins as WAV files do.
pub(crate) fn is_wav(start: &[u8; 12]) -> bool {
    form(start).is_some()
}

/// Order of bytes of a file that begins so, and whether its lengths have 64 bits; `None` if it is no WAV file.
fn form(start: &[u8; 12]) -> Option<(ByteOrder, bool)> {
    let form = match &start[..4] {
        b"RIFF" => (ByteOrder::Little, false),
        b"RIFX" => (ByteOrder::Big, false),
        b"RF64" | b"BW64" => (ByteOrder::Little, true),
        _ => return None,
    };
    (&start[8..] == b"WAVE").then_some(form)
}

/// Where the contents of a chunk lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) id: [u8; 4],
    /// Position in the file of its first byte, behind identifier and length.
    pub(super) start: u64,
    /// Bytes, as its header claims.
    pub(super) length: u64,
}

impl Chunk {
    /// Position behind its contents.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// A file of the form WAVE, whose chunks are read one after another.
pub(super) struct Riff {
    file: File,
    pub(super) order: ByteOrder,
    /// Whether lengths of 64 bits stand in a chunk `ds64`.
    is_long: bool,
    /// Length of the samples, as `ds64` claims.
    long_data: Option<u64>,
    /// In the file.
    pub(super) bytes: u64,
    /// Position of the next chunk.
    next: u64,
}

impl Riff {
    /// Reads the first twelve bytes; `None` if they are of no such file. The length in them is not asked for: programs that
    /// write to a pipe, or are killed, leave it wrong.
    pub(super) fn open(mut file: File) -> io::Result<Option<Self>> {
        let bytes = file.metadata()?.len();
        let mut head = [0; 12];
        if bytes < head.len() as u64 {
            return Ok(None);
        }
        file.read_exact(&mut head)?;
        let Some((order, is_long)) = form(&head) else {
            return Ok(None);
        };
        let riff = Self {
            file,
            order,
            is_long,
            long_data: None,
            bytes,
            next: head.len() as u64,
        };
        Ok(Some(riff))
    }

    /// The next chunk, or `None` at the end of the file.
    pub(super) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let Some(chunk) = self.chunk_at(self.next)? else {
            return Ok(None);
        };
        if &chunk.id == b"ds64" && self.is_long {
            let lengths = self.contents(&chunk, 16)?;
            let claimed = lengths.get(8..16).map(|bytes| self.order.integer(bytes));
            self.long_data = claimed.filter(|&length| length != 0 && length != u64::MAX);
        }
        self.next = self.behind(&chunk)?;
        Ok(Some(chunk))
    }

    /// The first bytes of a chunk, at most so many.
    pub(super) fn contents(&mut self, chunk: &Chunk, most: u64) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        self.file.seek(SeekFrom::Start(chunk.start))?;
        let few = chunk.length.min(most);
        Read::by_ref(&mut self.file)
            .take(few)
            .read_to_end(&mut contents)?;
        Ok(contents)
    }

    /// The file, to read samples from.
    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// How many bytes of samples a chunk `data` claims, or `None` where its length was not known when its header was
    /// written: such samples end with the file.
    pub(super) fn data_length(&mut self, data: &Chunk) -> io::Result<Option<u64>> {
        let left = self.bytes - data.start;
        let claimed = data.length;
        if self.is_long && claimed == NO_LENGTH {
            return Ok(self.long_data);
        }
        // The length modulo 2³² of a file that outgrew it.
        let is_wrapped = !self.is_long && claimed + (1 << 32) <= left;
        let is_unknown = match claimed {
            _ if is_wrapped => true,
            length if length > left => is_placeholder(length),
            length if length == 0 || is_placeholder(length) => {
                !self.only_chunks_from(data.end())?
            }
            _ => false,
        };
        Ok((!is_unknown).then_some(claimed))
    }

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

    /// Position behind a chunk. One of odd length is followed by a byte of padding; writers that forget it are recognized by
    /// a chunk that is needed standing where that byte should be, and not behind it.
    fn behind(&mut self, chunk: &Chunk) -> io::Result<u64> {
        let end = chunk.end();
        if chunk.length.is_multiple_of(2) || end >= self.bytes {
            return Ok(end);
        }
        let mut is_needed = |position| -> io::Result<bool> {
            let chunk = self.chunk_at(position)?;
            Ok(chunk.is_some_and(|chunk| NEEDED.contains(&&chunk.id)))
        };
        let is_padded = is_needed(end + 1)? || !is_needed(end)?;
        Ok(end + u64::from(is_padded))
    }

    /// Whether nothing but chunks follows, up to the end of the file.
    fn only_chunks_from(&mut self, position: u64) -> io::Result<bool> {
        let mut position = position;
        while position < self.bytes {
            let Some(chunk) = self.chunk_at(position)? else {
                return Ok(false);
            };
            position = self.behind(&chunk)?;
            let is_named = chunk.id.iter().all(|byte| matches!(byte, b' '..=b'~'));
            if !is_named || position > self.bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether programs that cannot know a length write this one: about 2 or 4 GiB, less what their headers take.
fn is_placeholder(length: u64) -> bool {
    const SLACK: u64 = 0x1000;
    (0x8000_0000 - SLACK..=0x8000_0000).contains(&length) || length >= NO_LENGTH - SLACK
}
