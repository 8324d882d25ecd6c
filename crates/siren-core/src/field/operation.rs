//! The field as one differentiable candle operation: `(coords (n, d), parameters (P,)) → jets (n, c, 1 + d + K)`.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Shape, Tensor, bail};

use super::jet::Order;
use super::kernel::{Chunk, GradientSum, Level, Packed, Pool, Real, Workspace};
use super::plan::Plan;

/// A network with buffers for its operation.
#[derive(Default)]
pub(super) struct Pools {
    single: Pool<Workspace<f32>>,
    double: Pool<Workspace<f64>>,
    single_sums: Pool<GradientSum<f32>>,
    double_sums: Pool<GradientSum<f64>>,
}

/// One application of a network to a chunk of points.
pub(super) struct JetOperation {
    pub(super) plan: Arc<Plan>,
    pub(super) order: Order,
    pub(super) pools: Arc<Pools>,
    pub(super) level: Level,
    /// Whether a reverse pass may follow.
    pub(super) differentiable: bool,
    /// The weights of the parameters it will be applied to.
    pub(super) packed: PackedWeights,
    pub(super) tape: Mutex<Tape>,
    /// Where the gradient in the parameters goes instead of into candle's store.
    pub(super) accumulator: Option<Arc<Mutex<Sum>>>,
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
                let flat = Tensor::from_slice(sum.flat(plan), plan.layout.len(), device);
                pools.single_sums.give(sum);
                flat
            }
            Self::Double(mut sum) => {
                let flat = Tensor::from_slice(sum.flat(plan), plan.layout.len(), device);
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
pub(super) trait Precision: Real {
    fn pool(pools: &Pools) -> &Pool<Workspace<Self>>;
    fn sums(pools: &Pools) -> &Pool<GradientSum<Self>>;
    /// Panics if the operation was made for the other precision, which its maker rules out.
    fn weights(packed: &PackedWeights) -> &Packed<Self>;
    fn pack(workspace: Workspace<Self>) -> Tape;
    fn unpack(tape: Tape) -> Option<Workspace<Self>>;
    /// As [`weights`](Self::weights).
    fn sum(sum: &mut Sum) -> &mut GradientSum<Self>;
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
    fn sum(sum: &mut Sum) -> &mut GradientSum<Self> {
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
    fn sum(sum: &mut Sum) -> &mut GradientSum<Self> {
        match sum {
            Sum::Double(sum) => sum,
            Sum::Single(_) => unreachable!("the operation was made for the other precision"),
        }
    }
}

impl Drop for JetOperation {
    /// A forward pass that no reverse pass followed gives its buffers back.
    fn drop(&mut self) {
        match self.take_tape() {
            Tape::Single(workspace) => self.pools.single.give(workspace),
            Tape::Double(workspace) => self.pools.double.give(workspace),
            Tape::Empty => {}
        }
    }
}

impl JetOperation {
    fn take_tape(&self) -> Tape {
        let mut tape = lock(&self.tape);
        std::mem::take(&mut tape)
    }

    fn chunk<'a, T: Precision>(&'a self, coords: &'a [T], params: &'a [T]) -> Chunk<'a, T> {
        Chunk {
            plan: &self.plan,
            order: &self.order,
            coords,
            params,
            packed: T::weights(&self.packed),
            level: self.level,
        }
    }

    fn forward<T: Precision>(&self, coords: &[T], params: &[T]) -> Vec<T> {
        let components = self.order.components(self.plan.in_features);
        let points = coords.len() / self.plan.in_features;
        let mut out = vec![T::of(0.0); points * self.plan.out_features * components];
        let pool = T::pool(&self.pools);
        let mut workspace = pool.take().unwrap_or_default();
        let chunk = self.chunk(coords, params);
        chunk.forward(&mut out, &mut workspace, self.differentiable);
        if self.differentiable {
            let mut tape = lock(&self.tape);
            *tape = T::pack(workspace);
        } else {
            pool.give(workspace);
        }
        out
    }

    fn backward<T: Precision>(
        &self,
        tensors: [&Tensor; 3],
        sum: &mut Sum,
    ) -> candle_core::Result<()> {
        let [coords, params, d_out] = tensors;
        let d_out = d_out.contiguous()?;
        read(coords, |coords: &[T]| {
            read(params, |params: &[T]| {
                read(&d_out, |d_out: &[T]| {
                    self.backward_slices([coords, params, d_out], sum);
                })
            })?
        })?
    }

    fn backward_slices<T: Precision>(&self, [coords, params, d_out]: [&[T]; 3], sum: &mut Sum) {
        let pool = T::pool(&self.pools);
        let chunk = self.chunk(coords, params);
        // A second reverse pass over the same graph finds the tape gone and computes it again.
        let mut workspace = T::unpack(self.take_tape()).unwrap_or_else(|| {
            let mut workspace = pool.take().unwrap_or_default();
            let mut out = vec![T::of(0.0); d_out.len()];
            chunk.forward(&mut out, &mut workspace, true);
            workspace
        });
        chunk.backward(d_out, &mut workspace, T::sum(sum));
        pool.give(workspace);
    }
}

/// Hands the numbers of a contiguous tensor in CPU memory to `use_them`, without a copy.
///
/// # Errors
/// If the tensor is not contiguous, is elsewhere, or its numbers are of another type.
pub fn read<T: Real, R>(
    tensor: &Tensor,
    use_them: impl FnOnce(&[T]) -> R,
) -> candle_core::Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else {
        bail!("the field operation takes tensors in CPU memory only");
    };
    Ok(use_them(contiguous::<T>(storage, layout)?))
}

/// The numbers of a storage that a contiguous layout names.
///
/// # Errors
/// If the layout is not contiguous, or the numbers are of another type.
pub fn contiguous<'a, T: Real>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the field operation takes contiguous tensors only");
    };
    Ok(&storage.as_slice::<T>()?[start..end])
}

impl CustomOp2 for JetOperation {
    fn name(&self) -> &'static str {
        "siren-jet"
    }

    fn cpu_fwd(
        &self,
        coords: &CpuStorage,
        coords_layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let points = coords_layout.dims()[0];
        let components = self.order.components(self.plan.in_features);
        let shape = Shape::from((points, self.plan.out_features, components));
        let storage = match params {
            CpuStorage::F32(_) => CpuStorage::F32(self.forward(
                contiguous::<f32>(coords, coords_layout)?,
                contiguous::<f32>(params, params_layout)?,
            )),
            CpuStorage::F64(_) => CpuStorage::F64(self.forward(
                contiguous::<f64>(coords, coords_layout)?,
                contiguous::<f64>(params, params_layout)?,
            )),
            _ => bail!("the field operation takes f32 or f64 tensors"),
        };
        Ok((storage, shape))
    }

    /// Coordinates are data: only the parameters get a gradient.
    fn bwd(
        &self,
        coords: &Tensor,
        params: &Tensor,
        _jets: &Tensor,
        d_jets: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let tensors = [coords, params, d_jets];
        let backward = |sum: &mut Sum| match params.dtype() {
            DType::F64 => self.backward::<f64>(tensors, sum),
            _ => self.backward::<f32>(tensors, sum),
        };
        if let Some(accumulator) = &self.accumulator {
            backward(&mut lock(accumulator))?;
            return Ok((None, None));
        }
        let mut sum = Sum::zero(&self.plan, &self.pools, params.dtype());
        backward(&mut sum)?;
        Ok((None, Some(sum.finish(&self.plan, &self.pools)?)))
    }
}
