//! What a step trains on: a batch of pictures, with some of their pixels as context.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;
use siren_core::Result;
use siren_core::signal::step_rng;

use crate::config::{Encoder, HyperObjective};
use crate::context::{Contexts, distinct, scattered};
use crate::dataset::Dataset;

/// [`step_rng`] purpose of the order of pictures in an epoch, and of the contexts of a step.
const ORDER: u8 = 16;
const CONTEXT: u8 = 17;

/// Pictures to be reconstructed, all of their pixels from some of them.
pub struct Reconstruction {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) objective: HyperObjective,
    pub(crate) encoder: Encoder,
    pub(crate) batch: usize,
    /// Context pixels, at least and fewer than.
    pub(crate) context: [usize; 2],
    pub(crate) seed: u64,
    pub(crate) device: Device,
}

impl Reconstruction {
    /// The batch of a step: pictures in a new order every epoch; of each a number of pixels, uniform in the range. As the authors
    /// do, so many different ones for the set encoder, and for convolutions each pixel with the probability that gives so many on
    /// average. An encoder that is none sees none: codes are parameters.
    ///
    /// # Errors
    /// Only from candle.
    pub fn draw(&self, step: u64) -> Result<Contexts> {
        let training = &self.dataset.training;
        let first = step * self.batch as u64;
        let places: Vec<usize> = self.places(first, training.len());
        let pictures: Vec<usize> = places.iter().map(|&place| training[place]).collect();
        let pixels = self.dataset.pixels();
        let mut rng = step_rng(self.seed, CONTEXT, step);
        let seen = pictures.iter().map(|_| {
            let number = rng.random_range(self.context[0]..self.context[1]);
            match self.encoder {
                Encoder::Set => distinct(pixels, number, &mut rng),
                Encoder::Conv | Encoder::PartialConv => {
                    scattered(pixels, number as f64 / pixels as f64, &mut rng)
                }
                Encoder::AutoDecoder => Vec::new(),
            }
        });
        let codes = (self.encoder == Encoder::AutoDecoder)
            .then(|| places.iter().map(|&place| place as u32).collect());
        Ok(Contexts {
            codes,
            ..self
                .dataset
                .contexts(&pictures, seen.collect(), &self.device)?
        })
    }

    /// The places `first ..` of an endless sequence of shuffled epochs.
    fn places(&self, first: u64, training: usize) -> Vec<usize> {
        let mut places = Vec::with_capacity(self.batch);
        let mut at = first;
        while places.len() < self.batch {
            let (epoch, start) = (at / training as u64, (at % training as u64) as usize);
            let mut order: Vec<usize> = (0..training).collect();
            order.shuffle(&mut step_rng(self.seed, ORDER, epoch));
            let wanted = self.batch - places.len();
            places.extend(order[start..].iter().take(wanted));
            at = first + places.len() as u64;
        }
        places
    }
}

/// Coordinates of square pictures, `(side², 2)`.
pub(crate) fn coords(side: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    use siren_core::signal::{CoordinateRule, Grid};
    let grid = Grid::new(&[side, side], CoordinateRule::Stretch)?;
    Ok(grid.coords(0, grid.points(), dtype)?.to_device(device)?)
}
