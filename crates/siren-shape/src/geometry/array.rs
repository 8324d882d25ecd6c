//! Points in NumPy arrays (`.npy`).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use siren_core::file::{ArrayElement, ArrayElementKind, ArrayHeader};
use siren_core::{Error, Result};

use super::PointCloud;
use super::collect::{FileNormals, Normals, PointCollector};

/// Rows that are read at once.
const ROWS_PER_CHUNK: usize = 1 << 14;

/// Where the elements of an array of shape `(rows, columns)` are.
struct PointLayout {
    /// Offset of the first element, in bytes.
    start: u64,
    rows: usize,
    columns: usize,
    is_fortran: bool,
    element: ArrayElement,
}

/// Reads an array of shape `(n, 3)`: positions, or `(n, 6)`: positions and normals. Elements are integers or floats of 32 or 64 bits, in
/// either byte order; the array is in C or in Fortran order.
///
/// # Errors
/// [`Error::Signal`] with the row that cannot be used; [`Error::Io`].
pub(super) fn read_points(
    path: &Path,
    file_normals: FileNormals,
    notes: &mut Vec<String>,
) -> Result<PointCloud> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut reader = BufReader::new(file);
    let header = ArrayHeader::read(&mut reader);
    let start = reader.stream_position().map_err(Error::io("read", path))?;
    let mut file = reader.into_inner();
    let layout = layout(header, start).map_err(|message| Error::signal(path, message))?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    check_size(&layout, size).map_err(|message| Error::signal(path, message))?;
    let normals = Normals::of_columns(layout.columns);
    let normals = normals.map_err(|message| Error::signal(path, message))?;
    let mut collector = PointCollector::new(normals.unless_ignored(file_normals));
    for first in (0..layout.rows).step_by(ROWS_PER_CHUNK) {
        let count = ROWS_PER_CHUNK.min(layout.rows - first);
        let rows = read_rows(&mut file, &layout, first, count).map_err(Error::io("read", path))?;
        for ([x, y, z, nx, ny, nz], row) in rows.into_iter().zip(first..) {
            let pushed = collector.push([x, y, z], [nx, ny, nz]);
            pushed.map_err(|message| {
                Error::signal(path, format!("row {row} (counted from 0): {message}"))
            })?;
        }
    }
    collector.finish(path, notes)
}

/// Returns the layout of an array of points. The error is a message.
fn layout(header: Option<ArrayHeader>, start: u64) -> Result<PointLayout, String> {
    let header = header
        .ok_or("the header of the NumPy array is damaged or cut short; copy the file again")?;
    let element = ArrayElement::parse(&header.element_type)
        .filter(|element| element.kind() != ArrayElementKind::Bool);
    let Some(element) = element else {
        return Err(format!(
            "is an array of the type {}, expected integers, float32 or float64: convert it with `numpy.save(path, \
             points.astype(numpy.float64))`",
            header.element_type
        ));
    };
    match header.shape[..] {
        [rows, columns @ (3 | 6)] => Ok(PointLayout {
            start,
            rows,
            columns,
            is_fortran: header.is_fortran,
            element,
        }),
        [3 | 6, _] => Err(format!(
            "has the shape {:?}, expected (n, 3) or (n, 6): transpose it with `numpy.save(path, points.T)`",
            header.shape
        )),
        _ => Err(format!(
            "has the shape {:?}, expected (n, 3): positions, or (n, 6): positions and normals",
            header.shape
        )),
    }
}

/// Checks that a file of `size` bytes holds the array and nothing else. The error is a message.
fn check_size(layout: &PointLayout, size: u64) -> Result<(), String> {
    let row = (layout.columns * layout.element.width()) as u64;
    let expected = (layout.rows as u64)
        .checked_mul(row)
        .and_then(|bytes| bytes.checked_add(layout.start));
    if expected == Some(size) {
        return Ok(());
    }
    Err(format!(
        "claims {} rows of {row} bytes in its header, but holds {} bytes after it: is the file cut short? Copy it again",
        layout.rows,
        size.saturating_sub(layout.start)
    ))
}

/// Reads `count` rows from row `first` on. Columns that the array lacks are 0.
fn read_rows(
    file: &mut File,
    layout: &PointLayout,
    first: usize,
    count: usize,
) -> std::io::Result<Vec<[f64; 6]>> {
    let (columns, width) = (layout.columns, layout.element.width());
    let mut rows = vec![[0.0; 6]; count];
    // Runs of consecutive elements: all rows at once, or one column after the other.
    let (runs, columns_per_run) = if layout.is_fortran {
        (columns, 1)
    } else {
        (1, columns)
    };
    let mut bytes = vec![0; count * columns_per_run * width];
    for run in 0..runs {
        let element = run * layout.rows + first * columns_per_run;
        file.seek(SeekFrom::Start(layout.start + (element * width) as u64))?;
        file.read_exact(&mut bytes)?;
        for (row, stored) in rows
            .iter_mut()
            .zip(bytes.chunks_exact(columns_per_run * width))
        {
            for (value, stored) in row[run..].iter_mut().zip(stored.chunks_exact(width)) {
                *value = layout.element.value(stored);
            }
        }
    }
    Ok(rows)
}
