//! Models in pictures.

use std::path::Path;

use siren_core::Result;
use siren_picture::{ColorMode, Picture};

use super::Model;
use crate::medium::samples::SampleShape;

/// Reads a picture: black becomes `range[0]`, white `range[1]`, gray values between them linearly. Colors count by their luma.
pub(super) fn read(path: &Path, range: [f64; 2], notes: &mut Vec<String>) -> Result<Model> {
    let picture = Picture::open_first(path, ColorMode::Gray, notes)?;
    let [black, white] = range;
    let value = |gray: f32| black + f64::from(gray) * (white - black);
    Ok(Model {
        shape: SampleShape {
            rows: picture.height,
            columns: picture.width,
        },
        values: picture.values.iter().map(value).collect(),
    })
}
