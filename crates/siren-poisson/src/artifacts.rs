//! What a finished run shows: the picture and its derivatives, as they are and as they were recovered, and the solver's picture.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_picture::draw::{picture, render};
use siren_picture::{Drawn, Quantity};

use crate::Poisson;
use crate::evaluate::aligned;

pub(crate) fn write(poisson: &Poisson, field: &Siren, folder: &Path) -> Result<()> {
    let truth = &poisson.truth;
    let canvas = poisson.canvas(field)?;
    truth.save(&folder.join("target.png"))?;
    for (quantity, name) in [
        (Quantity::Value, "value.png"),
        (Quantity::Gradient, "gradient.png"),
        (Quantity::Laplacian, "laplacian.png"),
    ] {
        render(field, &canvas, quantity, &folder.join(name))?;
    }
    let recovered = picture(field, &canvas, Quantity::Value)?;
    recovered
        .error_x10(truth)
        .save(&folder.join("error_x10.png"))?;
    let solved = aligned(truth, poisson.reference());
    solved.save(&folder.join("solver.png"))
}
