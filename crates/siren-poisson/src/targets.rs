//! Derivatives of pictures as targets: computation, units, and blending of two pictures.

use siren_core::signal::Grid;
use siren_core::{Error, Result};
use siren_picture::Picture;
use siren_picture::stencil::PixelShape;

use crate::config::{BlendConfig, PoissonSignalConfig, Scaling, Stencil};
use crate::solver::Targets;

/// Factors of the authors for the gradient and for the Laplacian per pixel. They multiply Sobel differences, which are 8 times the gradient, by 10,
/// and the Laplacian by 10,000.
pub(crate) const AUTHORS: [f64; 2] = [80.0, 1e4];

/// Returns the shape of the pixels of a picture.
pub(crate) fn pixels(picture: &Picture) -> PixelShape {
    PixelShape {
        height: picture.height,
        width: picture.width,
        channels: picture.channels,
    }
}

/// Returns the values of a picture mapped to [−1, 1], row-major `(height, width, channels)`.
pub(crate) fn values(picture: &Picture) -> Vec<f64> {
    let values = picture.values.iter();
    values.map(|&y| 2.0 * f64::from(y) - 1.0).collect()
}

/// Computes the derivatives of a picture, with values mapped to [−1, 1], in the units of the stencil.
pub(crate) fn derivatives(picture: &Picture, stencil: Stencil) -> Targets {
    let shape = pixels(picture);
    let values = values(picture);
    Targets {
        stencil,
        first: [0, 1].map(|axis| stencil.first(shape, &values, axis)),
        second: [0, 1].map(|axis| stencil.second(shape, &values, axis)),
    }
}

/// Returns the factors from the units of a stencil to derivatives of the field: `[downward, to the right]` for the first
/// derivatives, then for the second. The factor is 0 along an axis of one pixel, except in the units of the authors.
pub(crate) fn units(grid: &Grid, scaling: Scaling, stencil: Stencil) -> [[f64; 2]; 2] {
    let per_spacing = |power: i32, factor: f64| {
        [0, 1].map(|axis| match grid.spacing(axis) {
            spacing if spacing > 0.0 => factor / spacing.powi(power),
            _ => 0.0,
        })
    };
    match scaling {
        Scaling::Coordinate => [per_spacing(1, 1.0 / stencil.gain()), per_spacing(2, 1.0)],
        Scaling::Authors => [[AUTHORS[0] / stencil.gain(); 2], [AUTHORS[1]; 2]],
    }
}

/// Reads the second picture of a blend, with the channels of the first one, and crops and resizes it.
///
/// # Errors
/// Same as [`siren_picture::PictureSource::open`]. [`Error::Signal`] if the pictures differ in size.
pub(crate) fn second(
    signal: &PoissonSignalConfig,
    blend: &BlendConfig,
    first: &Picture,
    notes: &mut Vec<String>,
) -> Result<Picture> {
    let source = siren_picture::PictureSource {
        path: Some(&blend.path),
        color: match first.channels {
            1 => siren_picture::ColorMode::Gray,
            _ => siren_picture::ColorMode::Rgb,
        },
        ..signal.source()
    };
    let second = source.open(notes)?;
    let size = |p: &Picture| format!("{} × {} pixels (height × width)", p.height, p.width);
    if (second.height, second.width) == (first.height, first.width) {
        return Ok(second);
    }
    let message = format!(
        "has {} after cropping and resizing, expected the size of the first picture, {}; set `signal.crop` to give both the same size",
        size(&second),
        size(first)
    );
    Err(Error::signal(&blend.path, message))
}

/// Returns the weight w of the second picture for every pixel, in [0, 1].
///
/// # Errors
/// [`Error::Signal`] if the mask cannot be read, has another size than the first picture, or is black everywhere.
pub(crate) fn weights(signal: &PoissonSignalConfig, blend: &BlendConfig, first: &Picture) -> Result<Vec<f64>> {
    let Some(path) = &blend.mask else {
        return Ok(vec![
            blend.weight.unwrap_or(0.5);
            first.height * first.width
        ]);
    };
    let mask = signal.source().open_mask(path, first)?;
    if mask.values.iter().all(|&w| w <= 0.0) {
        let message = "the mask is black everywhere, so nothing of the second picture is used; paint the pixels of the second picture white";
        return Err(Error::signal(path, message));
    }
    Ok(mask.values.iter().map(|&w| f64::from(w)).collect())
}

/// Blends the targets of two pictures in place: `(1 − w) · first + w · second`, with one weight w per pixel.
pub(crate) fn mix(first: &mut Targets, second: &Targets, weights: &[f64]) {
    let blend = |first: &mut Vec<f64>, second: &[f64]| {
        let channels = second.len() / weights.len();
        for (at, (a, b)) in first.iter_mut().zip(second).enumerate() {
            let w = weights[at / channels];
            *a = (1.0 - w) * *a + w * b;
        }
    };
    for axis in [0, 1] {
        blend(&mut first.first[axis], &second.first[axis]);
        blend(&mut first.second[axis], &second.second[axis]);
    }
}

/// Checks that some derivative is not zero.
///
/// # Errors
/// [`Error::Signal`], or [`Error::InvalidValue`] for the embedded picture, if all derivatives are zero.
pub(crate) fn must_vary(signal: &PoissonSignalConfig, targets: &Targets) -> Result<()> {
    let mut derivatives = targets.first.iter().chain(&targets.second).flatten();
    if derivatives.any(|x| x.abs() > 1e-6) {
        return Ok(());
    }
    let message =
        "has the same color everywhere, so its derivatives are zero; use a picture that varies";
    Err(match &signal.path {
        Some(path) => Error::signal(path, message),
        None => Error::invalid(
            "signal.size",
            signal.size.unwrap_or(1),
            "more than one pixel",
        ),
    })
}
