//! Layers as candle's operations: what they have in common.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor};
use siren_core::field::{Real, contiguous, read};

/// A layer of `x` with parameters that are somewhere in a flat tensor.
pub(crate) trait Layer: Send + Sync {
    /// Of the operation.
    const NAME: &'static str;

    /// The shape of what it makes of an `x` of this shape.
    fn shape(&self, x: &Shape) -> candle_core::Result<Shape>;

    /// What it makes of `x`, which has this shape.
    fn forward<T: Real>(&self, shape: &Shape, x: &[T], flat: &[T]) -> candle_core::Result<Vec<T>>;

    /// The gradient in `x`, from `x`, the parameters, `y` and the gradient in it; that in the parameters is left where the layer keeps it.
    fn backward<T: Real>(&self, shape: &Shape, numbers: [&[T]; 4]) -> candle_core::Result<Vec<T>>;
}

/// `(x, flat parameters (P,)) → y`, on the CPU. To candle it has no gradient in the parameters.
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
            DType::F64 => self.run::<f64>((x, layout), (flat, flat_layout)),
            _ => self.run::<f32>((x, layout), (flat, flat_layout)),
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
            DType::F64 => self.reverse::<f64>([x, flat, y, &d_y])?,
            _ => self.reverse::<f32>([x, flat, y, &d_y])?,
        };
        Ok((Some(d_x), None))
    }
}

impl<L: Layer> Operation<L> {
    fn run<T: Real>(
        &self,
        (x, layout): (&CpuStorage, &Layout),
        (flat, flat_layout): (&CpuStorage, &Layout),
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, flat) = (contiguous::<T>(x, layout)?, contiguous(flat, flat_layout)?);
        let y = self.0.forward(layout.shape(), x, flat)?;
        Ok((T::to_cpu_storage_owned(y), self.0.shape(layout.shape())?))
    }

    fn reverse<T: Real>(&self, [x, flat, y, d_y]: [&Tensor; 4]) -> candle_core::Result<Tensor> {
        let d_x = read(x, |numbers: &[T]| {
            read(flat, |flat: &[T]| {
                read(y, |y: &[T]| {
                    read(d_y, |d_y: &[T]| {
                        self.0.backward(x.shape(), [numbers, flat, y, d_y])
                    })
                })?
            })?
        })???;
        Tensor::from_vec(d_x, x.shape(), &Device::Cpu)
    }
}
