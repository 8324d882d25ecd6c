//! Samplers of points in the volume around a shape.

use candle_core::{DType, Device, Tensor};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use siren_core::Result;
use siren_core::signal::{Sample, Sampler, Stream};

use crate::geometry::vector::dot;
use crate::objective::DENSITY;

/// Standard deviation on each axis of the points around the center, the root of 0.5³, as in the code of Wang et al. 2025.
const CENTRAL_DEVIATION: f64 = 0.353_553_390_593_273_8;

/// Draws points uniformly in a cube, and a share of them from a Gaussian around its center, with the density of the mixture as the column
/// [`DENSITY`].
#[derive(Clone, Debug)]
pub struct MixtureSampler {
    /// Number of points per step.
    pub points: usize,
    /// Half the side of the cube.
    pub extent: f64,
    /// Share of the Gaussian, from 0 to 1.
    pub central: f64,
    /// Seed of the fit.
    pub seed: u64,
    /// Random stream.
    pub stream: Stream,
    /// Element type of the sample.
    pub dtype: DType,
    /// Device of the sample.
    pub device: Device,
}

impl MixtureSampler {
    /// Returns the probability density of the mixture at a point.
    #[must_use]
    pub fn density(&self, point: [f64; 3]) -> f64 {
        let is_inside = point.iter().all(|x| x.abs() <= self.extent);
        let uniform = if is_inside {
            (2.0 * self.extent).powi(-3)
        } else {
            0.0
        };
        let variance = CENTRAL_DEVIATION * CENTRAL_DEVIATION;
        let peak = (std::f64::consts::TAU * variance).powf(-1.5);
        let gaussian = peak * (-0.5 * dot(point, point) / variance).exp();
        (1.0 - self.central) * uniform + self.central * gaussian
    }
}

impl Sampler for MixtureSampler {
    fn draw(&self, step: u64) -> Result<Sample> {
        let mut rng = self.stream.rng(self.seed, step);
        let central = (self.central * self.points as f64).round() as usize;
        let mut coords = Vec::with_capacity(3 * self.points);
        let mut densities = Vec::with_capacity(self.points);
        for index in 0..self.points {
            let point: [f64; 3] = std::array::from_fn(|_| {
                if index < central {
                    let normal: f64 = StandardNormal.sample(&mut rng);
                    CENTRAL_DEVIATION * normal
                } else {
                    self.extent * rng.random_range(-1.0..1.0)
                }
            });
            coords.extend(point);
            densities.push(self.density(point));
        }
        let on_device = |values: Vec<f64>, shape: &[usize]| -> Result<Tensor> {
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
            Ok(tensor.to_dtype(self.dtype)?.to_device(&self.device)?)
        };
        Sample::new(on_device(coords, &[self.points, 3])?)?
            .with_column(DENSITY, on_device(densities, &[self.points])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_over_the_density_is_the_integral() {
        // The integral of exp(−10 |x|²) over all of space is (π/10)^1.5; the Gaussian also covers the space beyond the cube.
        let sampler = MixtureSampler {
            points: 200_000,
            extent: 1.1,
            central: 0.5,
            seed: 1,
            stream: Stream::named("test"),
            dtype: DType::F64,
            device: Device::Cpu,
        };
        let sample = sampler.draw(0).unwrap();
        let coords = sample.coords().to_vec2::<f64>().unwrap();
        let densities = sample.column(DENSITY).unwrap().to_vec1::<f64>().unwrap();
        let decay = |point: &[f64]| (-10.0 * point.iter().map(|x| x * x).sum::<f64>()).exp();
        let values = coords
            .iter()
            .zip(&densities)
            .map(|(point, p)| decay(point) / p);
        let mean = values.sum::<f64>() / 200_000.0;
        let expected = (std::f64::consts::PI / 10.0).powf(1.5);
        assert!((mean / expected - 1.0).abs() < 0.01, "{mean} {expected}");
    }
}
