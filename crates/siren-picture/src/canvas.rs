//! The grid of points on which a field is rendered.

use std::str::FromStr;

use siren_core::signal::Grid;
use siren_core::{Error, Result};

use crate::picture::MAX_PIXELS;

/// Longest side of a rendered picture, in pixels.
const MAX_RENDERED_SIDE: usize = 65_535;

/// Height and width in pixels, written `HxW`, `HXW` or `H×W`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl Size {
    /// Checks that a picture of this size can be rendered in memory.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a side is zero or there are more than [`MAX_PIXELS`] pixels.
    pub fn must_fit_in_memory(self) -> Result<()> {
        let Self { height, width } = self;
        if (1..=MAX_PIXELS).contains(&height.saturating_mul(width)) {
            return Ok(());
        }
        let value = format!("{height} × {width}");
        let expected =
            format!("height × width of 1 to {MAX_PIXELS} pixels for a rendering in memory");
        Err(Error::invalid("size", value, &expected))
    }

    /// Returns this size multiplied by `scale`, rounded to whole pixels, at least 1 × 1.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the scale is not a positive finite number, or a side of the result exceeds 65,535 pixels.
    pub fn scaled(self, scale: f64) -> Result<Self> {
        let side = |pixels: usize| (pixels as f64 * scale).round().max(1.0);
        let (height, width) = (side(self.height), side(self.width));
        let fits =
            scale.is_finite() && scale > 0.0 && height.max(width) <= MAX_RENDERED_SIDE as f64;
        if !fits {
            let expected =
                format!("a positive factor that gives at most {MAX_RENDERED_SIDE} pixels per side");
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
                "expected HxW (height, then width) such as 512x768, each 1 to {MAX_RENDERED_SIDE} pixels"
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

/// Grid of points on which a field is rendered, with the unit of the derivatives and the tone correction of the values.
#[derive(Clone, Debug)]
pub struct Canvas {
    grid: Grid,
    /// Distance in coordinates between adjacent pixels of the fitted picture, `[downward, to the right]`. It does not depend
    /// on the rendered size.
    pixel_spacing: [f64; 2],
    /// `[gain, offset]` for each channel. Empty if values are displayed unchanged.
    tone: Vec<[f32; 2]>,
}

impl Canvas {
    /// Creates the canvas of a fitted picture from its grid `(height, width)`.
    #[must_use]
    pub fn new(grid: &Grid) -> Self {
        Self {
            grid: grid.clone(),
            pixel_spacing: [grid.spacing(0), grid.spacing(1)],
            tone: Vec::new(),
        }
    }

    /// Returns a canvas of the same region with another number of pixels.
    ///
    /// # Errors
    /// Returns an error if a side is zero.
    pub fn resized(&self, size: Size) -> Result<Self> {
        Ok(Self {
            grid: self.grid.resampled(&[size.height, size.width])?,
            ..self.clone()
        })
    }

    /// Sets the tone correction: a value `y` of the field is displayed as `gain · y + offset`, with `[gain, offset]` for each
    /// channel.
    #[must_use]
    pub fn with_tone(self, tone: Vec<[f32; 2]>) -> Self {
        Self { tone, ..self }
    }

    /// Returns the displayed intensity, in [0, 1], of the field value `y` of a channel. After the tone correction −1 is black and 1
    /// is full intensity.
    #[must_use]
    pub fn intensity(&self, channel: usize, y: f32) -> f32 {
        let [gain, offset] = self.tone.get(channel).copied().unwrap_or([1.0, 0.0]);
        (0.5 * (gain * y + offset) + 0.5).clamp(0.0, 1.0)
    }

    /// Returns the grid of rendered points.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Returns the distance in coordinates between adjacent pixels of the fitted picture, `[downward, to the right]`.
    #[must_use]
    pub fn pixel_spacing(&self) -> [f64; 2] {
        self.pixel_spacing
    }

    /// Returns the rendered size.
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
    fn a_size_is_parsed_with_x_capital_x_or_the_multiplication_sign() {
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
