//! The end of a residual block, `max(a + b, 0)`, as one operation with one pass over memory in each direction.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor};
use rayon::prelude::*;
use siren_core::field::tensor::{Element, contiguous, read};

/// Minimum number of elements per task.
const MIN_TASK_LEN: usize = 1 << 14;

/// The elementwise operation `max(a + b, 0)` on the CPU, for two tensors of the same shape.
pub(crate) struct RectifiedSum;

fn forward<T: Element>(a: &[T], b: &[T]) -> CpuStorage {
    let sums = a.par_iter().with_min_len(MIN_TASK_LEN).zip(b);
    let sums = sums.map(|(&a, &b)| {
        let sum = a + b;
        // `max` would turn NaN into 0 and hide it; this comparison keeps it.
        if sum < T::of(0.0) { T::of(0.0) } else { sum }
    });
    T::to_cpu_storage_owned(sums.collect())
}

/// Returns the gradient with respect to `a`, which is also that with respect to `b`.
fn backward<T: Element>(y: &Tensor, d_y: &Tensor) -> candle_core::Result<Tensor> {
    let d_sum = read(y, |y: &[T]| {
        read(d_y, |d_y: &[T]| {
            let pairs = y.par_iter().with_min_len(MIN_TASK_LEN).zip(d_y);
            let masked = |(&y, &d_y)| if y > T::of(0.0) { d_y } else { T::of(0.0) };
            pairs.map(masked).collect::<Vec<T>>()
        })
    })??;
    Tensor::from_vec(d_sum, y.shape(), &Device::Cpu)
}

impl CustomOp2 for RectifiedSum {
    fn name(&self) -> &'static str {
        "rectified-sum"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let sum = match a.dtype() {
            DType::F64 => forward::<f64>(contiguous(a, a_layout)?, contiguous(b, b_layout)?),
            _ => forward::<f32>(contiguous(a, a_layout)?, contiguous(b, b_layout)?),
        };
        Ok((sum, a_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _a: &Tensor,
        _b: &Tensor,
        y: &Tensor,
        d_y: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let d_y = d_y.contiguous()?;
        let d_sum = match y.dtype() {
            DType::F64 => backward::<f64>(y, &d_y)?,
            _ => backward::<f32>(y, &d_y)?,
        };
        Ok((Some(d_sum.clone()), Some(d_sum)))
    }
}
