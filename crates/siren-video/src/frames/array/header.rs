//! Parser of the header of a NumPy array file (`.npy`).
//!
//! The existing crates for this format depend on a parser of Python literals that compiles assembly with a C compiler, so that this module
//! has a parser of its own.

use std::io::Read;

/// Longest accepted header, in bytes.
const MAX_HEADER: usize = 1 << 16;

#[derive(Debug, PartialEq)]
pub(super) struct ArrayHeader {
    /// NumPy's name of the element type, such as `<f4`.
    pub(super) element_type: String,
    /// Whether the elements are in Fortran order: the first index varies fastest.
    pub(super) is_fortran: bool,
    pub(super) shape: Vec<usize>,
}

/// Reads the header: a magic number, a version, the length of the rest, and a Python dictionary of three keys. Returns `None` if it is
/// malformed.
pub(super) fn read_header(reader: &mut impl Read) -> Option<ArrayHeader> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).ok()?;
    // The length has two bytes in version 1 and four in later versions.
    let mut len = [0; 4];
    let len_bytes = if start[6] == 1 { 2 } else { 4 };
    reader.read_exact(&mut len[..len_bytes]).ok()?;
    let len = u32::from_le_bytes(len) as usize;
    let mut bytes = vec![0; (len <= MAX_HEADER).then_some(len)?];
    reader.read_exact(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let value_of = |key: &str| {
        let (_, rest) = text.split_once(key)?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    // A structured array has a list of fields in place of a name.
    let element_type = match value_of("'descr'")? {
        list if list.starts_with('[') => "structure",
        name => name.strip_prefix('\'')?.split_once('\'')?.0,
    };
    let shape = value_of("'shape'")?.strip_prefix('(')?.split_once(')')?.0;
    let sides = shape
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty());
    Some(ArrayHeader {
        element_type: element_type.to_owned(),
        is_fortran: value_of("'fortran_order'")?.starts_with("True"),
        shape: sides.map(str::parse).collect::<Result<_, _>>().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_versions_are_read_and_malformed_ones_are_not() {
        let text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 5, 3), }\n";
        let expected = ArrayHeader {
            element_type: "|u1".to_owned(),
            is_fortran: false,
            shape: vec![2, 3, 5, 3],
        };
        let len = text.len() as u8;
        let first = [b"\x93NUMPY\x01\x00".as_slice(), &[len, 0], text].concat();
        let second = [b"\x93NUMPY\x02\x00".as_slice(), &[len, 0, 0, 0], text].concat();
        for bytes in [&first, &second] {
            assert_eq!(read_header(&mut bytes.as_slice()).as_ref(), Some(&expected));
            for cut in [0, 7, 9, 30, bytes.len() - 1] {
                assert_eq!(read_header(&mut &bytes[..cut]), None);
            }
        }
        let without_parenthesis = first
            .iter()
            .map(|&b| if b == b'(' { b'[' } else { b })
            .collect::<Vec<u8>>();
        assert_eq!(read_header(&mut without_parenthesis.as_slice()), None);
    }
}
