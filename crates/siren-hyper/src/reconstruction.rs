//! The constraint of training: batches of pictures, each to be reconstructed from a random context.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;
use siren_core::Result;
use siren_core::signal::Stream;

use crate::config::{Encoder, HyperObjectiveConfig};
use crate::context::{ContextBatch, distinct, scattered};
use crate::dataset::Dataset;

/// Random numbers of the order of the pictures in an epoch.
const ORDER: Stream = Stream::named("hyper.order");
/// Random numbers of the contexts of a step.
const CONTEXT: Stream = Stream::named("hyper.context");

/// Training pictures whose pixels are to be reconstructed from a random context of each.
pub struct Reconstruction {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) objective: HyperObjectiveConfig,
    /// Number of pictures per step.
    pub(crate) batch: usize,
    /// Range of the number of context pixels of a picture.
    pub(crate) context: Range<usize>,
    pub(crate) seed: u64,
    pub(crate) dtype: DType,
    pub(crate) device: Device,
}

impl Reconstruction {
    /// Draws the batch of a step for a model with this encoder. The pictures have a new random order in every epoch.
    ///
    /// The number of context pixels of each picture is uniform in `signal.context`. As in the authors' code, the set encoder observes
    /// exactly this number of distinct pixels, and a convolutional encoder observes each pixel with the probability that gives this
    /// number on average. An auto-decoder observes no pixels, because its codes are parameters.
    ///
    /// # Errors
    /// Only from candle.
    pub fn draw(&self, encoder: Encoder, step: u64) -> Result<ContextBatch> {
        let training = &self.dataset.split().training;
        let first = step * self.batch as u64;
        let positions = self.positions(first, training.len());
        let pictures: Vec<usize> = positions.iter().map(|&index| training[index]).collect();
        let pixels = self.dataset.pixels();
        let mut rng = CONTEXT.rng(self.seed, step);
        let observed = pictures.iter().map(|_| {
            let count = rng.random_range(self.context.clone());
            match encoder {
                Encoder::Set => distinct(pixels, count, &mut rng),
                Encoder::Conv | Encoder::PartialConv => {
                    scattered(pixels, count as f64 / pixels as f64, &mut rng)
                }
                Encoder::AutoDecoder => Vec::new(),
            }
        });
        let codes = (encoder == Encoder::AutoDecoder)
            .then(|| positions.iter().map(|&index| index as u32).collect());
        Ok(ContextBatch {
            codes,
            ..self
                .dataset
                .contexts(&pictures, observed.collect(), self.dtype, &self.device)?
        })
    }

    /// Returns one batch, from index `first` on, of the infinite sequence of shuffled epochs: indices below `training`.
    fn positions(&self, first: u64, training: usize) -> Vec<usize> {
        let mut positions = Vec::with_capacity(self.batch);
        let mut at = first;
        while positions.len() < self.batch {
            let (epoch, start) = (at / training as u64, (at % training as u64) as usize);
            let mut order: Vec<usize> = (0..training).collect();
            order.shuffle(&mut ORDER.rng(self.seed, epoch));
            let missing = self.batch - positions.len();
            positions.extend(order[start..].iter().take(missing));
            at = first + positions.len() as u64;
        }
        positions
    }
}

/// Returns the coordinates `(side², 2)` of the pixels of square pictures: rows and columns in [−1, 1].
pub(crate) fn coords(side: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    use siren_core::signal::{CoordinateRule, Grid};
    let grid = Grid::new(&[side, side], CoordinateRule::Stretch)?;
    Ok(grid.coords(0, grid.points(), dtype)?.to_device(device)?)
}
