//! Losses of a mosaic that are sums of squares: the networks of the tiles one after the other, forward and backward, so that activations of
//! one tile are in memory at a time.

use super::super::super::{ComponentSquares, PointSet};
use super::super::precision::Precision;
use super::TileSums;
use super::blend::Blending;
use super::operation::MosaicOperation;
use super::piece::Piece;
use crate::field::resting::TileError;

/// Targets of jets with their factors in the loss, in the type of the field.
pub(super) struct Targets<'a, T> {
    /// Of all points of the sample, `(n, c, count)`.
    elements: &'a [T],
    /// The first component with a target.
    first: usize,
    /// Number of targets of a channel; those past the last component do not count.
    count: usize,
    channels: usize,
    /// Twice the factor of each component in the loss, `(1 + d + K,)`.
    factors: Vec<T>,
}

/// Jets of the points that several tiles have a weight at.
struct Blended<T> {
    /// These points.
    points: Vec<u32>,
    /// Jets of all points of the chunk, `(n, c, 1 + d + K)`; zero at those of one tile.
    jets: Vec<T>,
}

impl<'a, T: Precision> Targets<'a, T> {
    /// Takes the targets of a loss `squares` in the order of their components: `elements` are those of its tensor, `(n, c, count)`.
    pub(super) fn new(
        squares: &ComponentSquares<'_>,
        elements: &'a [T],
        channels: usize,
        count: usize,
    ) -> Self {
        Self {
            elements,
            first: squares.first,
            count,
            channels,
            factors: squares.factors.iter().map(|f| T::of(2.0 * f)).collect(),
        }
    }

    /// Calls `visit` with each component that counts of a jet `(c, 1 + d + K)`: its place in the jet, the component, and its difference from the
    /// target of point `index`.
    fn for_each_difference(&self, index: usize, jet: &[T], mut visit: impl FnMut(usize, usize, T)) {
        let components = self.factors.len();
        let counted = self.count.min(components - self.first);
        let targets = &self.elements[index * self.channels * self.count..];
        for channel in 0..self.channels {
            for own in 0..counted {
                let component = self.first + own;
                let place = channel * components + component;
                let target = targets[channel * self.count + own];
                visit(place, component, jet[place] - target);
            }
        }
    }

    /// Adds the squared differences of a jet to `sums`, by component.
    fn add_squares(&self, index: usize, jet: &[T], sums: &mut [f64]) {
        self.for_each_difference(index, jet, |_, component, difference| {
            let difference = difference.to_double();
            sums[component] += difference * difference;
        });
    }

    /// Returns the squared error of a jet.
    fn error(&self, index: usize, jet: &[T]) -> TileError {
        let mut error = TileError::default();
        self.for_each_difference(index, jet, |_, _, difference| {
            let difference = difference.to_double();
            error.add(TileError {
                squares: difference * difference,
                values: 1,
            });
        });
        error
    }

    /// Writes the gradient of the loss with respect to a jet to `d_jet`, whose components without a target are zero.
    fn differentiate(&self, index: usize, jet: &[T], d_jet: &mut [T]) {
        self.for_each_difference(index, jet, |place, component, difference| {
            d_jet[place] = self.factors[component] * difference;
        });
    }
}

impl<T> Blended<T> {
    fn jet(&self, point: u32, size: usize) -> &[T] {
        &self.jets[point as usize * size..][..size]
    }
}

impl<T: Precision> MosaicOperation<T> {
    /// Computes the jets at the points of several tiles.
    fn blended(
        &self,
        pieces: &[Piece<T>],
        params: &[T],
        blending: &Blending<T>,
        points: usize,
    ) -> Blended<T> {
        let size = blending.jet_len();
        let mut jets = vec![T::of(0.0); points * size];
        let mut is_shared = vec![false; points];
        let mut own = Vec::new();
        let mut workspace = T::pool(&self.shared.pools).take().unwrap_or_default();
        for piece in pieces.iter().filter(|piece| piece.shared > 0) {
            let weights = self.tiles.of(piece.tile, &self.plan, &self.shared, params);
            let mut chunk = self.chunk(piece, weights);
            chunk.coords = &chunk.coords[..piece.shared * self.plan.in_features];
            own.clear();
            own.resize(piece.shared * size, T::of(0.0));
            chunk.evaluate(&mut own, &mut workspace);
            let jets_of = own.chunks_exact(size).zip(piece.factors(blending));
            for (&point, (own, factors)) in piece.points.iter().zip(jets_of) {
                is_shared[point as usize] = true;
                blending.add(factors, own, &mut jets[point as usize * size..][..size]);
            }
        }
        T::pool(&self.shared.pools).give(workspace);
        let points = (0..points as u32).filter(|&point| is_shared[point as usize]);
        Blended {
            points: points.collect(),
            jets,
        }
    }

