//! The header of a NumPy array.
//!
//! It is read here: the crates that read it build a parser of Python's literals, and with it a C compiler's assembly.

use std::io::Read;

/// Longest header that is believed, in bytes.
const MAX_HEADER: usize = 1 << 16;

#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// NumPy's name for the type of its elements, such as `<f4`.
    pub(super) kind: String,
    /// Whether the first index runs fastest.
    pub(super) is_fortran: bool,
    pub(super) shape: Vec<usize>,
}

/// The magic, a version, the length of what follows, and a Python dictionary of three keys; `None` if it is not that.
pub(super) fn header(reader: &mut impl Read) -> Option<Header> {
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
    // A list names the fields of a structure.
    let kind = match after("'descr'")? {
        list if list.starts_with('[') => "structure",
        name => name.strip_prefix('\'')?.split_once('\'')?.0,
    };
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
