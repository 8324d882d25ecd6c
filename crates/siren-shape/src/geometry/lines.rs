//! Lines of a text file, one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use siren_core::{Error, Result};

/// Longest accepted line, in bytes. A longer one is a sign of a binary file.
const MAX_LINE: u64 = 1 << 22;

/// What to do about a file in another encoding.
const SAVE_AS_TEXT: &str = "it is a binary file or UTF-16 text, expected UTF-8 or ASCII text: convert it, for example with `iconv -f UTF-16 -t UTF-8`";

/// A line of a text file.
#[derive(Clone, Copy)]
pub(super) struct TextLine<'a> {
    /// Number of the line, counted from 1.
    pub(super) number: u64,
    /// The text, without spaces around it.
    pub(super) text: &'a str,
}

/// Reads a text file line by line, in constant memory.
///
/// A byte order mark, line breaks (LF, CRLF) and spaces around a line are removed. Bytes that are not UTF-8 become U+FFFD, so that names and
/// comments in other encodings do no harm.
pub(super) struct Lines<R> {
    path: PathBuf,
    reader: R,
    bytes: Vec<u8>,
    /// The line, if its bytes are not UTF-8.
    repaired: String,
    /// Number of the last line, counted from 1.
    number: u64,
}

impl Lines<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        Ok(Self::new(path, BufReader::with_capacity(1 << 16, file), 0))
    }
}

impl<R: BufRead> Lines<R> {
    /// Reads the lines after line `number` of a file.
    pub(super) fn new(path: &Path, reader: R, number: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            reader,
            bytes: Vec::new(),
            repaired: String::new(),
            number,
        }
    }

    /// Returns the next line, or `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> Result<Option<TextLine<'_>>> {
        self.bytes.clear();
        let mut limited = (&mut self.reader).take(MAX_LINE);
        let count = limited
            .read_until(b'\n', &mut self.bytes)
            .map_err(Error::io("read", &self.path))?;
        if count == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_utf_16 = self.bytes.starts_with(b"\xff\xfe") || self.bytes.starts_with(b"\xfe\xff");
        if is_utf_16 || self.bytes.contains(&0) {
            return Err(line_error(&self.path, self.number, SAVE_AS_TEXT));
        }
        if count as u64 == MAX_LINE {
            let message = format!(
                "is longer than {MAX_LINE} bytes, expected one element a line: is this a text file?"
            );
            return Err(line_error(&self.path, self.number, &message));
        }
        if self.bytes.trim_ascii_end().contains(&b'\r') {
            let message = "has carriage returns within the line: convert line breaks to LF, for example with `mac2unix`";
            return Err(line_error(&self.path, self.number, message));
        }
        let start = if self.number == 1 && self.bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let bytes = &self.bytes[start..];
        let text = if let Ok(text) = std::str::from_utf8(bytes) {
            text
        } else {
            self.repaired = String::from_utf8_lossy(bytes).into_owned();
            &self.repaired
        };
        Ok(Some(TextLine {
            number: self.number,
            text: text.trim(),
        }))
    }
}

/// Makes an error about a line.
pub(super) fn line_error(path: &Path, number: u64, message: &str) -> Error {
    Error::signal(path, format!("line {number}: {message}"))
}

/// Parses a number of a line. The error is a message that says what it is instead.
pub(super) fn parse_number(text: &str) -> Result<f64, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    if text.is_empty() {
        Err("a number is missing between two separators".to_owned())
    } else if text.contains(char::REPLACEMENT_CHARACTER) {
        Err(format!(
            "`{shown}` is not UTF-8 text, expected a number: save the file as UTF-8"
        ))
    } else {
        Err(format!("`{shown}` is not a number"))
    }
}
