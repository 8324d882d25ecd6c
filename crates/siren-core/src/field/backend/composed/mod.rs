//! Backend of every device: jets from candle's own operations, with candle's backward pass. Devices without a fused operation use it, and
//! tests use it as a reference implementation.
//!
//! The derivatives of the activations are implemented here a second time, as tensor expressions that share no code with `siren-kernel`.
//! Tests compare the two implementations.

mod activation;
mod encoding;

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::{Linear, Module};
use siren_kernel::Pointwise;
use siren_kernel::network::{Order, Plan, TraceEntry};

use self::activation::{Derivatives, derivatives};
use self::encoding::input;
use super::square_error::square_error_of_jets;
use super::{Accumulate, Backend, Pass, Threads, same_kind};
use crate::field::gradients::{FlatGradient, Gradients};

/// Number of elements of one hidden activation `(rows, width)` per application: enough to occupy a device, and few enough that the
/// intermediate tensors of candle's operations fit its memory.
const CHUNK_ELEMENTS: usize = 1 << 24;
/// Smallest number of points per application, for jets of many components.
const MIN_CHUNK_POINTS: usize = 32;

/// Backend of candle's own operations.
pub(in super::super) struct Composed;

impl Backend for Composed {
    fn threads(&self) -> Threads {
        Threads::One
    }

    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize {
        let rows = CHUNK_ELEMENTS / plan.widest().max(1);
        (rows / order.components(plan.in_features)).max(MIN_CHUNK_POINTS)
    }

    fn evaluation_points(&self, plan: &Plan, order: &Order) -> usize {
        self.chunk_points(plan, order)
    }

    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> Result<Box<dyn Pass>> {
        let tracked = match gradients {
            Gradients::Tracked => params.clone(),
            Gradients::Untracked => params.detach(),
        };
        Ok(Box::new(ComposedPass {
            plan: Arc::clone(plan),
            params: tracked,
        }))
    }

    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> crate::Result<Tensor> {
        let signals = (0..params.dim(0)?)
            .map(|signal| jet(plan, &coords.get(signal)?, &params.get(signal)?, order));
        Ok(Tensor::stack(&signals.collect::<Result<Vec<_>>>()?, 0)?)
    }

    fn batch_square_error(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> crate::Result<[Tensor; 2]> {
        let jets = self.batch_jets(plan, params, coords, &Order::Value)?;
        square_error_of_jets(&jets, params, targets)
    }
}

/// A network with one set of parameters.
struct ComposedPass {
    plan: Arc<Plan>,
    params: Tensor,
}

impl Pass for ComposedPass {
    fn jets(&self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        jet(&self.plan, coords, &self.params, order)
    }

    fn accumulator(&self) -> Result<Box<dyn Accumulate>> {
        Ok(Box::new(ComposedAccumulator {
            plan: Arc::clone(&self.plan),
            leaf: Var::from_tensor(&self.params.detach())?,
            sum: None,
        }))
    }

    fn gradient_of(&self, raw: &Tensor) -> Result<FlatGradient> {
        Ok(raw.to_device(self.params.device())?.into())
    }
}

/// A gradient summed from candle's stores.
struct ComposedAccumulator {
    plan: Arc<Plan>,
    /// A copy of the parameters, the leaf of all graphs.
    leaf: Var,
    sum: Option<Tensor>,
}

impl Accumulate for ComposedAccumulator {
    fn jets(&mut self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        jet(&self.plan, coords, self.leaf.as_tensor(), order)
    }

    fn collect(&mut self, store: &GradStore) -> Result<()> {
        if let Some(gradient) = store.get(&self.leaf) {
            self.sum = Some(match self.sum.take() {
                Some(sum) => (sum + gradient)?,
                None => gradient.clone(),
            });
        }
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
        self.total()?.to_device(&Device::Cpu)
    }

    fn finish(self: Box<Self>) -> Result<FlatGradient> {
        Ok(self.total()?.into())
    }
}

impl ComposedAccumulator {
    fn total(self) -> Result<Tensor> {
        match self.sum {
            Some(sum) => Ok(sum),
            None => self.leaf.zeros_like(),
        }
    }
}

/// Components of a jet: each tensor is `(n, width)`.
struct Parts {
    value: Tensor,
    gradient: Vec<Tensor>,
    traces: Vec<Tensor>,
}

impl Parts {
    /// Returns all components in the order of a packed jet.
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        let derivatives = self.gradient.iter_mut().chain(&mut self.traces);
        std::iter::once(&mut self.value).chain(derivatives)
    }
}

/// Returns the jets `(n, c, 1 + d + K)` at `coords (n, d)` for flat parameters `(P,)`.
fn jet(plan: &Plan, coords: &Tensor, params: &Tensor, order: &Order) -> Result<Tensor> {
    let mut h = input(plan, coords, params, order)?;
    for layer in &plan.layers {
        let weight = params.narrow(0, layer.weight.start, layer.weight.len())?;
        let weight = weight.reshape((layer.fan_out, layer.fan_in))?;
        let bias = params.narrow(0, layer.bias.start, layer.fan_out)?;
        let linear = Linear::new(weight.clone(), None);
        let forward = |parts: &[Tensor]| -> Result<Vec<Tensor>> {
            parts.iter().map(|part| linear.forward(part)).collect()
        };
        let mut z = Parts {
            value: Linear::new(weight, Some(bias)).forward(&h.value)?,
            gradient: forward(&h.gradient)?,
            traces: forward(&h.traces)?,
        };
        if let Some(index) = layer.frequency {
            let s = params.narrow(0, index, 1)?;
            for part in z.all_mut() {
                *part = part.broadcast_mul(&s)?;
            }
        }
        h = apply(layer.pointwise, z, order)?;
    }
    let mut parts = vec![h.value];
    parts.extend(h.gradient);
    parts.extend(h.traces);
    Tensor::stack(&parts, D::Minus1)
}

/// Returns the jet of `σ(z)` from the jet of `z`: `∂ᵢσ(z) = σ'(z) ∂ᵢz` and `t_A = σ'(z) t_A(z) + σ''(z) Σᵢⱼ Aᵢⱼ ∂ᵢz ∂ⱼz`.
fn apply(pointwise: Pointwise, z: Parts, order: &Order) -> Result<Parts> {
    if pointwise == Pointwise::Linear {
        return Ok(z);
    }
    let Derivatives {
        value: s0,
        first: s1,
        second: s2,
    } = derivatives(pointwise, &z.value)?;
    let gradient = z.gradient.iter().map(|part| &s1 * part);
    let gradient = gradient.collect::<Result<Vec<_>>>()?;
    let mut traces = Vec::new();
    for (trace, part) in order.traces().iter().zip(&z.traces) {
        let mut sum = (&s1 * part)?;
        for &TraceEntry { i, j, coefficient } in trace.entries() {
            let product = ((&z.gradient[i] * &z.gradient[j])? * coefficient)?;
            sum = (sum + (&s2 * product)?)?;
        }
        traces.push(sum);
    }
    Ok(Parts {
        value: s0,
        gradient,
        traces,
    })
}
