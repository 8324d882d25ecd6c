//! The CPU kernel of the field: a whole network on one chunk of points, forward and in reverse.
//!
//! Points are worked on in tiles of a few hundred rows, one row a point and component, so that a layer is one matrix
//! product. The inputs and preactivations of every layer are kept for the reverse pass: `rows × width` numbers a layer.

mod features;
mod matrix;
mod pointwise;
mod real;

use std::sync::Mutex;

use self::matrix::{Matrix, multiply};
use self::pointwise::{Components, Scratch};
pub use self::real::Real;
use super::activation::Pointwise;
use super::encoding::Features;
use super::jet::Order;
use super::plan::Plan;

/// Rows (points × components) of a tile.
const TILE_ROWS: usize = 384;

/// What the forward pass of one tile leaves for the reverse pass.
#[derive(Default)]
pub(super) struct Tile<T> {
    points: usize,
    /// The input jet of each layer, `(components, points, fan_in)`, and the output of the last.
    inputs: Vec<Vec<T>>,
    /// The preactivation jet of each hidden layer, `(components, points, fan_out)`.
    preactivations: Vec<Vec<T>>,
    /// The jet of `s ‖x − c‖²` for radial basis functions, otherwise empty.
    distances: Vec<T>,
}

impl<T: Real> Tile<T> {
    fn resize(&mut self, plan: &Plan, components: usize, points: usize) {
        let rows = components * points;
        let zero = T::of(0.0);
        self.points = points;
        self.inputs.resize_with(plan.layers.len() + 1, Vec::new);
        self.preactivations.resize_with(plan.layers.len(), Vec::new);
        for (layer, input) in plan.layers.iter().zip(&mut self.inputs) {
            input.resize(rows * layer.fan_in, zero);
        }
        for (layer, z) in plan.layers.iter().zip(&mut self.preactivations) {
            z.resize(rows * layer.fan_out, zero);
        }
        if let Some(output) = self.inputs.last_mut() {
            output.resize(rows * plan.out_features, zero);
        }
        if let Features::Rbf { centers, .. } = plan.features {
            self.distances.resize(rows * centers, zero);
        }
    }
}

/// Buffers of one chunk, kept between steps: allocating them anew costs page faults on every step.
#[derive(Default)]
pub(super) struct Workspace<T> {
    tiles: Vec<Tile<T>>,
    scratch: Scratch<T>,
    upstream: Vec<T>,
    downstream: Vec<T>,
}

/// Workspaces at rest; as many as there were chunks in flight at once.
#[derive(Default)]
pub(super) struct Pool<T>(Mutex<Vec<Workspace<T>>>);

impl<T: Real> Pool<T> {
    pub(super) fn take(&self) -> Workspace<T> {
        let mut workspaces = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        workspaces.pop().unwrap_or_default()
    }

    pub(super) fn give(&self, workspace: Workspace<T>) {
        let mut workspaces = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        workspaces.push(workspace);
    }
}

/// One chunk of points through one network.
pub(super) struct Chunk<'a, T> {
    pub(super) plan: &'a Plan,
    pub(super) order: &'a Order,
    /// `(n, d)`, row-major.
    pub(super) coords: &'a [T],
    /// `(P,)`.
    pub(super) params: &'a [T],
}

