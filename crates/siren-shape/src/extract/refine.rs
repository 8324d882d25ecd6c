//! The sparse lattice around a surface, from coarse to fine.

use siren_core::Result;

use super::evaluate::LatticeValues;
use super::lattice::{Lattice, SparseLattice};
use crate::geometry::Bounds;
use crate::geometry::vector::length;

/// Cells along each axis of the first lattice, at most.
const COARSE_CELLS: usize = 64;

/// Half width of the band of cells that are halved, in diagonals of a cell, for a function of slope 1.
const BAND_DIAGONALS: f64 = 1.5;

/// Makes the lattice of the cells around the surface, with values.
pub(super) fn around_surface(
    values: &mut LatticeValues,
    bounds: &Bounds,
    resolution: usize,
) -> Result<SparseLattice> {
    let mut stride = 1;
    while resolution.div_ceil(stride) > COARSE_CELLS {
        stride *= 2;
    }
    let mut sparse = SparseLattice::all(Lattice::new(bounds, resolution, stride));
    values.fill(&mut sparse)?;
    let mut slope = 1.0_f64;
    while sparse.lattice.stride() > 1 {
        slope = slope.max(largest_slope(&sparse)?);
        let band = BAND_DIAGONALS * length(sparse.lattice.sides()) * slope;
        sparse = sparse.refined(|cube| {
            let is_near = cube.values.iter().any(|value| value.abs() <= band);
            is_near || !matches!(cube.case(), 0 | u8::MAX)
        })?;
        values.fill(&mut sparse)?;
        follow_surface(values, &mut sparse)?;
    }
    Ok(sparse)
}

/// Adds the cells that the surface enters from a cell of the lattice, until there are none.
fn follow_surface(values: &mut LatticeValues, sparse: &mut SparseLattice) -> Result<()> {
    let mut missing = sparse.missing_neighbors(&sparse.slabs)?;
    while missing.iter().any(|slab| !slab.is_empty()) {
        sparse.insert(&missing);
        values.fill(sparse)?;
        missing = sparse.missing_neighbors(&missing)?;
    }
    Ok(())
}

/// Returns the largest |difference quotient| along edges at corner 0 of a cell. Edges at the border, whose values are capped, are left out.
fn largest_slope(sparse: &SparseLattice) -> Result<f64> {
    let lattice = &sparse.lattice;
    let mut largest = 0.0_f64;
    sparse.visit(&sparse.slabs, |cube| {
        if lattice.is_border(cube.index) {
            return Ok(());
        }
        for axis in 0..3 {
            let end = cube.corner(1 << axis);
            if !lattice.is_border(end) {
                let rise = cube.values[1 << axis] - cube.values[0];
                let run = lattice.sides()[axis];
                largest = largest.max((rise / run).abs());
            }
        }
        Ok(())
    })?;
    Ok(largest)
}

/// Makes the lattice of all cells, with values.
#[cfg(test)]
pub(super) fn everywhere(
    values: &mut LatticeValues,
    bounds: &Bounds,
    resolution: usize,
) -> Result<SparseLattice> {
    let mut sparse = SparseLattice::all(Lattice::new(bounds, resolution, 1));
    values.fill(&mut sparse)?;
    Ok(sparse)
}
