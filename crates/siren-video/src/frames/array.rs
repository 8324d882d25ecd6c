//! A NumPy array of bytes.
//!
//! Its header is read here: the crates that read it build a parser of Python's literals, and with it a C compiler's assembly.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use image::RgbImage;
use siren_core::{Error, Result};

use super::Frames;

/// Longest header that is believed, in bytes.
const MAX_HEADER: usize = 1 << 16;

/// `(frames, height, width, 3)`, as the authors keep their cat.
pub(super) struct Array {
    path: PathBuf,
    reader: BufReader<File>,
    count: usize,
    size: (u32, u32),
    given: usize,
    rate: f64,
}

impl Array {
    pub(super) fn open(path: &Path, rate: f64) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut reader = BufReader::new(file);
        let fail = |message: String| Err(Error::signal(path, message));
        let Some(header) = header(&mut reader) else {
            return fail("the header of the NumPy array is damaged or cut short".to_owned());
        };
        if !["|u1", "<u1", "=u1"].contains(&header.kind.as_str()) {
            return fail(format!(
                "is an array of the type {}, expected bytes (uint8): save it with `clip.astype(numpy.uint8)`",
                header.kind
            ));
        }
        let (&[frames, height, width, 3], false) = (header.shape.as_slice(), header.is_fortran)
        else {
            return fail(format!(
                "has the shape {:?}, expected (frames, height, width, 3) in C order: save it with \
                 `numpy.save(path, numpy.ascontiguousarray(clip))`",
                header.shape
            ));
        };
        let side = |side: usize| u32::try_from(side).ok().filter(|&side| side > 0);
        let (Some(width), Some(height)) = (side(width), side(height)) else {
            return fail(format!(
                "has the shape {:?}: a side is zero or absurd",
                header.shape
            ));
        };
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            count: frames,
            size: (width, height),
            given: 0,
            rate,
        })
    }
}

impl Frames for Array {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        Some(self.count)
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some(self.size)
    }

    fn next(&mut self) -> Result<Option<RgbImage>> {
        if self.given == self.count {
            return Ok(None);
        }
        let (width, height) = self.size;
        let mut frame = RgbImage::new(width, height);
        if self.reader.read_exact(&mut frame).is_err() {
            let message = format!(
                "claims {} frames, but ends within frame {}: it is cut short; copy it again",
                self.count, self.given
            );
            return Err(Error::signal(&self.path, message));
        }
        self.given += 1;
        Ok(Some(frame))
    }
}

#[derive(Debug, PartialEq)]
struct Header {
    kind: String,
    is_fortran: bool,
    shape: Vec<usize>,
}

/// The magic, a version, the length of what follows, and a Python dictionary of three keys; `None` if it is not that.
fn header(reader: &mut impl Read) -> Option<Header> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).ok()?;
    // The length has two bytes in version 1, four in later ones.
    let mut len = [0; 4];
    let digits = if start[6] == 1 { 2 } else { 4 };
    reader.read_exact(&mut len[..digits]).ok()?;
    let len = u32::from_le_bytes(len) as usize;
    let mut bytes = vec![0; (len <= MAX_HEADER).then_some(len)?];
    reader.read_exact(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let after = |key: &str| {
        let (_, after) = text.split_once(key)?;
        Some(after.trim_start().strip_prefix(':')?.trim_start())
    };
    let kind = after("'descr'")?.strip_prefix('\'')?.split_once('\'')?.0;
    let shape = after("'shape'")?.strip_prefix('(')?.split_once(')')?.0;
    let sides = shape
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty());
    Some(Header {
        kind: kind.to_owned(),
        is_fortran: after("'fortran_order'")?.starts_with("True"),
        shape: sides.map(str::parse).collect::<Result<_, _>>().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_versions_are_read_and_others_are_not() {
        let text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 5, 3), }\n";
        let expected = Header {
            kind: "|u1".to_owned(),
            is_fortran: false,
            shape: vec![2, 3, 5, 3],
        };
        let len = text.len() as u8;
        let first = [b"\x93NUMPY\x01\x00".as_slice(), &[len, 0], text].concat();
        let second = [b"\x93NUMPY\x02\x00".as_slice(), &[len, 0, 0, 0], text].concat();
        for bytes in [&first, &second] {
            assert_eq!(header(&mut bytes.as_slice()).as_ref(), Some(&expected));
            for cut in [0, 7, 9, 30, bytes.len() - 1] {
                assert_eq!(header(&mut &bytes[..cut]), None);
            }
        }
        let scalar = first
            .iter()
            .map(|&b| if b == b'(' { b'[' } else { b })
            .collect::<Vec<u8>>();
        assert_eq!(header(&mut scalar.as_slice()), None);
    }
}