    /// Adds the gradient of `Σ fₖ (Jₖ − tₖ)²` over some of the points `coords (n, d)` to `sums`, and returns the sum of the squared differences
    /// of each component.
    ///
    /// Jets at points of several tiles are computed first, by all of these tiles, and once more with what the backward pass needs: that is less work
    /// than to keep the activations of all tiles of a chunk. Tiles that rest take no part in the second pass.
    pub(super) fn squares(
        &self,
        coords: &[T],
        params: &[T],
        points: &PointSet<'_>,
        targets: &Targets<'_, T>,
        sums: &mut TileSums<T>,
    ) -> Vec<f64> {
        let dims = self.plan.in_features;
        let indices: Vec<usize> = match points {
            PointSet::Adjacent(range) => range.clone().collect(),
            PointSet::Selected(indices) => indices.iter().map(|&index| index as usize).collect(),
        };
        let mut own_coords = Vec::with_capacity(indices.len() * dims);
        for &index in &indices {
            own_coords.extend_from_slice(&coords[index * dims..][..dims]);
        }
        let blending = self.blending();
        let pieces = self.pieces(&own_coords, &blending);
        let blended = self.blended(&pieces, params, &blending, indices.len());
        let mut squares = vec![0.0; targets.factors.len()];
        let size = blending.jet_len();
        let mut own = Vec::new();
        let mut d_own = Vec::new();
        let [mut jet, mut d_jet] = [(); 2].map(|()| vec![T::of(0.0); size]);
        let mut workspace = T::pool(&self.shared.pools).take().unwrap_or_default();
        let counts_errors = self.shared.resting.is_some();
        for piece in &pieces {
            if self.shared.rests(piece.tile) {
                continue;
            }
            let weights = self.tiles.of(piece.tile, &self.plan, &self.shared, params);
            let chunk = self.chunk(piece, weights);
            for buffer in [&mut own, &mut d_own] {
                buffer.clear();
                buffer.resize(piece.points.len() * size, T::of(0.0));
            }
            chunk.forward(&mut own, &mut workspace);
            let mut error = TileError::default();
            let jets = own.chunks_exact(size).zip(d_own.chunks_exact_mut(size));
            let jets = jets.zip(piece.factors(&blending)).zip(&piece.points);
            for (at, (((own, d_own), factors), &point)) in jets.enumerate() {
                let index = indices[point as usize];
                let jet = if at < piece.shared {
                    blended.jet(point, size)
                } else {
                    // Derivatives are in the tile's own coordinates so far.
                    jet.fill(T::of(0.0));
                    blending.add(factors, own, &mut jet);
                    targets.add_squares(index, &jet, &mut squares);
                    if counts_errors {
                        error.add(targets.error(index, &jet));
                    }
                    &jet
                };
                targets.differentiate(index, jet, &mut d_jet);
                blending.pull_back(factors, &d_jet, d_own);
            }
            let sum = sums.of(piece.tile, &self.plan, &self.shared.pools);
            chunk.backward(&d_own, &mut workspace, sum);
            if counts_errors {
                sums.errors.add(piece.tile, error);
            }
        }
        T::pool(&self.shared.pools).give(workspace);
        for &point in &blended.points {
            let jet = blended.jet(point, size);
            let index = indices[point as usize];
            targets.add_squares(index, jet, &mut squares);
            if counts_errors {
                let coords = &own_coords[point as usize * dims..][..dims];
                let home = self
                    .shared
                    .tiling
                    .home(coords.iter().map(|x| x.to_double()));
                sums.errors.add(home, targets.error(index, jet));
            }
        }
        squares
    }
}
