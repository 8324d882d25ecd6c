//! Pictures, plots and animations of fields, media, recordings and waves, from plain grids of values.
//!
//! Grids are row-major; rows ascend in y, columns in x. Pictures show y upward and x to the right. A grid with fewer than
//! 240 points a side is magnified by a whole number, each point as a square. Values that are not finite are black, hidden ones
//! gray. The same values give the same bytes.

mod animation;
mod color;
mod field;
mod lines;
mod media;
mod panel;
#[cfg(test)]
mod tests;
mod wave;

pub(crate) use self::animation::animation;
pub(crate) use self::field::{complex_field, field_comparison};
pub(crate) use self::lines::{CenterLine, ShotTraces, center_lines, receiver_traces};
pub(crate) use self::media::media;
pub(crate) use self::panel::{Landmarks, SquareGrid};
pub(crate) use self::wave::{FrameScale, WaveFrame, wave_frames, wave_picture};

/// Factor by which differences are magnified: their colors saturate at a tenth of the scale of the values.
pub(crate) const DIFFERENCE_MAGNIFICATION: f64 = 10.0;
