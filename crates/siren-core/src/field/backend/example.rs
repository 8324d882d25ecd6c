//! A test-only example of a backend: every network is computed in double precision, whatever the precision of its parameters.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};
use siren_kernel::network::{Order, Plan};

use super::{Accumulate, Backend, Composed, Pass, Threads, same_kind};
use crate::field::gradients::{FlatGradient, Gradients};

/// Candle's own operations in double precision.
pub(in super::super) struct Double;

struct DoublePass {
    inner: Box<dyn Pass>,
    plan: Arc<Plan>,
    params: Tensor,
}

/// A gradient that candle's store brings, by way of a leaf in the precision of the parameters.
struct DoubleSum {
    plan: Arc<Plan>,
    leaf: Var,
    sum: Option<Tensor>,
}

fn jets(inner: &dyn Pass, coords: &Tensor, order: &Order, dtype: DType) -> Result<Tensor> {
    inner
        .jets(&coords.to_dtype(DType::F64)?, order)?
        .to_dtype(dtype)
}

impl Backend for Double {
    fn threads(&self) -> Threads {
        Threads::Many
    }

    fn chunk_points(&self, _plan: &Plan, _order: &Order) -> usize {
        128
    }

    fn evaluation_points(&self, _plan: &Plan, _order: &Order) -> usize {
        128
    }

    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> Result<Box<dyn Pass>> {
        Ok(Box::new(DoublePass {
            inner: Composed.prepare(plan, &params.to_dtype(DType::F64)?, gradients)?,
            plan: Arc::clone(plan),
            params: params.detach(),
        }))
    }

    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> crate::Result<Tensor> {
        Composed.batch_jets(plan, params, coords, order)
    }

    fn batch_square_error(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> crate::Result<[Tensor; 2]> {
        Composed.batch_square_error(plan, params, coords, targets)
    }
}

impl Pass for DoublePass {
    fn jets(&self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        jets(self.inner.as_ref(), coords, order, self.params.dtype())
    }

    fn accumulator(&self) -> Result<Box<dyn Accumulate>> {
        Ok(Box::new(DoubleSum {
            plan: Arc::clone(&self.plan),
            leaf: Var::from_tensor(&self.params)?,
            sum: None,
        }))
    }

    fn gradient_of(&self, raw: &Tensor) -> Result<FlatGradient> {
        Ok(raw.clone().into())
    }
}

impl Accumulate for DoubleSum {
    fn jets(&mut self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        let params = self.leaf.to_dtype(DType::F64)?;
        let inner = Composed.prepare(&self.plan, &params, Gradients::Tracked)?;
        jets(inner.as_ref(), coords, order, self.leaf.dtype())
    }

    fn collect(&mut self, store: &GradStore) -> Result<()> {
        let gradient = store.get(&self.leaf).cloned();
        self.sum = match (self.sum.take(), gradient) {
            (Some(sum), Some(gradient)) => Some((sum + gradient)?),
            (sum, gradient) => sum.or(gradient),
        };
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulate>) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        self.sum = match (self.sum.take(), other.sum) {
            (Some(sum), Some(more)) => Some((sum + more)?),
            (sum, more) => sum.or(more),
        };
        Ok(())
    }

    fn into_raw(self: Box<Self>) -> Result<Tensor> {
        match self.sum {
            Some(sum) => Ok(sum),
            None => self.leaf.zeros_like(),
        }
    }

    fn finish(self: Box<Self>) -> Result<FlatGradient> {
        Ok(self.into_raw()?.into())
    }
}
