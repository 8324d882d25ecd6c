//! How points are cut into tiles of rows: the geometry of `kernels/rows.cuh`.

use std::ops::RangeInclusive;

use siren_kernel::network::{Order, Plan};

use crate::error::{Error, Result};

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 128;
/// Columns of a tile of a product.
pub(crate) const TILE_COLUMNS: usize = 64;
/// Columns to a multiple of which rows are padded.
pub(crate) const SLICE: usize = 32;
/// Tiles of a split of a weight gradient, at least.
const MIN_SPLIT_TILES: usize = 2;
/// Blocks of the weight gradients of one launch: with two or three blocks for each multiprocessor, whole rounds on the largest cards.
const SPLIT_BLOCKS: usize = 768;
/// Number of splits of a large sample.
const SPLITS: RangeInclusive<usize> = 32..=64;

/// Largest number of components of a jet: value, gradient and second-order traces.
pub const MAX_COMPONENTS: usize = TILE_ROWS;

/// Sizes of a batch of `fields` fields at `points` points each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiling {
    pub(crate) fields: usize,
    /// Points of a field.
    pub(crate) points: usize,
    /// Components of a jet.
    pub(crate) components: usize,
}

impl Tiling {
    /// Returns the tiling of points with jets of `order`.
    pub(crate) fn new(plan: &Plan, fields: usize, points: usize, order: &Order) -> Result<Self> {
        let components = order.components(plan.in_features);
        if components > MAX_COMPONENTS {
            return Err(Error::Components {
                components,
                most: MAX_COMPONENTS,
            });
        }
        Ok(Self {
            fields,
            points,
            components,
        })
    }

    /// Returns the number of points of a tile.
    pub(crate) fn points_per_tile(self) -> usize {
        TILE_ROWS / self.components
    }

    /// Returns the number of tiles of a field.
    pub(crate) fn tiles(self) -> usize {
        self.points.div_ceil(self.points_per_tile())
    }

    /// Returns the number of rows of all fields.
    pub(crate) fn rows(self) -> usize {
        self.fields * self.tiles() * TILE_ROWS
    }

    /// Returns into how many parts the tiles are cut whose gradients are summed apart, if the weights of a launch take so many blocks of a
    /// part. It depends on sizes alone, so sums have the same order on every card.
    pub(crate) fn splits(self, weight_blocks: usize) -> usize {
        let balanced = SPLIT_BLOCKS / weight_blocks.max(1);
        let most = balanced.clamp(*SPLITS.start(), *SPLITS.end());
        self.tiles().div_ceil(MIN_SPLIT_TILES).clamp(1, most)
    }
}

/// Returns the number of elements between rows of `width` elements.
pub(crate) fn stride(width: usize) -> usize {
    width.next_multiple_of(SLICE)
}

/// Returns the number of tiles of columns of rows of `width` elements.
pub(crate) fn column_tiles(width: usize) -> usize {
    width.div_ceil(TILE_COLUMNS)
}
