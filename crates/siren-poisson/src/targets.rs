//! Derivatives of pictures as targets: computation, units, and mixing of two pictures.

use siren_core::signal::Grid;
use siren_core::{Error, Result};
use siren_picture::Picture;
use siren_picture::stencil::PixelShape;

use crate::config::{PoissonSignalConfig, Scaling, Stencil};
use crate::solver::{PerTerm, Targets};

/// Factors of the authors for the gradient and for the Laplacian per pixel. They multiply Sobel differences, which are 8 times the gradient, by 10,
/// and the Laplacian by 10,000.
pub(crate) const AUTHORS: PerTerm<f64> = PerTerm {
    gradient: 80.0,
    laplacian: 1e4,
};

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
    values.map(|y| 2.0 * f64::from(y) - 1.0).collect()
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

/// Factors from the units of a stencil to derivatives of the field, for each axis: downward, to the right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Units {
    /// Factors of the first derivatives.
    first: [f64; 2],
    /// Factors of the second derivatives.
    second: [f64; 2],
}

impl Units {
    /// Returns the factors for pictures on a grid. The factor is 0 along an axis of one pixel, except in the units of the authors.
    pub(crate) fn of(grid: &Grid, scaling: Scaling, stencil: Stencil) -> Self {
        let per_spacing = |power: i32, factor: f64| {
            [0, 1].map(|axis| match grid.spacing(axis) {
                spacing if spacing > 0.0 => factor / spacing.powi(power),
                _ => 0.0,
            })
        };
        match scaling {
            Scaling::Coordinate => Self {
                first: per_spacing(1, 1.0 / stencil.gain()),
                second: per_spacing(2, 1.0),
            },
            Scaling::Authors => Self {
                first: [AUTHORS.gradient / stencil.gain(); 2],
                second: [AUTHORS.laplacian; 2],
            },
        }
    }

    /// Converts targets to derivatives of the field, `(n, c, 3)`: downward, to the right, Laplacian.
    pub(crate) fn of_field(self, targets: &Targets) -> Vec<f64> {
        let ([down, right], [rows, columns]) = (self.first, self.second);
        let gradient = targets.first[0].iter().zip(&targets.first[1]);
        let laplacian = targets.second[0].iter().zip(&targets.second[1]);
        gradient
            .zip(laplacian)
            .flat_map(|((d, r), (a, b))| [d * down, r * right, a * rows + b * columns])
            .collect()
    }
}

/// Mixes the targets of two pictures in place: `(1 − w) · first + w · second`, with one weight w per pixel.
pub(crate) fn mix(first: &mut Targets, second: &Targets, weights: &[f64]) {
    let mix = |first: &mut Vec<f64>, second: &[f64]| {
        let channels = second.len() / weights.len();
        for (at, (a, b)) in first.iter_mut().zip(second).enumerate() {
            let w = weights[at / channels];
            *a = (1.0 - w) * *a + w * b;
        }
    };
    for axis in [0, 1] {
        mix(&mut first.first[axis], &second.first[axis]);
        mix(&mut first.second[axis], &second.second[axis]);
    }
}

/// Checks that some derivative is not zero.
///
/// # Errors
/// [`Error::Signal`] for a picture file, or [`Error::InvalidValue`] for any other picture, if all derivatives are zero.
pub(crate) fn must_vary(signal: &PoissonSignalConfig, targets: &Targets) -> Result<()> {
    let mut derivatives = targets.first.iter().chain(&targets.second).flatten();
    if derivatives.any(|x| x.abs() > 1e-6) {
        return Ok(());
    }
    Err(match (&signal.path, signal.size) {
        (Some(path), _) => {
            let message = "has the same color everywhere, so its derivatives are zero; use a picture that varies";
            Error::signal(path, message)
        }
        (None, Some(size)) => Error::invalid("signal.size", size, "more than one pixel"),
        (None, None) => {
            let expected = "a picture that varies: the derivatives of this one are zero";
            Error::invalid("picture", "of the same color everywhere", expected)
        }
    })
}
