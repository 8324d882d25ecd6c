//! Values in a temporary file, for pictures that are larger than memory.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use siren_core::{Error, Result};

use super::{Values, of_byte, of_word};

/// Most bytes that are read at once. They stay in the cache of a core.
const BLOCK: usize = 1 << 18;
/// Bytes between two pixels up to which both are read at once, and what is between them: copying these takes about as long as one more read.
const GAP: usize = 1 << 12;

/// Type of the samples in a file, in the byte order of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    Byte,
    Word,
    Float,
}

/// Values in a temporary file without a name, which the system removes when the last copy of this handle is dropped, or the program ends in any way.
///
/// Every read is positional, so that threads share the file. What was read lately stays in the memory that the system does not need otherwise.
#[derive(Clone, Debug)]
pub struct FileValues {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    folder: PathBuf,
    sample: Sample,
    len: usize,
    /// The block of the last single value.
    recent: Mutex<Block>,
}

/// Some values in order.
#[derive(Debug, Default)]
struct Block {
    first: usize,
    values: Vec<f32>,
}

impl Sample {
    const fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Float => 4,
        }
    }

    /// Appends the values of samples.
    fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::Byte => values.extend(bytes.iter().map(|&byte| of_byte(byte))),
            Self::Word => {
                let words = bytes.as_chunks().0.iter();
                values.extend(words.map(|&word| of_word(u16::from_ne_bytes(word))));
            }
            Self::Float => {
                let floats = bytes.as_chunks().0.iter();
                values.extend(floats.map(|&float| f32::from_ne_bytes(float)));
            }
        }
    }
}

