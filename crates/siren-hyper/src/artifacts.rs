//! What a finished run shows: inpaintings, what lies between two pictures, and fields beyond their pixels.

use std::path::Path;

use candle_core::{DType, Tensor};
use siren_core::Result;
use siren_picture::Picture;

use crate::context::{Context, Contexts};
use crate::evaluate::{baselines, contexts, reconstructed, shown, tested};
use crate::model::HyperNetwork;
use crate::reconstruction::coords;
use crate::signal::Hyper;

/// Test pictures that are shown.
const SHOWN: usize = 8;
/// Pictures of a strip between two, both among them.
const STRIP: usize = 8;
/// How far beyond [−1, 1] fields are drawn, as the authors do.
const EXTENT: f64 = 5.0;
/// How many times as many pixels a side fields are drawn at.
const SCALE: usize = 8;
/// Shade of what is not seen, and of the lines between pictures.
const UNSEEN: f64 = 0.5;
const LINE: f32 = 1.0;

pub(crate) fn write(hyper: &Hyper, model: &HyperNetwork, folder: &Path) -> Result<()> {
    let spread = evenly(tested(hyper), SHOWN);
    inpaintings(hyper, model, &spread)?.save(&folder.join("inpainting.png"))?;
    let whole = contexts(hyper, &spread, Context::Full)?;
    let latents = model.latents(&whole, &hyper.objective)?;
    let strip = between(&latents.get(0)?, &latents.get(spread.len() - 1)?, STRIP)?;
    let side = hyper.dataset.side;
    let fine = coords(side * SCALE, DType::F32, &hyper.device)?;
    let far = (coords(side * SCALE, DType::F32, &hyper.device)? * EXTENT)?;
    for (name, latents, coords) in [
        ("interpolation.png", &strip, &fine),
        ("fine.png", &latents, &fine),
        ("beyond.png", &latents, &far),
    ] {
        let values = shown(&model.values(&model.fields(latents)?, coords)?)?;
        grid(&[pictures(&values)?]).save(&folder.join(name))?;
    }
    Ok(())
}

/// So many of a list, from its first to its last.
fn evenly(all: &[usize], number: usize) -> Vec<usize> {
    let number = number.min(all.len());
    let last = (number - 1).max(1);
    (0..number)
        .map(|at| all[at * (all.len() - 1) / last])
        .collect()
}

/// Codes on the straight line from one to another, `(number, z)`.
pub(crate) fn between(from: &Tensor, to: &Tensor, number: usize) -> Result<Tensor> {
    let share = |at: usize| at as f64 / (number - 1) as f64;
    let codes = (0..number).map(|at| (from * (1.0 - share(at)))? + (to * share(at))?);
    Ok(Tensor::stack(
        &codes.collect::<candle_core::Result<Vec<_>>>()?,
        0,
    )?)
}

/// A row for each picture: what is seen and what is made of it, for each context; the truth; and last the mean training picture.
fn inpaintings(hyper: &Hyper, model: &HyperNetwork, of: &[usize]) -> Result<Picture> {
    let mut columns = Vec::new();
    for context in Context::all(hyper.dataset.pixels()) {
        let contexts = contexts(hyper, of, context)?;
        columns.push(pictures(&visible(&contexts)?)?);
        columns.push(pictures(&reconstructed(hyper, model, &contexts)?)?);
    }
    let whole = contexts(hyper, of, Context::Full)?;
    columns.push(pictures(&shown(&whole.pictures)?)?);
    let mean = Picture {
        values: baselines(hyper).mean_picture().to_vec(),
        ..columns[0][0].clone()
    };
    columns.push(vec![mean; of.len()]);
    let rows: Vec<Vec<Picture>> = (0..of.len())
        .map(|at| columns.iter().map(|column| column[at].clone()).collect())
        .collect();
    Ok(grid(&rows))
}

/// Values in [0, 1] where they are seen, gray elsewhere.
pub(crate) fn visible(contexts: &Contexts) -> Result<Tensor> {
    let (targets, mask) = contexts.as_targets()?;
    let gray = mask.affine(-UNSEEN, UNSEEN)?;
    let seen = targets.affine(0.5, 0.5)?.broadcast_mul(&mask)?;
    Ok(seen.broadcast_add(&gray)?)
}

/// The pictures of values `(b, n, c)` in [0, 1].
pub(crate) fn pictures(values: &Tensor) -> Result<Vec<Picture>> {
    let (count, points, channels) = values.dims3()?;
    let side = points.isqrt();
    let values = values.to_dtype(DType::F32)?;
    let picture = |at: usize| {
        Ok(Picture {
            height: side,
            width: side,
            channels,
            values: values.get(at)?.flatten_all()?.to_vec1()?,
        })
    };
    (0..count).map(picture).collect()
}

/// Pictures of one size in rows, with a line between them.
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
    for (down, row) in rows.iter().enumerate() {
        for (right, picture) in row.iter().enumerate() {
            for (y, line) in picture.values.chunks(width * channels).enumerate() {
                let start =
                    ((down * (height + 1) + y) * all_width + right * (width + 1)) * channels;
                values[start..start + line.len()].copy_from_slice(line);
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
