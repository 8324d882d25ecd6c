//! The mean squared error of many fields as one operation: each chunk's values are judged and carried back while they are near. With it
//! goes the mean square of their parameters, whose gradient would take as long by itself as all other passes over them.

use std::ops::Range;
use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};
use rayon::prelude::*;

use siren_kernel::product::sum_of_squares;

use super::batch::BatchOperation;
use super::precision::{Precision, lock};
use crate::field::tensor::{contiguous, read};

/// Numbers that a thread works on at once.
const PIECE: usize = 1 << 16;

/// `θ (b, P) → (mean (Φ − t)², mean θ²)` over all points and channels, and over all parameters, for `coords (b, n, d)` and
/// `targets (b, n, c)`.
pub(super) struct SquareError {
    pub(super) batch: BatchOperation,
    pub(super) coords: Tensor,
    pub(super) targets: Tensor,
    /// Of the first mean, from the forward pass until it is asked for.
    pub(super) gradient: Mutex<Option<CpuStorage>>,
}

impl SquareError {
    /// The mean, and its gradient.
    fn forward<T: Precision>(&self, [coords, targets, params]: [&[T]; 3]) -> (f64, Vec<T>) {
        let scale = T::of(2.0 / targets.len() as f64);
        let judge = |range: Range<usize>, out: &mut [T]| {
            let mut error = 0.0;
            for (value, &target) in out.iter_mut().zip(&targets[range]) {
                let difference = *value - target;
                error += (difference * difference).to_double();
                *value = difference * scale;
            }
            error
        };
        let (error, d_params) = self.batch.gradient([coords, params], judge);
        (error / targets.len() as f64, d_params)
    }

    fn run<T: Precision>(&self, params: &[T]) -> candle_core::Result<CpuStorage> {
        let (error, d_params) = read(&self.coords, |coords: &[T]| {
            read(&self.targets, |targets: &[T]| {
                self.forward([coords, targets, params])
            })
        })??;
        *lock(&self.gradient) = Some(T::to_cpu_storage_owned(d_params));
        let mean = sum_of_squares(params) / params.len() as f64;
        Ok(T::to_cpu_storage_owned(vec![T::of(error), T::of(mean)]))
    }

    /// The gradient of the weighted sum of both means.
    fn reverse<T: Precision>(
        &self,
        params: &Tensor,
        means: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let means: Vec<f64> = means.to_dtype(DType::F64)?.to_vec1()?;
        let mut gradient = lock(&self.gradient).take();
        let Some(numbers) = gradient.as_mut().and_then(T::elements_of) else {
            candle_core::bail!("a square error is differentiated once");
        };
        let mut numbers = std::mem::take(numbers);
        let (error, square) = (
            T::of(means[0]),
            T::of(2.0 * means[1] / numbers.len() as f64),
        );
        read(params, |params: &[T]| {
            let pieces = numbers.par_chunks_mut(PIECE).zip(params.par_chunks(PIECE));
            pieces.for_each(|(gradient, params)| {
                for (gradient, &number) in gradient.iter_mut().zip(params) {
                    *gradient = *gradient * error + number * square;
                }
            });
        })?;
        Tensor::from_vec(numbers, params.shape(), &Device::Cpu)
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
            DType::F64 => self.reverse::<f64>(params, d_means)?,
            _ => self.reverse::<f32>(params, d_means)?,
        }))
    }
}
