//! Backend of the CPU: a whole network as one operation of `siren-kernel`, with its own backward pass.

mod accumulator;
mod batch;
mod mosaic;
mod operation;
mod precision;

use std::sync::{Arc, Mutex};

use candle_core::Tensor;
use siren_kernel::network::{self, Order, Plan};
use siren_kernel::{Bfloat16, Level};

use self::accumulator::{Accumulator, SummingPass};
use self::batch::BatchOperation;
pub(in super::super) use self::mosaic::Mosaics;
use self::operation::JetOperation;
use self::precision::{Kept, PackedWeights, Pools, Sum, Tape};
use super::batch::batch_jets;
use super::effective::EffectiveParameters;
use super::square_error::square_error;
use super::{Accumulate, Backend, Pass, Threads};
use crate::error::Result;
use crate::field::gradients::{FlatGradient, Gradients};

/// Number of points per application without gradients.
const EVALUATION_POINTS: usize = 4096;

/// The fused operation at one SIMD level, with buffers that are kept between calls.
pub(in super::super) struct Fused {
    level: Level,
    pools: Arc<Pools>,
}

impl Fused {
    pub(super) fn new(level: Level) -> Self {
        Self {
            level,
            pools: Arc::default(),
        }
    }

    fn pass(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
        rounding: Option<Bfloat16>,
    ) -> candle_core::Result<FusedPass> {
        // The kernel does not support learned frequencies: it receives the effective parameters.
        let params = EffectiveParameters::new(plan, params, gradients)?;
        Ok(FusedPass {
            pools: Arc::clone(&self.pools),
            level: self.level,
            packed: PackedWeights::new(self.level, plan, params.leaf(), rounding)?,
            params,
        })
    }

    fn batch(&self, plan: &Arc<Plan>, order: &Order) -> BatchOperation {
        BatchOperation {
            plan: Arc::clone(plan),
            order: order.clone(),
            pools: Arc::clone(&self.pools),
            level: self.level,
            chunk_points: network::small_chunk_points(plan, order),
            differentiable: false,
            kept: Kept::default(),
        }
    }
}

impl Backend for Fused {
    fn threads(&self) -> Threads {
        Threads::Many
    }

    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize {
        network::chunk_points(plan, order)
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
        Ok(Box::new(self.pass(plan, params, gradients, None)?))
    }

    fn prepare_rounded(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        arithmetic: Bfloat16,
    ) -> candle_core::Result<Option<Box<dyn Pass>>> {
        let pass = self.pass(plan, params, Gradients::Tracked, Some(arithmetic))?;
        Ok(Some(Box::new(pass)))
    }

    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> Result<Tensor> {
        let mut batch = self.batch(plan, order);
        batch.differentiable = params.track_op();
        Ok(batch_jets(batch, params, coords)?)
    }

    fn batch_square_error(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> Result<[Tensor; 2]> {
        let batch = self.batch(plan, &Order::Value);
        Ok(square_error(batch, params, coords, targets)?)
    }
}

/// A network with its weights packed for products. Clones share the weights.
#[derive(Clone)]
struct FusedPass {
    pools: Arc<Pools>,
    level: Level,
    packed: PackedWeights,
    params: EffectiveParameters,
}

impl FusedPass {
    fn operation(&self, order: &Order, sum: Option<&Arc<Mutex<Sum>>>) -> JetOperation {
        JetOperation {
            plan: Arc::clone(self.params.plan()),
            order: order.clone(),
            pools: Arc::clone(&self.pools),
            level: self.level,
            differentiable: self.params.gradients() == Gradients::Tracked,
            packed: self.packed.clone(),
            tape: Mutex::new(Tape::Empty),
            accumulator: sum.cloned(),
        }
    }
}

impl Pass for FusedPass {
    fn jets(&self, coords: &Tensor, order: &Order) -> candle_core::Result<Tensor> {
        self.params.apply(coords, self.operation(order, None))
    }

    fn accumulator(&self) -> candle_core::Result<Box<dyn Accumulate>> {
        Ok(Box::new(Accumulator::zero(self)))
    }

    fn gradient_of(&self, raw: &Tensor) -> candle_core::Result<FlatGradient> {
        Ok(self.params.pull_back(raw)?.into())
    }
}

impl SummingPass for FusedPass {
    type Sum = Sum;

    fn zero(&self) -> Sum {
        Sum::zero(self.params.plan(), &self.pools, self.params.leaf().dtype())
    }

    fn summing_jets(
        &self,
        coords: &Tensor,
        order: &Order,
        sum: &Arc<Mutex<Sum>>,
    ) -> candle_core::Result<Tensor> {
        let operation = self.operation(order, Some(sum));
        self.params.apply_summing(coords, operation)
    }

    fn take(sum: &mut Sum) -> Sum {
        sum.take()
    }

    fn add(&self, sum: &mut Sum, other: Sum) {
        sum.add(other, &self.pools);
    }

    fn flat(&self, sum: Sum) -> candle_core::Result<Tensor> {
        sum.finish(self.params.plan(), &self.pools)
    }
}
