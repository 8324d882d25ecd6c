//! Mosaics on the CPU: the networks of the tiles, with blended jets, as one operation.

mod blend;
mod operation;
mod piece;
mod squares;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::{DType, Tensor};
use siren_kernel::Level;
use siren_kernel::network::{GradientSum, Order, Packed, Plan};

use self::operation::{MosaicOperation, TileTape};
use self::squares::Targets;
use super::super::effective::EffectiveParameters;
use super::super::{Accumulate, Backend, ComponentSquares, Pass, Threads};
use super::accumulator::{Accumulator, SummingPass};
use super::precision::{Pools, Precision};
use super::{EVALUATION_POINTS, Fused};
use crate::error::{Error, Result};
use crate::field::gradients::{FlatGradient, Gradients};
use crate::field::mosaic::{Tiling, Weight, range_of_tile};
use crate::field::resting::{RestingTiles, TileErrors, TilesOfStep};
use crate::field::tensor::{read, read_three};

/// Number of components of jets per differentiable application: several tiles, whose neighbors then have few points of their own in it.
const CHUNK_NUMBERS: usize = 4096;

/// Mosaics at one SIMD level. The plan that the methods are given is that of one tile; parameters are those of all tiles, `(T P,)`.
pub(in super::super::super) struct Mosaics {
    tiling: Arc<Tiling>,
    /// Ranges of the tensors among the parameters of one tile.
    tensors: Arc<[Range<usize>]>,
    fused: Fused,
}

impl Mosaics {
    pub(in super::super::super) fn new(
        tiling: Arc<Tiling>,
        tensors: Arc<[Range<usize>]>,
        level: Level,
    ) -> Self {
        Self {
            tiling,
            tensors,
            fused: Fused::new(level),
        }
    }

    fn pass(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
        resting: Option<RestingTiles>,
    ) -> candle_core::Result<Box<dyn Pass>> {
        let params = EffectiveParameters::new(plan, params, gradients)?;
        let shared = Shared {
            tiling: Arc::clone(&self.tiling),
            tensors: Arc::clone(&self.tensors),
            pools: Arc::clone(&self.fused.pools),
            level: self.fused.level,
            resting,
        };
        Ok(match params.leaf().dtype() {
            DType::F64 => Box::new(MosaicPass::<f64>::new(shared, params)),
            _ => Box::new(MosaicPass::<f32>::new(shared, params)),
        })
    }
}

impl Backend for Mosaics {
    fn threads(&self) -> Threads {
        Threads::Many
    }

    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize {
        (CHUNK_NUMBERS / order.components(plan.in_features)).max(CHUNK_NUMBERS / 8)
    }

    fn evaluation_points(&self, _plan: &Plan, _order: &Order) -> usize {
        EVALUATION_POINTS
    }

    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> candle_core::Result<Box<dyn Pass>> {
        self.pass(plan, params, gradients, None)
    }

    fn prepare_active(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        resting: &RestingTiles,
    ) -> candle_core::Result<Option<Box<dyn Pass>>> {
        let resting = Some(resting.clone());
        self.pass(plan, params, Gradients::Tracked, resting)
            .map(Some)
    }

    fn batch_jets(
        &self,
        _plan: &Arc<Plan>,
        _params: &Tensor,
        _coords: &Tensor,
        _order: &Order,
    ) -> Result<Tensor> {
        Err(without_batches())
    }

    fn batch_square_error(
        &self,
        _plan: &Arc<Plan>,
        _params: &Tensor,
        _coords: &Tensor,
        _targets: &Tensor,
    ) -> Result<[Tensor; 2]> {
        Err(without_batches())
    }
}

/// Makes the error of a hypernetwork whose fields are mosaics.
fn without_batches() -> Error {
    let expected = "absent: the fields of a hypernetwork are single networks";
    Error::invalid("field.mosaic", "set", expected)
}

/// What all passes of a backend share.
#[derive(Clone)]
struct Shared {
    tiling: Arc<Tiling>,
    tensors: Arc<[Range<usize>]>,
    pools: Arc<Pools>,
    level: Level,
    /// The tiles that rest, in a training where tiles may.
    resting: Option<RestingTiles>,
}

/// Parameters of one tile, and its weights packed for products.
struct TileWeights<T: Precision> {
    params: Vec<T>,
    packed: Packed<T>,
}

/// The weights of all tiles; those of a tile are packed when a point first needs them.
struct Tiles<T: Precision>(Vec<OnceLock<TileWeights<T>>>);

/// A mosaic with one set of parameters. Clones share the packed weights.
#[derive(Clone)]
struct MosaicPass<T: Precision> {
    shared: Shared,
    params: EffectiveParameters,
    tiles: Arc<Tiles<T>>,
}

