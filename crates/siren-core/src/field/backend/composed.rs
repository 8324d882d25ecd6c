//! Every device's backend: the same jets from candle's own operations, whose backward pass is candle's. It serves devices without a
//! fused operation, and tests as a reference implementation.
//!
//! The derivatives of the activations are written down here a second time, as tensor expressions, apart from those of `siren-kernel`: the
//! comparison of both is what tests them.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{D, Result, Tensor, Var};
use candle_nn::{Linear, Module};
use siren_kernel::network::{Features, Order, Plan, TraceEntry, Waves};
use siren_kernel::{Pointwise, SOFTPLUS_THRESHOLD};

use super::{Backend, GradientSum, Pass, Threads, same_kind};
use crate::field::prepared::Gradients;

/// Elements of one hidden activation `(rows, width)` per application: enough to occupy a device, and few enough that the intermediate
/// tensors of candle's operations fit its memory.
const CHUNK_ELEMENTS: usize = 1 << 24;
/// Least points per application, however many components the jet has.
const MIN_CHUNK_POINTS: usize = 32;

/// Candle's own operations.
pub(in super::super) struct Composed;

impl Backend for Composed {
    fn threads(&self) -> Threads {
        Threads::One
    }

    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize {
        let rows = CHUNK_ELEMENTS / plan.widest().max(1);
        (rows / order.components(plan.in_features)).max(MIN_CHUNK_POINTS)
    }

    fn evaluation_points(&self, plan: &Plan, order: &Order) -> usize {
        self.chunk_points(plan, order)
    }

    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> Result<Box<dyn Pass>> {
        let tracked = match gradients {
            Gradients::Tracked => params.clone(),
            Gradients::Untracked => params.detach(),
        };
        Ok(Box::new(ComposedPass {
            plan: Arc::clone(plan),
            params: tracked,
        }))
    }

    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> crate::Result<Tensor> {
        let signals = (0..params.dim(0)?)
            .map(|signal| jet(plan, &coords.get(signal)?, &params.get(signal)?, order));
        Ok(Tensor::stack(&signals.collect::<Result<Vec<_>>>()?, 0)?)
    }

    fn batch_square_error(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> crate::Result<[Tensor; 2]> {
        let jets = self.batch_jets(plan, params, coords, &Order::Value)?;
        let values = jets.squeeze(D::Minus1)?;
        let error = (values - targets)?.sqr()?.mean_all()?;
        Ok([error, params.sqr()?.mean_all()?])
    }
}

/// A network with one set of parameters.
struct ComposedPass {
    plan: Arc<Plan>,
    params: Tensor,
}

impl Pass for ComposedPass {
    fn jets(&self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        jet(&self.plan, coords, &self.params, order)
    }

    fn gradient_sum(&self) -> Result<Box<dyn GradientSum>> {
        Ok(Box::new(ComposedSum {
            plan: Arc::clone(&self.plan),
            leaf: Var::from_tensor(&self.params.detach())?,
            sum: None,
        }))
    }
}

/// A gradient that candle's store brings.
struct ComposedSum {
    plan: Arc<Plan>,
    /// A copy of the parameters, the leaf of all graphs.
    leaf: Var,
    sum: Option<Tensor>,
}

impl GradientSum for ComposedSum {
    fn jets(&mut self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        jet(&self.plan, coords, self.leaf.as_tensor(), order)
    }

