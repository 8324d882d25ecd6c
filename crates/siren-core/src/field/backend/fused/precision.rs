//! Buffers, packed weights and gradient sums in single and double precision.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Tensor};
use siren_kernel::network::{GradientSum, Packed, Plan, Pool, Preactivations, Workspace};
use siren_kernel::{Bfloat16, Level};

use crate::field::tensor::Element;

/// Buffers that operations share, so that not every chunk allocates its own.
#[derive(Default)]
pub(super) struct Pools {
    pub(super) single: Pool<Workspace<f32>>,
    pub(super) double: Pool<Workspace<f64>>,
    pub(super) single_sums: Pool<GradientSum<f32>>,
    pub(super) double_sums: Pool<GradientSum<f64>>,
    pub(super) single_preactivations: Pool<Preactivations<f32>>,
    pub(super) double_preactivations: Pool<Preactivations<f64>>,
}

/// Preactivations of the chunks of some fields, by field.
pub(super) type KeptFields<T> = Mutex<Vec<Vec<Preactivations<T>>>>;

/// Preactivations of a batch in either precision.
#[derive(Default)]
pub(super) struct Kept {
    single: KeptFields<f32>,
    double: KeptFields<f64>,
}

/// Gradient with respect to the parameters, in either precision.
pub(super) enum Sum {
    Single(GradientSum<f32>),
    Double(GradientSum<f64>),
}

impl Sum {
    /// Returns a gradient of zeros.
    pub(super) fn zero(plan: &Plan, pools: &Pools, dtype: DType) -> Self {
        if dtype == DType::F64 {
            return Self::Double(GradientSum::zero(plan, pools.double_sums.take()));
        }
        Self::Single(GradientSum::zero(plan, pools.single_sums.take()))
    }

    /// Returns the sum, and leaves an empty one in its place.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::Single(sum) => Self::Single(std::mem::take(sum)),
            Self::Double(sum) => Self::Double(std::mem::take(sum)),
        }
    }

    /// Adds another sum of the same precision, and returns its buffers to the pool.
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

    /// Returns the sum as flat parameters `(P,)`, and its buffers to the pool.
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

/// Packed weights of either precision, shared by the chunks of a step.
#[derive(Clone)]
pub(super) enum PackedWeights {
    Single(Arc<Packed<f32>>),
    Double(Arc<Packed<f64>>),
}

impl PackedWeights {
    /// Packs the weights of flat parameters `(P,)`, for operands that are rounded if `rounding` is given.
    pub(super) fn new(
        level: Level,
        plan: &Plan,
        params: &Tensor,
        rounding: Option<Bfloat16>,
    ) -> candle_core::Result<Self> {
        fn packed<T: Precision>(packed: Packed<T>, rounding: Option<Bfloat16>) -> Arc<Packed<T>> {
            Arc::new(match rounding {
                Some(arithmetic) => packed.rounded(arithmetic),
                None => packed,
            })
        }
        if params.dtype() == DType::F64 {
            let exact = Packed::new(level, plan, &params.to_vec1::<f64>()?);
            return Ok(Self::Double(packed(exact, rounding)));
        }
        let exact = Packed::new(level, plan, &params.to_vec1::<f32>()?);
        Ok(Self::Single(packed(exact, rounding)))
    }
}

/// Activations of the forward pass that the backward pass needs.
#[derive(Default)]
pub(super) enum Tape {
    #[default]
    Empty,
    Single(Workspace<f32>),
    Double(Workspace<f64>),
}

/// `f32` or `f64`, with its pools and its variants of the enums of this module.
pub(super) trait Precision: Element {
    /// Returns the pool of workspaces.
    fn pool(pools: &Pools) -> &Pool<Workspace<Self>>;
    /// Returns the pool of gradient sums.
    fn sums(pools: &Pools) -> &Pool<GradientSum<Self>>;
    /// Returns the pool of preactivations.
    fn preactivations(pools: &Pools) -> &Pool<Preactivations<Self>>;
    /// Returns the preactivations of this precision.
    fn kept(kept: &Kept) -> &KeptFields<Self>;
    /// Returns the packed weights. Panics if they are of the other precision; an operation and its weights are made for the same one.
    fn weights(packed: &PackedWeights) -> &Packed<Self>;
    /// Wraps a workspace.
    fn pack(workspace: Workspace<Self>) -> Tape;
    /// Returns the workspace of a tape, if it has one of this precision.
    fn unpack(tape: Tape) -> Option<Workspace<Self>>;
    /// Returns the gradient sum. Panics as [`weights`](Self::weights).
    fn sum_of(sum: &mut Sum) -> &mut GradientSum<Self>;
}

impl Precision for f32 {
    fn pool(pools: &Pools) -> &Pool<Workspace<Self>> {
        &pools.single
    }
    fn sums(pools: &Pools) -> &Pool<GradientSum<Self>> {
        &pools.single_sums
    }
    fn preactivations(pools: &Pools) -> &Pool<Preactivations<Self>> {
        &pools.single_preactivations
    }
    fn kept(kept: &Kept) -> &KeptFields<Self> {
        &kept.single
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
    fn preactivations(pools: &Pools) -> &Pool<Preactivations<Self>> {
        &pools.double_preactivations
    }
    fn kept(kept: &Kept) -> &KeptFields<Self> {
        &kept.double
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
