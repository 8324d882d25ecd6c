//! Reconstruction of new pictures from some of their pixels, and interpolation between two of them.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use siren_core::signal::Stream;
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture};
use siren_run::ConfigOf;

use crate::artifacts::{between, grid, pictures, visible};
use crate::config::HyperSignal;
use crate::context::{Contexts, distinct};
use crate::dataset::{open_square, open_square_mask};
use crate::evaluate::shown;
use crate::model::HyperNetwork;
use crate::reconstruction::coords;
use crate::signal::Hyper;

/// Random numbers of the pixels of [`Seen::Pixels`].
const PIXELS: Stream = Stream::named("hyper.asked");
/// Maximum number of pixels per side of a drawing.
const MAX_DRAWN: usize = 4096;
/// Pixels of a mask above this value, in [0, 1], are observed.
const MASK_THRESHOLD: f32 = 0.5;

/// The observed pixels of a new picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// All pixels.
    #[default]
    All,
    /// This number of pixels, drawn at random.
    Pixels(usize),
    /// The pixels where this picture is brighter than half, after the same crop and resize as the picture itself.
    Mask(PathBuf),
}

/// Resolution and domain of a drawing of fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawing {
    /// Pixels per side of the drawing, relative to the pictures of the model.
    pub scale: usize,
    /// The drawing covers [−extent, extent]², pictures of the model [−1, 1]². Above 0, at most 1000.
    pub extent: f64,
}

impl Default for Drawing {
    fn default() -> Self {
        Self {
            scale: 1,
            extent: 1.0,
        }
    }
}

/// A trained model with the config of its run.
pub struct Restorer {
    /// Config of the run.
    pub config: ConfigOf<Hyper>,
    /// Trained model.
    pub model: HyperNetwork,
}

impl Restorer {
    /// Computes the code `(1, z)` of a picture file from its observed pixels. `fit_steps` steps of Adam refine the encoder's code.
    ///
    /// Also returns the picture with its unobserved pixels in gray.
    ///
    /// # Errors
    /// If a file cannot be read, or the number of observed pixels is 0 or exceeds the number of pixels.
    pub fn code(&self, file: &Path, seen: &Seen, fit_steps: usize) -> Result<(Tensor, Picture)> {
        let signal = &self.signal();
        let picture = open_square(file, signal)?;
        let pixels = signal.size * signal.size;
        let seen = match seen {
            Seen::All => (0..pixels as u32).collect(),
            Seen::Pixels(count) if (1..=pixels).contains(count) => {
                distinct(pixels, *count, &mut PIXELS.rng(self.config.seed, 0))
            }
            Seen::Pixels(count) => {
                let expected = format!(
                    "1 to {pixels}: pictures of this model are {0} × {0} pixels",
                    signal.size
                );
                return Err(Error::invalid("--context", count, &expected));
            }
            Seen::Mask(mask) => bright_pixels(mask, signal)?,
        };
        let channels = self.model.field().out_features();
        let values = picture
            .values
            .iter()
            .map(|value| 2.0 * value - 1.0)
            .collect();
        let device = &candle_core::Device::Cpu;
        let contexts = Contexts {
            pictures: Tensor::from_vec(values, (1, pixels, channels), device)?,
            coords: coords(signal.size, DType::F32, device)?,
            seen: vec![seen],
            codes: None,
        };
        let objective = &self.config.objective;
        let code = match fit_steps {
            0 => self.model.latents(&contexts, objective)?,
            steps => self.model.fit_latents(&contexts, objective, steps)?,
        };
        let context = pictures(&visible(&contexts)?)?.remove(0);
        Ok((code, context))
    }

    /// Draws the fields of codes `(b, z)` as a row of pictures.
    ///
    /// # Errors
    /// If `drawing` is out of range, such as a scale that gives more than 4096 pixels per side.
    pub fn draw(&self, codes: &Tensor, drawing: Drawing) -> Result<Picture> {
        let side = self.config.signal.size * drawing.scale;
        if !(1..=MAX_DRAWN).contains(&side) {
            let expected =
                format!("at least 1, and at most {MAX_DRAWN} pixels per side of a drawing");
            return Err(Error::invalid("--scale", drawing.scale, &expected));
        }
        if !(drawing.extent > 0.0 && drawing.extent <= 1e3) {
            return Err(Error::invalid(
                "--extent",
                drawing.extent,
                "above 0, at most 1000",
            ));
        }
        let coords = (coords(side, DType::F32, codes.device())? * drawing.extent)?;
        let fields = self.model.fields(codes)?;
        let values = shown(&self.model.values(&fields, &coords)?)?;
        Ok(grid(&[pictures(&values)?]))
    }

    /// Interpolates linearly between two codes `(1, z)`: returns `count` codes `(count, z)`, including both ends.
    ///
    /// # Errors
    /// If `count` is not between 2 and 1000.
    pub fn between(&self, from: &Tensor, to: &Tensor, count: usize) -> Result<Tensor> {
        if !(2..=1000).contains(&count) {
            return Err(Error::invalid("--frames", count, "2 to 1000"));
        }
        between(&from.get(0)?, &to.get(0)?, count)
    }

    /// Returns the `[signal]` table of the run with the color mode that the model was trained with, instead of `auto`.
    fn signal(&self) -> HyperSignal {
        HyperSignal {
            color: if self.model.field().out_features() == 1 {
                ColorMode::Gray
            } else {
                ColorMode::Rgb
            },
            ..self.config.signal.clone()
        }
    }
}

/// Returns the indices of the pixels of a mask above [`MASK_THRESHOLD`].
fn bright_pixels(mask: &Path, signal: &HyperSignal) -> Result<Vec<u32>> {
    let values = open_square_mask(mask, signal)?.values;
    let seen: Vec<u32> = (0u32..)
        .zip(values)
        .filter(|(_, value)| *value > MASK_THRESHOLD)
        .map(|(pixel, _)| pixel)
        .collect();
    if seen.is_empty() {
        return Err(Error::signal(
            mask,
            "marks no pixel: a mask must be brighter than half, and not transparent, where the picture is to be observed",
        ));
    }
    Ok(seen)
}
