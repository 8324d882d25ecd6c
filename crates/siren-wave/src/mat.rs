//! Arrays of MATLAB files (`.mat`), format 5: what `save` writes without `-v7.3`, and `scipy.io.savemat`.

use std::io::Read;
use std::path::Path;

use libflate::zlib::Decoder;
use matfile::{MatFile, NumericData};
use siren_core::{Error, Result};

/// Length of the header, in bytes. It ends with the version and the byte order.
const HEADER: usize = 128;
/// Type of an element that holds an array.
const MATRIX: u32 = 14;
/// Type of an element that holds a compressed element.
const COMPRESSED: u32 = 15;
/// Longest element after decompression, in bytes.
const MAX_ELEMENT: u64 = 1 << 30;
/// First bytes of an HDF5 file.
const HDF5: &[u8] = b"\x89HDF";

/// A real or complex matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MatMatrix {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Real parts, in the order of the file: the row varies fastest.
    pub(crate) real: Vec<f64>,
    /// Imaginary parts; `None` for a real matrix.
    pub(crate) imaginary: Option<Vec<f64>>,
}

impl MatMatrix {
    /// Returns the index of an element in [`real`](Self::real).
    pub(crate) fn index(&self, row: usize, column: usize) -> usize {
        column * self.rows + row
    }

    /// Returns the name and the shape, for messages.
    fn described(&self) -> String {
        format!("`{}` ({} x {})", self.name, self.rows, self.columns)
    }
}

/// The matrices of a file.
#[derive(Clone, Debug)]
pub(crate) struct MatMatrices {
    pub(crate) matrices: Vec<MatMatrix>,
    /// Number of variables that are no numeric matrices, or are stored in a way that is not read.
    others: usize,
}

