//! Models in MATLAB files (`.mat`).

use std::path::Path;

use siren_core::{Error, Result};

use super::{Model, by_rows, sample_count};
use crate::mat::{MatMatrices, MatMatrix};
use crate::medium::samples::SampleShape;

/// Reads the variable of a name, or the only matrix with more than one row and column, if all variables of the file can be read.
pub(super) fn read(path: &Path, variable: Option<&str>) -> Result<Model> {
    let file = MatMatrices::open(path)?;
    model(&file, variable).map_err(|message| Error::signal(path, message))
}

fn model(file: &MatMatrices, variable: Option<&str>) -> Result<Model, String> {
    let matrix = match variable {
        Some(name) => file.named(name)?,
        None => only(file)?,
    };
    if matrix.imaginary.is_some() {
        return Err(format!(
            "`{}` is complex, expected real values",
            matrix.name
        ));
    }
    let shape = SampleShape {
        rows: matrix.rows,
        columns: matrix.columns,
    };
    sample_count(shape.rows, shape.columns)
        .map_err(|message| format!("`{}` {message}", matrix.name))?;
    Ok(Model {
        shape,
        values: by_rows(shape, &matrix.real),
    })
}

/// Returns the only matrix that may be a model.
fn only(file: &MatMatrices) -> Result<&MatMatrix, String> {
    let is_candidate = |matrix: &&MatMatrix| matrix.rows > 1 && matrix.columns > 1;
    let mut candidates = file.matrices.iter().filter(is_candidate);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) if file.others() == 0 => Ok(only),
        // The model may be a variable that cannot be read.
        (Some(_), None) => Err(format!(
            "holds one matrix, and variables that are not read: {}: set `variable` to the name of the model",
            file.described()
        )),
        (None, _) => Err(format!(
            "holds no numeric matrix with several rows and columns: found {}",
            file.described()
        )),
        (Some(_), Some(_)) => Err(format!(
            "holds several matrices, {}: set `variable` to the name of the model",
            file.described()
        )),
    }
}
