//! Models in NumPy arrays (`.npy`).

use std::path::Path;

use siren_core::file::{ArrayElement, ArrayElementKind, ArrayHeader};
use siren_core::{Error, Result};

use super::{Model, by_rows, sample_count};
use crate::medium::samples::SampleShape;

/// Reads an array of two axes, of integers or floats in either byte order and either order of its axes.
pub(super) fn read(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    parse(&bytes).map_err(|message| Error::signal(path, message))
}

/// Parses the bytes of a file. The error is a message.
fn parse(bytes: &[u8]) -> Result<Model, String> {
    let mut rest = bytes;
    let header = ArrayHeader::read(&mut rest)
        .ok_or("the header of the NumPy array is damaged or cut short: copy the file again")?;
    let element = ArrayElement::parse(&header.element_type)
        .filter(|element| element.kind() != ArrayElementKind::Bool);
    let Some(element) = element else {
        return Err(format!(
            "is an array of the type {}, expected integers, float32 or float64: convert it with `numpy.save(path, \
             model.astype(numpy.float64))`",
            header.element_type
        ));
    };
    let &[rows, columns] = header.shape.as_slice() else {
        return Err(format!(
            "has the shape {:?}, expected two axes (rows, columns): save one slice, such as `model[0]`, or `model.squeeze()`",
            header.shape
        ));
    };
    let count = sample_count(rows, columns)?;
    let (found, expected) = (rest.len(), count * element.width());
    if found != expected {
        return Err(format!(
            "has {found} bytes of elements, expected {expected} for the shape {:?}: the file is damaged or cut short; copy it again",
            header.shape
        ));
    }
    let values: Vec<f64> = rest
        .chunks_exact(element.width())
        .map(|stored| element.value(stored))
        .collect();
    let shape = SampleShape { rows, columns };
    Ok(Model {
        shape,
        values: if header.is_fortran {
            by_rows(shape, &values)
        } else {
            values
        },
    })
}
