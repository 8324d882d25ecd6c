//! The CPU kernel of the field: a whole network on one chunk of points, forward and in reverse.
//!
//! Points are worked on in tiles that stay in the second-level cache, one row a point and component, so that a layer is
//! one matrix product. Rows are padded to whole vectors ([`panel`]). Weights are packed once per step ([`Packed`]); the
//! inputs and preactivations of every layer are kept for the reverse pass.

#[cfg(test)]
mod accuracy;
mod exponential;
mod features;
mod level;
mod matrix;
mod micro;
mod panel;
mod pointwise;
mod product;
mod real;
mod sine;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::level::Level;
use self::panel::{ROW_PAD, SLACK, Strided, stride};
use self::pointwise::{Components, Scratch, Shape, Stage, Through};
pub use self::real::Real;
use super::activation::Pointwise;
use super::encoding::Features;
use super::jet::Order;
use super::plan::{Dense, Plan};

/// Rows (points × components) of a tile: a multiple of every micro-kernel's.
const TILE_ROWS: usize = 96;
/// Rows of a tile of a wide network, whose weights come from so far away that more must be done with them.
const WIDE_TILE_ROWS: usize = 384;
/// From this width on a network is wide: two of its weight matrices exceed a second-level cache.
const WIDE: usize = 512;

/// Rows of a tile of this network.
pub(super) fn tile_rows(plan: &Plan) -> usize {
    let widest = plan.layers.iter().map(|layer| layer.fan_out).max();
    if widest >= Some(WIDE) {
        WIDE_TILE_ROWS
    } else {
        TILE_ROWS
    }
}

/// The weights of a network, ready for products.
pub(super) struct Packed<T: Real> {
    /// For `Z = H Wᵀ`, by layer.
    forward: Vec<T::Weight>,
    /// For `dH = dZ W`, by layer.
    backward: Vec<T::Weight>,
}

impl<T: Real> Packed<T> {
    /// Packs the weights of `params (P,)`; those for the reverse pass only if there will be one.
    pub(super) fn new(plan: &Plan, params: &[T], differentiable: bool) -> Self {
        let weights = |layer: &Dense| (layer.weight.clone(), layer.fan_out, layer.fan_in);
        let layers = || plan.layers.iter().map(weights);
        let backward = layers().filter(|_| differentiable);
        Self {
            forward: layers()
                .map(|(range, m, n)| T::transposed(&params[range], m, n))
                .collect(),
            backward: backward
                .map(|(range, m, n)| T::straight(&params[range], m, n))
                .collect(),
        }
    }
}

/// What the forward pass of one tile leaves for the reverse pass.
#[derive(Default)]
pub(super) struct Tile<T> {
    points: usize,
    /// The input jet of each layer, and the output of the last.
    inputs: Vec<Vec<T>>,
    /// The preactivation jet of each layer; where only values are carried, `σ'` of it.
    preactivations: Vec<Vec<T>>,
    /// The jet of `s ‖x − c‖²` for radial basis functions, otherwise empty.
    distances: Vec<T>,
}

/// Numbers in a buffer of `rows` rows of this width.
fn room(rows: usize, width: usize) -> usize {
    rows.next_multiple_of(ROW_PAD) * stride(width) + SLACK
}

fn ensure<T: Real>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::of(0.0));
    }
}

impl<T: Real> Tile<T> {
    fn resize(&mut self, plan: &Plan, components: usize, points: usize) {
        let rows = components * points;
        self.points = points;
        self.inputs.resize_with(plan.layers.len() + 1, Vec::new);
        self.preactivations.resize_with(plan.layers.len(), Vec::new);
        for (l, layer) in plan.layers.iter().enumerate() {
            ensure(&mut self.inputs[l], room(rows, layer.fan_in));
            ensure(&mut self.preactivations[l], room(rows, layer.fan_out));
        }
        ensure(
            &mut self.inputs[plan.layers.len()],
            room(rows, plan.out_features),
        );
        if let Features::Rbf { centers, .. } = plan.features {
            ensure(&mut self.distances, room(rows, centers));
        }
    }
}

/// Buffers of one chunk, kept between steps: allocating them anew costs page faults on every step.
#[derive(Default)]
pub(super) struct Workspace<T> {
    tiles: Vec<Tile<T>>,
    /// Preactivations that are not kept.
    hot: Vec<T>,
    scratch: Scratch<T>,
    upstream: Vec<T>,
    downstream: Vec<T>,
}

/// A gradient in the parameters, summed over chunks.
#[derive(Default)]
pub(super) struct GradientSum<T> {
    /// In the weights of each layer, rows `stride(fan_in)` apart.
    d_weights: Vec<Vec<T>>,
    /// In all other parameters, `(P,)`.
    d_params: Vec<T>,
}

