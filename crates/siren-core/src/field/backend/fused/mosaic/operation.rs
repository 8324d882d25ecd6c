//! A mosaic as one differentiable candle operation: `(coords (n, d), parameters (T P,)) → jets (n, c, 1 + d + K)`.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor, bail};
use siren_kernel::network::{Chunk, Order, Plan, Workspace};

use super::super::super::lock;
use super::super::precision::Precision;
use super::blend::Blending;
use super::piece::{Piece, pieces};
use super::{Shared, TileSums, TileWeights, Tiles};
use crate::field::tensor::{contiguous, read_three};

/// One application of a mosaic to a chunk of points.
pub(super) struct MosaicOperation<T: Precision> {
    /// Network of one tile.
    pub(super) plan: Arc<Plan>,
    pub(super) order: Order,
    /// The order in a tile's own coordinates.
    pub(super) local_order: Order,
    pub(super) shared: Shared,
    pub(super) tiles: Arc<Tiles<T>>,
    /// Whether a backward pass may follow.
    pub(super) differentiable: bool,
    pub(super) tape: Mutex<TileTape<T>>,
    /// Sums to which the backward pass adds the gradients of the tiles, instead of returning a gradient to candle's store.
    pub(super) accumulator: Option<Arc<Mutex<TileSums<T>>>>,
}

/// Pieces of a forward pass with the activations that the backward pass needs.
pub(super) struct TileTape<T>(Vec<(Piece<T>, Workspace<T>)>);

impl<T> Default for TileTape<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Precision> Drop for MosaicOperation<T> {
    /// Returns the buffers of a forward pass that no backward pass followed to their pool.
    fn drop(&mut self) {
        for (_, workspace) in self.take_tape() {
            T::pool(&self.shared.pools).give(workspace);
        }
    }
}

impl<T: Precision> MosaicOperation<T> {
    fn take_tape(&self) -> Vec<(Piece<T>, Workspace<T>)> {
        std::mem::take(&mut lock(&self.tape).0)
    }

    pub(super) fn blending(&self) -> Blending<T> {
        Blending::new(&self.shared.tiling, &self.order, self.plan.out_features)
    }

    pub(super) fn pieces(&self, coords: &[T], blending: &Blending<T>) -> Vec<Piece<T>> {
        pieces(&self.shared.tiling, &self.order, coords, blending)
    }

    pub(super) fn chunk<'a>(
        &'a self,
        piece: &'a Piece<T>,
        weights: &'a TileWeights<T>,
    ) -> Chunk<'a, T> {
        Chunk {
            plan: &self.plan,
            order: &self.local_order,
            coords: &piece.coords,
            params: &weights.params,
            packed: &weights.packed,
            level: self.shared.level,
        }
    }

    /// Computes the jets of a tile, and keeps its activations in the workspace if a backward pass may follow.
    fn jets_of(
        &self,
        piece: &Piece<T>,
        params: &[T],
        workspace: &mut Workspace<T>,
        jets: &mut [T],
    ) {
        let weights = self.tiles.of(piece.tile, &self.plan, &self.shared, params);
        let chunk = self.chunk(piece, weights);
        if self.differentiable {
            chunk.forward(jets, workspace);
        } else {
            chunk.evaluate(jets, workspace);
        }
    }

    /// Returns the jets of all points and, if a backward pass may follow, what it needs.
    fn forward(&self, coords: &[T], params: &[T]) -> (Vec<T>, TileTape<T>) {
        let blending = self.blending();
        let size = blending.jet_len();
        let points = coords.len() / self.plan.in_features;
        let mut out = vec![T::of(0.0); points * size];
        let mut own = Vec::new();
        let mut tape = TileTape::default();
        let pool = T::pool(&self.shared.pools);
        for piece in self.pieces(coords, &blending) {
            let mut workspace = pool.take().unwrap_or_default();
            own.clear();
            own.resize(piece.points.len() * size, T::of(0.0));
            self.jets_of(&piece, params, &mut workspace, &mut own);
            let jets = own.chunks_exact(size).zip(piece.factors(&blending));
            for (&point, (own, factors)) in piece.points.iter().zip(jets) {
                blending.add(factors, own, &mut out[point as usize * size..][..size]);
            }
            if self.differentiable {
                tape.0.push((piece, workspace));
            } else {
                pool.give(workspace);
            }
        }
        (out, tape)
    }

    /// Adds the gradients with respect to the parameters of the tiles to `sums`, given the gradient `d_jets` with respect to the jets.
    fn backward(&self, coords: &[T], params: &[T], d_jets: &[T], sums: &mut TileSums<T>) {
        let blending = self.blending();
        let size = blending.jet_len();
        let mut tape = self.take_tape();
        if tape.is_empty() {
            // A second backward pass over the same graph computes the forward pass again.
            tape = self.forward(coords, params).1.0;
        }
        let mut d_own = Vec::new();
        for (piece, mut workspace) in tape {
            d_own.clear();
            d_own.resize(piece.points.len() * size, T::of(0.0));
            let jets = d_own.chunks_exact_mut(size).zip(piece.factors(&blending));
            for (&point, (d_own, factors)) in piece.points.iter().zip(jets) {
                blending.pull_back(factors, &d_jets[point as usize * size..][..size], d_own);
            }
            let weights = self.tiles.of(piece.tile, &self.plan, &self.shared, params);
            let sum = sums.of(piece.tile, &self.plan, &self.shared.pools);
            self.chunk(&piece, weights)
                .backward(&d_own, &mut workspace, sum);
            T::pool(&self.shared.pools).give(workspace);
        }
    }
}

impl<T: Precision> CustomOp2 for MosaicOperation<T> {
    fn name(&self) -> &'static str {
        "siren-mosaic-jet"
    }

    fn cpu_fwd(
        &self,
        coords: &CpuStorage,
        coords_layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let components = self.order.components(self.plan.in_features);
        let points = coords_layout.dims()[0];
        let shape = Shape::from((points, self.plan.out_features, components));
        let coords = contiguous::<T>(coords, coords_layout)?;
        let params = contiguous::<T>(params, params_layout)?;
        if params.len() != self.plan.parameters * self.tiles.0.len() {
            bail!("the mosaic takes the parameters of all tiles");
        }
        let (jets, tape) = self.forward(coords, params);
        *lock(&self.tape) = tape;
        Ok((T::to_cpu_storage_owned(jets), shape))
    }

    /// Returns a gradient with respect to the parameters only, or adds it to the accumulator: coordinates are data.
    fn bwd(
        &self,
        coords: &Tensor,
        params: &Tensor,
        _jets: &Tensor,
        d_jets: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let d_jets = d_jets.contiguous()?;
        let backward = |sums: &mut TileSums<T>| {
            read_three([coords, params, &d_jets], |[coords, params, d_jets]| {
                self.backward(coords, params, d_jets, sums);
            })
        };
        if let Some(accumulator) = &self.accumulator {
            backward(&mut lock(accumulator))?;
            return Ok((None, None));
        }
        let mut sums = TileSums::zero();
        backward(&mut sums)?;
        Ok((None, Some(sums.finish(&self.plan, &self.shared)?)))
    }
}
