//! Headers and elements of NumPy array files (`.npy`).
//!
//! The existing crates for this format depend on a parser of Python literals that compiles assembly with a C compiler, so that this module
//! has a parser of its own. Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::{self, ErrorKind, Read, Write};

/// First bytes of every array file.
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest accepted header, in bytes.
const MAX_HEADER: usize = 1 << 16;

/// The elements start at a multiple of this number of bytes.
const ALIGNMENT: usize = 64;

/// The header of an array file: everything before the elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayHeader {
    /// NumPy's name of the element type, such as `<f4`; `structure` for an array of records. See [`ArrayElement::parse`].
    pub element_type: String,
    /// Whether the elements are in Fortran order: the first index varies fastest.
    pub is_fortran: bool,
    /// Length of each axis.
    pub shape: Vec<usize>,
}

impl ArrayHeader {
    /// Returns the header of an array in C order: the last index varies fastest.
    #[must_use]
    pub fn c_order(shape: &[usize], element: ArrayElement) -> Self {
        Self {
            element_type: element.name(),
            is_fortran: false,
            shape: shape.to_vec(),
        }
    }

    /// Reads the header: a magic number, a version, the length of the rest, and a Python dictionary of three keys. Returns `None` if it is
    /// malformed or cut short. The reader is then at the first element.
    pub fn read(reader: &mut impl Read) -> Option<Self> {
        let mut start = [0; 8];
        reader.read_exact(&mut start).ok()?;
        start.starts_with(MAGIC).then_some(())?;
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
        Some(Self {
            element_type: element_type.to_owned(),
            is_fortran: value_of("'fortran_order'")?.starts_with("True"),
            shape: sides.map(str::parse).collect::<Result<_, _>>().ok()?,
        })
    }

    /// Writes the header, of version 1.0. The elements follow it.
    ///
    /// # Errors
    /// The error of the writer, and [`ErrorKind::InvalidInput`] if the shape has too many axes for the format.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let sides: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let shape = match sides.as_slice() {
            [side] => format!("({side},)"),
            sides => format!("({})", sides.join(", ")),
        };
        let order = if self.is_fortran { "True" } else { "False" };
        let mut text = format!(
            "{{'descr': '{}', 'fortran_order': {order}, 'shape': {shape}, }}",
            self.element_type
        );
        // Magic number, version and length take ten bytes, the line break one.
        let len = (10 + text.len() + 1).next_multiple_of(ALIGNMENT) - 10;
        text.push_str(&" ".repeat(len - 1 - text.len()));
        text.push('\n');
        let too_long = |_| io::Error::new(ErrorKind::InvalidInput, "the array has too many axes");
        let len = u16::try_from(len).map_err(too_long)?;
        writer.write_all(MAGIC)?;
        writer.write_all(&[1, 0])?;
        writer.write_all(&len.to_le_bytes())?;
        writer.write_all(text.as_bytes())
    }
}

/// The type of an array's elements (NumPy's dtype), in either byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayElement {
    kind: ArrayElementKind,
    /// Bytes per element.
    width: usize,
    is_big_endian: bool,
}

/// What the bytes of an element encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayElementKind {
    /// One byte; every value except 0 is true.
    Bool,
    /// Unsigned integers of 1, 2, 4 or 8 bytes.
    Unsigned,
    /// Signed integers of 1, 2, 4 or 8 bytes.
    Signed,
    /// IEEE 754 numbers of 4 or 8 bytes.
    Float,
}

impl ArrayElement {
    /// `float32`, little endian.
    pub const FLOAT32: Self = Self {
        kind: ArrayElementKind::Float,
        width: 4,
        is_big_endian: false,
    };

    /// `float64`, little endian.
    pub const FLOAT64: Self = Self {
        kind: ArrayElementKind::Float,
        width: 8,
        is_big_endian: false,
    };

