//! Points around the surface with their signed distances.

use candle_core::{DType, Device, Tensor};
use rand::Rng;
use siren_core::Result;
use siren_core::signal::{Sample, Stream, SubsetSampler, SubsetSampling};

use crate::Vector;
use crate::signal::Shape;

/// Points whose distance is computed once, before the first step. Steps draw from them.
const POOL_POINTS: usize = 1 << 19;

/// Points at a random offset from the surface: on each axis Laplace-distributed with a scale.
pub(crate) struct Pool {
    /// Random stream of the points of the pool.
    pub(crate) points_stream: Stream,
    /// Random stream of the draws of the steps.
    pub(crate) stream: Stream,
    /// Scale of the Laplace distribution, in coordinates.
    pub(crate) scale: f64,
    /// Points per step.
    pub(crate) points: usize,
    /// Seed of the fit.
    pub(crate) seed: u64,
}

impl Pool {
    /// Draws the points, computes their distances, and returns a sampler of them.
    ///
    /// # Errors
    /// As [`Shape::signed_distances`].
    pub(crate) fn sampler(
        &self,
        shape: &Shape,
        dtype: DType,
        device: &Device,
    ) -> Result<SubsetSampler> {
        let mut rng = self.points_stream.rng(self.seed, 0);
        let surface = &shape.fitted().points;
        let points: Vec<Vector> = (0..POOL_POINTS)
            .map(|_| {
                let base = surface[rng.random_range(0..surface.len())];
                base.map(|x| x + self.scale * laplace(rng.random_range(-0.5..0.5)))
            })
            .collect();
        let distances = shape.signed_distances(&points)?;
        let on_device = |values: &[f64], width: usize| -> Result<Tensor> {
            let tensor = Tensor::from_slice(values, (POOL_POINTS, width), &Device::Cpu)?;
            Ok(tensor.to_dtype(dtype)?.to_device(device)?)
        };
        let coords = on_device(points.as_flattened(), 3)?;
        Ok(SubsetSampler {
            from: Sample::with_targets(coords, on_device(&distances, 1)?)?,
            subset: SubsetSampling {
                points: self.points,
                replacement: false,
            },
            seed: self.seed,
            stream: self.stream,
        })
    }
}

/// Returns the quantile of the Laplace distribution of scale 1 at the probability `u + ½`, u in [−½, ½).
fn laplace(u: f64) -> f64 {
    -u.signum() * (1.0 - 2.0 * u.abs()).max(f64::MIN_POSITIVE).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_magnitude_of_an_offset_is_the_scale() {
        let mut rng = Stream::named("test").rng(0, 0);
        let magnitudes = (0..100_000).map(|_| laplace(rng.random_range(-0.5..0.5)).abs());
        let mean = magnitudes.sum::<f64>() / 1e5;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(laplace(0.49) > 3.0 && laplace(-0.49) < -3.0);
    }
}