impl<T: Real> GradientSum<T> {
    /// Zero, in the buffers of `used` where there are any: fresh ones cost page faults.
    pub(super) fn zero(plan: &Plan, used: Option<Self>) -> Self {
        let mut sum = used.unwrap_or_default();
        let clear = |buffer: &mut Vec<T>, len: usize| {
            buffer.clear();
            buffer.resize(len, T::of(0.0));
        };
        sum.d_weights.resize_with(plan.layers.len(), Vec::new);
        for (d_weight, layer) in sum.d_weights.iter_mut().zip(&plan.layers) {
            let rows = layer.fan_out.next_multiple_of(ROW_PAD);
            clear(d_weight, rows * stride(layer.fan_in));
        }
        clear(&mut sum.d_params, plan.layout.len());
        sum
    }

    /// Adds another sum for the same plan.
    pub(super) fn add(&mut self, other: &Self) {
        let buffers = self.d_weights.iter_mut().chain([&mut self.d_params]);
        let others = other.d_weights.iter().chain([&other.d_params]);
        for (buffer, other) in buffers.zip(others) {
            for (sum, &more) in buffer.iter_mut().zip(other) {
                *sum += more;
            }
        }
    }

    /// The sum as flat parameters `(P,)`.
    pub(super) fn flat(&mut self, plan: &Plan) -> &[T] {
        for (d_weight, layer) in self.d_weights.iter().zip(&plan.layers) {
            let rows = self.d_params[layer.weight.clone()].chunks_exact_mut(layer.fan_in);
            for (row, padded_row) in rows.zip(d_weight.chunks_exact(stride(layer.fan_in))) {
                row.copy_from_slice(&padded_row[..layer.fan_in]);
            }
        }
        &self.d_params
    }
}

/// Buffers at rest; as many as there were in use at once.
pub(super) struct Pool<B>(Mutex<Vec<B>>);

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B> Pool<B> {
    fn lock(&self) -> MutexGuard<'_, Vec<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Option<B> {
        self.lock().pop()
    }

    pub(super) fn give(&self, buffer: B) {
        self.lock().push(buffer);
    }
}

/// One chunk of points through one network.
pub(super) struct Chunk<'a, T: Real> {
    pub(super) plan: &'a Plan,
    pub(super) order: &'a Order,
    /// `(n, d)`, row-major.
    pub(super) coords: &'a [T],
    /// `(P,)`.
    pub(super) params: &'a [T],
    /// The weights of `params`.
    pub(super) packed: &'a Packed<T>,
    pub(super) level: Level,
}

