//! The second picture of a blend, and its weights.

use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture, PictureSource};

use crate::config::{BlendConfig, PoissonSignalConfig};

/// The second picture of a blend. The targets are `(1 − w) · first + w · second`, with the derivatives of both pictures.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// The second picture, with the size and the channels of the first.
    pub picture: Picture,
    /// The weight w for every pixel, row-major `(height, width)`, in [0, 1].
    pub weights: Vec<f64>,
}

impl Overlay {
    /// Checks the picture and the weights against the first picture.
    ///
    /// # Errors
    /// [`Error::Shape`] if size, channels or the number of weights do not fit; [`Error::InvalidValue`] if a value is out of range.
    pub fn validate(&self, first: &Picture) -> Result<()> {
        self.picture.validate()?;
        let shape = |picture: &Picture| {
            let (height, width) = (picture.height, picture.width);
            format!("{height} × {width} × {}", picture.channels)
        };
        if shape(&self.picture) != shape(first) {
            return Err(Error::Shape {
                what: "second picture of a blend",
                expected: format!("{} (height × width × channels)", shape(first)),
                got: shape(&self.picture),
            });
        }
        let pixels = first.height * first.width;
        if self.weights.len() != pixels {
            return Err(Error::Shape {
                what: "weights of a blend",
                expected: format!("{pixels}, one per pixel"),
                got: format!("{}", self.weights.len()),
            });
        }
        let is_out_of_range = |weight: &&f64| !(0.0..=1.0).contains(*weight);
        match self.weights.iter().find(is_out_of_range) {
            Some(weight) => Err(Error::invalid("weight of a blend", weight, "0 to 1")),
            None => Ok(()),
        }
    }

    /// Reads the second picture of a config's blend, and its mask.
    ///
    /// # Errors
    /// As [`PictureSource::open`]. [`Error::Signal`] if picture or mask have another size than the first picture, or the mask is black
    /// everywhere.
    pub(crate) fn open(
        signal: &PoissonSignalConfig,
        blend: &BlendConfig,
        first: &Picture,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        Ok(Self {
            picture: open_second(signal, blend, first, notes)?,
            weights: open_weights(signal, blend, first)?,
        })
    }
}

/// Reads the second picture of a blend, with the channels of the first one, and crops and resizes it.
///
/// # Errors
/// As [`PictureSource::open`]. [`Error::Signal`] if the pictures differ in size.
fn open_second(
    signal: &PoissonSignalConfig,
    blend: &BlendConfig,
    first: &Picture,
    notes: &mut Vec<String>,
) -> Result<Picture> {
    let source = PictureSource {
        path: Some(&blend.path),
        color: match first.channels {
            1 => ColorMode::Gray,
            _ => ColorMode::Rgb,
        },
        ..signal.source()
    };
    let second = source.open(notes)?;
    let size = |p: &Picture| format!("{} × {} pixels (height × width)", p.height, p.width);
    if second.size() == first.size() {
        return Ok(second);
    }
    let message = format!(
        "has {} after cropping and resizing, expected the size of the first picture, {}; set `signal.crop` to give both the same size",
        size(&second),
        size(first)
    );
    Err(Error::signal(&blend.path, message))
}

/// Returns the weight w of the second picture for every pixel, in [0, 1].
///
/// # Errors
/// [`Error::Signal`] if the mask cannot be read, has another size than the first picture, or is black everywhere.
fn open_weights(
    signal: &PoissonSignalConfig,
    blend: &BlendConfig,
    first: &Picture,
) -> Result<Vec<f64>> {
    let Some(path) = &blend.mask else {
        let weight = blend.weight.unwrap_or(0.5);
        return Ok(vec![weight; first.height * first.width]);
    };
    let mask = signal.source().open_mask(path, first)?;
    if mask.values.iter().all(|w| w <= 0.0) {
        let message = "the mask is black everywhere, so nothing of the second picture is used; paint the pixels of the second picture white";
        return Err(Error::signal(path, message));
    }
    Ok(mask.values.iter().map(f64::from).collect())
}
