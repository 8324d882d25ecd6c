//! The values of PLY files.

use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};

use ply_rs_bw::ply::{ElementDef, ScalarType};
use siren_core::{Error, Result};

use super::super::lines::{Lines, line_error, parse_number};

/// Where a value is, for messages.
pub(super) struct At<'a> {
    pub(super) element: &'a str,
    pub(super) index: usize,
    pub(super) property: &'a str,
}

/// The values of a file, one after the other. Every type of the format has its values in `f64`.
pub(super) trait Values {
    /// Goes to the start of an element.
    fn start(&mut self, element: &ElementDef, index: usize) -> Result<()>;
    fn next(&mut self, kind: &ScalarType, at: &At<'_>) -> Result<f64>;
    /// Checks that an element has no more values.
    fn end(&mut self, element: &ElementDef) -> Result<()>;
    /// Checks that the file has no more elements.
    fn finish(&mut self) -> Result<()>;
    fn error(&self, at: &At<'_>, message: &str) -> Error;
}

/// An ascii file: one element a line.
pub(super) struct AsciiValues<R> {
    path: PathBuf,
    lines: Lines<R>,
    line: String,
    /// Offset of the next value in the line, in bytes.
    position: usize,
    number: u64,
}

impl<R: BufRead> AsciiValues<R> {
    /// Reads the elements after line `number`, the last one of the header.
    pub(super) fn new(path: &Path, reader: R, number: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            lines: Lines::new(path, reader, number),
            line: String::new(),
            position: 0,
            number,
        }
    }

    /// Goes to the next line that is not empty, and returns whether there is one.
    fn next_line(&mut self) -> Result<bool> {
        while let Some(line) = self.lines.next_line()? {
            if !line.text.is_empty() {
                self.line.clear();
                self.line.push_str(line.text);
                self.number = line.number;
                self.position = 0;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Values for AsciiValues<R> {
    fn start(&mut self, element: &ElementDef, index: usize) -> Result<()> {
        if self.next_line()? {
            return Ok(());
        }
        Err(cut_short(&self.path, &element.name, index, element.count))
    }

    fn next(&mut self, _: &ScalarType, at: &At<'_>) -> Result<f64> {
        let rest = self.line[self.position..].trim_start();
        let text = rest.split_whitespace().next().unwrap_or_default();
        self.position = self.line.len() - rest.len() + text.len();
        if text.is_empty() {
            return Err(self.error(at, "the line ends before it"));
        }
        parse_number(text).map_err(|message| self.error(at, &message))
    }

    fn end(&mut self, element: &ElementDef) -> Result<()> {
        let rest = self.line[self.position..].trim();
        if rest.is_empty() {
            return Ok(());
        }
        let message = format!(
            "has more values than the element `{}` has properties",
            element.name
        );
        Err(line_error(&self.path, self.number, &message))
    }

    fn finish(&mut self) -> Result<()> {
        if self.next_line()? {
            let message = "follows the last element, expected the end of the file: are the counts in the header right?";
            return Err(line_error(&self.path, self.number, message));
        }
        Ok(())
    }

    fn error(&self, at: &At<'_>, message: &str) -> Error {
        let message = format!("`{}` of `{}`: {message}", at.property, at.element);
        line_error(&self.path, self.number, &message)
    }
}

/// The order of the bytes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endianness {
    LittleEndian,
    BigEndian,
}

/// A binary file.
pub(super) struct BinaryValues<R> {
    path: PathBuf,
    reader: R,
    order: Endianness,
}

impl<R: BufRead> BinaryValues<R> {
    pub(super) fn new(path: &Path, reader: R, order: Endianness) -> Self {
        Self {
            path: path.to_path_buf(),
            reader,
            order,
        }
    }

    fn bytes<const N: usize>(&mut self, at: &At<'_>) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        match self.reader.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(self.error(
                    at,
                    "the file ends within it: it is cut short; copy it again",
                ));
            }
            Err(error) => return Err(Error::io("read", &self.path)(error)),
        }
        if self.order == Endianness::BigEndian {
            bytes.reverse();
        }
        Ok(bytes)
    }
}

impl<R: BufRead> Values for BinaryValues<R> {
    fn start(&mut self, _: &ElementDef, _: usize) -> Result<()> {
        Ok(())
    }

    fn next(&mut self, kind: &ScalarType, at: &At<'_>) -> Result<f64> {
        Ok(match kind {
            ScalarType::Char => i8::from_le_bytes(self.bytes(at)?).into(),
            ScalarType::UChar => u8::from_le_bytes(self.bytes(at)?).into(),
            ScalarType::Short => i16::from_le_bytes(self.bytes(at)?).into(),
            ScalarType::UShort => u16::from_le_bytes(self.bytes(at)?).into(),
            ScalarType::Int => i32::from_le_bytes(self.bytes(at)?).into(),
            ScalarType::UInt => u32::from_le_bytes(self.bytes(at)?).into(),
            ScalarType::Float => f32::from_le_bytes(self.bytes(at)?).into(),
            ScalarType::Double => f64::from_le_bytes(self.bytes(at)?),
        })
    }

    fn end(&mut self, _: &ElementDef) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let mut rest = [0; 64];
        let count = self
            .reader
            .read(&mut rest)
            .map_err(Error::io("read", &self.path))?;
        if rest[..count].trim_ascii().is_empty() {
            return Ok(());
        }
        Err(Error::signal(
            &self.path,
            "has bytes after the last element, expected the end of the file: are the counts in the header right?",
        ))
    }

    fn error(&self, at: &At<'_>, message: &str) -> Error {
        Error::signal(
            &self.path,
            format!(
                "`{}` of `{}` {} (counted from 0): {message}",
                at.property, at.element, at.index
            ),
        )
    }
}

/// Makes the error of a file that ends before an element.
fn cut_short(path: &Path, name: &str, index: usize, count: usize) -> Error {
    Error::signal(
        path,
        format!(
            "claims {count} of the element `{name}` in its header, but ends after {index}: the file is cut short; copy it again"
        ),
    )
}
