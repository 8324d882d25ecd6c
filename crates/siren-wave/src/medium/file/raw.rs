//! Models in raw files: little-endian float32 without a header.

use std::path::Path;

use siren_core::{Error, Result};

use super::{Model, sample_count};
use crate::medium::samples::SampleShape;

/// Shapes that a message lists.
const LISTED_SHAPES: usize = 5;

/// Reads a file of `rows` × `columns` elements, row by row.
pub(super) fn read(path: &Path, [rows, columns]: [usize; 2]) -> Result<Model> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    parse(&bytes, rows, columns).map_err(|message| Error::signal(path, message))
}

/// Parses the bytes of a file. The error is a message.
fn parse(bytes: &[u8], rows: usize, columns: usize) -> Result<Model, String> {
    let expected = 4 * sample_count(rows, columns)?;
    if bytes.len() != expected {
        return Err(size_message(bytes.len(), rows, columns));
    }
    // Chunks of four bytes convert.
    let (elements, _) = bytes.as_chunks::<4>();
    let values = elements.iter().map(|&element| f32::from_le_bytes(element));
    Ok(Model {
        shape: SampleShape { rows, columns },
        values: values.map(f64::from).collect(),
    })
}

/// Returns what is wrong with a size, and what to do.
fn size_message(bytes: usize, rows: usize, columns: usize) -> String {
    let expected = 4 * rows * columns;
    let remedy = if bytes == 2 * expected {
        "it seems to hold float64: convert it to float32 or to .npy".to_owned()
    } else if !bytes.is_multiple_of(4) {
        "its size is no multiple of 4, so that it does not hold float32 alone: remove the header, or convert it to .npy".to_owned()
    } else {
        let count = bytes / 4;
        match fitting_shapes(count).join(", ") {
            shapes if shapes.is_empty() => {
                format!("no shape of ten or more rows and columns fits {count} values")
            }
            shapes => format!("{count} values fit the shapes {shapes}"),
        }
    };
    format!(
        "has {bytes} bytes, expected {expected}, {rows} x {columns} float32 of `shape`; {remedy}"
    )
}

/// Returns the shapes of that many samples, nearest to a square first, of at least ten rows and columns.
fn fitting_shapes(count: usize) -> Vec<String> {
    let root = count.isqrt();
    let sides = (10..=root).rev().filter(|&side| count.is_multiple_of(side));
    let shapes = sides.take(LISTED_SHAPES).map(|side| (side, count / side));
    shapes
        .flat_map(|(short, long)| {
            let mut both = vec![format!("[{short}, {long}]")];
            if short != long {
                both.push(format!("[{long}, {short}]"));
            }
            both
        })
        .take(2 * LISTED_SHAPES)
        .collect()
}
