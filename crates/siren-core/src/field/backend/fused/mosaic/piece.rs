//! The points of a chunk, divided among the tiles.

use siren_kernel::network::Order;

use super::super::precision::Precision;
use super::blend::Blending;
use crate::field::mosaic::Tiling;

/// The points of a chunk that one tile has a weight at: first those that other tiles have a weight at too.
pub(super) struct Piece<T> {
    pub(super) tile: usize,
    /// Indices in the chunk.
    pub(super) points: Vec<u32>,
    /// Coordinates of the tile's own `(m, d)`.
    pub(super) coords: Vec<T>,
    /// Number of the points that other tiles have a weight at.
    pub(super) shared: usize,
    /// Factors of the tile's jets at these.
    shared_factors: Vec<T>,
}

/// A piece to which points are added.
struct Growing<T> {
    tile: usize,
    /// Origin of the tile's own coordinates.
    center: Vec<f64>,
    shared: Points<T>,
    shared_factors: Vec<T>,
    own: Points<T>,
}

/// Indices and coordinates.
struct Points<T> {
    indices: Vec<u32>,
    coords: Vec<T>,
}

impl<T> Default for Points<T> {
    fn default() -> Self {
        Self {
            indices: Vec::new(),
            coords: Vec::new(),
        }
    }
}

impl<T: Precision> Points<T> {
    /// Adds a point; its coordinates are those relative to `center`, multiplied by `scales`.
    fn push(&mut self, index: usize, point: &[f64], center: &[f64], scales: &[f64]) {
        self.indices.push(index as u32);
        let own = point.iter().zip(center).zip(scales);
        let own = own.map(|((x, center), scale)| T::of((x - center) * scale));
        self.coords.extend(own);
    }
}

impl<T: Precision> Growing<T> {
    /// Returns the piece of a tile, without points.
    fn of(tile: usize, tiling: &Tiling) -> Self {
        Self {
            tile,
            center: tiling.center(tile),
            shared: Points::default(),
            shared_factors: Vec::new(),
            own: Points::default(),
        }
    }

    fn finish(self) -> Piece<T> {
        let Points {
            mut indices,
            mut coords,
        } = self.shared;
        let shared = indices.len();
        indices.extend(self.own.indices);
        coords.extend(self.own.coords);
        Piece {
            tile: self.tile,
            points: indices,
            coords,
            shared,
            shared_factors: self.shared_factors,
        }
    }
}

impl<T: Precision> Piece<T> {
    /// Returns the factors of the tile's jets at each of the points.
    pub(super) fn factors<'a>(
        &'a self,
        blending: &'a Blending<T>,
    ) -> impl Iterator<Item = &'a [T]> + 'a {
        let shared = self.shared_factors.chunks_exact(blending.len());
        shared.chain(std::iter::repeat(blending.alone()))
    }
}

/// The pieces of a chunk, in the sequence in which points first need them.
struct Pieces<'a, T> {
    tiling: &'a Tiling,
    found: Vec<Growing<T>>,
    /// Index of the one that was used last.
    last: usize,
}

impl<T: Precision> Pieces<'_, T> {
    /// Returns the piece of a tile. Adjacent points are mostly in the same one.
    fn of(&mut self, tile: usize) -> &mut Growing<T> {
        let is_it = |piece: &Growing<T>| piece.tile == tile;
        if !self.found.get(self.last).is_some_and(is_it) {
            let place = self.found.iter().position(is_it);
            self.last = place.unwrap_or(self.found.len());
            if place.is_none() {
                self.found.push(Growing::of(tile, self.tiling));
            }
        }
        &mut self.found[self.last]
    }
}

/// Divides points among the tiles that have a weight there.
pub(super) fn pieces<T: Precision>(
    tiling: &Tiling,
    order: &Order,
    coords: &[T],
    blending: &Blending<T>,
) -> Vec<Piece<T>> {
    let dims = tiling.dims();
    let scales: Vec<f64> = (0..dims).map(|axis| tiling.scale(axis)).collect();
    let mut pieces = Pieces {
        tiling,
        found: Vec::new(),
        last: 0,
    };
    let mut point = vec![0.0; dims];
    for (index, coords) in coords.chunks_exact(dims).enumerate() {
        for (x, &coord) in point.iter_mut().zip(coords) {
            *x = coord.to_double();
        }
        if let Some(tile) = tiling.only(&point) {
            let Growing { own, center, .. } = pieces.of(tile);
            own.push(index, &point, center, &scales);
            continue;
        }
        tiling.for_each_weight(&point, |weight| {
            let piece = pieces.of(weight.tile);
            piece.shared.push(index, &point, &piece.center, &scales);
            blending.push(&mut piece.shared_factors, &weight, order);
        });
    }
    pieces.found.into_iter().map(Growing::finish).collect()
}
