//! The interface of layers with hand-written forward and backward passes, and their candle operation.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor};
use siren_core::field::tensor::{Element, contiguous, read};

/// A layer `y = f(x)` whose parameters are entries of the flat parameter tensor `(P,)`.
pub(crate) trait Layer: Send + Sync {
    /// Name of the candle operation.
    const NAME: &'static str;

    /// Returns the shape of `y` for an input of shape `x`.
    fn shape(&self, x: &Shape) -> candle_core::Result<Shape>;

    /// Computes `y` from the row-major input `x` of shape `shape` and the flat parameters.
    fn forward<T: Element>(
        &self,
        shape: &Shape,
        x: &[T],
        flat: &[T],
    ) -> candle_core::Result<Vec<T>>;

    /// Returns the gradient with respect to `x`, and adds the gradient with respect to the parameters to the layer's own
    /// [`Gradient`](crate::layers::Gradient).
    fn backward<T: Element>(&self, inputs: BackwardInputs<'_, T>) -> candle_core::Result<Vec<T>>;
}

/// Inputs of the backward pass of a [`Layer`], all row-major.
pub(crate) struct BackwardInputs<'a, T> {
    /// Shape of `x`.
    pub(crate) shape: &'a Shape,
    /// Input of the forward pass.
    pub(crate) x: &'a [T],
    /// Flat parameters.
    pub(crate) flat: &'a [T],
    /// Output of the forward pass.
    pub(crate) y: &'a [T],
    /// Gradient with respect to `y`.
    pub(crate) d_y: &'a [T],
}

/// The candle operation `(x, flat parameters (P,)) → y` of a layer, on the CPU.
///
/// Candle receives the gradient with respect to `x` only; the layer keeps the gradient with respect to the parameters.
pub(crate) struct Operation<L>(pub(crate) L);

impl<L: Layer> CustomOp2 for Operation<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        flat: &CpuStorage,
        flat_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        match x.dtype() {
            DType::F64 => self.forward::<f64>(x, layout, flat, flat_layout),
            _ => self.forward::<f32>(x, layout, flat, flat_layout),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        flat: &Tensor,
        y: &Tensor,
        d_y: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let d_y = d_y.contiguous()?;
        let d_x = match x.dtype() {
            DType::F64 => self.backward::<f64>(x, flat, y, &d_y)?,
            _ => self.backward::<f32>(x, flat, y, &d_y)?,
        };
        Ok((Some(d_x), None))
    }
}

impl<L: Layer> Operation<L> {
    fn forward<T: Element>(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        flat: &CpuStorage,
        flat_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, flat) = (contiguous::<T>(x, layout)?, contiguous(flat, flat_layout)?);
        let y = self.0.forward(layout.shape(), x, flat)?;
        Ok((T::to_cpu_storage_owned(y), self.0.shape(layout.shape())?))
    }

    fn backward<T: Element>(
        &self,
        x: &Tensor,
        flat: &Tensor,
        y: &Tensor,
        d_y: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let shape = x.shape();
        let d_x = read(x, |x: &[T]| {
            read(flat, |flat: &[T]| {
                read(y, |y: &[T]| {
                    read(d_y, |d_y: &[T]| {
                        self.0.backward(BackwardInputs {
                            shape,
                            x,
                            flat,
                            y,
                            d_y,
                        })
                    })
                })?
            })?
        })???;
        Tensor::from_vec(d_x, shape, &Device::Cpu)
    }
}
