//! Mean squared error of a batch of fields as one operation: loss and backward pass of each chunk follow its forward pass while the values
//! are in the cache. The operation also computes the mean square of the parameters: as an operation of its own, the gradient of that mean
//! would take as long as all other passes over the parameters.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, D, DType, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use siren_kernel::product::sum_of_squares;

use super::batch::{BatchComputation, BatchGradient};
use super::{frequency, lock};
use crate::field::tensor::{Element, contiguous, read};

/// Number of parameters that one thread updates at once.
const PIECE: usize = 1 << 16;

/// Returns the mean squared error of the values at `coords (b, n, d)` for `targets (b, n, c)`, and the mean square of `params (b, P)`.
/// `computation` is of the order of values.
pub(super) fn square_error<B>(
    computation: B,
    params: &Tensor,
    coords: &Tensor,
    targets: &Tensor,
) -> Result<[Tensor; 2]>
where
    B: BatchComputation<f32> + BatchComputation<f64> + 'static,
{
    let effective = frequency::effective(computation.plan(), params)?.contiguous()?;
    let is_learned = frequency::is_learned(computation.plan());
    let means = effective.apply_op1(SquareError {
        computation,
        coords: coords.contiguous()?,
        targets: targets.contiguous()?,
        d_params: Mutex::default(),
    })?;
    let square = if is_learned {
        params.sqr()?.mean_all()?
    } else {
        means.get(1)?
    };
    Ok([means.get(0)?, square])
}

/// Returns the same means from the jets `(b, n, c, 1)`, by candle's operations.
pub(super) fn square_error_of_jets(
    jets: &Tensor,
    params: &Tensor,
    targets: &Tensor,
) -> crate::Result<[Tensor; 2]> {
    let values = jets.squeeze(D::Minus1)?;
    let error = (values - targets)?.sqr()?.mean_all()?;
    Ok([error, params.sqr()?.mean_all()?])
}

/// `θ (b, P) → (mean (Φ − t)², mean θ²)` over all points and channels, and over all parameters, for `coords (b, n, d)` and
/// `targets (b, n, c)`.
struct SquareError<B> {
    computation: B,
    coords: Tensor,
    targets: Tensor,
    /// Gradient of the first mean `(b, P)`, which the forward pass computes and the backward pass takes.
    d_params: Mutex<Option<CpuStorage>>,
}

impl<B> SquareError<B> {
    /// Computes the mean squared error and its gradient.
    fn forward<T: Element>(
        &self,
        coords: &[T],
        targets: &[T],
        params: &[T],
    ) -> Result<BatchGradient<T>>
    where
        B: BatchComputation<T>,
    {
        let elements = targets.len() as f64;
        let error = self
            .computation
            .square_error(coords, params, targets, 1.0 / elements)?;
        Ok(BatchGradient {
            loss: error.loss / elements,
            ..error
        })
    }

    /// Returns both means `(2,)`, and keeps the gradient of the first.
    fn run<T: Element>(&self, params: &[T]) -> Result<CpuStorage>
    where
        B: BatchComputation<T>,
    {
        let BatchGradient { loss, d_params } = read(&self.coords, |coords: &[T]| {
            read(&self.targets, |targets: &[T]| {
                self.forward(coords, targets, params)
            })
        })???;
        *lock(&self.d_params) = Some(T::to_cpu_storage_owned(d_params));
        let mean_square = sum_of_squares(params) / params.len() as f64;
        Ok(T::to_cpu_storage_owned(vec![
            T::of(loss),
            T::of(mean_square),
        ]))
    }

    /// Returns the gradient `(b, P)` with respect to the parameters for a gradient `d_means (2,)` with respect to the means.
    fn backward<T: Element>(&self, params: &Tensor, d_means: &Tensor) -> Result<Tensor> {
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

impl<B: BatchComputation<f32> + BatchComputation<f64>> CustomOp1 for SquareError<B> {
    fn name(&self) -> &'static str {
        "siren-square-error"
    }

    fn cpu_fwd(&self, params: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let storage = match params {
            CpuStorage::F64(_) => self.run::<f64>(contiguous(params, layout)?)?,
            _ => self.run::<f32>(contiguous(params, layout)?)?,
        };
        Ok((storage, Shape::from(2)))
    }

    fn bwd(&self, params: &Tensor, _means: &Tensor, d_means: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(match params.dtype() {
            DType::F64 => self.backward::<f64>(params, d_means)?,
            _ => self.backward::<f32>(params, d_means)?,
        }))
    }
}
