//! Reconstruction of new pictures from some of their pixels, at any size, and interpolation between two of them.

use std::ops::RangeInclusive;

use candle_core::Tensor;
use siren_core::signal::Stream;
use siren_core::train::Model as _;
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture};

use crate::context::{ContextBatch, distinct};
use crate::dataset::center_square;
use crate::encoder::side;
use crate::evaluate::to_unit_range;
use crate::model::HyperNetwork;
use crate::montage::pictures;
use crate::reconstruction::coords;

/// Random numbers of the pixels of [`ObservedPixels::Random`].
const PIXELS: Stream = Stream::named("hyper.asked");
/// Largest number of pixels per side of a drawing.
const MAX_DRAWN: usize = 4096;
/// Largest extent of a drawing.
const MAX_EXTENT: f64 = 1e3;
/// Number of codes of an interpolation.
const CODES: RangeInclusive<usize> = 2..=1000;
/// Pixels of a mask above this value, in [0, 1], are observed.
const MASK_THRESHOLD: f32 = 0.5;

/// Selection of the observed pixels of a new picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ObservedPixels {
    /// All pixels.
    #[default]
    All,
    /// Pixels drawn at random.
    Random {
        /// Number of pixels: at least 1, at most as many as the picture has.
        count: usize,
        /// Seed of the draw.
        seed: u64,
    },
    /// The pixels where the luma of this picture is above 0.5, after the same crop and resize as the new picture.
    Mask(Picture),
}

/// Resolution and domain of a drawing of fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawing {
    /// Pixels per side, 1 to 4096.
    pub side: usize,
    /// The drawing covers [−extent, extent]²; pictures of the model cover [−1, 1]². Above 0, at most 1000.
    pub extent: f64,
}

impl HyperNetwork {
    /// Returns the number of pixels per side of the pictures of the model.
    ///
    /// # Errors
    /// [`Error::Shape`] if the model was made without this number.
    pub fn side(&self) -> Result<usize> {
        side(self.field().shape())
    }

    /// Returns the color mode of the pictures of the model: gray or RGB.
    #[must_use]
    pub fn color_mode(&self) -> ColorMode {
        if self.field().out_features() == 1 {
            ColorMode::Gray
        } else {
            ColorMode::Rgb
        }
    }

    /// Returns a new picture with its observed pixels as a batch of one. The picture is cropped to the square at its center, resized to the
    /// size of the model's pictures, and converted to their color mode.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if no pixel is observed, or more than the picture has.
    pub fn context_of(&self, picture: &Picture, observed: &ObservedPixels) -> Result<ContextBatch> {
        let side = self.side()?;
        let pixels = side * side;
        let observed = match observed {
            ObservedPixels::All => (0..pixels as u32).collect(),
            ObservedPixels::Random { count, seed } if (1..=pixels).contains(count) => {
                distinct(pixels, *count, &mut PIXELS.rng(*seed, 0))
            }
            ObservedPixels::Random { count, .. } => {
                let expected =
                    format!("1 to {pixels}: pictures of this model are {side} × {side} pixels");
                return Err(Error::invalid("observed.count", count, &expected));
            }
            ObservedPixels::Mask(mask) => bright_pixels(mask, side)?,
        };
        let picture = center_square(&self.in_color_mode(picture), side)?;
        let values: Vec<f32> = picture.values.iter().map(|v| 2.0 * v - 1.0).collect();
        let (dtype, device) = (self.parameters().dtype(), self.parameters().device());
        let shape = (1, pixels, picture.channels);
        Ok(ContextBatch {
            pictures: Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?,
            coords: coords(side, dtype, device)?,
            observed: vec![observed],
            codes: None,
        })
    }

    /// Converts a picture to the color mode of the model's pictures.
    fn in_color_mode(&self, picture: &Picture) -> Picture {
        picture.clone().with_color_mode(self.color_mode())
    }

    /// Draws the fields of codes `(b, z)` as `b` square pictures.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `drawing` is out of range; [`Error::Shape`] if the codes have another size than those of the model.
    pub fn draw(&self, codes: &Tensor, drawing: Drawing) -> Result<Vec<Picture>> {
        let Drawing { side, extent } = drawing;
        if !(1..=MAX_DRAWN).contains(&side) {
            let expected =
                format!("at least 1, and at most {MAX_DRAWN} pixels per side of a drawing");
            return Err(Error::invalid("drawing.side", side, &expected));
        }
        if !(extent > 0.0 && extent <= MAX_EXTENT) {
            let expected = format!("above 0, at most {MAX_EXTENT}");
            return Err(Error::invalid("drawing.extent", extent, &expected));
        }
        let coords = (coords(side, codes.dtype(), codes.device())? * extent)?;
        let values = self.values(&self.fields(codes)?, &coords)?;
        pictures(&to_unit_range(&values)?)
    }
}

/// Interpolates linearly between two codes `(z,)`: returns `count` codes `(count, z)`, including both ends.
///
/// # Errors
/// [`Error::InvalidValue`] if `count` is not between 2 and 1000.
pub fn interpolate(from: &Tensor, to: &Tensor, count: usize) -> Result<Tensor> {
    if !CODES.contains(&count) {
        let expected = format!("{} to {}", CODES.start(), CODES.end());
        return Err(Error::invalid("count", count, &expected));
    }
    let fraction = |index: usize| index as f64 / (count - 1) as f64;
    let codes = (0..count).map(|index| (from * (1.0 - fraction(index)))? + (to * fraction(index))?);
    let codes = codes.collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::stack(&codes, 0)?)
}

/// Returns the indices of the pixels of a mask above [`MASK_THRESHOLD`].
fn bright_pixels(mask: &Picture, side: usize) -> Result<Vec<u32>> {
    let values = center_square(&mask.luma(), side)?.values;
    let observed: Vec<u32> = (0u32..)
        .zip(values.iter())
        .filter(|(_, value)| *value > MASK_THRESHOLD)
        .map(|(pixel, _)| pixel)
        .collect();
    if observed.is_empty() {
        let expected = "a picture that is brighter than half where pixels are observed";
        return Err(Error::invalid("observed.mask", "dark everywhere", expected));
    }
    Ok(observed)
}
