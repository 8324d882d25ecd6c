//! Pictures in the folder of a finished run: inpaintings, an interpolation between two latent codes, and fields at a finer resolution and
//! on a larger domain than the training pictures.

use std::path::Path;

use candle_core::{DType, Tensor};
use siren_core::Result;
use siren_picture::Picture;

use crate::context::{Context, Contexts};
use crate::evaluate::{baselines, contexts, reconstructed, shown, tested};
use crate::model::HyperNetwork;
use crate::reconstruction::coords;
use crate::signal::Hyper;

/// Number of test pictures in each artifact.
const SHOWN: usize = 8;
/// Number of pictures in the interpolation strip, including both ends.
const STRIP: usize = 8;
/// `beyond.png` shows the domain [−`EXTENT`, `EXTENT`]², as the authors draw it; training pictures cover [−1, 1]².
const EXTENT: f64 = 5.0;
/// Pixels per side of `interpolation.png`, `fine.png` and `beyond.png`, relative to the training pictures.
const SCALE: usize = 8;
/// Gray value of pixels outside the context, in [0, 1].
const UNSEEN: f64 = 0.5;
/// Gray value of the lines between pictures.
const LINE: f32 = 1.0;

/// Writes `inpainting.png`, `interpolation.png`, `fine.png` and `beyond.png` to `folder`.
pub(crate) fn write(hyper: &Hyper, model: &HyperNetwork, folder: &Path) -> Result<()> {
    let chosen = evenly_spaced(tested(hyper), SHOWN);
    inpaintings(hyper, model, &chosen)?.save(folder.join("inpainting.png"))?;
    let whole = contexts(hyper, &chosen, Context::Full)?;
    let latents = model.latents(&whole, &hyper.objective)?;
    let strip = between(&latents.get(0)?, &latents.get(chosen.len() - 1)?, STRIP)?;
    let side = hyper.dataset.side;
    let fine = coords(side * SCALE, DType::F32, &hyper.device)?;
    let far = (coords(side * SCALE, DType::F32, &hyper.device)? * EXTENT)?;
    for (name, latents, coords) in [
        ("interpolation.png", &strip, &fine),
        ("fine.png", &latents, &fine),
        ("beyond.png", &latents, &far),
    ] {
        let values = shown(&model.values(&model.fields(latents)?, coords)?)?;
        grid(&[pictures(&values)?]).save(folder.join(name))?;
    }
    Ok(())
}

/// Returns at most `count` evenly spaced items of `all`, including its first and last.
fn evenly_spaced(all: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(all.len());
    let last = (count - 1).max(1);
    (0..count)
        .map(|index| all[index * (all.len() - 1) / last])
        .collect()
}

/// Interpolates linearly between two codes `(z,)`: returns `count` codes `(count, z)`, including both ends.
pub(crate) fn between(from: &Tensor, to: &Tensor, count: usize) -> Result<Tensor> {
    let fraction = |index: usize| index as f64 / (count - 1) as f64;
    let codes = (0..count).map(|index| (from * (1.0 - fraction(index)))? + (to * fraction(index))?);
    Ok(Tensor::stack(
        &codes.collect::<candle_core::Result<Vec<_>>>()?,
        0,
    )?)
}

/// Draws one row per picture: for each context, the context pixels and the reconstruction from them; then the original picture and the mean
/// training picture.
fn inpaintings(hyper: &Hyper, model: &HyperNetwork, indices: &[usize]) -> Result<Picture> {
    let mut columns = Vec::new();
    for context in Context::all(hyper.dataset.pixels()) {
        let contexts = contexts(hyper, indices, context)?;
        columns.push(pictures(&visible(&contexts)?)?);
        columns.push(pictures(&reconstructed(hyper, model, &contexts)?)?);
    }
    let whole = contexts(hyper, indices, Context::Full)?;
    columns.push(pictures(&shown(&whole.pictures)?)?);
    let mean = Picture {
        values: baselines(hyper).mean_picture().to_vec(),
        ..columns[0][0].clone()
    };
    columns.push(vec![mean; indices.len()]);
    let rows: Vec<Vec<Picture>> = (0..indices.len())
        .map(|row| columns.iter().map(|column| column[row].clone()).collect())
        .collect();
    Ok(grid(&rows))
}

/// Returns the pictures `(b, n, c)` with values in [0, 1] at the context pixels and gray elsewhere.
pub(crate) fn visible(contexts: &Contexts) -> Result<Tensor> {
    let (targets, mask) = contexts.as_targets()?;
    let gray = mask.affine(-UNSEEN, UNSEEN)?;
    let seen = targets.affine(0.5, 0.5)?.broadcast_mul(&mask)?;
    Ok(seen.broadcast_add(&gray)?)
}

/// Converts values `(b, n, c)` in [0, 1] with n = side² to `b` square pictures.
pub(crate) fn pictures(values: &Tensor) -> Result<Vec<Picture>> {
    let (count, points, channels) = values.dims3()?;
    let side = points.isqrt();
    let values = values.to_dtype(DType::F32)?;
    let picture = |index: usize| {
        Ok(Picture {
            height: side,
            width: side,
            channels,
            values: values.get(index)?.flatten_all()?.to_vec1()?,
        })
    };
    (0..count).map(picture).collect()
}

/// Arranges rows of pictures of one size in one picture, with a line of one pixel between neighbors.
pub(crate) fn grid(rows: &[Vec<Picture>]) -> Picture {
    let Picture {
        height,
        width,
        channels,
        ..
    } = rows[0][0];
    let columns = rows[0].len();
    let (all_height, all_width) = (rows.len() * (height + 1) - 1, columns * (width + 1) - 1);
    let mut values = vec![LINE; all_height * all_width * channels];
    for (row, pictures) in rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            for (y, pixels) in picture.values.chunks(width * channels).enumerate() {
                let start =
                    ((row * (height + 1) + y) * all_width + column * (width + 1)) * channels;
                values[start..start + pixels.len()].copy_from_slice(pixels);
            }
        }
    }
    Picture {
        height: all_height,
        width: all_width,
        channels,
        values,
    }
}
