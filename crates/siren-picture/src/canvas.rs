//! Where a field is drawn: a region of its plane, at any size.

use std::str::FromStr;

use siren_core::signal::Grid;
use siren_core::{Error, Result};

/// Longest side of a rendered picture.
const MAX_RENDERED_SIDE: usize = 65_535;

/// Height and width in pixels, written `HxW`, `HXW` or `H×W`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// This size times `scale`, at least 1 × 1.
    ///
    /// # Errors
    /// If the scale is not a positive number, or the result is absurdly large.
    pub fn scaled(self, scale: f64) -> Result<Self> {
        let side = |pixels: usize| (pixels as f64 * scale).round().max(1.0);
        let (height, width) = (side(self.height), side(self.width));
        let fits =
            scale.is_finite() && scale > 0.0 && height.max(width) <= MAX_RENDERED_SIDE as f64;
        if !fits {
            let expected =
                format!("a positive factor that gives at most {MAX_RENDERED_SIDE} pixels a side");
            return Err(Error::invalid("--scale", scale, &expected));
        }
        Ok(Self {
            height: height as usize,
            width: width as usize,
        })
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected HxW, such as 512x768: height, then width, 1 to {MAX_RENDERED_SIDE} pixels each"
            )
        };
        let (height, width) = text.split_once(['x', 'X', '×']).ok_or_else(expected)?;
        let side = |text: &str| match text.parse() {
            Ok(side @ 1..=MAX_RENDERED_SIDE) => Ok(side),
            _ => Err(expected()),
        };
        Ok(Self {
            height: side(height)?,
            width: side(width)?,
        })
    }
}

/// Where a field is drawn, and the unit of its derivatives there.
#[derive(Clone, Debug)]
pub struct Canvas {
    grid: Grid,
    /// Coordinates per pixel of the fitted picture, down and to the right, whatever size is drawn.
    pixel: [f64; 2],
    /// For each channel the gain and the offset of what is shown of a value; empty where values are shown as they are.
    tone: Vec<[f32; 2]>,
}

impl Canvas {
    /// The grid of the fitted picture, `(height, width)`.
    #[must_use]
    pub fn new(grid: &Grid) -> Self {
        Self {
            grid: grid.clone(),
            pixel: [grid.spacing(0), grid.spacing(1)],
            tone: Vec::new(),
        }
    }

    /// The same region at another size.
    ///
    /// # Errors
    /// If a side is zero.
    pub fn at(&self, size: Size) -> Result<Self> {
        Ok(Self {
            grid: self.grid.resampled(&[size.height, size.width])?,
            ..self.clone()
        })
    }

    /// Where values `gain · y + offset` are shown instead of `y`, `[gain, offset]` for each channel.
    #[must_use]
    pub fn toned(self, tone: Vec<[f32; 2]>) -> Self {
        Self { tone, ..self }
    }

    /// What is shown of the value `y` of a channel, in [0, 1]; −1 is black and 1 is full.
    #[must_use]
    pub fn shown(&self, channel: usize, y: f32) -> f32 {
        let [gain, offset] = self.tone.get(channel).copied().unwrap_or([1.0, 0.0]);
        (0.5 * (gain * y + offset) + 0.5).clamp(0.0, 1.0)
    }

    /// The points that are drawn.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Coordinates per pixel of the fitted picture, down and to the right.
    #[must_use]
    pub fn pixel(&self) -> [f64; 2] {
        self.pixel
    }

    /// Rows and columns.
    #[must_use]
    pub fn size(&self) -> Size {
        let sides = self.grid.sides();
        Size {
            height: sides[0],
            width: sides[1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_with_any_sign_of_multiplication() {
        let size = Size {
            height: 64,
            width: 48,
        };
        for text in ["64x48", "64X48", "64×48"] {
            assert_eq!(text.parse(), Ok(size));
        }
        for text in ["64", "64x", "0x5", "64x48x3", "65536x1"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
