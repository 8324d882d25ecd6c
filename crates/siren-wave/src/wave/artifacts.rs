//! Files in the folder of a finished run.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_run::Exhibit;

use super::frames::{self, COMPARED_SIDE, Frame};
use super::{Excitation, WaveEquationProblem};
use crate::draw::{self, CenterLine, FrameScale, Landmarks, SquareGrid, WaveFrame};

/// Frames of the animation.
const ANIMATED: u32 = 40;
/// Frames of the animation per second.
const FRAMES_PER_SECOND: f64 = 10.0;
/// Largest color of the animation over the amplitude: waves decay as they spread.
const ANIMATED_RANGE: f64 = 0.5;

/// Writes `waves.png` (network, reference, and ten times their difference at the times that are compared), `center_lines.svg` (both along y = 0) and
/// `waves.gif` (both from time zero to the end).
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write(
    problem: &WaveEquationProblem,
    field: &Siren,
    folder: &Path,
) -> Result<Vec<Exhibit>> {
    let reference = problem.reference()?;
    let network = waves(problem, field, reference)?;
    let mut drawn = Vec::with_capacity(network.len());
    for (network, frame) in network.iter().zip(reference) {
        drawn.push(WaveFrame {
            time: frame.time,
            network: frame_grid(network)?,
            reference: frame_grid(&frame.values)?,
        });
    }
    let landmarks = Landmarks::default();
    let scale = match problem.config.excitation {
        Excitation::Pulse => FrameScale::Own,
        Excitation::Ricker(_) => FrameScale::Largest,
    };
    draw::wave_frames(&drawn, scale, &landmarks, &folder.join("waves.png"))?;
    let lines: Vec<CenterLine> = drawn.iter().map(WaveFrame::center_line).collect();
    draw::center_lines(&lines, &folder.join("center_lines.svg"))?;
    let last = problem.config.duration;
    let times: Vec<f64> = (0..=ANIMATED)
        .map(|index| last * f64::from(index) / f64::from(ANIMATED))
        .collect();
    let reference = problem.scene().frames(&times)?;
    let network = waves(problem, field, &reference)?;
    let mut animated = Vec::with_capacity(times.len());
    for (network, expected) in network.iter().zip(&reference) {
        animated.push(vec![frame_grid(network)?, frame_grid(&expected.values)?]);
    }
    let range = ANIMATED_RANGE * problem.config.amplitude;
    draw::animation(
        &animated,
        range,
        FRAMES_PER_SECOND,
        &folder.join("waves.gif"),
    )?;
    Ok(vec![
        Exhibit::clip("Wave", "waves.gif").captioned(
            "The network on the left, the reference on the right, from time zero to the end. Blue is negative, red is positive.",
        ),
        Exhibit::picture("Comparison", "waves.png").captioned(
            "Network, reference, and ten times their difference at the times that are compared.",
        ),
        Exhibit::picture("Center line", "center_lines.svg").captioned("Network and reference along y = 0."),
    ])
}

/// Returns the waves of a field at the times of some frames.
fn waves(problem: &WaveEquationProblem, field: &Siren, frames: &[Frame]) -> Result<Vec<Vec<f64>>> {
    let points = frames::points();
    let wave = |frame: &Frame| problem.wave_at(field, frame.time, &points);
    frames.iter().map(wave).collect()
}

fn frame_grid(values: &[f64]) -> Result<SquareGrid<'_, f64>> {
    SquareGrid::new(values, COMPARED_SIDE)
}
