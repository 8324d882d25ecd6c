//! Tiles of a mosaic that rest: their networks are evaluated where a neighbor learns, but have no gradient, and no optimizer changes them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::gradients::Gradients;
use super::prepared::Prepared;
use super::siren::Siren;
use crate::error::{Error, Result};

/// Which tiles of a mosaic rest. Clones share the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestingTiles(Arc<[bool]>);

impl RestingTiles {
    /// Makes the list of a mosaic, with whether each tile rests, in the sequence of the tiles.
    #[must_use]
    pub fn new(rests: &[bool]) -> Self {
        Self(rests.into())
    }

    /// Returns whether a tile rests.
    #[must_use]
    pub fn rests(&self, tile: usize) -> bool {
        self.0.get(tile).is_some_and(|&rests| rests)
    }

    /// Returns whether each tile rests.
    #[must_use]
    pub fn as_slice(&self) -> &[bool] {
        &self.0
    }

    /// Returns the number of tiles that rest.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().filter(|&&rests| rests).count()
    }

    /// Returns the number of tiles.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.0.len()
    }
}

/// Squared error of the values of a mosaic at points within the borders of one tile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TileError {
    /// Sum of the squared differences from the targets, over points and channels.
    pub squares: f64,
    /// Number of these differences.
    pub values: u64,
}

impl TileError {
    /// Adds the error at other points.
    pub(crate) fn add(&mut self, more: Self) {
        self.squares += more.squares;
        self.values += more.values;
    }
}

/// Errors of the tiles that have points.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TileErrors(pub(crate) BTreeMap<usize, TileError>);

impl TileErrors {
    /// Adds the error at points of a tile.
    pub(crate) fn add(&mut self, tile: usize, error: TileError) {
        self.0.entry(tile).or_default().add(error);
    }

    /// Adds the errors at other points.
    pub(crate) fn merge(&mut self, others: Self) {
        for (tile, error) in others.0 {
            self.add(tile, error);
        }
    }
}

/// What a step of a mosaic some of whose tiles may rest says beside the gradient.
#[derive(Clone, Debug)]
pub(crate) struct TilesOfStep {
    /// Ranges of the parameters of resting tiles, ascending and disjoint.
    pub(crate) resting: Vec<Range<usize>>,
    /// Errors at the points of the step that were computed.
    pub(crate) errors: TileErrors,
}

impl Siren {
    /// Prepares a mosaic as [`prepare`](Self::prepare) with gradients, for a training step in which some tiles rest.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the field is no mosaic on the CPU.
    pub(crate) fn prepare_active(&self, resting: &RestingTiles) -> Result<Prepared<'_>> {
        let network = self.network();
        let flat = self.parameters().var()?.as_tensor();
        let own = flat.narrow(0, 0, network.layout().len())?;
        let pass = network
            .backend
            .prepare_active(&network.plan, &own, resting)?;
        let pass = pass.ok_or_else(|| {
            let expected = "a mosaic on the CPU where tiles rest (`train.rest_db`)";
            Error::invalid("field.mosaic", "another field", expected)
        })?;
        Ok(network.prepared(pass, &own, Gradients::Tracked))
    }
}
