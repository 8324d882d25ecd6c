//! Batches of fields of one network, each field with its own parameters, as differentiable candle operations: the output of a hypernetwork.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Result, Shape, Tensor, bail};

use siren_kernel::network::{Order, Plan};

use super::frequency;
use crate::field::tensor::{Element, contiguous, read_three};

/// Overwrites a range of elements of the jets `(b, n, c, 1 + d + K)` by the gradient of a loss with respect to them, and returns the loss of
/// these elements.
pub(super) type WriteDJets<'a, T> = dyn Fn(Range<usize>, &mut [T]) -> f64 + Sync + 'a;

/// Loss and gradient of a batch.
pub(super) struct BatchGradient<T> {
    /// Sum of the losses that the callback returned.
    pub(super) loss: f64,
    /// Gradient with respect to the parameters, `(b, P)`.
    pub(super) d_params: Vec<T>,
}

/// A network at an order of derivatives, which computes batches of fields with elements of one type.
pub(super) trait BatchComputation<T>: BatchPlan {
    /// Returns the jets `(b, n, c, 1 + d + K)` at `coords (b, n, d)` of fields with parameters `(b, P)`.
    fn jets(&self, coords: &[T], params: &[T]) -> Result<Vec<T>>;

    /// Computes the gradient with respect to the parameters `(b, P)`, chunk by chunk.
    fn gradient(
        &self,
        coords: &[T],
        params: &[T],
        write_d_jets: &WriteDJets<'_, T>,
    ) -> Result<BatchGradient<T>>;

    /// Computes the sum of the squared errors of the values for `targets (b, n, c)`, and the gradient of `factor` times this sum. The order
    /// is that of values.
    fn square_error(
        &self,
        coords: &[T],
        params: &[T],
        targets: &[T],
        factor: f64,
    ) -> Result<BatchGradient<T>>
    where
        T: Element,
    {
        let scale = T::of(2.0 * factor);
        let write_d_values = |range: Range<usize>, values: &mut [T]| {
            let mut error = 0.0;
            for (value, &target) in values.iter_mut().zip(&targets[range]) {
                let difference = *value - target;
                error += (difference * difference).to_double();
                *value = difference * scale;
            }
            error
        };
        self.gradient(coords, params, &write_d_values)
    }
}

/// What batches of either type of elements have in common.
pub(super) trait BatchPlan: Send + Sync {
    fn plan(&self) -> &Plan;
    fn order(&self) -> &Order;
}

/// Returns the jets `(b, n, c, 1 + d + K)` at `coords (b, n, d)` of fields with parameters `params (b, P)`, differentiable in `params`.
pub(super) fn batch_jets<B>(computation: B, params: &Tensor, coords: &Tensor) -> Result<Tensor>
where
    B: BatchComputation<f32> + BatchComputation<f64> + 'static,
{
    let params = frequency::effective(computation.plan(), params)?;
    let operation = BatchJets(computation);
    coords
        .contiguous()?
        .apply_op2(&params.contiguous()?, operation)
}

/// `(coords (b, n, d), parameters (b, P)) → jets (b, n, c, 1 + d + K)`.
///
/// What the forward pass leaves to the backward pass is up to the computation: the one on the CPU keeps preactivations of values in wide networks,
/// and otherwise the backward pass computes the forward pass of each chunk again.
struct BatchJets<B>(B);

impl<B> BatchJets<B> {
    /// Returns the gradient `(b, P)` with respect to the parameters for a gradient `d_jets` with respect to the jets.
    fn backward<T: Element>(
        &self,
        coords: &Tensor,
        params: &Tensor,
        d_jets: &Tensor,
    ) -> Result<Tensor>
    where
        B: BatchComputation<T>,
    {
        let gradient = read_three([coords, params, d_jets], |[coords, params, d_jets]| {
            let copy_d_jets = |range: Range<usize>, jets: &mut [T]| {
                jets.copy_from_slice(&d_jets[range]);
                0.0
            };
            self.0.gradient(coords, params, &copy_d_jets)
        })??;
        Tensor::from_vec(gradient.d_params, params.shape(), &Device::Cpu)
    }
}

impl<B: BatchComputation<f32> + BatchComputation<f64>> CustomOp2 for BatchJets<B> {
    fn name(&self) -> &'static str {
        "siren-jet-batch"
    }

    fn cpu_fwd(
        &self,
        coords: &CpuStorage,
        coords_layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let plan = self.0.plan();
        let (fields, points) = (coords_layout.dims()[0], coords_layout.dims()[1]);
        let components = self.0.order().components(plan.in_features);
        let shape = Shape::from((fields, points, plan.out_features, components));
        let storage = match params {
            CpuStorage::F32(_) => CpuStorage::F32(self.0.jets(
                contiguous::<f32>(coords, coords_layout)?,
                contiguous::<f32>(params, params_layout)?,
            )?),
            CpuStorage::F64(_) => CpuStorage::F64(self.0.jets(
                contiguous::<f64>(coords, coords_layout)?,
                contiguous::<f64>(params, params_layout)?,
            )?),
            _ => bail!("the field operation takes f32 or f64 tensors"),
        };
        Ok((storage, shape))
    }

    /// Returns a gradient with respect to the parameters only: coordinates are data.
    fn bwd(
        &self,
        coords: &Tensor,
        params: &Tensor,
        _jets: &Tensor,
        d_jets: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let d_jets = d_jets.contiguous()?;
        let gradient = match params.dtype() {
            DType::F64 => self.backward::<f64>(coords, params, &d_jets)?,
            _ => self.backward::<f32>(coords, params, &d_jets)?,
        };
        Ok((None, Some(gradient)))
    }
}
