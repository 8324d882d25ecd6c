//! Multilayer perceptrons with spatial derivatives: forward and backward pass of one chunk of points.
//!
//! A [`Plan`] describes a network without its parameters, which are one flat slice `(P,)`. An [`Order`] selects the derivatives with respect
//! to the coordinates. The result is a *jet* per point and output channel: the value, the `d` gradient components, and `K` second-order
//! [`Trace`]s, as far as the order includes them.
//!
//! A [`Chunk`] is computed in tiles of points that stay in the second-level cache. A tile has one row per point and component, so that a
//! layer is one matrix product, and rows are padded to whole vectors. Weights are packed once per step ([`Packed`]). The forward pass saves
//! the activations that the backward pass needs in a [`Workspace`]. Spatial derivatives are carried forward with the values or, for the
//! gradient of a single output, computed backward from it, which is cheaper.
//!
//! # Examples
//!
//! The value and gradient of `sin(2 x₀ + x₁)`, and the gradient of a loss with respect to the parameters:
//!
//! ```
//! use siren_kernel::network::{
//!     Chunk, Dense, Features, GradientSum, Order, Packed, Plan, Workspace,
//! };
//! use siren_kernel::{Level, Pointwise};
//!
//! let plan = Plan {
//!     in_features: 2,
//!     out_features: 1,
//!     features: Features::Identity,
//!     layers: vec![Dense {
//!         fan_in: 2,
//!         fan_out: 1,
//!         weight: 0..2,
//!         bias: 2..3,
//!         frequency: None,
//!         pointwise: Pointwise::Sine { omega: 1.0 },
//!     }],
//!     parameters: 3,
//! };
//! let (params, coords) = ([2.0_f64, 1.0, 0.0], [0.0, 0.0]);
//! let level = Level::best();
//! let packed = Packed::new(level, &plan, &params);
//! let chunk = Chunk {
//!     plan: &plan,
//!     order: &Order::Gradient,
//!     coords: &coords,
//!     params: &params,
//!     packed: &packed,
//!     level,
//! };
//! let mut workspace = Workspace::default();
//! let mut jets = [0.0; 3];
//! chunk.forward(&mut jets, &mut workspace);
//! assert_eq!(jets, [0.0, 2.0, 1.0]);
//!
//! // The gradient of the value with respect to the weights and the bias.
//! let mut sum = GradientSum::zero(&plan, None);
//! chunk.backward(&[1.0, 0.0, 0.0], &mut workspace, &mut sum);
//! assert_eq!(sum.flat(&plan), [0.0, 0.0, 1.0]);
//! ```

mod adjoint;
mod edges;
mod encoding;
mod features;
mod jets;
mod order;
mod packed;
mod plan;
mod pointwise;
mod radial_basis;
mod sum;
mod tile;
mod values;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::pointwise::{Components, Shape, Stage};
use self::tile::{Gradients, Tile, grow};
use self::values::TileResults;
use crate::product::WIDE;
use crate::product::panel::{buffer_len, stride};
use crate::{Level, Real};

pub use self::encoding::{Features, WaveFeature, Waves};
pub use self::order::{InvalidTrace, Order, Trace, TraceEntry};
pub use self::packed::{Packed, has_rounded_layers};
pub use self::plan::{Dense, Plan};
pub use self::sum::GradientSum;
pub use self::tile::{Preactivations, Workspace};

/// Rows (points × components) of a tile: a multiple of every micro-kernel's.
const TILE_ROWS: usize = 96;
/// Rows of a tile of a wide network: its weights exceed the near caches, so each load of them must serve more rows.
const WIDE_TILE_ROWS: usize = 384;
/// Smallest number of rows (points × jet components) of a chunk: enough work to hide the overhead of an operation of a graph.
const MIN_CHUNK_ROWS: usize = 192;
/// Largest number of rows (points × jet components) of a chunk.
const MAX_CHUNK_ROWS: usize = 1536;
/// Number of elements of one hidden activation `(rows, width)` of a chunk, within these bounds: few enough that the saved activations are
/// still in a near cache during the backward pass.
const CHUNK_ELEMENTS: usize = 192 * 256;
/// Smallest number of points of a chunk, whatever the number of jet components.
const MIN_CHUNK_POINTS: usize = 32;

/// Returns the number of points per chunk for which a forward pass followed by its backward pass is fastest, at least 32.
#[must_use]
pub fn chunk_points(plan: &Plan, order: &Order) -> usize {
    let tile = tile_rows(plan);
    let rows = (CHUNK_ELEMENTS / plan.widest().max(1))
        .clamp(MIN_CHUNK_ROWS.max(tile), MAX_CHUNK_ROWS.max(tile));
    let rows = rows - rows % tile;
    (rows / rows_per_point(plan, order)).max(MIN_CHUNK_POINTS)
}

