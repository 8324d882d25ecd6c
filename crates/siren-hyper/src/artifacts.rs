//! Pictures in the folder of a finished run: inpaintings, an interpolation between two latent codes, and fields at a finer resolution and
//! on a larger domain than the training pictures.

use std::path::Path;

use siren_core::Result;
use siren_picture::Picture;
use siren_run::Exhibit;

use crate::context::ContextKind;
use crate::evaluate::{baselines, contexts, evaluated_test_pictures, reconstructed, to_unit_range};
use crate::model::HyperNetwork;
use crate::montage::{grid, observed_pixels, pictures};
use crate::restore::{Drawing, interpolate};
use crate::signal::Hyper;

/// Number of test pictures in each artifact.
const SHOWN: usize = 8;
/// Number of pictures in the interpolation strip, including both ends.
const STRIP: usize = 8;
/// `beyond.png` shows the domain [−`EXTENT`, `EXTENT`]², as the authors draw it; training pictures cover [−1, 1]².
const EXTENT: f64 = 5.0;
/// Pixels per side of `interpolation.png`, `fine.png` and `beyond.png`, relative to the training pictures.
const SCALE: usize = 8;

/// Writes `inpainting.png`, `interpolation.png`, `fine.png` and `beyond.png` to `folder`, and returns how a page shows them.
pub(crate) fn write(hyper: &Hyper, model: &HyperNetwork, folder: &Path) -> Result<Vec<Exhibit>> {
    let chosen = evenly_spaced(evaluated_test_pictures(hyper), SHOWN);
    inpaintings(hyper, model, &chosen)?.save(folder.join("inpainting.png"))?;
    let whole = contexts(hyper, model, &chosen, ContextKind::Full)?;
    let latents = model.latents(&whole, &hyper.objective)?;
    let strip = interpolate(&latents.get(0)?, &latents.get(chosen.len() - 1)?, STRIP)?;
    let side = SCALE * hyper.dataset.side();
    for (name, latents, extent) in [
        ("interpolation.png", &strip, 1.0),
        ("fine.png", &latents, 1.0),
        ("beyond.png", &latents, EXTENT),
    ] {
        let row = model.draw(latents, Drawing { side, extent })?;
        grid(&[row]).save(folder.join(name))?;
    }
    Ok(exhibits())
}

fn exhibits() -> Vec<Exhibit> {
    vec![
        Exhibit::picture("Inpainting", "inpainting.png").captioned(
            "One test picture a row. From the left: pairs of the observed pixels and the reconstruction from them, the original, and the \
             mean training picture.",
        ),
        Exhibit::picture("Interpolation", "interpolation.png")
            .captioned("Fields between the latent codes of two test pictures."),
        Exhibit::picture("Finer than the training pictures", "fine.png")
            .captioned("Fields of test pictures, from all their pixels, with eight times as many pixels a side."),
        Exhibit::picture("Beyond the training pictures", "beyond.png")
            .captioned("The same fields on a square five times as wide."),
    ]
}

/// Returns at most `count` evenly spaced items of `all`, including its first and last.
fn evenly_spaced(all: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(all.len());
    let last = (count - 1).max(1);
    (0..count)
        .map(|index| all[index * (all.len() - 1) / last])
        .collect()
}

/// Draws one row per picture: for each context, the context pixels and the reconstruction from them; then the original picture and the mean
/// training picture.
fn inpaintings(hyper: &Hyper, model: &HyperNetwork, indices: &[usize]) -> Result<Picture> {
    let mut columns = Vec::new();
    for context in ContextKind::all(hyper.dataset.pixels()) {
        let contexts = contexts(hyper, model, indices, context)?;
        columns.push(observed_pixels(&contexts)?);
        columns.push(pictures(&reconstructed(hyper, model, &contexts)?)?);
    }
    let whole = contexts(hyper, model, indices, ContextKind::Full)?;
    columns.push(pictures(&to_unit_range(&whole.pictures)?)?);
    let mean = Picture {
        values: baselines(hyper).mean_picture.clone().into(),
        ..columns[0][0].clone()
    };
    columns.push(vec![mean; indices.len()]);
    let rows: Vec<Vec<Picture>> = (0..indices.len())
        .map(|row| columns.iter().map(|column| column[row].clone()).collect())
        .collect();
    Ok(grid(&rows))
}
