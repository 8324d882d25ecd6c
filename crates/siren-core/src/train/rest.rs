//! Tiles of a mosaic that are good enough, and rest: `train.rest_db`.
//!
//! The squared errors that the steps compute anyway are summed for each tile over a round of steps. A tile whose PSNR over a round reaches the target
//! rests from then on: points of resting tiles alone are left out of a step before anything is computed for them, and the optimizer leaves parameters
//! and state of resting tiles as they are. The losses of the other points keep their factor, so that their gradients do not change.

use candle_core::{Device, Tensor};

use super::{Model, TrainConfig};
use crate::error::{Error, Result};
use crate::field::{FlatGradient, RestingTiles, TileError};
use crate::metrics::psnr_db;
use crate::optimizer::OptimizerState;

/// Steps between decisions.
const ROUND_STEPS: u64 = 50;
/// Fewest squared differences that a decision on a tile is made of. The sums of a tile with fewer go on through the next round.
const LEAST_VALUES: u64 = 256;
/// Width of the range of values, [−1, 1].
const PEAK: f64 = 2.0;
/// Key of the target.
const KEY: &str = "train.rest_db";
/// Name of the state in a checkpoint.
const STATE: &str = "tiles";
/// Columns of the state: whether a tile rests, the sum of squared differences, and their number.
const COLUMNS: usize = 3;

/// Makes the error of a training whose tiles cannot rest.
pub(super) fn refused(rest_db: f64, expected: &str) -> Error {
    Error::invalid(KEY, rest_db, expected)
}

impl TrainConfig {
    /// Checks that a model can be trained on these constraints with the `precision` and the `rest_db` of this config.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the key.
    pub fn must_train<M: Model>(&self, model: &M, constraints: &[M::Constraint]) -> Result<()> {
        self.precision.must_train(model, constraints)?;
        match self.rest_db {
            Some(rest_db) => model.must_rest(rest_db, constraints),
            None => Ok(()),
        }
    }

    /// Checks `rest_db` by itself and with the optimizer.
    pub(super) fn check_rest(&self) -> Result<()> {
        let Some(rest_db) = self.rest_db else {
            return Ok(());
        };
        if !(rest_db > 0.0 && rest_db.is_finite()) {
            return Err(refused(
                rest_db,
                "a positive number of decibels, such as 42",
            ));
        }
        if !self.optimizer.lets_tiles_rest() {
            return Err(refused(
                rest_db,
                "no value with `gauss_newton`, `lbfgs` or `ssbroyden`, which step all parameters together: remove the key, or choose \
                 `adam`, `adamw` or `muon` as `train.optimizer`",
            ));
        }
        Ok(())
    }
}

/// Which tiles rest, and what the next decision is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rest {
    /// PSNR at which a tile rests.
    target_db: f64,
    resting: RestingTiles,
    /// Errors since the last decision, for each tile.
    errors: Vec<TileError>,
}

impl Rest {
    /// Returns the beginning of a training in which no tile rests.
    pub(super) fn new(target_db: f64, tiles: usize) -> Self {
        Self {
            target_db,
            resting: RestingTiles::new(&vec![false; tiles]),
            errors: vec![TileError::default(); tiles],
        }
    }

    /// Returns the tiles that rest.
    pub(super) fn resting(&self) -> &RestingTiles {
        &self.resting
    }

    /// Returns whether no tile learns any more.
    pub(super) fn is_complete(&self) -> bool {
        self.resting.count() == self.resting.tiles()
    }

    /// Adds the errors of step number `step`, counted from 1, and decides which tiles rest, if it is the last one of a round.
    pub(super) fn count(&mut self, step: u64, gradient: &FlatGradient) {
        for (&tile, &error) in gradient.tile_errors().into_iter().flat_map(|all| &all.0) {
            self.errors[tile].add(error);
        }
        if !step.is_multiple_of(ROUND_STEPS) {
            return;
        }
        let mut rests = self.resting.as_slice().to_vec();
        for (rests, error) in rests.iter_mut().zip(&mut self.errors) {
            if error.values >= LEAST_VALUES {
                let mean = error.squares / error.values as f64;
                *rests |= psnr_db(mean, PEAK) >= self.target_db;
                *error = TileError::default();
            }
        }
        self.resting = RestingTiles::new(&rests);
    }

    /// Adds a copy to the state of an optimizer, for a checkpoint.
    pub(super) fn save(&self, state: &mut OptimizerState) -> Result<()> {
        let tiles = self.resting.as_slice().iter().zip(&self.errors);
        let rows = tiles.flat_map(|(&rests, error)| {
            [
                f64::from(u8::from(rests)),
                error.squares,
                error.values as f64,
            ]
        });
        let shape = (self.errors.len(), COLUMNS);
        let rows = Tensor::from_iter(rows, &Device::Cpu)?.reshape(shape)?;
        state.tensors.push((STATE.to_owned(), rows));
        Ok(())
    }

    /// Returns what [`save`](Self::save) added; the beginning of a training if it is that of an older program, which adds nothing.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is that of another mosaic.
    pub(super) fn restored(&self, state: &OptimizerState) -> Result<Self> {
        let tiles = self.errors.len();
        if !state.tensors.iter().any(|(name, _)| name == STATE) {
            return Ok(Self::new(self.target_db, tiles));
        }
        let rows = state.tensor(STATE, &[tiles, COLUMNS], &Device::Cpu)?;
        let rows = rows.to_vec2::<f64>()?;
        let rests: Vec<bool> = rows.iter().map(|row| row[0] > 0.0).collect();
        let error = |row: &Vec<f64>| TileError {
            squares: row[1],
            values: row[2] as u64,
        };
        Ok(Self {
            target_db: self.target_db,
            resting: RestingTiles::new(&rests),
            errors: rows.iter().map(error).collect(),
        })
    }
}