/// Returns the number of points per chunk for which that is fastest where chunks follow one another without a graph of operations.
#[must_use]
pub fn small_chunk_points(plan: &Plan, order: &Order) -> usize {
    let rows = MIN_CHUNK_ROWS.max(tile_rows(plan));
    (rows / rows_per_point(plan, order)).max(MIN_CHUNK_POINTS)
}

/// Returns the number of rows of a tile.
fn tile_rows(plan: &Plan) -> usize {
    let widest = plan.layers.iter().map(|layer| layer.fan_out).max();
    if widest >= Some(WIDE) {
        WIDE_TILE_ROWS
    } else {
        TILE_ROWS
    }
}

/// The direction in which spatial derivatives are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Forward, with the values: 3 (1 + d + K) products per layer and step.
    Jets,
    /// Backward from the single output: 6 products per layer and step, independent of d.
    Adjoint,
}

impl Form {
    /// Returns the form with the fewest products. The adjoint form supports only the gradient of a single output. In one dimension it costs
    /// as much as the other form, and with learned centers it would need second derivatives of the encoding.
    fn cheapest(plan: &Plan, order: &Order) -> Self {
        let has_learned_centers = matches!(plan.features, Features::Rbf { .. });
        if *order == Order::Gradient
            && plan.out_features == 1
            && plan.in_features > 1
            && !has_learned_centers
        {
            return Self::Adjoint;
        }
        Self::Jets
    }
}

/// Pool of unused buffers, shared between threads. It holds as many as were in use at the same time.
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

    /// Removes a buffer from the pool; `None` if it is empty.
    pub fn take(&self) -> Option<B> {
        self.lock().pop()
    }

    /// Returns a buffer to the pool.
    pub fn give(&self, buffer: B) {
        self.lock().push(buffer);
    }
}

/// Returns the number of rows per point of a hidden layer.
fn rows_per_point(plan: &Plan, order: &Order) -> usize {
    match Form::cheapest(plan, order) {
        Form::Jets => order.components(plan.in_features),
        Form::Adjoint => 1,
    }
}

/// Whether the forward pass saves activations for the backward pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Activations {
    Save,
    Discard,
}

/// One chunk of points, to be evaluated by one network on the calling thread.
pub struct Chunk<'a, T: Real> {
    /// The network.
    pub plan: &'a Plan,
    /// Spatial derivatives to compute.
    pub order: &'a Order,
    /// Coordinates `(n, d)`, row-major.
    pub coords: &'a [T],
    /// Flat parameters `(P,)`.
    pub params: &'a [T],
    /// The packed weights of `params`.
    pub packed: &'a Packed<T>,
    /// SIMD level of the pointwise functions; normally that of `packed`.
    pub level: Level,
}

