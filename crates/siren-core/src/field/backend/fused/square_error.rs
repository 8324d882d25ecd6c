//! Mean squared error of a batch of fields as one operation: loss and backward pass of each chunk follow its forward pass while the values
//! are in the cache. The operation also computes the mean square of the parameters: as an operation of its own, the gradient of that mean
//! would take as long as all other passes over the parameters.

use std::ops::Range;
use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};
use rayon::prelude::*;

use siren_kernel::product::sum_of_squares;

use super::batch::{BatchGradient, BatchOperation};
use super::precision::{Precision, lock};
use crate::field::tensor::{contiguous, read};

/// Number of parameters that one thread updates at once.
const PIECE: usize = 1 << 16;

/// `θ (b, P) → (mean (Φ − t)², mean θ²)` over all points and channels, and over all parameters, for `coords (b, n, d)` and
/// `targets (b, n, c)`.
pub(super) struct SquareError {
    pub(super) batch: BatchOperation,
    pub(super) coords: Tensor,
    pub(super) targets: Tensor,
    /// Gradient of the first mean `(b, P)`, which the forward pass computes and the backward pass takes.
    pub(super) d_params: Mutex<Option<CpuStorage>>,
}

impl SquareError {
    /// Computes the mean squared error and its gradient.
    fn forward<T: Precision>(&self, coords: &[T], targets: &[T], params: &[T]) -> BatchGradient<T> {
        let scale = T::of(2.0 / targets.len() as f64);
        let write_d_values = |range: Range<usize>, values: &mut [T]| {
            let mut error = 0.0;
            for (value, &target) in values.iter_mut().zip(&targets[range]) {
                let difference = *value - target;
                error += (difference * difference).to_double();
                *value = difference * scale;
            }
            error
        };
        let BatchGradient { loss, d_params } = self.batch.gradient(coords, params, write_d_values);
        BatchGradient {
            loss: loss / targets.len() as f64,
            d_params,
        }
    }

    /// Returns both means `(2,)`, and keeps the gradient of the first.
    fn run<T: Precision>(&self, params: &[T]) -> candle_core::Result<CpuStorage> {
        let BatchGradient { loss, d_params } = read(&self.coords, |coords: &[T]| {
            read(&self.targets, |targets: &[T]| {
                self.forward(coords, targets, params)
            })
        })??;
        *lock(&self.d_params) = Some(T::to_cpu_storage_owned(d_params));
        let mean_square = sum_of_squares(params) / params.len() as f64;
        Ok(T::to_cpu_storage_owned(vec![
            T::of(loss),
            T::of(mean_square),
        ]))
    }

    /// Returns the gradient `(b, P)` with respect to the parameters for a gradient `d_means (2,)` with respect to the means.
    fn backward<T: Precision>(
        &self,
        params: &Tensor,
        d_means: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let d_means: Vec<f64> = d_means.to_dtype(DType::F64)?.to_vec1()?;
        let mut kept = lock(&self.d_params).take();
        let Some(elements) = kept.as_mut().and_then(T::elements_of) else {
            candle_core::bail!("only one backward pass through a square error is possible");
        };
        let mut d_params = std::mem::take(elements);
        let error_factor = T::of(d_means[0]);
        let square_factor = T::of(2.0 * d_means[1] / d_params.len() as f64);
        read(params, |params: &[T]| {
            let pieces = d_params.par_chunks_mut(PIECE).zip(params.par_chunks(PIECE));
            pieces.for_each(|(d_params, params)| {
                for (d_param, &param) in d_params.iter_mut().zip(params) {
                    *d_param = *d_param * error_factor + param * square_factor;
                }
            });
        })?;
        Tensor::from_vec(d_params, params.shape(), &Device::Cpu)
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
            CpuStorage::F64(_) => self.run::<f64>(contiguous(params, layout)?)?,
            _ => self.run::<f32>(contiguous(params, layout)?)?,
        };
        Ok((storage, Shape::from(2)))
    }

    fn bwd(
        &self,
        params: &Tensor,
        _means: &Tensor,
        d_means: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(match params.dtype() {
            DType::F64 => self.backward::<f64>(params, d_means)?,
            _ => self.backward::<f32>(params, d_means)?,
        }))
    }
}
