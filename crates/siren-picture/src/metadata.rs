//! Metadata of the fitted picture that a run folder keeps, so that rendering does not need the picture file.

use serde::{Deserialize, Serialize};
use siren_core::Result;
use siren_core::signal::{CoordinateRule, Grid, SignalMetadata};

use crate::canvas::Canvas;

/// Size and coordinates of the fitted picture, and the tone correction that maps field values to displayed values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureMetadata {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Rule that maps rows and columns to coordinates.
    pub coordinates: CoordinateRule,
    /// `[gain, offset]` for each channel, as in [`Canvas::with_tone`]. Empty if values are displayed unchanged.
    pub tone: Vec<[f32; 2]>,
}

impl SignalMetadata for PictureMetadata {
    const VERSION: u32 = 1;
}

impl PictureMetadata {
    /// Returns the canvas of the fitted picture at its own size.
    ///
    /// # Errors
    /// Returns an error if a side is zero.
    pub fn canvas(&self) -> Result<Canvas> {
        let grid = Grid::new(&[self.height, self.width], self.coordinates)?;
        Ok(Canvas::new(&grid).with_tone(self.tone.clone()))
    }
}
