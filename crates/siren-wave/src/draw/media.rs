//! Pictures of media.

use std::path::Path;

use siren_core::Result;

use super::color::ColorScale;
use super::panel::{Landmarks, Panel, SquareGrid, shape_error, sheet};

/// Writes the velocities `1/√m` of media, in units of the reference velocity, side by side: such as the medium found and the true one.
///
/// The colors run from dark violet at `velocities[0]` to yellow at `velocities[1]`. A point whose m is not positive is black.
///
/// # Errors
/// [`siren_core::Error::Shape`] without any medium, or if they have different sides. Same as [`Picture::save`](siren_picture::Picture::save).
pub(crate) fn media(
    squared_slowness: &[SquareGrid<'_, f64>],
    velocities: [f64; 2],
    landmarks: &Landmarks<'_>,
    path: &Path,
) -> Result<()> {
    let Some((first, others)) = squared_slowness.split_first() else {
        return Err(shape_error("at least one medium".into(), "none".into()));
    };
    for other in others {
        first.ensure_same_side(*other)?;
    }
    let [low, high] = velocities;
    let scale = ColorScale::Sequential { low, high };
    let panels = squared_slowness
        .iter()
        .map(|&medium| Panel::new(medium, |_, m| scale.color(m.sqrt().recip())).with(landmarks));
    sheet(&[panels.collect()]).save(path)
}