impl<T: Real> Chunk<'_, T> {
    /// Returns the components of the output jets.
    fn components(&self) -> Components<'_> {
        Components::new(self.order, self.plan.in_features)
    }

    fn form(&self) -> Form {
        Form::cheapest(self.plan, self.order)
    }

    /// Returns the components that hidden layers carry.
    fn carried(&self) -> Components<'_> {
        match self.form() {
            Form::Jets => self.components(),
            Form::Adjoint => Components::VALUE,
        }
    }

    /// Whether neither this pass nor its layers compute derivatives.
    fn is_value_pass(&self) -> bool {
        self.components().count() == 1
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

    /// Returns the range of the points of tile `index`.
    fn points_of_tile(&self, index: usize) -> Range<usize> {
        let first = index * self.tile_points();
        first..self.points().min(first + self.tile_points())
    }

    /// Returns the number of elements of the jets of a point.
    fn jet_len(&self) -> usize {
        self.plan.out_features * self.components().count()
    }

    /// Returns the pointwise function of a layer on a tile of `points` points.
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

    /// Writes the jets `(n, c, components)` to `out` and saves activations in the workspace for [`backward`](Self::backward).
    ///
    /// The components of a jet are the value, then the gradient, then the second-order traces.
    ///
    /// # Panics
    /// If `out` is too short, or a range of the plan exceeds `params`.
    pub fn forward(&self, out: &mut [T], workspace: &mut Workspace<T>) {
        self.run_forward(out, workspace, Activations::Save, None);
    }

    /// Writes the jets `(n, c, components)` to `out`, as [`forward`](Self::forward) does, without a backward pass to follow: one tile of the
    /// workspace is reused.
    ///
    /// # Panics
    /// If `out` is too short, or a range of the plan exceeds `params`.
    pub fn evaluate(&self, out: &mut [T], workspace: &mut Workspace<T>) {
        self.run_forward(out, workspace, Activations::Discard, None);
    }

    /// Writes the values `(n, c)` to `out`, as [`evaluate`](Self::evaluate) does, and keeps what [`restore`](Self::restore) needs: much less than
    /// a workspace holds.
    ///
    /// # Panics
    /// If the order has derivatives, `out` is too short, or a range of the plan exceeds `params`.
    pub fn evaluate_keeping(
        &self,
        out: &mut [T],
        workspace: &mut Workspace<T>,
        kept: &mut Preactivations<T>,
    ) {
        assert!(self.is_value_pass(), "only passes over values are kept");
        let tiles = (0..self.tiles()).map(|tile| self.points_of_tile(tile).len());
        let len = tiles
            .map(|points| tile::kept_elements(self.plan, points))
            .sum();
        grow(&mut kept.0, len);
        self.run_forward(out, workspace, Activations::Discard, Some(&mut kept.0));
    }

    /// Computes the activations of [`forward`](Self::forward) from what [`evaluate_keeping`](Self::evaluate_keeping) kept for the same chunk,
    /// for [`backward`](Self::backward): without products of matrices. It can be called once.
    ///
    /// # Panics
    /// If `kept` is of a smaller chunk.
    pub fn restore(&self, kept: &mut Preactivations<T>, workspace: &mut Workspace<T>) {
        let mut kept = kept.0.as_mut_slice();
        for index in 0..self.tiles() {
            let points = self.prepare_tile(index, index, workspace);
            let (own, rest) = kept.split_at_mut(tile::kept_elements(self.plan, points.len()));
            kept = rest;
            self.restore_values(points.start, workspace, index, own);
        }
    }

    /// Resizes tile `slot` of the workspace for the points of tile `index`, and returns them.
    fn prepare_tile(
        &self,
        index: usize,
        slot: usize,
        workspace: &mut Workspace<T>,
    ) -> Range<usize> {
        if workspace.tiles.len() <= slot {
            workspace.tiles.push(Tile::default());
        }
        let points = self.points_of_tile(index);
        let encoded_rows = self.components().count() * points.len();
        let rows = self.carried().count() * points.len();
        let tile = &mut workspace.tiles[slot];
        tile.resize(self.plan, encoded_rows, rows);
        tile.points = points.len();
        points
    }

    fn run_forward(
        &self,
        out: &mut [T],
        workspace: &mut Workspace<T>,
        activations: Activations,
        mut kept: Option<&mut [T]>,
    ) {
        for index in 0..self.tiles() {
            let slot = match activations {
                Activations::Save => index,
                Activations::Discard => 0,
            };
            let points = self.prepare_tile(index, slot, workspace);
            let out = &mut out[points.start * self.jet_len()..points.end * self.jet_len()];
            if self.is_value_pass() {
                let own = kept.as_mut().map(|kept| {
                    let len = tile::kept_elements(self.plan, points.len());
                    let (own, rest) = std::mem::take(kept).split_at_mut(len);
                    *kept = rest;
                    own
                });
                let results = TileResults { out, kept: own };
                self.forward_values(points.start, workspace, slot, activations, results);
                continue;
            }
            self.forward_jets(points.start, workspace, slot);
            self.gather(&workspace.tiles[slot], out);
            if self.form() == Form::Adjoint {
                self.forward_adjoint(workspace, slot, out);
            }
        }
    }

    /// Adds the gradient of a loss with respect to the parameters to `sum`, given `d_out`, its gradient with respect to the jets
    /// `(n, c, components)`.
    ///
    /// The workspace must be the one of the last call of [`forward`](Self::forward) for this chunk, and must be used for one backward pass
    /// only.
    ///
    /// # Panics
    /// If the workspace or `d_out` is too small, or `sum` was made for another plan.
    pub fn backward(&self, d_out: &[T], workspace: &mut Workspace<T>, sum: &mut GradientSum<T>) {
        let Workspace {
            tiles,
            scratch,
            upstream,
            downstream,
            operands,
            ..
        } = workspace;
        for (index, tile) in tiles[..self.tiles()].iter_mut().enumerate() {
            let points = self.points_of_tile(index);
            let d_out = &d_out[points.start * self.jet_len()..points.end * self.jet_len()];
            let mut gradients = Gradients {
                upstream,
                downstream,
                sum,
                operands,
            };
            if self.is_value_pass() {
                self.backward_values(points.start, d_out, tile, &mut gradients, scratch);
                continue;
            }
            if self.form() == Form::Adjoint {
                self.backward_adjoint(d_out, tile, &mut gradients);
            }
            self.scatter(d_out, points.len(), gradients.upstream);
            self.backward_jets(points.start, tile, &mut gradients, scratch);
        }
    }

    /// Copies the carried components of the output of a tile to jets `(points, c, components)`.
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

    /// Copies gradients with respect to jets to the rows of a tile, the inverse of [`gather`](Self::gather).
    fn scatter(&self, d_out: &[T], points: usize, upstream: &mut Vec<T>) {
        let (channels, components) = (self.plan.out_features, self.components().count());
        grow(
            upstream,
            buffer_len(self.carried().count() * points, channels),
        );
        for component in 0..self.carried().count() {
            for point in 0..points {
                let first = (component * points + point) * stride(channels);
                for channel in 0..channels {
                    let index = (point * channels + channel) * components + component;
                    upstream[first + channel] = d_out[index];
                }
            }
        }
    }
}
