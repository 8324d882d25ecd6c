//! Pictures: meshes and point clouds from two sides, and slices of scalar functions.

mod bar;
mod field;
mod light;
mod palette;
mod points;
mod shade;
mod slices;
#[cfg(test)]
mod tests;
mod view;
mod visible;

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, RgbImage};
use siren_core::file::write_atomically;
use siren_core::{Error, Result};

pub(crate) use self::field::FieldSlices;
pub(crate) use self::palette::ColorMap;
pub(crate) use self::points::cloud_views;
pub(crate) use self::shade::{Paint, painted_views, two_views};

/// Writes a picture as PNG, whole or not at all.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub(crate) fn save(picture: &RgbImage, path: &Path) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::io("write", path)(std::io::Error::other(error)))?;
    write_atomically(path, bytes.get_ref())
}

/// Red, green and blue.
type Color = [f32; 3];

/// Returns `from + weight (to − from)`.
fn mix(from: Color, to: Color, weight: f32) -> Color {
    std::array::from_fn(|k| from[k] + weight * (to[k] - from[k]))
}
