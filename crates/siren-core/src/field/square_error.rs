//! The mean squared error of many fields as one operation: each chunk's values are judged and carried back while they are near.

use std::ops::Range;
use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor, WithDType};

use super::batch::BatchOperation;
use super::operation::{Precision, contiguous, lock, read};

/// `parameters (b, P) → mean (Φ − t)²` over all points and channels, for `coords (b, n, d)` and `targets (b, n, c)`.
pub(super) struct SquareError {
    pub(super) batch: BatchOperation,
    pub(super) coords: Tensor,
    pub(super) targets: Tensor,
    /// Of the mean, in the parameters, from the forward pass until it is asked for.
    pub(super) gradient: Mutex<Option<Tensor>>,
}

impl SquareError {
    /// The mean, and its gradient.
    fn forward<T: Precision>(&self, [coords, targets, params]: [&[T]; 3]) -> (f64, Vec<T>) {
        let scale = T::of(2.0 / targets.len() as f64);
        let judge = |range: Range<usize>, out: &mut [T]| {
            let mut error = 0.0;
            for (value, &target) in out.iter_mut().zip(&targets[range]) {
                let difference = *value - target;
                error += WithDType::to_f64(difference * difference);
                *value = difference * scale;
            }
            error
        };
        let (error, d_params) = self.batch.gradient([coords, params], judge);
        (error / targets.len() as f64, d_params)
    }

    fn run<T: Precision>(&self, params: &[T], shape: &Shape) -> candle_core::Result<CpuStorage> {
        let (error, d_params) = read(&self.coords, |coords: &[T]| {
            read(&self.targets, |targets: &[T]| {
                self.forward([coords, targets, params])
            })
        })??;
        let gradient = Tensor::from_vec(d_params, shape, &Device::Cpu)?;
        *lock(&self.gradient) = Some(gradient);
        Ok(T::to_cpu_storage_owned(vec![T::of(error)]))
    }
}

impl CustomOp1 for SquareError {
    fn name(&self) -> &'static str {
        "siren-square-error"
    }

    fn cpu_fwd(
        &self,
        params: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let storage = match params {
            CpuStorage::F64(_) => self.run::<f64>(contiguous(params, layout)?, layout.shape())?,
            _ => self.run::<f32>(contiguous(params, layout)?, layout.shape())?,
        };
        Ok((storage, Shape::from(())))
    }

    fn bwd(
        &self,
        _params: &Tensor,
        _error: &Tensor,
        d_error: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let Some(gradient) = lock(&self.gradient).take() else {
            candle_core::bail!("a square error is differentiated once");
        };
        let weight = d_error.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        if (weight - 1.0).abs() < f64::EPSILON {
            return Ok(Some(gradient));
        }
        Ok(Some((gradient * weight)?))
    }
}
