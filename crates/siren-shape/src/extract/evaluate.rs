//! Values of the function at the points of a lattice.

use siren_core::{Error, Result};

use super::lattice::{Lattice, SparseLattice};
use super::{LevelFunction, ValueRange};
use crate::geometry::Vector;

/// Points per call of the function.
pub(super) const BATCH_POINTS: usize = 65_536;

/// Evaluates a function at the points of lattices, and keeps the range of its values.
pub(super) struct LatticeValues<'a> {
    function: &'a dyn LevelFunction,
    level: f64,
    range: ValueRange,
}

/// Place of a value in a sparse lattice.
struct PointPlace {
    plane: usize,
    entry: usize,
}

impl<'a> LatticeValues<'a> {
    pub(super) fn new(function: &'a dyn LevelFunction, level: f64) -> Self {
        Self {
            function,
            level,
            range: ValueRange::EMPTY,
        }
    }

    /// Computes the values that are NaN. Border points below the level get the value 0.
    pub(super) fn fill(&mut self, sparse: &mut SparseLattice) -> Result<()> {
        let mut places = Vec::with_capacity(BATCH_POINTS);
        for plane in 0..sparse.planes.len() {
            for entry in 0..sparse.planes[plane].keys.len() {
                if sparse.planes[plane].values[entry].is_nan() {
                    places.push(PointPlace { plane, entry });
                    if places.len() == BATCH_POINTS {
                        self.fill_batch(sparse, &mut places)?;
                    }
                }
            }
        }
        self.fill_batch(sparse, &mut places)
    }

    fn fill_batch(
        &mut self,
        sparse: &mut SparseLattice,
        places: &mut Vec<PointPlace>,
    ) -> Result<()> {
        let width = sparse.lattice.points();
        let indices: Vec<[usize; 3]> = places
            .iter()
            .map(|place| {
                let key = sparse.planes[place.plane].keys[place.entry] as usize;
                [place.plane, key / width, key % width]
            })
            .collect();
        let values = values_at(self.function, &sparse.lattice, &indices)?;
        for ((place, value), index) in places.drain(..).zip(values).zip(indices) {
            self.range.include(value);
            let above = value - self.level;
            let is_capped = above < 0.0 && sparse.lattice.is_border(index);
            sparse.planes[place.plane].values[place.entry] = if is_capped { 0.0 } else { above };
        }
        Ok(())
    }

    /// Returns whether values below the level, and values at or above it, occurred.
    pub(super) fn has_both_sides(&self) -> bool {
        self.range.lowest < self.level && self.range.highest >= self.level
    }

    /// Returns the range of the values so far.
    pub(super) fn range(&self) -> ValueRange {
        self.range
    }
}

/// Returns the values at points of a lattice.
pub(super) fn values_at(
    function: &dyn LevelFunction,
    lattice: &Lattice,
    indices: &[[usize; 3]],
) -> Result<Vec<f64>> {
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let points: Vec<f64> = indices
        .iter()
        .flat_map(|&index| lattice.position(index))
        .collect();
    let values = function.values(&points)?;
    check_length("values of the function", values.len(), indices.len())?;
    for (&value, &index) in values.iter().zip(indices) {
        check_finite(value, lattice.position(index))?;
    }
    Ok(values)
}

pub(super) fn check_length(what: &'static str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        expected: format!("{expected} elements"),
        got: format!("{got} elements"),
    })
}

pub(super) fn check_finite(value: f64, position: Vector) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::invalid(
        "field",
        format!("{value} at {position:?}"),
        "finite values in the whole box; did the training diverge?",
    ))
}