    /// Parses NumPy's name of a type, such as `<f4`. Returns `None` for every type that [`ArrayElementKind`] does not list.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (order, rest) = name.split_at_checked(1)?;
        let kind = match rest {
            "b1" => ArrayElementKind::Bool,
            "u1" | "u2" | "u4" | "u8" => ArrayElementKind::Unsigned,
            "i1" | "i2" | "i4" | "i8" => ArrayElementKind::Signed,
            "f4" | "f8" => ArrayElementKind::Float,
            _ => return None,
        };
        Some(Self {
            kind,
            width: rest[1..].parse().ok()?,
            is_big_endian: order == ">",
        })
    }

    /// Returns NumPy's name of the type, such as `<f4`.
    #[must_use]
    pub fn name(self) -> String {
        let order = match (self.width, self.is_big_endian) {
            (1, _) => '|',
            (_, true) => '>',
            (_, false) => '<',
        };
        let letter = match self.kind {
            ArrayElementKind::Bool => 'b',
            ArrayElementKind::Unsigned => 'u',
            ArrayElementKind::Signed => 'i',
            ArrayElementKind::Float => 'f',
        };
        format!("{order}{letter}{}", self.width)
    }

    /// Returns what the bytes encode.
    #[must_use]
    pub fn kind(self) -> ArrayElementKind {
        self.kind
    }

    /// Returns the number of bytes per element.
    #[must_use]
    pub fn width(self) -> usize {
        self.width
    }

    /// Decodes the value of an element from its stored bytes, [`width`](Self::width) of them. Bytes that are missing are 0. Integers of
    /// more than 53 bits are rounded.
    #[must_use]
    pub fn value(self, stored: &[u8]) -> f64 {
        // The element in little-endian order, zero-extended to eight bytes.
        let mut extended = [0; 8];
        let width = self.width.min(stored.len());
        extended[..width].copy_from_slice(&stored[..width]);
        if self.is_big_endian {
            extended[..width].reverse();
        }
        let bits = u64::from_le_bytes(extended);
        let unused = 64 - 8 * self.width as u32;
        match (self.kind, self.width) {
            (ArrayElementKind::Bool, _) => f64::from(u8::from(bits != 0)),
            (ArrayElementKind::Unsigned, _) => bits as f64,
            // The arithmetic shift extends the sign bit.
            (ArrayElementKind::Signed, _) => ((bits << unused) as i64 >> unused) as f64,
            (ArrayElementKind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (ArrayElementKind::Float, _) => f64::from_bits(bits),
        }
    }
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
            assert_eq!(
                ArrayHeader::read(&mut bytes.as_slice()).as_ref(),
                Some(&expected)
            );
            for cut in [0, 7, 9, 30, bytes.len() - 1] {
                assert_eq!(ArrayHeader::read(&mut &bytes[..cut]), None);
            }
        }
        for (from, to) in [(b'(', b'['), (b'N', b'n')] {
            let damaged: Vec<u8> = first
                .iter()
                .map(|&b| if b == from { to } else { b })
                .collect();
            assert_eq!(ArrayHeader::read(&mut damaged.as_slice()), None);
        }
    }

    #[test]
    fn a_written_header_is_the_one_of_numpy_and_is_read_back() {
        let mut bytes = Vec::new();
        let header = ArrayHeader::c_order(&[2, 3, 4], ArrayElement::FLOAT32);
        header.write(&mut bytes).unwrap();
        // `numpy.save` of `numpy.zeros((2, 3, 4), "<f4")`.
        let mut expected = b"\x93NUMPY\x01\x00v\x00".to_vec();
        expected.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4), }");
        expected.resize(127, b' ');
        expected.push(b'\n');
        assert_eq!(bytes, expected);
        for shape in [&[][..], &[7], &[usize::MAX, 1]] {
            let header = ArrayHeader::c_order(shape, ArrayElement::FLOAT64);
            let mut bytes = Vec::new();
            header.write(&mut bytes).unwrap();
            assert_eq!(bytes.len() % ALIGNMENT, 0);
            assert_eq!(ArrayHeader::read(&mut bytes.as_slice()), Some(header));
        }
        let endless = ArrayHeader::c_order(&vec![1; 40_000], ArrayElement::FLOAT64);
        assert!(endless.write(&mut Vec::new()).is_err());
    }

    #[test]
    fn values_of_all_types_and_byte_orders_are_read() {
        for (name, stored, value) in [
            ("|u1", vec![200], 200.0),
            ("|b1", vec![1], 1.0),
            ("|i1", vec![0xff], -1.0),
            ("<u2", vec![1, 2], 513.0),
            (">u2", vec![2, 1], 513.0),
            ("<i2", vec![0xfe, 0xff], -2.0),
            (">i4", vec![0xff, 0xff, 0xff, 0xfd], -3.0),
            ("<i8", 77_i64.to_le_bytes().to_vec(), 77.0),
            ("<f4", 0.25_f32.to_le_bytes().to_vec(), 0.25),
            (">f4", 0.25_f32.to_be_bytes().to_vec(), 0.25),
            ("<f8", 0.1_f64.to_le_bytes().to_vec(), 0.1),
            (">f8", 0.1_f64.to_be_bytes().to_vec(), 0.1),
        ] {
            let element = ArrayElement::parse(name).unwrap();
            assert_eq!(element.width(), stored.len());
            assert_eq!(element.name(), name);
            assert!((element.value(&stored) - value).abs() < 1e-12, "{name}");
        }
        for name in ["<f2", "<c8", "<U4", "|O", "structure", "", "|V2", "é"] {
            assert_eq!(ArrayElement::parse(name), None, "{name}");
        }
    }
}
