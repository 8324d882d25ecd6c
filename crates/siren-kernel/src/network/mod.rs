//! The CPU kernel of the field: a whole network on one chunk of points, forward and in reverse.
//!
//! Points are worked on in tiles that stay in the second-level cache, one row a point and component, so that a layer is
//! one matrix product. Rows are padded to whole vectors ([`panel`]). Weights are packed once per step ([`Packed`]); what the
//! reverse pass needs of every layer is kept. Derivatives in space are carried forward with the values ([`jets`]) or, where
//! that is cheaper, backward from them ([`adjoint`]).

mod adjoint;
mod encoding;
mod features;
mod jets;
mod order;
mod plan;
mod pointwise;
mod sum;
mod tile;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use self::pointwise::{Components, Shape, Stage};
use self::tile::{Gradients, Tile, ensure};
use crate::product::WIDE;
use crate::product::panel::{room, stride};
use crate::{Level, Real};

pub use self::encoding::{Features, Waves};
pub use self::order::{InvalidTrace, Order, Trace};
pub use self::plan::{Dense, Plan};
pub use self::sum::GradientSum;
pub use self::tile::Workspace;

/// Rows (points × components) of a tile: a multiple of every micro-kernel's.
const TILE_ROWS: usize = 96;
/// Rows of a tile of a wide network, whose weights come from so far away that more must be done with them.
const WIDE_TILE_ROWS: usize = 384;
/// Least and most rows (points × jet components) of a chunk: enough work to hide the cost of a graph.
const CHUNK_ROWS: [usize; 2] = [192, 1536];
/// Elements of one hidden activation `(rows, width)` of a chunk, between those bounds: few enough that what the backward pass needs
/// is still in a near cache.
const CHUNK_ELEMENTS: usize = 192 * 256;
/// Least points of a chunk, however many components the jet has.
const MIN_CHUNK_POINTS: usize = 32;

/// Returns the number of points per chunk for which a forward pass followed by its backward pass is fastest.
#[must_use]
pub fn chunk_points(plan: &Plan, order: &Order) -> usize {
    let [least, most] = CHUNK_ROWS;
    let tile = tile_rows(plan);
    let rows = (CHUNK_ELEMENTS / plan.widest().max(1)).clamp(least.max(tile), most.max(tile));
    let rows = rows - rows % tile;
    (rows / rows_per_point(plan, order)).max(MIN_CHUNK_POINTS)
}

/// Rows of a tile of this network.
fn tile_rows(plan: &Plan) -> usize {
    let widest = plan.layers.iter().map(|layer| layer.fan_out).max();
    if widest >= Some(WIDE) {
        WIDE_TILE_ROWS
    } else {
        TILE_ROWS
    }
}

/// The weights of a network, ready for products.
pub struct Packed<T: Real> {
    level: Level,
    /// For `Z = H Wᵀ`, by layer.
    forward: Vec<T::Weight>,
    /// For `dH = dZ W`, by layer; made when first needed.
    backward: OnceLock<Vec<T::Weight>>,
}

impl<T: Real> Packed<T> {
    /// Packs the weights of `params (P,)` for products at `level`.
    pub fn new(level: Level, plan: &Plan, params: &[T]) -> Self {
        let pack = |layer: &Dense| {
            let weight = &params[layer.weight.clone()];
            T::transposed(level, weight, layer.fan_out, layer.fan_in)
        };
        Self {
            level,
            forward: plan.layers.iter().map(pack).collect(),
            backward: OnceLock::new(),
        }
    }

    /// `params` must be those it was made from.
    fn backward(&self, plan: &Plan, params: &[T]) -> &[T::Weight] {
        let pack = |layer: &Dense| {
            let weight = &params[layer.weight.clone()];
            T::straight(self.level, weight, layer.fan_out, layer.fan_in)
        };
        self.backward
            .get_or_init(|| plan.layers.iter().map(pack).collect())
    }
}

/// Which way derivatives in space go through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Forward, with the values: 3 (1 + d + K) products a layer and step.
    Jets,
    /// Backward from the one output: 6 products, whatever d is.
    Adjoint,
}

impl Form {
    /// The one place where it is chosen. Only the gradient of one output can go backward; in one dimension that costs as
    /// much as forward; centers that are learned would need derivatives of the encoding's derivatives.
    fn cheapest(plan: &Plan, order: &Order) -> Self {
        let learned = matches!(plan.features, Features::Rbf { .. });
        if *order == Order::Gradient && plan.out_features == 1 && plan.in_features > 1 && !learned {
            return Self::Adjoint;
        }
        Self::Jets
    }
}

/// Buffers at rest; as many as there were in use at once.
pub struct Pool<B>(Mutex<Vec<B>>);

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B> Pool<B> {
    fn lock(&self) -> MutexGuard<'_, Vec<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a buffer out, if there is one.
    pub fn take(&self) -> Option<B> {
        self.lock().pop()
    }

    /// Puts a buffer back.
    pub fn give(&self, buffer: B) {
        self.lock().push(buffer);
    }
}

/// Rows that a point takes in hidden layers.
fn rows_per_point(plan: &Plan, order: &Order) -> usize {
    match Form::cheapest(plan, order) {
        Form::Jets => order.components(plan.in_features),
        Form::Adjoint => 1,
    }
}

