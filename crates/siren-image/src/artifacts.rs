//! Pictures in the folder of a finished run: the target, the fitted value and derivatives, the error, and the observed pixels.
//!
//! All are written in bands of rows, so that they need little memory.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_picture::draw::{self, render};
use siren_picture::{Picture, PngRows, Quantity};
use siren_run::Exhibit;

use crate::Image;

/// Writes the pictures of a fitted field into a folder, and returns how a page shows them.
///
/// # Errors
/// [`Error::Io`](siren_core::Error::Io) if a file cannot be written.
pub(crate) fn write(image: &Image, field: &Siren, folder: &Path) -> Result<Vec<Exhibit>> {
    let canvas = image.canvas();
    image.picture.save(folder.join("target.png"))?;
    write_value_and_error(image, field, folder)?;
    for (quantity, name) in [
        (Quantity::Gradient, "gradient.png"),
        (Quantity::Laplacian, "laplacian.png"),
    ] {
        render(field, &canvas, quantity, &folder.join(name))?;
    }
    let mut exhibits = vec![
        Exhibit::comparison("Picture", "target.png", "value.png"),
        Exhibit::picture("Error", "error_x10.png")
            .captioned("Ten times the absolute difference of fit and target."),
        Exhibit::picture("Gradient", "gradient.png")
            .captioned("Gradient of the fit. The hue is the direction, the brightness the length."),
        Exhibit::picture("Laplacian", "laplacian.png")
            .captioned("Laplacian of the fit. Blue is negative, red is positive."),
    ];
    if let Some(observed) = &image.observed {
        write_observed(&image.picture, observed, &folder.join("observed.png"))?;
        exhibits.push(
            Exhibit::picture("Observed pixels", "observed.png")
                .captioned("The pixels that were fitted; the others are black."),
        );
    }
    Ok(exhibits)
}

/// Writes the picture with the pixels that are not observed in black.
fn write_observed(truth: &Picture, observed: &[bool], path: &Path) -> Result<()> {
    let mut rows = PngRows::create(path, truth.height, truth.width, truth.channels)?;
    let mut first = 0;
    truth.for_each_band(|band| {
        let shown = (first..).zip(band).map(|(at, &value): (usize, _)| {
            let is_shown = observed[at / truth.channels];
            if is_shown { value } else { 0.0 }
        });
        rows.push_rows(&shown.collect::<Vec<f32>>())?;
        first += band.len();
        Ok(())
    })?;
    rows.finish()
}

/// Writes the field at the pixels, and ten times its absolute difference to the picture, clamped to 1. The field is computed once for both.
fn write_value_and_error(image: &Image, field: &Siren, folder: &Path) -> Result<()> {
    let truth = &*image.picture;
    let create = |name| {
        let path = folder.join(name);
        PngRows::create(&path, truth.height, truth.width, truth.channels)
    };
    let (mut values, mut errors) = (create("value.png")?, create("error_x10.png")?);
    let mut first = 0;
    draw::render_bands(field, &image.canvas(), Quantity::Value, |fitted| {
        let expected = truth.values.read(first..first + fitted.len())?;
        first += fitted.len();
        let pairs = fitted.iter().zip(expected.iter());
        let error = pairs.map(|(a, b)| (10.0 * (a - b).abs()).min(1.0));
        errors.push_rows(&error.collect::<Vec<f32>>())?;
        values.push_rows(fitted)
    })?;
    values.finish()?;
    errors.finish()
}
