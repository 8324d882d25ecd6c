//! Pictures in the folder of a finished run: the target, the fitted value and derivatives, the error, and the observed pixels.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_picture::draw::{self, render};
use siren_picture::picture::to_byte;
use siren_picture::{Picture, Quantity, Values};
use siren_run::Exhibit;

use crate::Image;

/// Writes the pictures of a fitted field into a folder, and returns how a page shows them.
///
/// # Errors
/// [`Error::Io`](siren_core::Error::Io) if a file cannot be written.
pub(crate) fn write(image: &Image, field: &Siren, folder: &Path) -> Result<Vec<Exhibit>> {
    let truth = &image.picture;
    let canvas = image.canvas();
    truth.save(folder.join("target.png"))?;
    for (quantity, name) in [
        (Quantity::Value, "value.png"),
        (Quantity::Gradient, "gradient.png"),
        (Quantity::Laplacian, "laplacian.png"),
    ] {
        render(field, &canvas, quantity, &folder.join(name))?;
    }
    error_x10(image, field)?.save(folder.join("error_x10.png"))?;
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
        masked(truth, observed).save(folder.join("observed.png"))?;
        exhibits.push(
            Exhibit::picture("Observed pixels", "observed.png")
                .captioned("The pixels that were fitted; the others are black."),
        );
    }
    Ok(exhibits)
}

/// Returns the picture with the pixels that are not observed in black.
fn masked(truth: &Picture, observed: &[bool]) -> Picture {
    let values = truth.values.iter().enumerate().map(|(at, value)| {
        let is_shown = observed[at / truth.channels];
        to_byte(if is_shown { value } else { 0.0 })
    });
    Picture {
        values: Values::Bytes(values.collect()),
        ..*truth
    }
}

/// Returns ten times the absolute difference of fit and target, clamped to 1 and rounded to 8 bits, as it is saved.
fn error_x10(image: &Image, field: &Siren) -> Result<Picture> {
    let truth = &*image.picture;
    let mut bytes = Vec::with_capacity(truth.values.len());
    draw::render_bands(field, &image.canvas(), Quantity::Value, |fitted| {
        let expected = truth.values.part(bytes.len()..bytes.len() + fitted.len());
        let pairs = fitted.iter().zip(expected.iter());
        bytes.extend(pairs.map(|(a, b)| to_byte((10.0 * (a - b).abs()).min(1.0))));
        Ok(())
    })?;
    Ok(Picture {
        values: Values::Bytes(bytes),
        ..*truth
    })
}