/// One chunk of points through one network.
pub struct Chunk<'a, T: Real> {
    /// The network.
    pub plan: &'a Plan,
    /// Derivatives to carry.
    pub order: &'a Order,
    /// `(n, d)`, row-major.
    pub coords: &'a [T],
    /// `(P,)`.
    pub params: &'a [T],
    /// The weights of `params`.
    pub packed: &'a Packed<T>,
    /// SIMD level.
    pub level: Level,
}

impl<T: Real> Chunk<'_, T> {
    /// What the jets that go out hold.
    fn components(&self) -> Components<'_> {
        Components::new(self.order, self.plan.in_features)
    }

    fn form(&self) -> Form {
        Form::cheapest(self.plan, self.order)
    }

    /// What the rows of hidden layers hold.
    fn carried(&self) -> Components<'_> {
        match self.form() {
            Form::Jets => self.components(),
            Form::Adjoint => Components::VALUE,
        }
    }

    fn tile_points(&self) -> usize {
        (tile_rows(self.plan) / self.carried().count()).max(1)
    }

    fn points(&self) -> usize {
        self.coords.len() / self.plan.in_features
    }

    fn tiles(&self) -> usize {
        self.points().div_ceil(self.tile_points())
    }

    /// The points of tile `index`: the first, and how many.
    fn points_of(&self, index: usize) -> (usize, usize) {
        let first = index * self.tile_points();
        (first, self.tile_points().min(self.points() - first))
    }

    /// Numbers of a jet.
    fn jet_len(&self) -> usize {
        self.plan.out_features * self.components().count()
    }

    /// The pointwise function of a layer on a tile of `points`.
    fn stage(&self, layer: &Dense, points: usize) -> Stage<'_> {
        Stage {
            level: self.level,
            pointwise: layer.pointwise,
            components: self.carried(),
            shape: Shape {
                points,
                width: layer.fan_out,
                stride: stride(layer.fan_out),
            },
        }
    }

    /// Writes the jets `(n, c, components)` to `out`. With `keep`, every tile stays in the workspace for
    /// [`backward`](Self::backward); without, one tile is used over and over.
    pub fn forward(&self, out: &mut [T], workspace: &mut Workspace<T>, keep: bool) {
        for index in 0..self.tiles() {
            let slot = if keep { index } else { 0 };
            if workspace.tiles.len() <= slot {
                workspace.tiles.push(Tile::default());
            }
            let (first, points) = self.points_of(index);
            let encoded = self.components().count() * points;
            let tile = &mut workspace.tiles[slot];
            tile.resize(self.plan, encoded, self.carried().count() * points);
            tile.points = points;
            let out = &mut out[first * self.jet_len()..][..points * self.jet_len()];
            self.forward_jets(first, workspace, (slot, keep));
            self.gather(&workspace.tiles[slot], out);
            if self.form() == Form::Adjoint {
                self.forward_adjoint(workspace, slot, out);
            }
        }
    }

    /// Adds to `sum` the gradient of the loss whose derivative in the jets `(n, c, components)` is `d_out`; the workspace
    /// must be as [`forward`](Self::forward) with `keep` left it.
    pub fn backward(&self, d_out: &[T], workspace: &mut Workspace<T>, sum: &mut GradientSum<T>) {
        let Workspace {
            tiles,
            scratch,
            upstream,
            downstream,
            ..
        } = workspace;
        for (index, tile) in tiles[..self.tiles()].iter_mut().enumerate() {
            let (first, points) = self.points_of(index);
            let d_out = &d_out[first * self.jet_len()..][..points * self.jet_len()];
            let mut gradients = Gradients {
                upstream,
                downstream,
                sum,
            };
            if self.form() == Form::Adjoint {
                self.backward_adjoint(d_out, tile, &mut gradients);
            }
            self.scatter(d_out, points, gradients.upstream);
            self.backward_jets(first, tile, &mut gradients, scratch);
        }
    }

    /// Writes what was carried to the output of a tile into jets `(points, c, components)`.
    fn gather(&self, tile: &Tile<T>, out: &mut [T]) {
        let (channels, components) = (self.plan.out_features, self.components().count());
        let output = &tile.inputs[self.plan.layers.len()];
        for component in 0..self.carried().count() {
            for point in 0..tile.points {
                let row = &output[(component * tile.points + point) * stride(channels)..];
                for (channel, &value) in row[..channels].iter().enumerate() {
                    out[(point * channels + channel) * components + component] = value;
                }
            }
        }
    }

    /// The reverse of [`gather`](Self::gather).
    fn scatter(&self, d_out: &[T], points: usize, upstream: &mut Vec<T>) {
        let (channels, components) = (self.plan.out_features, self.components().count());
        ensure(upstream, room(self.carried().count() * points, channels));
        for component in 0..self.carried().count() {
            for point in 0..points {
                let first = (component * points + point) * stride(channels);
                for channel in 0..channels {
                    let at = (point * channels + channel) * components + component;
                    upstream[first + channel] = d_out[at];
                }
            }
        }
    }
}
