//! Pictures from tensors, and arrangements of several pictures in one.

use candle_core::{DType, Tensor};
use siren_core::Result;
use siren_picture::Picture;

use crate::context::ContextBatch;

/// Gray value of unobserved pixels, in [0, 1].
const UNOBSERVED: f64 = 0.5;
/// Gray value of the lines between pictures.
const LINE: f32 = 1.0;

/// Returns the observed pixels of a batch as pictures, which are gray elsewhere.
///
/// # Errors
/// Only from candle.
pub fn observed_pixels(contexts: &ContextBatch) -> Result<Vec<Picture>> {
    let (targets, mask) = contexts.as_targets()?;
    let gray = mask.affine(-UNOBSERVED, UNOBSERVED)?;
    let observed = targets.affine(0.5, 0.5)?.broadcast_mul(&mask)?;
    pictures(&observed.broadcast_add(&gray)?)
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
            values: values.get(index)?.flatten_all()?.to_vec1::<f32>()?.into(),
        })
    };
    (0..count).map(picture).collect()
}

/// Arranges rows of pictures of one size in one picture, with a line of one pixel between neighbors.
///
/// # Panics
/// If there is no picture, or the pictures differ in size or channels.
#[must_use]
pub fn grid(rows: &[Vec<Picture>]) -> Picture {
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
            let pixels = picture.values.to_floats();
            for (y, pixels) in pixels.chunks(width * channels).enumerate() {
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
        values: values.into(),
    }
}
