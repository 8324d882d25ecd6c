//! Pictures that a model has not seen: reconstructed from some of their pixels, and what lies between two of them.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use siren_core::run::ConfigOf;
use siren_core::signal::step_rng;
use siren_core::{Error, Result};
use siren_picture::{ColorMode, Picture};

use crate::artifacts::{between, grid, pictures, visible};
use crate::config::HyperSignal;
use crate::context::{Contexts, distinct};
use crate::dataset::{prepared, prepared_mask};
use crate::evaluate::shown;
use crate::model::HyperNetwork;
use crate::reconstruction::coords;
use crate::signal::Hyper;

/// [`step_rng`] purpose of context pixels that a user asks for.
const ASKED: u8 = 21;
/// Most pixels a side that are drawn.
const MAX_DRAWN: usize = 4096;
/// A mask shows what is brighter.
const BRIGHT: f32 = 0.5;

/// Which pixels of a new picture are seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// All.
    #[default]
    All,
    /// So many at random.
    Pixels(usize),
    /// Where this picture, cropped and resized as the other, is brighter than half.
    Mask(PathBuf),
}

/// How fields are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawing {
    /// Pixels a side, for each that pictures of the model have.
    pub scale: usize,
    /// From −extent to extent, where pictures are from −1 to 1.
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

/// A model with the config of its run.
pub struct Restorer {
    /// The config.
    pub config: ConfigOf<Hyper>,
    /// The model.
    pub model: HyperNetwork,
}

impl Restorer {
    /// The code `(1, z)` of a picture file of which some pixels are seen, and what is seen of it; `fit` steps improve on the encoder's.
    ///
    /// # Errors
    /// If a file cannot be read, or more pixels are asked for than there are, or none.
    pub fn code(&self, file: &Path, seen: &Seen, fit: usize) -> Result<(Tensor, Picture)> {
        let signal = &self.signal();
        let picture = prepared(file, signal)?;
        let pixels = signal.size * signal.size;
        let seen = match seen {
            Seen::All => (0..pixels as u32).collect(),
            Seen::Pixels(number) if (1..=pixels).contains(number) => {
                distinct(pixels, *number, &mut step_rng(self.config.seed, ASKED, 0))
            }
            Seen::Pixels(number) => {
                let expected = format!(
                    "1 to {pixels}: pictures of this model are {0} × {0} pixels",
                    signal.size
                );
                return Err(Error::invalid("--context", number, &expected));
            }
            Seen::Mask(mask) => bright(mask, signal)?,
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
        let code = match fit {
            0 => self.model.latents(&contexts, objective)?,
            steps => self.model.fit_latents(&contexts, objective, steps)?,
        };
        let context = pictures(&visible(&contexts)?)?.remove(0);
        Ok((code, context))
    }

    /// The fields of codes `(b, z)` as pictures in a row.
    ///
    /// # Errors
    /// If they would be too large.
    pub fn draw(&self, codes: &Tensor, drawing: Drawing) -> Result<Picture> {
        let side = self.config.signal.size * drawing.scale;
        if !(1..=MAX_DRAWN).contains(&side) {
            let expected = format!("at least 1, and for {MAX_DRAWN} pixels a side at most");
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

    /// So many codes from one to another, both among them, `(number, z)`.
    ///
    /// # Errors
    /// If fewer than two are asked for, or more than are worth looking at.
    pub fn between(&self, from: &Tensor, to: &Tensor, number: usize) -> Result<Tensor> {
        if !(2..=1000).contains(&number) {
            return Err(Error::invalid("--frames", number, "2 to 1000"));
        }
        between(&from.get(0)?, &to.get(0)?, number)
    }

    /// The pictures that the model knows have its channels.
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

fn bright(mask: &Path, signal: &HyperSignal) -> Result<Vec<u32>> {
    let values = prepared_mask(mask, signal)?.values;
    let seen: Vec<u32> = (0u32..)
        .zip(values)
        .filter(|(_, value)| *value > BRIGHT)
        .map(|(at, _)| at)
        .collect();
    if seen.is_empty() {
        return Err(Error::signal(
            mask,
            "shows nothing: a mask is bright, and not transparent, where the picture is seen",
        ));
    }
    Ok(seen)
}
