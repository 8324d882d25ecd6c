//! Recordings in MATLAB files.

use std::path::Path;

use num_complex::Complex64;
use siren_core::{Error, Result};

use super::Recording;
use crate::Point;
use crate::mat::{MatMatrices, MatMatrix};

/// Reads a file with the variables of the authors' `fwi_cylinder_5.mat`.
pub(super) fn read(path: &Path) -> Result<Recording> {
    let file = MatMatrices::open(path)?;
    from_matrices(&file).map_err(|message| Error::signal(path, message))
}

/// Makes a recording of the matrices of a file. The error is a message.
fn from_matrices(file: &MatMatrices) -> Result<Recording, String> {
    let sources = positions(file.named("source")?)?;
    let receivers = positions(file.named("receivers")?)?;
    let data = file.named("rec_val")?;
    check_shape(data, receivers.len(), sources.len())?;
    let Some(imaginary) = &data.imaginary else {
        return Err(
            "`rec_val` is real, expected complex values: the field of e^{+iωt} at one frequency"
                .to_owned(),
        );
    };
    let mut values = Vec::with_capacity(data.real.len());
    for column in 0..data.columns {
        for row in 0..data.rows {
            let index = data.index(row, column);
            let value = Complex64::new(data.real[index], imaginary[index]);
            if !value.is_finite() {
                return Err(format!(
                    "`rec_val` is {value} at row {row} (receiver), column {column} (shot), counted from 0: expected finite values"
                ));
            }
            values.push(value);
        }
    }
    Recording::new(sources, receivers, values).map_err(|error| error.to_string())
}

/// Returns the points of a matrix of shape (points, 2).
fn positions(matrix: &MatMatrix) -> Result<Vec<Point>, String> {
    let (name, rows, columns) = (&matrix.name, matrix.rows, matrix.columns);
    if columns != 2 || rows == 0 {
        let hint = if rows == 2 { ": transpose it" } else { "" };
        return Err(format!(
            "`{name}` is {rows} x {columns}, expected one row of two coordinates (x, y) for each point{hint}"
        ));
    }
    if matrix.imaginary.is_some() {
        return Err(format!("`{name}` is complex, expected real coordinates"));
    }
    let point = |row| [0, 1].map(|axis| matrix.real[matrix.index(row, axis)]);
    let points: Vec<Point> = (0..rows).map(point).collect();
    match points.iter().position(|[x, y]| !(x + y).is_finite()) {
        Some(row) => Err(format!(
            "`{name}` is {:?} in row {row}, counted from 0: expected finite coordinates",
            points[row]
        )),
        None => Ok(points),
    }
}

/// Checks that the data have a row for each receiver and a column for each source.
fn check_shape(data: &MatMatrix, receivers: usize, sources: usize) -> Result<(), String> {
    if (data.rows, data.columns) == (receivers, sources) {
        return Ok(());
    }
    let remedy = if (data.rows, data.columns) == (sources, receivers) {
        "; transpose it with `rec_val.'` (without conjugation)".to_owned()
    } else if data.rows > receivers {
        let missing = data.rows - receivers;
        format!("; the positions of {missing} are missing in `receivers`")
    } else {
        String::new()
    };
    Err(format!(
        "`rec_val` is {} x {}, expected {receivers} x {sources}: a row for each receiver and a column for each source{remedy}",
        data.rows, data.columns
    ))
}