impl FileValues {
    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len
    }

    /// Returns whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes that the values need in memory, stored as in the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.len() as u64 * self.shared.sample.bytes() as u64
    }

    /// Returns the value at an index. Values that are asked for in order are read in blocks.
    pub(super) fn at(&self, index: usize) -> Result<f32> {
        let lock = self.shared.recent.lock();
        // A block is replaced as a whole, after it was read.
        let mut recent = lock.unwrap_or_else(PoisonError::into_inner);
        let held = index.checked_sub(recent.first);
        if let Some(&value) = held.and_then(|at| recent.values.get(at)) {
            return Ok(value);
        }
        let per_block = BLOCK / self.shared.sample.bytes();
        let first = index - index % per_block;
        let values = self.read(first..self.len().min(first + per_block))?;
        let value = values.get(index - first).copied();
        *recent = Block { first, values };
        value.ok_or_else(|| self.error(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Returns the values of a range.
    pub(super) fn read(&self, range: Range<usize>) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(range.len());
        self.for_each_block(range, |bytes| {
            self.shared.sample.decode(bytes, &mut values);
            Ok(())
        })?;
        Ok(values)
    }

    /// Returns the `channels` values of each of some pixels, one pixel after the other. Pixels that ascend are read in blocks.
    pub(super) fn gather(
        &self,
        pixels: impl Iterator<Item = usize>,
        channels: usize,
    ) -> Result<Vec<f32>> {
        let size = channels * self.shared.sample.bytes();
        let mut values = Vec::with_capacity(pixels.size_hint().0 * channels);
        let mut buffer = Vec::new();
        // Where pixels are in a block, and the range of the file that it is.
        let mut places: Vec<usize> = Vec::new();
        let mut block = 0..0;
        let mut take = |block: Range<usize>, places: &[usize]| -> Result<()> {
            buffer.resize(block.len(), 0);
            self.read_bytes(block.start, &mut buffer)?;
            for &place in places {
                let pixel = &buffer[place..place + size];
                self.shared.sample.decode(pixel, &mut values);
            }
            Ok(())
        };
        for pixel in pixels {
            let (start, end) = (pixel * size, (pixel + 1) * size);
            let is_near = (block.start..=block.end + GAP).contains(&start);
            if places.is_empty() || !is_near || end - block.start > BLOCK {
                take(block, &places)?;
                places.clear();
                block = start..end;
            }
            places.push(start - block.start);
            block.end = block.end.max(end);
        }
        take(block, &places)?;
        Ok(values)
    }

    /// Returns the values of some ranges, one after the other, in memory.
    pub(super) fn load(&self, ranges: impl Iterator<Item = Range<usize>>) -> Result<Values> {
        let mut bytes = Vec::new();
        for range in ranges {
            self.for_each_block(range, |block| {
                bytes.extend_from_slice(block);
                Ok(())
            })?;
        }
        Ok(match self.shared.sample {
            Sample::Byte => Values::Bytes(bytes),
            Sample::Word => {
                let words = bytes.as_chunks().0.iter();
                Values::Words(words.map(|&word| u16::from_ne_bytes(word)).collect())
            }
            Sample::Float => {
                let floats = bytes.as_chunks().0.iter();
                Values::Floats(floats.map(|&float| f32::from_ne_bytes(float)).collect())
            }
        })
    }

    /// Copies the values of some ranges, one after the other, to another file.
    pub(super) fn copy(&self, ranges: impl Iterator<Item = Range<usize>>) -> Result<Self> {
        let mut writer = FileWriter::create()?;
        writer.sample = self.shared.sample;
        for range in ranges {
            self.for_each_block(range, |block| writer.write(block))?;
        }
        Ok(writer.finish())
    }

    /// Reads a range of values in blocks of at most [`BLOCK`] bytes.
    fn for_each_block(
        &self,
        range: Range<usize>,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let size = self.shared.sample.bytes();
        let mut buffer = Vec::new();
        for first in range.clone().step_by(BLOCK / size) {
            let count = (range.end - first).min(BLOCK / size);
            buffer.resize(count * size, 0);
            self.read_bytes(first * size, &mut buffer)?;
            take(&buffer)?;
        }
        Ok(())
    }

    fn read_bytes(&self, start: usize, buffer: &mut [u8]) -> Result<()> {
        read_exact_at(&self.shared.file, buffer, start as u64).map_err(|error| self.error(error))
    }

    fn error(&self, error: io::Error) -> Error {
        Error::io("read a temporary file in", &self.shared.folder)(error)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[count..];
        offset += count as u64;
    }
    Ok(())
}

/// Writes values to a temporary file, in order.
pub(crate) struct FileWriter {
    file: File,
    folder: PathBuf,
    sample: Sample,
    /// Number of bytes that were written.
    bytes: usize,
}

impl FileWriter {
    /// Creates a file without a name in the folder for temporary files.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be created.
    pub(crate) fn create() -> Result<Self> {
        let folder = std::env::temp_dir();
        match tempfile::tempfile_in(&folder) {
            Ok(file) => Ok(Self {
                file,
                folder,
                sample: Sample::Byte,
                bytes: 0,
            }),
            Err(error) => Err(write_error(folder, &error)),
        }
    }

    /// Appends values in memory. They are stored as they are; a file of integers becomes one of floats when the first floats come.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written, such as on a full disk.
    pub(crate) fn push(&mut self, values: &Values) -> Result<()> {
        let sample = match values {
            Values::Bytes(_) => Sample::Byte,
            Values::Words(_) => Sample::Word,
            Values::Floats(_) | Values::File(_) => Sample::Float,
        };
        if self.bytes == 0 {
            self.sample = sample;
        }
        if self.sample != sample && self.sample != Sample::Float {
            self.become_floats()?;
        }
        match values {
            Values::Bytes(bytes) if self.sample == Sample::Byte => self.write(bytes),
            Values::Words(words) if self.sample == Sample::Word => {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                self.write(&bytes)
            }
            other => self.write_floats(&other.read(0..other.len())?),
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> FileValues {
        FileValues {
            shared: Arc::new(Shared {
                file: self.file,
                folder: self.folder,
                sample: self.sample,
                len: self.bytes / self.sample.bytes(),
                recent: Mutex::default(),
            }),
        }
    }

    /// Replaces the file by one of floats.
    fn become_floats(&mut self) -> Result<()> {
        let integers = std::mem::replace(self, Self::create()?).finish();
        self.sample = Sample::Float;
        let sample = integers.shared.sample;
        let mut values = Vec::new();
        integers.for_each_block(0..integers.len(), |block| {
            values.clear();
            sample.decode(block, &mut values);
            self.write_floats(&values)
        })
    }

    fn write_floats(&mut self, values: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect();
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| write_error(self.folder.clone(), &error))?;
        self.bytes += bytes.len();
        Ok(())
    }
}

/// Makes the error of a temporary file that cannot be written.
fn write_error(folder: PathBuf, error: &io::Error) -> Error {
    let cause = format!(
        "{error}; a large picture is kept in a file there: free some space, or name another folder by the variable TMPDIR (TMP on Windows)"
    );
    Error::io("write a temporary file in", folder)(io::Error::new(error.kind(), cause))
}

#[cfg(test)]
mod tests;
