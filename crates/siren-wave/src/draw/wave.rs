//! Pictures of waves at several times.

use std::path::Path;

use siren_core::Result;

use super::DIFFERENCE_MAGNIFICATION;
use super::color::{ColorScale, largest_magnitude};
use super::lines::CenterLine;
use super::panel::{Landmarks, Panel, SquareGrid, shape_error, sheet};

/// A wave at one time, computed by the network and by a reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaveFrame<'a> {
    /// Time `t`.
    pub(crate) time: f64,
    /// Values `u(t, x, y)` of the network.
    pub(crate) network: SquareGrid<'a, f64>,
    /// Values of the reference at the same points.
    pub(crate) reference: SquareGrid<'a, f64>,
}

/// The largest value `s` of the colors of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameScale {
    /// The largest |u| of its own reference: the waves of a pulse decay.
    Own,
    /// The largest |u| of the references of all frames: the waves of a source term grow from zero.
    Largest,
}

impl WaveFrame<'_> {
    /// Returns the values on the line y = 0. With an even number of rows these are the means of the two middle rows.
    pub(crate) fn center_line(&self) -> CenterLine {
        CenterLine {
            time: self.time,
            network: center_row(self.network),
            reference: center_row(self.reference),
        }
    }

    /// Returns the largest |u| of the reference, else that of the network, else 1.
    fn range(&self) -> f64 {
        let range = largest_magnitude(self.reference.values());
        let range = range.or_else(|| largest_magnitude(self.network.values()));
        range.unwrap_or(1.0)
    }
}

fn center_row(grid: SquareGrid<'_, f64>) -> Vec<f64> {
    let side = grid.side();
    let row = |row: usize| grid.values().iter().skip(row * side).take(side);
    let pairs = row((side - 1) / 2).zip(row(side / 2));
    pairs.map(|(a, b)| 0.5 * (a + b)).collect()
}

/// Writes a picture of a wave at one time, blue below zero and red above, on the scale from −s to s, where s is the largest |u|.
///
/// # Errors
/// Same as [`Picture::save`](siren_picture::Picture::save).
pub(crate) fn wave_picture(wave: SquareGrid<'_, f64>, path: &Path) -> Result<()> {
    let range = largest_magnitude(wave.values()).unwrap_or(1.0);
    let scale = ColorScale::Signed { range };
    sheet(&[vec![Panel::new(wave, |_, u| scale.color(u))]]).save(path)
}

/// Writes a picture with a column per time and three rows: the network, the reference, and the difference of both.
///
/// Values are blue below zero and red above, on a scale from −s to s of each column, as `scale` says; the difference (network minus reference) is
/// on a scale smaller by the factor [`DIFFERENCE_MAGNIFICATION`]. Returns s of each column.
///
/// # Errors
/// [`siren_core::Error::Shape`] without any frame, or if grids have different sides. Same as [`Picture::save`](siren_picture::Picture::save).
pub(crate) fn wave_frames(
    frames: &[WaveFrame<'_>],
    scale: FrameScale,
    landmarks: &Landmarks<'_>,
    path: &Path,
) -> Result<Vec<f64>> {
    let Some(first) = frames.first() else {
        return Err(shape_error("at least one frame".into(), "none".into()));
    };
    let mut rows: [Vec<Panel>; 3] = Default::default();
    let mut ranges = Vec::with_capacity(frames.len());
    let references = frames.iter().map(|frame| frame.reference.values());
    let largest = references.filter_map(largest_magnitude).reduce(f64::max);
    for frame in frames {
        first.reference.ensure_same_side(frame.reference)?;
        first.reference.ensure_same_side(frame.network)?;
        let range = match scale {
            FrameScale::Own => frame.range(),
            FrameScale::Largest => largest.unwrap_or_else(|| frame.range()),
        };
        let values = ColorScale::Signed { range };
        let differences = ColorScale::Signed {
            range: range / DIFFERENCE_MAGNIFICATION,
        };
        let reference = frame.reference.values();
        let panels = [
            Panel::new(frame.network, |_, u| values.color(u)),
            Panel::new(frame.reference, |_, u| values.color(u)),
            Panel::new(frame.network, |index, u| {
                differences.color(u - reference[index])
            }),
        ];
        for (row, panel) in rows.iter_mut().zip(panels) {
            row.push(panel.with(landmarks));
        }
        ranges.push(range);
    }
    sheet(&rows).save(path)?;
    Ok(ranges)
}