impl<T: Precision> MosaicPass<T> {
    fn new(shared: Shared, params: EffectiveParameters) -> Self {
        let count = shared.tiling.count();
        Self {
            shared,
            params,
            tiles: Arc::new(Tiles((0..count).map(|_| OnceLock::new()).collect())),
        }
    }

    fn operation(
        &self,
        order: &Order,
        sums: Option<&Arc<Mutex<TileSums<T>>>>,
    ) -> MosaicOperation<T> {
        MosaicOperation {
            plan: Arc::clone(self.params.plan()),
            local_order: self.shared.tiling.local_order(order),
            order: order.clone(),
            shared: self.shared.clone(),
            tiles: Arc::clone(&self.tiles),
            differentiable: self.params.gradients() == Gradients::Tracked,
            tape: Mutex::new(TileTape::default()),
            accumulator: sums.cloned(),
        }
    }
}

impl Shared {
    /// Returns, for each tensor, the range of a tile's parameters `(P,)` and that of the same elements among those of all tiles: each tensor is
    /// stored tile by tile.
    fn ranges(&self, tile: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let count = self.tiling.count();
        let tensors = self.tensors.iter();
        tensors.map(move |own| (own.clone(), range_of_tile(own, tile, count)))
    }

    /// Returns whether a tile rests.
    fn rests(&self, tile: usize) -> bool {
        let resting = self.resting.as_ref();
        resting.is_some_and(|resting| resting.rests(tile))
    }

    /// Returns whether all tiles that have a weight at a point rest.
    fn rests_at(&self, point: &[f64]) -> bool {
        if !self.rests(self.tiling.home(point.iter().copied())) {
            return false;
        }
        let mut all_rest = true;
        let visit = |weight: Weight| all_rest &= self.rests(weight.tile);
        self.tiling.for_each_weight(point, visit);
        all_rest
    }

    /// Returns the ranges of the parameters of resting tiles, ascending.
    fn resting_ranges(&self) -> Vec<Range<usize>> {
        let count = self.tiling.count();
        let of_tensor = |own: &Range<usize>| {
            let own = own.clone();
            let tiles = (0..count).filter(|&tile| self.rests(tile));
            tiles.map(move |tile| range_of_tile(&own, tile, count))
        };
        self.tensors.iter().flat_map(of_tensor).collect()
    }
}

impl<T: Precision> Tiles<T> {
    /// Returns the weights of a tile, given the parameters of all.
    fn of(&self, tile: usize, plan: &Plan, shared: &Shared, all: &[T]) -> &TileWeights<T> {
        self.0[tile].get_or_init(|| {
            let mut params = vec![T::of(0.0); plan.parameters];
            for (own, range) in shared.ranges(tile) {
                params[own].copy_from_slice(&all[range]);
            }
            let packed = Packed::new(shared.level, plan, &params);
            TileWeights { params, packed }
        })
    }
}

/// Gradients with respect to the parameters of the tiles that points were in, and the errors of tiles in a training where tiles may rest.
struct TileSums<T> {
    gradients: BTreeMap<usize, GradientSum<T>>,
    errors: TileErrors,
}

impl<T: Precision> TileSums<T> {
    fn zero() -> Self {
        Self {
            gradients: BTreeMap::new(),
            errors: TileErrors::default(),
        }
    }

    /// Returns the sum of a tile.
    fn of(&mut self, tile: usize, plan: &Plan, pools: &Pools) -> &mut GradientSum<T> {
        let zero = || GradientSum::zero(plan, T::sums(pools).take());
        self.gradients.entry(tile).or_insert_with(zero)
    }

    /// Adds other sums, and returns their buffers to the pool.
    fn add(&mut self, others: Self, pools: &Pools) {
        self.errors.merge(others.errors);
        for (tile, other) in others.gradients {
            match self.gradients.entry(tile) {
                Entry::Occupied(mut sum) => {
                    sum.get_mut().add(&other);
                    T::sums(pools).give(other);
                }
                Entry::Vacant(sum) => {
                    sum.insert(other);
                }
            }
        }
    }

    /// Returns the sums as the gradient with respect to the parameters of all tiles, and their buffers to the pool.
    fn finish(self, plan: &Plan, shared: &Shared) -> candle_core::Result<Tensor> {
        let mut flat = vec![T::of(0.0); plan.parameters * shared.tiling.count()];
        for (tile, mut sum) in self.gradients {
            let gradient = sum.flat(plan);
            for (own, range) in shared.ranges(tile) {
                flat[range].copy_from_slice(&gradient[own]);
            }
            T::sums(&shared.pools).give(sum);
        }
        let len = flat.len();
        Tensor::from_vec(flat, len, &candle_core::Device::Cpu)
    }
}

