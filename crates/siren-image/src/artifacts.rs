//! What a finished run shows: the target, the fit, its derivatives, the error, and what was observed.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_picture::draw::{render, value_picture};
use siren_picture::{Picture, Quantity};

use crate::Image;

pub(crate) fn write(image: &Image, field: &Siren, folder: &Path) -> Result<()> {
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
    let fitted = value_picture(field, &canvas)?;
    fitted
        .error_x10(truth)
        .save(folder.join("error_x10.png"))?;
    if let Some(observed) = &image.observed {
        masked(truth, observed).save(folder.join("observed.png"))?;
    }
    Ok(())
}

/// The picture where it is observed, black elsewhere.
fn masked(truth: &Picture, observed: &[bool]) -> Picture {
    let pixels = truth.values.chunks_exact(truth.channels).zip(observed);
    let shown =
        pixels.flat_map(|(pixel, &on)| pixel.iter().map(move |&v| if on { v } else { 0.0 }));
    Picture {
        values: shown.collect(),
        ..truth.clone()
    }
}
