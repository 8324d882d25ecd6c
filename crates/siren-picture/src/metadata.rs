//! What drawing a field needs to know of the picture that was fitted.

use serde::{Deserialize, Serialize};
use siren_core::Result;
use siren_core::run::SignalMetadata;
use siren_core::signal::{CoordinateRule, Grid};

use crate::canvas::Canvas;

/// The size of the fitted picture, its coordinates, and the tone in which the field is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureMetadata {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// How rows and columns map to coordinates.
    pub coordinates: CoordinateRule,
    /// As in [`Canvas::toned`]; empty where values are shown as they are.
    pub tone: Vec<[f32; 2]>,
}

impl SignalMetadata for PictureMetadata {
    const VERSION: u32 = 1;
}

impl PictureMetadata {
    /// The region of the fitted picture at its own size.
    ///
    /// # Errors
    /// If a side is zero.
    pub fn canvas(&self) -> Result<Canvas> {
        let grid = Grid::new(&[self.height, self.width], self.coordinates)?;
        Ok(Canvas::new(&grid).toned(self.tone.clone()))
    }
}