impl<T: Precision> Pass for MosaicPass<T> {
    fn jets(&self, coords: &Tensor, order: &Order) -> candle_core::Result<Tensor> {
        self.params.apply(coords, self.operation(order, None))
    }

    fn accumulator(&self) -> candle_core::Result<Box<dyn Accumulate>> {
        Ok(Box::new(Accumulator::zero(self)))
    }

    fn gradient_of(&self, raw: &Tensor) -> candle_core::Result<FlatGradient> {
        Ok(raw.clone().into())
    }

    /// Leaves out points at which only resting tiles have a weight, and sorts the others by the tile in whose borders they lie, so that a chunk of
    /// adjacent points is in few tiles.
    fn arrange(
        &self,
        coords: &Tensor,
        points: Option<Vec<u32>>,
    ) -> candle_core::Result<Option<Vec<u32>>> {
        let tiling = &self.shared.tiling;
        let coords = coords.contiguous()?;
        read(&coords, |coords: &[T]| {
            let dims = tiling.dims();
            let mut points = points.unwrap_or_else(|| (0..(coords.len() / dims) as u32).collect());
            if self.shared.resting.is_some() {
                let mut point = vec![0.0; dims];
                points.retain(|&index| {
                    let coords = &coords[index as usize * dims..][..dims];
                    for (x, coord) in point.iter_mut().zip(coords) {
                        *x = coord.to_double();
                    }
                    !self.shared.rests_at(&point)
                });
            }
            let home = |&point: &u32| {
                let point = &coords[point as usize * dims..][..dims];
                tiling.home(point.iter().map(|x| x.to_double()))
            };
            Some(sorted_by_key(points, tiling.count(), home))
        })
    }
}

/// Sorts by a key below `count`, equal keys in the given order.
fn sorted_by_key(points: Vec<u32>, count: usize, key: impl Fn(&u32) -> usize) -> Vec<u32> {
    let keys: Vec<u32> = points.iter().map(|point| key(point) as u32).collect();
    let mut next = vec![0_usize; count + 1];
    for &key in &keys {
        next[key as usize + 1] += 1;
    }
    for index in 1..=count {
        next[index] += next[index - 1];
    }
    let mut sorted = vec![0; points.len()];
    for (point, key) in points.into_iter().zip(keys) {
        let place = &mut next[key as usize];
        sorted[*place] = point;
        *place += 1;
    }
    sorted
}

impl<T: Precision> SummingPass for MosaicPass<T> {
    type Sum = TileSums<T>;

    fn zero(&self) -> TileSums<T> {
        TileSums::zero()
    }

    fn squares(
        &self,
        coords: &Tensor,
        order: &Order,
        squares: &ComponentSquares<'_>,
        sums: &mut TileSums<T>,
    ) -> candle_core::Result<Option<Vec<f64>>> {
        let plan = self.params.plan();
        let Some(count) = squares.targets_per_channel(coords, plan.out_features)? else {
            return Ok(None);
        };
        let targets = squares.targets.contiguous()?;
        let operation = self.operation(order, None);
        let all = [&coords.contiguous()?, self.params.leaf(), &targets];
        let of_components = read_three(all, |[coords, params, targets]| {
            let targets = Targets::new(squares, targets, plan.out_features, count);
            operation.squares(coords, params, &squares.points, &targets, sums)
        });
        Ok(Some(of_components?))
    }

    fn summing_jets(
        &self,
        coords: &Tensor,
        order: &Order,
        sums: &Arc<Mutex<TileSums<T>>>,
    ) -> candle_core::Result<Tensor> {
        let operation = self.operation(order, Some(sums));
        self.params.apply_summing(coords, operation)
    }

    fn take(sums: &mut TileSums<T>) -> TileSums<T> {
        std::mem::replace(sums, TileSums::zero())
    }

    fn add(&self, sums: &mut TileSums<T>, others: TileSums<T>) {
        sums.add(others, &self.shared.pools);
    }

    fn flat(&self, sums: TileSums<T>) -> candle_core::Result<Tensor> {
        sums.finish(self.params.plan(), &self.shared)
    }

    fn gradient(&self, mut sums: TileSums<T>) -> candle_core::Result<FlatGradient> {
        let errors = std::mem::take(&mut sums.errors);
        let flat = self.flat(sums)?;
        if self.shared.resting.is_none() {
            return Ok(flat.into());
        }
        let resting = self.shared.resting_ranges();
        Ok(FlatGradient::of_tiles(
            flat,
            TilesOfStep { resting, errors },
        ))
    }
}