    fn collect(&mut self, store: &GradStore) -> Result<()> {
        if let Some(gradient) = store.get(&self.leaf) {
            self.sum = Some(match self.sum.take() {
                Some(sum) => (sum + gradient)?,
                None => gradient.clone(),
            });
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn GradientSum>) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        self.sum = match (self.sum.take(), other.sum) {
            (Some(sum), Some(more)) => Some((sum + more)?),
            (sum, more) => sum.or(more),
        };
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Tensor> {
        match self.sum {
            Some(sum) => Ok(sum),
            None => self.leaf.zeros_like(),
        }
    }
}

/// Value, gradient components, traces: each `(n, width)`.
struct Parts {
    value: Tensor,
    gradient: Vec<Tensor>,
    traces: Vec<Tensor>,
}

impl Parts {
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        let derivatives = self.gradient.iter_mut().chain(&mut self.traces);
        std::iter::once(&mut self.value).chain(derivatives)
    }
}

/// Returns the jets `(n, c, 1 + d + K)` at `coords (n, d)` for flat parameters `(P,)`.
fn jet(plan: &Plan, coords: &Tensor, params: &Tensor, order: &Order) -> Result<Tensor> {
    let mut h = input(plan, coords, params, order)?;
    for layer in &plan.layers {
        let weight = params.narrow(0, layer.weight.start, layer.weight.len())?;
        let weight = weight.reshape((layer.fan_out, layer.fan_in))?;
        let bias = params.narrow(0, layer.bias.start, layer.fan_out)?;
        let linear = Linear::new(weight.clone(), None);
        let through = |parts: &[Tensor]| -> Result<Vec<Tensor>> {
            parts.iter().map(|part| linear.forward(part)).collect()
        };
        let mut z = Parts {
            value: Linear::new(weight, Some(bias)).forward(&h.value)?,
            gradient: through(&h.gradient)?,
            traces: through(&h.traces)?,
        };
        if let Some(at) = layer.frequency {
            let s = params.narrow(0, at, 1)?;
            for part in z.all_mut() {
                *part = part.broadcast_mul(&s)?;
            }
        }
        h = apply(layer.pointwise, z, order)?;
    }
    let mut parts = vec![h.value];
    parts.extend(h.gradient);
    parts.extend(h.traces);
    Tensor::stack(&parts, D::Minus1)
}

/// The jet of `σ(z)`; see the kernel for the formulas.
fn apply(pointwise: Pointwise, z: Parts, order: &Order) -> Result<Parts> {
    if pointwise == Pointwise::Linear {
        return Ok(z);
    }
    let [s0, s1, s2] = derivatives(pointwise, &z.value)?;
    let gradient = z.gradient.iter().map(|part| &s1 * part);
    let gradient = gradient.collect::<Result<Vec<_>>>()?;
    let mut traces = Vec::new();
    for (trace, part) in order.traces().iter().zip(&z.traces) {
        let mut sum = (&s1 * part)?;
        for &TraceEntry { i, j, coefficient } in trace.entries() {
            let product = ((&z.gradient[i] * &z.gradient[j])? * coefficient)?;
            sum = (sum + (&s2 * product)?)?;
        }
        traces.push(sum);
    }
    Ok(Parts {
        value: s0,
        gradient,
        traces,
    })
}

/// `σ, σ', σ''`; candle's reverse pass finds the third derivative by itself.
fn derivatives(pointwise: Pointwise, z: &Tensor) -> Result<[Tensor; 3]> {
    let zero = z.zeros_like()?;
    let positive = z.gt(&zero)?;
    let positive_as_number = positive.to_dtype(z.dtype())?;
    Ok(match pointwise {
        Pointwise::Linear => [z.clone(), z.ones_like()?, zero],
        Pointwise::Sine { omega } => {
            let angle = (z * omega)?;
            let sin = angle.sin()?;
            [
                sin.clone(),
                (angle.cos()? * omega)?,
                (sin * (-omega * omega))?,
            ]
        }
        Pointwise::Finer { omega } => finer(z, omega)?,
        Pointwise::HyperbolicSine { omega } => hyperbolic_sine(z, omega)?,
        Pointwise::Gabor { omega, scale } => gabor(z, omega, scale)?,
        Pointwise::Sinc { omega } => {
            let [s0, s1, s2] = sinc(&(z * omega)?)?;
            [s0, (s1 * omega)?, (s2 * (omega * omega))?]
        }
        Pointwise::Gaussian { scale } => gaussian(z, scale)?,
        Pointwise::Silu => {
            let [s, s1, s2] = logistic(z)?;
            [(z * &s)?, (s + (z * &s1)?)?, ((s1 * 2.0)? + (z * s2)?)?]
        }
        Pointwise::Relu => [z.relu()?, positive_as_number, zero],
        Pointwise::Tanh => {
            let t = z.tanh()?;
            let s1 = (1.0 - t.sqr()?)?;
            [t.clone(), s1.clone(), ((t * -2.0)? * s1)?]
        }
        Pointwise::Sigmoid => logistic(z)?,
        Pointwise::Softplus => {
            // Where the threshold applies the exponential must not overflow either: 0 · ∞ is NaN in the reverse pass.
            let above = z.gt(SOFTPLUS_THRESHOLD)?;
            let safe = above.where_cond(&zero, z)?;
            let [s, s1, _] = logistic(&safe)?;
            let value = (safe.exp()? + 1.0)?.log()?;
            [
                above.where_cond(z, &value)?,
                above.where_cond(&z.ones_like()?, &s)?,
                above.where_cond(&zero, &s1)?,
            ]
        }
        Pointwise::Exponential { scale, alpha } => {
            let e = (positive.where_cond(&zero, z)?.exp()? * (scale * alpha))?;
            [
                positive.where_cond(&(z * scale)?, &(&e - scale * alpha)?)?,
                positive.where_cond(&(z.ones_like()? * scale)?, &e)?,
                positive.where_cond(&zero, &e)?,
            ]
        }
    })
}

/// `sin u` and its first two derivatives, from `u'` and `u''`.
fn wave(u: &Tensor, [u1, u2]: [Tensor; 2]) -> Result<[Tensor; 3]> {
    let (sin, cos) = (u.sin()?, u.cos()?);
    let second = ((u2 * &cos)? - (u1.sqr()? * &sin)?)?;
    Ok([sin, (u1 * cos)?, second])
}

/// `sin(ω (|z| + 1) z)` and its first two derivatives.
fn finer(z: &Tensor, omega: f64) -> Result<[Tensor; 3]> {
    let size = z.abs()?;
    let sign = z
        .ge(&z.zeros_like()?)?
        .to_dtype(z.dtype())?
        .affine(2.0, -1.0)?;
    let slope = size.affine(2.0 * omega, omega)?;
    let phase = (size.affine(omega, omega)? * z)?;
    wave(&phase, [slope, (sign * (2.0 * omega))?])
}

/// `sin(ω sinh 2z)` and its first two derivatives.
fn hyperbolic_sine(z: &Tensor, omega: f64) -> Result<[Tensor; 3]> {
    let (grows, falls) = ((z * 2.0)?.exp()?, (z * -2.0)?.exp()?);
    let sinh = ((&grows - &falls)? * (omega / 2.0))?;
    let cosh = ((grows + falls)? * (omega / 2.0))?;
    wave(&sinh, [(cosh * 2.0)?, (&sinh * 4.0)?])
}

/// `e^(−(s z)²) cos ωz` and its first two derivatives.
fn gabor(z: &Tensor, omega: f64, scale: f64) -> Result<[Tensor; 3]> {
    let [g0, g1, g2] = gaussian(z, scale)?;
    let angle = (z * omega)?;
    let (c0, c1) = (angle.cos()?, (angle.sin()? * -omega)?);
    let second = ((&g2 * &c0)? + ((&g1 * &c1)? * 2.0)?)?;
    Ok([
        (&g0 * &c0)?,
        ((&g1 * &c0)? + (&g0 * &c1)?)?,
        (second - ((g0 * c0)? * (omega * omega))?)?,
    ])
}

/// `sin(u)/u` and its first two derivatives: quotients or, where these lose digits, their series.
fn sinc(u: &Tensor) -> Result<[Tensor; 3]> {
    let near = u.abs()?.lt(1.0)?;
    let one = u.ones_like()?;
    let far = near.where_cond(&one, u)?;
    let s0 = (far.sin()? / &far)?;
    let s1 = ((far.cos()? - &s0)? / &far)?;
    let s2 = ((far.sin()? + (&s1 * 2.0)?)? / &far)?.neg()?;
    let close = near.where_cond(u, &one)?;
    let square = close.sqr()?;
    let [mut t0, mut t1, mut t2] = [(); 3].map(|()| one.affine(0.0, 0.0));
    for k in (0..10).rev() {
        let n = 2.0 * f64::from(k);
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let c = sign / (1..=2 * k + 1).map(f64::from).product::<f64>();
        t0 = (t0? * &square)?.affine(1.0, c);
        if k > 0 {
            t1 = (t1? * &square)?.affine(1.0, c * n);
            t2 = (t2? * &square)?.affine(1.0, c * n * (n - 1.0));
        }
    }
    Ok([
        near.where_cond(&t0?, &s0)?,
        near.where_cond(&(t1? * close)?, &s1)?,
        near.where_cond(&t2?, &s2)?,
    ])
}

/// `e^(−(s z)²)` and its first two derivatives.
fn gaussian(z: &Tensor, scale: f64) -> Result<[Tensor; 3]> {
    let square = scale * scale;
    let e = (z.sqr()? * -square)?.exp()?;
    let second = (&e * ((z.sqr()? * (4.0 * square * square))? - 2.0 * square)?)?;
    Ok([e.clone(), ((z * (-2.0 * square))? * &e)?, second])
}

/// `s, s', s''` of the logistic function.
fn logistic(z: &Tensor) -> Result<[Tensor; 3]> {
    let s = ((z.neg()?.exp()? + 1.0)?).recip()?;
    let s1 = (&s * (1.0 - &s)?)?;
    let s2 = (&s1 * (1.0 - (&s * 2.0)?)?)?;
    Ok([s, s1, s2])
}

/// The input jet of a chunk of coordinates.
fn input(plan: &Plan, coords: &Tensor, params: &Tensor, order: &Order) -> Result<Parts> {
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
            let centers_d = params.narrow(0, *first_center, centers * dims)?;
            let sigmas = params.narrow(0, *first_sigma, *centers)?;
            let distances = input.distances(
                &centers_d.reshape((*centers, dims))?,
                &sigmas.reshape((1, *centers))?,
            )?;
            apply(Pointwise::Gaussian { scale: 1.0 }, distances, order)
        }
    }
}

struct Input<'a> {
    coords: &'a Tensor,
    order: &'a Order,
    dims: usize,
    gradients: usize,
}

impl Input<'_> {
    /// The same row for every point.
    fn constant(&self, row: Vec<f64>) -> Result<Tensor> {
        let width = row.len();
        let row = Tensor::from_vec(row, (1, width), &candle_core::Device::Cpu)?;
        let row = row.to_dtype(self.coords.dtype())?;
        let row = row.to_device(self.coords.device())?;
        row.broadcast_as((self.coords.dim(0)?, width))?.contiguous()
    }

    /// `∂x/∂xᵢ`.
    fn axis(&self, i: usize) -> Result<Tensor> {
        self.constant(
            (0..self.dims)
                .map(|j| f64::from(u8::from(i == j)))
                .collect(),
        )
    }

    fn identity(&self) -> Result<Parts> {
        Ok(Parts {
            value: self.coords.clone(),
            gradient: (0..self.gradients)
                .map(|i| self.axis(i))
                .collect::<Result<_>>()?,
            traces: vec![self.coords.zeros_like()?; self.order.traces().len()],
        })
    }

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

    /// The jet of `s ‖x − c‖²`.
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
