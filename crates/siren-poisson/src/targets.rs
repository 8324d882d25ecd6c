//! Derivatives of pictures as targets: their stencils, their units, and blends of two pictures.

use siren_core::signal::Grid;
use siren_core::{Error, Result};
use siren_picture::Picture;
use siren_picture::stencil::Shape;

use crate::config::{Blend, PoissonSignal, Scaling, Stencil};
use crate::solver::Targets;

/// What the authors multiply derivatives per pixel by: Sobel's differences, which are 8 times the gradient, by 10, and the Laplacian.
pub(crate) const AUTHORS: [f64; 2] = [80.0, 1e4];

pub(crate) fn pixels(picture: &Picture) -> Shape {
    Shape {
        height: picture.height,
        width: picture.width,
        channels: picture.channels,
    }
}

/// Values in [−1, 1].
pub(crate) fn values(picture: &Picture) -> Vec<f64> {
    let values = picture.values.iter();
    values.map(|&y| 2.0 * f64::from(y) - 1.0).collect()
}

/// The derivatives of a picture in [−1, 1].
pub(crate) fn derivatives(picture: &Picture, stencil: Stencil) -> Targets {
    let shape = pixels(picture);
    let values = values(picture);
    Targets {
        stencil,
        first: [0, 1].map(|axis| stencil.first(shape, &values, axis)),
        second: [0, 1].map(|axis| stencil.second(shape, &values, axis)),
    }
}

/// What turns targets in the units of a stencil into derivatives of the field; 0 along an axis of one pixel.
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

pub(crate) fn second(signal: &PoissonSignal, blend: &Blend, first: &Picture) -> Result<Picture> {
    let source = siren_picture::Source {
        path: Some(&blend.path),
        color: match first.channels {
            1 => siren_picture::ColorMode::Gray,
            _ => siren_picture::ColorMode::Rgb,
        },
        ..signal.source()
    };
    let second = source.open()?;
    let size = |p: &Picture| format!("{} × {} pixels (height × width)", p.height, p.width);
    if (second.height, second.width) == (first.height, first.width) {
        return Ok(second);
    }
    let message = format!(
        "has {} after cropping and resizing, the first picture {}: both must have the same, for example by `signal.crop`",
        size(&second),
        size(first)
    );
    Err(Error::signal(&blend.path, message))
}

/// w of every pixel.
pub(crate) fn weights(signal: &PoissonSignal, blend: &Blend, first: &Picture) -> Result<Vec<f64>> {
    let Some(path) = &blend.mask else {
        return Ok(vec![
            blend.weight.unwrap_or(0.5);
            first.height * first.width
        ]);
    };
    let mask = signal.source().open_mask(path, first)?;
    if mask.values.iter().all(|&w| w <= 0.0) {
        let message = "is black everywhere, so nothing of the second picture would be seen: paint white what is to be";
        return Err(Error::signal(path, message));
    }
    Ok(mask.values.iter().map(|&w| f64::from(w)).collect())
}

pub(crate) fn mix(first: &mut Targets, second: &Targets, weights: &[f64]) {
    let blend = |a: &mut Vec<f64>, b: &[f64]| {
        let channels = b.len() / weights.len();
        for (at, (a, b)) in a.iter_mut().zip(b).enumerate() {
            let w = weights[at / channels];
            *a = (1.0 - w) * *a + w * b;
        }
    };
    for axis in [0, 1] {
        blend(&mut first.first[axis], &second.first[axis]);
        blend(&mut first.second[axis], &second.second[axis]);
    }
}

pub(crate) fn must_vary(signal: &PoissonSignal, targets: &Targets) -> Result<()> {
    let mut all = targets.first.iter().chain(&targets.second).flatten();
    if all.any(|x| x.abs() > 1e-6) {
        return Ok(());
    }
    let message =
        "is the same color everywhere: its derivatives are zero, and there is nothing to fit";
    Err(match &signal.path {
        Some(path) => Error::signal(path, message),
        None => Error::invalid(
            "signal.size",
            signal.size.unwrap_or(1),
            "more than one pixel",
        ),
    })
}