impl<T: Real> Chunk<'_, T> {
    fn components(&self) -> Components<'_> {
        Components::new(self.order, self.plan.in_features)
    }

    fn points(&self) -> usize {
        self.coords.len() / self.plan.in_features
    }

    /// The pointwise function of a layer on a tile of `points`.
    fn stage(&self, layer: &Dense, points: usize) -> Stage<'_> {
        Stage {
            level: self.level,
            pointwise: layer.pointwise,
            components: self.components(),
            shape: Shape {
                points,
                width: layer.fan_out,
                stride: stride(layer.fan_out),
            },
        }
    }

    fn tile_points(&self) -> usize {
        (tile_rows(self.plan) / self.components().count()).max(1)
    }

    /// Writes the jets `(n, c, components)` to `out`. With `keep`, every tile stays in the workspace for
    /// [`backward`](Self::backward); without, one tile is used over and over.
    pub(super) fn forward(&self, out: &mut [T], workspace: &mut Workspace<T>, keep: bool) {
        let components = self.components().count();
        let (dims, channels) = (self.plan.in_features, self.plan.out_features);
        let tile_points = self.tile_points();
        for (index, coords) in self.coords.chunks(tile_points * dims).enumerate() {
            let slot = if keep { index } else { 0 };
            if workspace.tiles.len() <= slot {
                workspace.tiles.push(Tile::default());
            }
            let tile = &mut workspace.tiles[slot];
            tile.resize(self.plan, components, coords.len() / dims);
            self.forward_tile(coords, workspace, (slot, keep));
            let tile = &workspace.tiles[slot];
            let first = index * tile_points * channels * components;
            let out = &mut out[first..][..tile.points * channels * components];
            let output = &tile.inputs[self.plan.layers.len()];
            for component in 0..components {
                for point in 0..tile.points {
                    let row = &output[(component * tile.points + point) * stride(channels)..];
                    for (channel, &value) in row[..channels].iter().enumerate() {
                        out[(point * channels + channel) * components + component] = value;
                    }
                }
            }
        }
    }

    fn forward_tile(
        &self,
        coords: &[T],
        workspace: &mut Workspace<T>,
        (slot, keep): (usize, bool),
    ) {
        let components = self.components();
        let Workspace {
            tiles,
            hot,
            scratch,
            ..
        } = workspace;
        let tile = &mut tiles[slot];
        let rows = components.count() * tile.points;
        let width = |layer: &Dense| layer.fan_out.max(layer.fan_in);
        let widest = self.plan.layers.iter().map(width).max().unwrap_or_default();
        ensure(hot, room(rows, widest));
        features::forward(
            self.level,
            &self.plan.features,
            components,
            (coords, self.params),
            (tile, hot, scratch),
        );
        for (l, layer) in self.plan.layers.iter().enumerate() {
            let (input, rest) = tile.inputs[l..].split_at_mut(1);
            let mut through =
                Through::new(components, (hot, &mut tile.preactivations[l]), &mut rest[0]);
            if !keep && components.count() == 1 {
                through.slope = &mut [];
            }
            let input = Strided {
                data: &input[0],
                rows,
                stride: stride(layer.fan_in),
            };
            let out = (&mut *through.z, stride(layer.fan_out));
            T::multiply(self.level, input, &self.packed.forward[l], out, None);
            let bias = &self.params[layer.bias.clone()];
            self.stage(layer, tile.points)
                .forward(bias, &mut through, scratch);
        }
    }

    /// Adds to `sum` the gradient of the loss whose derivative in the jets `(n, c, components)` is `d_out`; the workspace
    /// must be as [`forward`](Self::forward) with `keep` left it.
    pub(super) fn backward(
        &self,
        d_out: &[T],
        workspace: &mut Workspace<T>,
        sum: &mut GradientSum<T>,
    ) {
        let components = self.components().count();
        let channels = self.plan.out_features;
        let tile_points = self.tile_points();
        let Workspace {
            tiles,
            scratch,
            upstream,
            downstream,
            ..
        } = workspace;
        for (index, tile) in tiles[..self.points().div_ceil(tile_points)]
            .iter()
            .enumerate()
        {
            let first = index * tile_points * channels * components;
            let d_out = &d_out[first..][..tile.points * channels * components];
            ensure(upstream, room(components * tile.points, channels));
            for component in 0..components {
                for point in 0..tile.points {
                    let first = (component * tile.points + point) * stride(channels);
                    for channel in 0..channels {
                        let at = (point * channels + channel) * components + component;
                        upstream[first + channel] = d_out[at];
                    }
                }
            }
            let mut gradients = Gradients {
                upstream,
                downstream,
                sum,
            };
            self.backward_tile(index * tile_points, tile, &mut gradients, scratch);
        }
    }

    fn backward_tile(
        &self,
        first_point: usize,
        tile: &Tile<T>,
        gradients: &mut Gradients<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let components = self.components();
        let rows = components.count() * tile.points;
        let values_only = components.count() == 1;
        let into_features = matches!(self.plan.features, Features::Rbf { .. });
        for (l, layer) in self.plan.layers.iter().enumerate().rev() {
            let Gradients {
                upstream,
                downstream,
                sum,
            } = gradients;
            let d_bias = &mut sum.d_params[layer.bias.clone()];
            let mut stage = self.stage(layer, tile.points);
            if values_only {
                // The product above has multiplied by `σ'` already.
                stage.pointwise = Pointwise::Linear;
            }
            stage.backward(&tile.preactivations[l], upstream, d_bias, scratch);
            let dz = Strided {
                data: upstream.as_slice(),
                rows,
                stride: stride(layer.fan_out),
            };
            let input = Strided {
                data: &tile.inputs[l],
                rows,
                stride: stride(layer.fan_in),
            };
            T::multiply_transposed(
                self.level,
                (dz, layer.fan_out),
                (input, layer.fan_in),
                &mut sum.d_weights[l],
            );
            if l > 0 || into_features {
                ensure(downstream, room(rows, layer.fan_in));
                let out = (downstream.as_mut_slice(), stride(layer.fan_in));
                let slopes = (values_only && l > 0).then(|| tile.preactivations[l - 1].as_slice());
                T::multiply(self.level, dz, &self.packed.backward[l], out, slopes);
                std::mem::swap(*upstream, *downstream);
            }
        }
        if let Features::Rbf {
            centers,
            first_center,
            first_sigma,
        } = self.plan.features
        {
            let dims = self.plan.in_features;
            let stage = features::rbf_stage(self.level, components, centers, tile.points);
            stage.backward(&tile.distances, gradients.upstream, &mut [], scratch);
            let centers_d = &self.params[first_center..][..centers * dims];
            let sigmas = &self.params[first_sigma..][..centers];
            // The layout puts the widths right behind the centers.
            let d_rbf = &mut gradients.sum.d_params[first_center..first_sigma + centers];
            let d_rbf = d_rbf.split_at_mut(first_sigma - first_center);
            let coords = &self.coords[first_point * dims..][..tile.points * dims];
            let d_distances = gradients.upstream.as_slice();
            features::backward_rbf(components, coords, (centers_d, sigmas), d_distances, d_rbf);
        }
    }
}

/// What flows back through a tile, and where it ends.
struct Gradients<'a, T> {
    upstream: &'a mut Vec<T>,
    downstream: &'a mut Vec<T>,
    sum: &'a mut GradientSum<T>,
}
