//! Buffers, packed weights and gradient sums of either precision.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Tensor};
use siren_kernel::Level;
use siren_kernel::network::{GradientSum, Packed, Plan, Pool, Workspace};

use crate::field::tensor::Element;

/// A network with buffers for its operation.
#[derive(Default)]
pub(super) struct Pools {
    pub(super) single: Pool<Workspace<f32>>,
    pub(super) double: Pool<Workspace<f64>>,
    pub(super) single_sums: Pool<GradientSum<f32>>,
    pub(super) double_sums: Pool<GradientSum<f64>>,
}

/// A gradient in the parameters, of either precision.
pub(super) enum Sum {
    Single(GradientSum<f32>),
    Double(GradientSum<f64>),
}

impl Sum {
    /// Zero.
    pub(super) fn zero(plan: &Plan, pools: &Pools, dtype: DType) -> Self {
        if dtype == DType::F64 {
            return Self::Double(GradientSum::zero(plan, pools.double_sums.take()));
        }
        Self::Single(GradientSum::zero(plan, pools.single_sums.take()))
    }

    /// Leaves an empty one in its place.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::Single(sum) => Self::Single(std::mem::take(sum)),
            Self::Double(sum) => Self::Double(std::mem::take(sum)),
        }
    }

    /// Adds another of the same precision; its buffers go back.
    pub(super) fn add(&mut self, other: Self, pools: &Pools) {
        match (self, other) {
            (Self::Single(sum), Self::Single(other)) => {
                sum.add(&other);
                pools.single_sums.give(other);
            }
            (Self::Double(sum), Self::Double(other)) => {
                sum.add(&other);
                pools.double_sums.give(other);
            }
            _ => unreachable!("sums of one field are of one precision"),
        }
    }

    /// As flat parameters `(P,)`; the buffers go back.
    pub(super) fn finish(self, plan: &Plan, pools: &Pools) -> candle_core::Result<Tensor> {
        let device = &candle_core::Device::Cpu;
        match self {
            Self::Single(mut sum) => {
                let flat = Tensor::from_slice(sum.flat(plan), plan.parameters, device);
                pools.single_sums.give(sum);
                flat
            }
            Self::Double(mut sum) => {
                let flat = Tensor::from_slice(sum.flat(plan), plan.parameters, device);
                pools.double_sums.give(sum);
                flat
            }
        }
    }
}

/// A poisoned lock means that another chunk panicked; its own error is on its way.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Packed weights of either precision, shared by the chunks of a step.
#[derive(Clone)]
pub(super) enum PackedWeights {
    Single(Arc<Packed<f32>>),
    Double(Arc<Packed<f64>>),
}

impl PackedWeights {
    /// From flat parameters `(P,)`.
    pub(super) fn new(level: Level, plan: &Plan, params: &Tensor) -> candle_core::Result<Self> {
        if params.dtype() == DType::F64 {
            let packed = Packed::new(level, plan, &params.to_vec1::<f64>()?);
            return Ok(Self::Double(Arc::new(packed)));
        }
        let packed = Packed::new(level, plan, &params.to_vec1::<f32>()?);
        Ok(Self::Single(Arc::new(packed)))
    }
}

/// What the forward pass left for the reverse pass.
#[derive(Default)]
pub(super) enum Tape {
    #[default]
    Empty,
    Single(Workspace<f32>),
    Double(Workspace<f64>),
}

/// `f32` or `f64`, with its pool and its kind of tape.
pub(super) trait Precision: Element {
    fn pool(pools: &Pools) -> &Pool<Workspace<Self>>;
    fn sums(pools: &Pools) -> &Pool<GradientSum<Self>>;
    /// Panics if the operation was made for the other precision, which its maker rules out.
    fn weights(packed: &PackedWeights) -> &Packed<Self>;
    fn pack(workspace: Workspace<Self>) -> Tape;
    fn unpack(tape: Tape) -> Option<Workspace<Self>>;
    /// As [`weights`](Self::weights).
    fn sum_of(sum: &mut Sum) -> &mut GradientSum<Self>;
}

impl Precision for f32 {
    fn pool(pools: &Pools) -> &Pool<Workspace<Self>> {
        &pools.single
    }
    fn sums(pools: &Pools) -> &Pool<GradientSum<Self>> {
        &pools.single_sums
    }
    fn weights(packed: &PackedWeights) -> &Packed<Self> {
        match packed {
            PackedWeights::Single(packed) => packed,
            PackedWeights::Double(_) => {
                unreachable!("the operation was made for the other precision")
            }
        }
    }
    fn pack(workspace: Workspace<Self>) -> Tape {
        Tape::Single(workspace)
    }
    fn unpack(tape: Tape) -> Option<Workspace<Self>> {
        match tape {
            Tape::Single(workspace) => Some(workspace),
            _ => None,
        }
    }
    fn sum_of(sum: &mut Sum) -> &mut GradientSum<Self> {
        match sum {
            Sum::Single(sum) => sum,
            Sum::Double(_) => unreachable!("the operation was made for the other precision"),
        }
    }
}

impl Precision for f64 {
    fn pool(pools: &Pools) -> &Pool<Workspace<Self>> {
        &pools.double
    }
    fn sums(pools: &Pools) -> &Pool<GradientSum<Self>> {
        &pools.double_sums
    }
    fn weights(packed: &PackedWeights) -> &Packed<Self> {
        match packed {
            PackedWeights::Double(packed) => packed,
            PackedWeights::Single(_) => {
                unreachable!("the operation was made for the other precision")
            }
        }
    }
    fn pack(workspace: Workspace<Self>) -> Tape {
        Tape::Double(workspace)
    }
    fn unpack(tape: Tape) -> Option<Workspace<Self>> {
        match tape {
            Tape::Double(workspace) => Some(workspace),
            _ => None,
        }
    }
    fn sum_of(sum: &mut Sum) -> &mut GradientSum<Self> {
        match sum {
            Sum::Double(sum) => sum,
            Sum::Single(_) => unreachable!("the operation was made for the other precision"),
        }
    }
}
