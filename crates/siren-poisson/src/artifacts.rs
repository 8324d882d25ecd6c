//! Pictures in the folder of a finished run: the picture, its derivatives, the recovered ones, the error, and the solver's picture.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_picture::Quantity;
use siren_picture::draw::{gradient_picture, laplacian_picture, picture, render};
use siren_picture::picture::LUMA;
use siren_run::Exhibit;

use crate::Poisson;
use crate::evaluate::aligned;
use crate::solver::PerTerm;

/// Writes the pictures of a fitted field into a folder, and returns how a page shows them.
///
/// # Errors
/// [`Error::Io`](siren_core::Error::Io) if a file cannot be written.
pub(crate) fn write(poisson: &Poisson, field: &Siren, folder: &Path) -> Result<Vec<Exhibit>> {
    let truth = &poisson.truth;
    let canvas = poisson.metadata(field)?.canvas()?;
    truth.save(folder.join("target.png"))?;
    let PerTerm {
        gradient,
        laplacian,
    } = luma_targets(poisson);
    let size = canvas.size();
    for (picture, name) in [
        (gradient_picture(&gradient, size), "target_gradient.png"),
        (laplacian_picture(&laplacian, size), "target_laplacian.png"),
    ] {
        picture.save(folder.join(name))?;
    }
    for (quantity, name) in [
        (Quantity::Value, "value.png"),
        (Quantity::Gradient, "gradient.png"),
        (Quantity::Laplacian, "laplacian.png"),
    ] {
        render(field, &canvas, quantity, &folder.join(name))?;
    }
    let recovered = picture(field, &canvas, Quantity::Value)?;
    recovered
        .error_x10(truth)?
        .save(folder.join("error_x10.png"))?;
    let solved = aligned(truth, poisson.reference());
    solved.save(folder.join("solver.png"))?;
    Ok(exhibits())
}

fn exhibits() -> Vec<Exhibit> {
    vec![
        Exhibit::comparison("Picture", "target.png", "value.png")
            .captioned("The picture was not fitted: it is recovered from its derivatives."),
        Exhibit::picture("Error", "error_x10.png")
            .captioned("Ten times the absolute difference of fit and target."),
        Exhibit::comparison("Gradient", "target_gradient.png", "gradient.png")
            .captioned("The hue is the direction, the brightness the length."),
        Exhibit::comparison("Laplacian", "target_laplacian.png", "laplacian.png")
            .captioned("Blue is negative, red is positive."),
        Exhibit::picture("Solver", "solver.png").captioned(
            "The picture that a solver without a network finds from the same derivatives.",
        ),
    ]
}

/// Returns the targets of the luma, per pixel: gradients `(n, 2)` and Laplacians `(n,)`.
fn luma_targets(poisson: &Poisson) -> PerTerm<Vec<f32>> {
    let (first, second) = (&poisson.targets.first, &poisson.targets.second);
    let channels = poisson.truth.channels;
    let luma = |values: &[f64]| -> Vec<f32> {
        let of_pixel = |pixel: &[f64]| match pixel {
            [gray] => *gray,
            colors => {
                let weighted = colors.iter().zip(LUMA);
                weighted.map(|(y, weight)| y * f64::from(weight)).sum()
            }
        };
        let pixels = values.chunks_exact(channels);
        pixels.map(|pixel| of_pixel(pixel) as f32).collect()
    };
    let (down, right) = (luma(&first[0]), luma(&first[1]));
    let gradient = down.into_iter().zip(right).flat_map(|(d, r)| [d, r]);
    let laplacian = luma(&second[0]).into_iter().zip(luma(&second[1]));
    let laplacian = laplacian.map(|(rows, columns)| rows + columns);
    PerTerm {
        gradient: gradient.collect(),
        laplacian: laplacian.collect(),
    }
}
