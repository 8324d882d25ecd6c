//! The mean squared error of many fields as one operation: each chunk's values are judged and carried back while they are near.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::batch::{BatchOperation, PART_POINTS, Signals};
use super::kernel::{GradientSum, Packed};
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
        let plan = &self.batch.plan;
        let len = plan.layout.len();
        let signals = Signals::new(&self.batch, coords, params, params.len() / len);
        let own_targets = signals.points * plan.out_features;
        let mut d_params = vec![T::of(0.0); params.len()];
        let rows = d_params.par_chunks_mut(len).enumerate();
        let errors = rows.map(|(signal, d_params)| {
            let (coords, params) = signals.of(signal);
            let own = &targets[signal * own_targets..][..own_targets];
            let packed = Packed::new(plan, params);
            let parts = coords.par_chunks(PART_POINTS * plan.in_features);
            let parts = parts.zip(own.par_chunks(PART_POINTS * plan.out_features));
            let scale = 2.0 / targets.len() as f64;
            let parts: Vec<_> = parts
                .map(|(coords, targets)| self.part([coords, params, targets], &packed, scale))
                .collect();
            let mut parts = parts.into_iter();
            let Some((mut error, mut sum)) = parts.next() else {
                return 0.0;
            };
            for (more_error, more) in parts {
                error += more_error;
                sum.add(&more);
                T::sums(&self.batch.pools).give(more);
            }
            d_params.copy_from_slice(sum.flat(plan));
            T::sums(&self.batch.pools).give(sum);
            error
        });
        let errors: Vec<f64> = errors.collect();
        (errors.iter().sum::<f64>() / targets.len() as f64, d_params)
    }

    /// The sum of squares of some points of a signal, and the gradient of the mean.
    fn part<T: Precision>(
        &self,
        [coords, params, targets]: [&[T]; 3],
        packed: &Packed<T>,
        scale: f64,
    ) -> (f64, GradientSum<T>) {
        let BatchOperation {
            plan,
            pools,
            chunk_points,
            ..
        } = &self.batch;
        let mut sum = GradientSum::zero(plan, T::sums(pools).take());
        let mut workspace = T::pool(pools).take().unwrap_or_default();
        let mut out = vec![T::of(0.0); chunk_points * plan.out_features];
        let scale = T::of(scale);
        let mut error = 0.0;
        let chunks = coords.chunks(chunk_points * plan.in_features);
        for (coords, targets) in chunks.zip(targets.chunks(out.len())) {
            let chunk = self.batch.chunk(coords, params, packed);
            let out = &mut out[..targets.len()];
            chunk.forward(out, &mut workspace, true);
            for (value, &target) in out.iter_mut().zip(targets) {
                let difference = *value - target;
                error += candle_core::WithDType::to_f64(difference * difference);
                *value = difference * scale;
            }
            chunk.backward(out, &mut workspace, &mut sum);
        }
        T::pool(pools).give(workspace);
        (error, sum)
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
