//! Pixels whose values are fitted as well as the derivatives.

use rand::Rng;
use siren_core::signal::Stream;
use siren_core::{Error, Result};
use siren_picture::Picture;

use crate::config::{AnchorConfig, AnchorPixels, PoissonObjectiveConfig, PoissonSignalConfig};

/// Stream of randomly chosen anchors.
const ANCHORS: Stream = Stream::named("poisson.anchors");

/// Pixels whose values are fitted as well.
pub(crate) struct Anchors {
    /// Indices of the pixels, row-major; at least one.
    pub(crate) pixels: Vec<u32>,
    /// Weight of their mean squared error in the loss.
    pub(crate) weight: f64,
}

impl Anchors {
    /// Returns the anchors that a config asks for, if any.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if no pixel is chosen; the errors of reading a mask.
    pub(crate) fn of_config(
        signal: &PoissonSignalConfig,
        objective: &PoissonObjectiveConfig,
        seed: u64,
        picture: &Picture,
    ) -> Result<Option<Self>> {
        let Some(AnchorConfig { weight, pixels }) = &objective.anchor else {
            return Ok(None);
        };
        let (height, width) = (picture.height, picture.width);
        let all = 0..(height * width) as u32;
        let chosen: Vec<u32> = match pixels {
            AnchorPixels::Border => {
                let is_at_edge = |at: &u32| {
                    let (row, column) = (*at as usize / width, *at as usize % width);
                    row == 0 || column == 0 || row + 1 == height || column + 1 == width
                };
                all.filter(is_at_edge).collect()
            }
            AnchorPixels::Fraction(fraction) => {
                let mut rng = ANCHORS.rng(seed, 0);
                all.filter(|_| rng.random::<f64>() < *fraction).collect()
            }
            AnchorPixels::Mask(path) => {
                let mask = signal.source().open_mask(path, picture)?;
                all.filter(|&at| mask.values.at(at as usize) > 0.5)
                    .collect()
            }
        };
        Self::new(chosen, *weight).map(Some)
    }

    /// Returns the anchors that a mask in memory selects among `points` pixels.
    ///
    /// # Errors
    /// [`Error::Shape`] if the mask has another number of elements; [`Error::InvalidValue`] if none is `true`, or the weight is negative or
    /// not finite.
    pub(crate) fn of_mask(mask: &[bool], weight: f64, points: usize) -> Result<Self> {
        if mask.len() != points {
            return Err(Error::Shape {
                what: "mask of the anchors",
                expected: format!("{points} elements, one per pixel"),
                got: format!("{}", mask.len()),
            });
        }
        if !(weight.is_finite() && weight >= 0.0) {
            let expected = "a weight of at least 0";
            return Err(Error::invalid("objective.anchor.weight", weight, expected));
        }
        let pixels = (0..mask.len() as u32).filter(|&at| mask[at as usize]);
        Self::new(pixels.collect(), weight)
    }

    fn new(pixels: Vec<u32>, weight: f64) -> Result<Self> {
        if pixels.is_empty() {
            let expected = "at least one pixel (a higher fraction, or a mask with white in it)";
            return Err(Error::invalid("objective.anchor.pixels", "none", expected));
        }
        Ok(Self { pixels, weight })
    }
}
