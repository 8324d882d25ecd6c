//! Encodings of the coordinates as tensor expressions, with their derivatives.

use candle_core::{Result, Tensor};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order, Plan, Waves};

use super::{Parts, apply};

/// Returns the jet of the encoded coordinates, the input of the first layer.
pub(super) fn input(plan: &Plan, coords: &Tensor, params: &Tensor, order: &Order) -> Result<Parts> {
    let dims = coords.dim(1)?;
    let input = Input {
        coords,
        order,
        dims,
        gradients: order.gradients(dims),
    };
    match &plan.features {
        Features::Identity => input.identity(),
        Features::Sinusoids {
            include_input,
            waves,
        } => input.sinusoids(*include_input, waves),
        Features::Rbf {
            centers,
            first_center,
            first_sigma,
        } => {
            let center_coords = params.narrow(0, *first_center, centers * dims)?;
            let sigmas = params.narrow(0, *first_sigma, *centers)?;
            let distances = input.distances(
                &center_coords.reshape((*centers, dims))?,
                &sigmas.reshape((1, *centers))?,
            )?;
            apply(Pointwise::Gaussian { scale: 1.0 }, distances, order)
        }
    }
}

/// Coordinates to be encoded, with the derivatives that are asked for.
struct Input<'a> {
    /// `(n, d)`.
    coords: &'a Tensor,
    order: &'a Order,
    /// `d`.
    dims: usize,
    /// Number of gradient components: `d` or 0.
    gradients: usize,
}

impl Input<'_> {
    /// Returns a tensor `(n, width)` that repeats `row`.
    fn constant(&self, row: Vec<f64>) -> Result<Tensor> {
        let width = row.len();
        let row = Tensor::from_vec(row, (1, width), &candle_core::Device::Cpu)?;
        let row = row.to_dtype(self.coords.dtype())?;
        let row = row.to_device(self.coords.device())?;
        row.broadcast_as((self.coords.dim(0)?, width))?.contiguous()
    }

    /// Returns `∂x/∂xᵢ`, `(n, d)`.
    fn axis(&self, i: usize) -> Result<Tensor> {
        self.constant(
            (0..self.dims)
                .map(|j| f64::from(u8::from(i == j)))
                .collect(),
        )
    }

    /// Returns the jet of the coordinates themselves.
    fn identity(&self) -> Result<Parts> {
        Ok(Parts {
            value: self.coords.clone(),
            gradient: (0..self.gradients)
                .map(|i| self.axis(i))
                .collect::<Result<_>>()?,
            traces: vec![self.coords.zeros_like()?; self.order.traces().len()],
        })
    }

    /// Returns the jet of `sin(ω·x)` or `cos(ω·x)` for each of `waves`, behind the coordinates themselves if `keep` is set.
    fn sinusoids(&self, keep: bool, waves: &Waves) -> Result<Parts> {
        let features = waves.features();
        let angular = |f: &dyn Fn(&[f64]) -> f64| {
            self.constant(
                features
                    .iter()
                    .map(|feature| f(feature.angular_frequency))
                    .collect(),
            )
        };
        let mut angle = angular(&|_| 0.0)?;
        for i in 0..self.dims {
            let x = self.coords.narrow(1, i, 1)?;
            angle = (angle + angular(&|omega| omega[i])?.broadcast_mul(&x)?)?;
        }
        let cosine = features
            .iter()
            .map(|feature| f64::from(u8::from(feature.is_cosine)));
        let cosine = self.constant(cosine.collect())?;
        let mix = |on: &Tensor, off: &Tensor| (on * &cosine)? + (off * (1.0 - &cosine)?)?;
        let (sin, cos) = (angle.sin()?, angle.cos()?);
        let value = mix(&cos, &sin)?;
        let slope = mix(&sin.neg()?, &cos)?;
        let join = |first: Tensor, rest: Tensor| {
            if keep {
                return Tensor::cat(&[first, rest], 1);
            }
            Ok(rest)
        };
        let mut gradient = Vec::new();
        for i in 0..self.gradients {
            let waves = (&slope * angular(&|omega| omega[i])?)?;
            gradient.push(join(self.axis(i)?, waves)?);
        }
        let mut traces = Vec::new();
        for trace in self.order.traces() {
            let quadratic = angular(&|omega| {
                let entries = trace.entries().iter();
                let products =
                    entries.map(|entry| -entry.coefficient * omega[entry.i] * omega[entry.j]);
                products.sum()
            })?;
            traces.push(join(self.coords.zeros_like()?, (&value * quadratic)?)?);
        }
        Ok(Parts {
            value: join(self.coords.clone(), value)?,
            gradient,
            traces,
        })
    }

    /// Returns the jet of `s ‖x − c‖²`.
    fn distances(&self, centers: &Tensor, sigmas: &Tensor) -> Result<Parts> {
        let zero = self.constant(vec![0.0; sigmas.dim(1)?])?;
        let mut squared = zero.clone();
        let mut gradient = Vec::new();
        for i in 0..self.dims {
            let center = centers.narrow(1, i, 1)?.t()?;
            let offset = self.coords.narrow(1, i, 1)?.broadcast_sub(&center)?;
            squared = (squared + offset.sqr()?)?;
            gradient.push((offset.broadcast_mul(sigmas)? * 2.0)?);
        }
        gradient.truncate(self.gradients);
        let mut traces = Vec::new();
        for trace in self.order.traces() {
            let entries = trace.entries().iter();
            let on_diagonal = entries.filter(|entry| entry.i == entry.j);
            let diagonal: f64 = on_diagonal.map(|entry| entry.coefficient).sum();
            traces.push(zero.broadcast_add(&(sigmas * (2.0 * diagonal))?)?);
        }
        Ok(Parts {
            value: squared.broadcast_mul(sigmas)?,
            gradient,
            traces,
        })
    }
}