impl<T: Real> Chunk<'_, T> {
    fn components(&self) -> Components<'_> {
        Components::new(self.order, self.plan.in_features)
    }

    fn points(&self) -> usize {
        self.coords.len() / self.plan.in_features
    }

    fn tile_points(&self) -> usize {
        (TILE_ROWS / self.components().count()).max(16)
    }

    /// Writes the jets `(n, c, components)` to `out`. With `keep`, every tile stays in the workspace for
    /// [`backward`](Self::backward); without, one tile is used over and over.
    pub(super) fn forward(&self, out: &mut [T], workspace: &mut Workspace<T>, keep: bool) {
        let components = self.components().count();
        let dims = self.plan.in_features;
        let channels = self.plan.out_features;
        let tile_points = self.tile_points();
        for (index, coords) in self.coords.chunks(tile_points * dims).enumerate() {
            let slot = if keep { index } else { 0 };
            if workspace.tiles.len() <= slot {
                workspace.tiles.push(Tile::default());
            }
            let tile = &mut workspace.tiles[slot];
            tile.resize(self.plan, components, coords.len() / dims);
            self.forward_tile(coords, tile, &mut workspace.scratch);
            let block = tile.points * channels;
            let first = index * tile_points * channels * components;
            let out = &mut out[first..][..block * components];
            let output = &tile.inputs[self.plan.layers.len()];
            for (component, values) in output.chunks(block).enumerate() {
                for (at, &value) in values.iter().enumerate() {
                    out[at * components + component] = value;
                }
            }
        }
    }

    fn forward_tile(&self, coords: &[T], tile: &mut Tile<T>, scratch: &mut Scratch<T>) {
        let components = self.components();
        let rows = components.count() * tile.points;
        features::forward(
            &self.plan.features,
            components,
            (coords, self.params),
            tile,
            scratch,
        );
        for (l, layer) in self.plan.layers.iter().enumerate() {
            let weight = &self.params[layer.weight.clone()];
            let weight = Matrix::new(weight, layer.fan_out, layer.fan_in);
            let z = &mut tile.preactivations[l];
            multiply(
                z,
                Matrix::new(&tile.inputs[l], rows, layer.fan_in),
                weight.transposed(),
                false,
            );
            let bias = &self.params[layer.bias.clone()];
            for row in z.chunks_mut(layer.fan_out).take(tile.points) {
                T::add_slice(bias, row);
            }
            pointwise::forward(
                layer.pointwise,
                components,
                z,
                &mut tile.inputs[l + 1],
                scratch,
            );
        }
    }

    /// Adds to `d_params` the gradient of the loss whose derivative in the jets `(n, c, components)` is `d_out`;
    /// the workspace must be as [`forward`](Self::forward) with `keep` left it.
    pub(super) fn backward(&self, d_out: &[T], workspace: &mut Workspace<T>, d_params: &mut [T]) {
        let components = self.components().count();
        let channels = self.plan.out_features;
        let tile_points = self.tile_points();
        let mut upstream = std::mem::take(&mut workspace.upstream);
        let mut downstream = std::mem::take(&mut workspace.downstream);
        for index in 0..self.points().div_ceil(tile_points) {
            let tile = &workspace.tiles[index];
            let block = tile.points * channels;
            let first = index * tile_points * channels * components;
            let d_out = &d_out[first..][..block * components];
            upstream.resize(block * components, T::of(0.0));
            for (component, values) in upstream.chunks_mut(block).enumerate() {
                for (at, value) in values.iter_mut().enumerate() {
                    *value = d_out[at * components + component];
                }
            }
            let gradients = (&mut upstream, &mut downstream);
            self.backward_tile(
                index * tile_points,
                tile,
                gradients,
                &mut workspace.scratch,
                d_params,
            );
        }
        workspace.upstream = upstream;
        workspace.downstream = downstream;
    }

    fn backward_tile(
        &self,
        first_point: usize,
        tile: &Tile<T>,
        (upstream, downstream): (&mut Vec<T>, &mut Vec<T>),
        scratch: &mut Scratch<T>,
        d_params: &mut [T],
    ) {
        let components = self.components();
        let rows = components.count() * tile.points;
        let zero = T::of(0.0);
        let into_features = matches!(self.plan.features, Features::Rbf { .. });
        for (l, layer) in self.plan.layers.iter().enumerate().rev() {
            downstream.resize(rows * layer.fan_out, zero);
            let z_and_dh = (&tile.preactivations[l][..], &upstream[..]);
            pointwise::backward(layer.pointwise, components, z_and_dh, downstream, scratch);
            let d_bias = &mut d_params[layer.bias.clone()];
            for row in downstream.chunks(layer.fan_out).take(tile.points) {
                T::add_slice(row, d_bias);
            }
            let dz = Matrix::new(downstream, rows, layer.fan_out);
            let input = Matrix::new(&tile.inputs[l], rows, layer.fan_in);
            multiply(
                &mut d_params[layer.weight.clone()],
                dz.transposed(),
                input,
                true,
            );
            if l > 0 || into_features {
                let weight = &self.params[layer.weight.clone()];
                upstream.resize(rows * layer.fan_in, zero);
                let weight = Matrix::new(weight, layer.fan_out, layer.fan_in);
                multiply(upstream, dz, weight, false);
            }
        }
        if let Features::Rbf {
            centers,
            first_center,
            first_sigma,
        } = self.plan.features
        {
            let dims = self.plan.in_features;
            downstream.resize(rows * centers, zero);
            let z_and_dh = (&tile.distances[..], &upstream[..]);
            pointwise::backward(
                Pointwise::Gaussian,
                components,
                z_and_dh,
                downstream,
                scratch,
            );
            let centers_d = &self.params[first_center..][..centers * dims];
            let sigmas = &self.params[first_sigma..][..centers];
            // The layout puts the widths right behind the centers.
            let d_rbf = &mut d_params[first_center..first_sigma + centers];
            let d_rbf = d_rbf.split_at_mut(first_sigma - first_center);
            let coords = &self.coords[first_point * dims..][..tile.points * dims];
            features::backward_rbf(components, coords, (centers_d, sigmas), downstream, d_rbf);
        }
    }
}