impl MatMatrices {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Signal`] if the file is of another format, or damaged.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::parse(&bytes).map_err(|message| Error::signal(path, message))
    }

    /// Parses the bytes of a file. The error is a message.
    ///
    /// Each element is parsed by itself, because `matfile` gives up the whole file at the first variable it does not read, and does not report
    /// a file that is cut short.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let header = check_header(bytes)?;
        let is_little_endian = header.ends_with(b"IM");
        let mut file = Self {
            matrices: Vec::new(),
            others: 0,
        };
        let mut rest = &bytes[HEADER..];
        while !rest.is_empty() {
            let (kind, size) = tag(rest, is_little_endian).ok_or(CUT_SHORT)?;
            // Arrays are padded to eight bytes, compressed elements are not.
            let padded = match kind {
                COMPRESSED => size,
                _ => size.next_multiple_of(8),
            };
            let element = rest.get(..8 + size).ok_or(CUT_SHORT)?;
            let parsed = match kind {
                MATRIX => parse_element(header, element),
                COMPRESSED => parse_element(header, &decompressed(&element[8..])?),
                _ => None,
            };
            match parsed {
                Some(matrix) => file.matrices.push(matrix),
                None => file.others += 1,
            }
            rest = rest.get(8 + padded..).unwrap_or_default();
        }
        Ok(file)
    }

    /// Returns the matrix of a name. The error is a message.
    pub(crate) fn named(&self, name: &str) -> Result<&MatMatrix, String> {
        let found = self.matrices.iter().find(|matrix| matrix.name == name);
        found.ok_or_else(|| {
            format!(
                "holds no numeric matrix named `{name}`: found {}",
                self.described()
            )
        })
    }

    /// Returns the number of variables that are no numeric matrices, or are stored in a way that is not read.
    pub(crate) fn others(&self) -> usize {
        self.others
    }

    /// Returns names and shapes, for messages.
    pub(crate) fn described(&self) -> String {
        let mut found: Vec<String> = self.matrices.iter().map(MatMatrix::described).collect();
        if self.others > 0 {
            found.push(format!(
                "{} of another kind (text, cells, structures, more than two axes, int32: convert those with `double(…)`)",
                self.others
            ));
        }
        if found.is_empty() {
            return "none".to_owned();
        }
        found.join(", ")
    }
}

const CUT_SHORT: &str = "the MATLAB file is damaged or cut short: copy it again";

/// Returns the header of a file of format 5. The error is a message.
fn check_header(bytes: &[u8]) -> Result<&[u8], String> {
    let resave = "save it in MATLAB with `save(path, '-v7')`, or in Python with `scipy.io.savemat`";
    let header = bytes.get(..HEADER);
    if bytes.starts_with(HDF5) || bytes.starts_with(b"MATLAB 7.3") {
        return Err(format!(
            "is a MATLAB file of version 7.3 (HDF5), expected format 5: {resave}"
        ));
    }
    match header {
        Some(header) if header.ends_with(b"\x00\x01IM") || header.ends_with(b"\x01\x00MI") => {
            Ok(header)
        }
        _ => Err(format!("is no MATLAB file of format 5: {resave}")),
    }
}

/// Returns the four bytes at an offset as a number.
fn word(bytes: &[u8], offset: usize, is_little_endian: bool) -> Option<u32> {
    let bytes: [u8; 4] = bytes.get(offset..offset + 4)?.try_into().ok()?;
    Some(if is_little_endian {
        u32::from_le_bytes(bytes)
    } else {
        u32::from_be_bytes(bytes)
    })
}

/// Returns the type and the size in bytes of the first element.
fn tag(rest: &[u8], is_little_endian: bool) -> Option<(u32, usize)> {
    let word = |offset| word(rest, offset, is_little_endian);
    Some((word(0)?, word(4)? as usize))
}

/// Checks what `matfile` multiplies and rounds up without a check: the sizes of the subelements of a matrix, which must lie within it, and its axes, whose product must have at most 31 bits.
fn check_sizes(matrix: &[u8], is_little_endian: bool) -> Option<()> {
    let word = |bytes, offset| word(bytes, offset, is_little_endian);
    let mut rest = matrix.get(8..)?;
    let mut subelements = Vec::new();
    while !rest.is_empty() {
        let (start, size, end) = match word(rest, 0)? {
            // Short: type and size share one word.
            packed if packed >> 16 != 0 => (4, packed as usize >> 16, 8),
            _ => {
                let size = word(rest, 4)? as usize;
                (8, size, 8 + size.next_multiple_of(8))
            }
        };
        subelements.push(rest.get(start..start + size)?);
        rest = rest.get(end..).unwrap_or_default();
    }
    let axes = subelements.get(1)?;
    let mut axes = (0..axes.len() / 4).map(|axis| word(axes, 4 * axis));
    axes.try_fold(1_i32, |product, axis| {
        product.checked_mul(axis?.cast_signed())
    })
    .map(drop)
}

/// Decompresses an element, up to [`MAX_ELEMENT`]: a small file may hold a huge one. The error is a message.
fn decompressed(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut element = Vec::new();
    let decoder = Decoder::new(bytes).map_err(|_| CUT_SHORT)?;
    let mut limited = decoder.take(MAX_ELEMENT + 1);
    limited.read_to_end(&mut element).map_err(|_| CUT_SHORT)?;
    if element.len() as u64 > MAX_ELEMENT {
        return Err(format!(
            "holds a compressed variable of more than {} MiB: save the model alone, or as .npy",
            MAX_ELEMENT >> 20
        ));
    }
    Ok(element)
}

/// Parses one element as a file of its own; `None` if it is no numeric matrix that is read.
fn parse_element(header: &[u8], element: &[u8]) -> Option<MatMatrix> {
    check_sizes(element, header.ends_with(b"IM"))?;
    let parsed = MatFile::parse([header, element].concat().as_slice()).ok()?;
    let array = parsed.arrays().first()?.clone();
    let &[rows, columns] = array.size().as_slice() else {
        return None;
    };
    let (real, imaginary) = parts(array.data());
    (rows.checked_mul(columns) == Some(real.len())).then(|| MatMatrix {
        name: array.name().to_owned(),
        rows,
        columns,
        real,
        imaginary,
    })
}

/// Returns real and imaginary parts. Integers of more than 53 bits are rounded.
fn parts(data: &NumericData) -> (Vec<f64>, Option<Vec<f64>>) {
    macro_rules! convert {
        ($real:expr, $imag:expr, $convert:expr) => {{
            let convert = |values: &Vec<_>| values.iter().map($convert).collect();
            (convert($real), $imag.as_ref().map(convert))
        }};
    }
    match data {
        NumericData::Int8 { real, imag } => convert!(real, imag, |&v: &i8| f64::from(v)),
        NumericData::UInt8 { real, imag } => convert!(real, imag, |&v: &u8| f64::from(v)),
        NumericData::Int16 { real, imag } => convert!(real, imag, |&v: &i16| f64::from(v)),
        NumericData::UInt16 { real, imag } => convert!(real, imag, |&v: &u16| f64::from(v)),
        NumericData::Int32 { real, imag } => convert!(real, imag, |&v: &i32| f64::from(v)),
        NumericData::UInt32 { real, imag } => convert!(real, imag, |&v: &u32| f64::from(v)),
        NumericData::Int64 { real, imag } => convert!(real, imag, |&v: &i64| v as f64),
        NumericData::UInt64 { real, imag } => convert!(real, imag, |&v: &u64| v as f64),
        NumericData::Single { real, imag } => convert!(real, imag, |&v: &f32| f64::from(v)),
        NumericData::Double { real, imag } => (real.clone(), imag.clone()),
    }
}

/// A writer of MATLAB files, for tests.
#[cfg(test)]
pub(crate) mod write {
    /// Returns the header of a little-endian file.
    pub(crate) fn header() -> Vec<u8> {
        let mut bytes = vec![b' '; 124];
        bytes[..10].copy_from_slice(b"MATLAB 5.0");
        bytes.extend(b"\x00\x01IM");
        bytes
    }

    /// Returns the element of a matrix of doubles in the order of the file; `imaginary` may be empty.
    pub(crate) fn matrix(name: &str, shape: [i32; 2], real: &[f64], imaginary: &[f64]) -> Vec<u8> {
        let complex = if imaginary.is_empty() { 0 } else { 0x0800 };
        let mut body = subelement(6, &[6_u32 | complex, 0].map(u32::to_le_bytes).concat());
        body.extend(subelement(5, &shape.map(i32::to_le_bytes).concat()));
        body.extend(subelement(1, name.as_bytes()));
        for part in [real, imaginary]
            .into_iter()
            .filter(|part| !part.is_empty())
        {
            let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
            body.extend(subelement(9, &bytes));
        }
        subelement(super::MATRIX, &body)
    }

    pub(crate) fn subelement(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = [kind, body.len() as u32].map(u32::to_le_bytes).concat();
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// Returns an element compressed by zlib, in one stored block.
    pub(crate) fn compressed(element: &[u8]) -> Vec<u8> {
        let len = element.len() as u16;
        let mut body = vec![0x78, 0x01, 1];
        body.extend([len.to_le_bytes(), (!len).to_le_bytes()].concat());
        body.extend(element);
        let (mut low, mut high) = (1_u32, 0_u32);
        for &byte in element {
            low = (low + u32::from(byte)) % 65521;
            high = (high + low) % 65521;
        }
        body.extend((high << 16 | low).to_be_bytes());
        let mut bytes = [super::COMPRESSED, body.len() as u32]
            .map(u32::to_le_bytes)
            .concat();
        bytes.extend(body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::write::{compressed, header, matrix, subelement};
    use super::*;

    fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        [header(), elements.concat()].concat()
    }

    fn sample() -> Vec<u8> {
        let real = matrix("a", [2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[]);
        let complex = matrix("value", [1, 2], &[1.0, 2.0], &[-1.0, -2.0]);
        file(&[compressed(&real), complex])
    }

    #[test]
    fn real_complex_and_compressed_matrices_are_read() {
        let file = MatMatrices::parse(&sample()).unwrap();
        let a = file.named("a").unwrap();
        assert_eq!((a.rows, a.columns, a.imaginary.clone()), (2, 3, None));
        assert!((a.real[a.index(1, 2)] - 6.0).abs() < 1e-15);
        let value = file.named("value").unwrap();
        assert_eq!(value.imaginary, Some(vec![-1.0, -2.0]));
        let message = file.named("b").unwrap_err();
        assert!(
            message.contains("`b`: found `a` (2 x 3), `value` (1 x 2)"),
            "{message}"
        );
    }

    #[test]
    fn a_variable_that_is_not_read_does_not_hide_the_others() {
        // A function handle, of class 16.
        let handle = subelement(
            MATRIX,
            &subelement(6, &[16_u32, 0].map(u32::to_le_bytes).concat()),
        );
        let overflow = matrix("big", [65536, 65536], &[], &[]);
        let bytes = file(&[handle, overflow, matrix("m", [1, 1], &[2.0], &[])]);
        let file = MatMatrices::parse(&bytes).unwrap();
        assert_eq!(file.named("m").unwrap().real, [2.0]);
        assert_eq!(file.others(), 2);
    }

    #[test]
    fn other_formats_and_files_cut_short_are_refused_with_what_to_do() {
        for (bytes, expected) in [
            (b"MATLAB 7.3 MAT-file".to_vec(), "-v7'"),
            (b"\x89HDF\r\n\x1a\n".to_vec(), "HDF5"),
            (b"x,y\n".to_vec(), "no MATLAB file of format 5"),
            (sample()[..300].to_vec(), "cut short"),
        ] {
            let message = MatMatrices::parse(&bytes).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn damaged_bytes_cause_no_panic() {
        let bytes = sample();
        for index in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[index] = value;
                if let Ok(file) = MatMatrices::parse(&damaged) {
                    for matrix in &file.matrices {
                        assert_eq!(matrix.real.len(), matrix.rows * matrix.columns);
                    }
                }
            }
        }
    }
}
