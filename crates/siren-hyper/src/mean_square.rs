//! The mean square of many numbers, without a copy of them.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};
use rayon::prelude::*;
use siren_core::Result;
use siren_core::field::{Real, contiguous, read};
use siren_core::train::sum_of_squares;

/// Numbers that a thread multiplies at once.
const PIECE: usize = 1 << 16;

/// `mean x²`.
pub(crate) fn mean_square(x: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return Ok(x.sqr()?.mean_all()?);
    }
    Ok(x.contiguous()?.apply_op1(MeanSquare)?)
}

struct MeanSquare;

fn forward<T: Real>(x: &[T]) -> CpuStorage {
    T::to_cpu_storage_owned(vec![T::of(sum_of_squares(x) / x.len() as f64)])
}

fn backward<T: Real>(x: &[T], weight: f64) -> Vec<T> {
    let factor = T::of(2.0 * weight / x.len() as f64);
    x.par_iter()
        .with_min_len(PIECE)
        .map(|&x| x * factor)
        .collect()
}

impl CustomOp1 for MeanSquare {
    fn name(&self) -> &'static str {
        "mean-square"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let mean = match x.dtype() {
            DType::F64 => forward::<f64>(contiguous(x, layout)?),
            _ => forward::<f32>(contiguous(x, layout)?),
        };
        Ok((mean, Shape::from(())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        _mean: &Tensor,
        d_mean: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let weight = d_mean.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let d_x = match x.dtype() {
            DType::F64 => Tensor::from_vec(
                read(x, |x: &[f64]| backward(x, weight))?,
                x.shape(),
                &Device::Cpu,
            )?,
            _ => Tensor::from_vec(
                read(x, |x: &[f32]| backward(x, weight))?,
                x.shape(),
                &Device::Cpu,
            )?,
        };
        Ok(Some(d_x))
    }
}
