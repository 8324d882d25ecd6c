//! Backend of every device: jets from candle's own operations, with candle's backward pass. Devices without a fused operation use it, and
//! tests use it as a reference implementation.
//!
//! The derivatives of the activations are implemented here a second time, as tensor expressions that share no code with `siren-kernel`.
//! Tests compare the two implementations.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{D, Result, Tensor, Var};
use candle_nn::{Linear, Module};
use siren_kernel::network::{Features, Order, Plan, TraceEntry, Waves};
use siren_kernel::{Pointwise, SOFTPLUS_THRESHOLD};

use super::{Accumulate, Backend, Pass, Threads, same_kind};
use crate::field::gradients::Gradients;

/// Number of elements of one hidden activation `(rows, width)` per application: enough to occupy a device, and few enough that the
/// intermediate tensors of candle's operations fit its memory.
const CHUNK_ELEMENTS: usize = 1 << 24;
/// Smallest number of points per application, for jets of many components.
const MIN_CHUNK_POINTS: usize = 32;

/// Backend of candle's own operations.
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

    fn accumulator(&self) -> Result<Box<dyn Accumulate>> {
        Ok(Box::new(ComposedAccumulator {
            plan: Arc::clone(&self.plan),
            leaf: Var::from_tensor(&self.params.detach())?,
            sum: None,
        }))
    }
}

/// A gradient summed from candle's stores.
struct ComposedAccumulator {
    plan: Arc<Plan>,
    /// A copy of the parameters, the leaf of all graphs.
    leaf: Var,
    sum: Option<Tensor>,
}

impl Accumulate for ComposedAccumulator {
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

    fn merge(&mut self, other: Box<dyn Accumulate>) -> Result<()> {
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

/// Components of a jet: each tensor is `(n, width)`.
struct Parts {
    value: Tensor,
    gradient: Vec<Tensor>,
    traces: Vec<Tensor>,
}

impl Parts {
    /// Returns all components in the order of a packed jet.
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
        let forward = |parts: &[Tensor]| -> Result<Vec<Tensor>> {
            parts.iter().map(|part| linear.forward(part)).collect()
        };
        let mut z = Parts {
            value: Linear::new(weight, Some(bias)).forward(&h.value)?,
            gradient: forward(&h.gradient)?,
            traces: forward(&h.traces)?,
        };
        if let Some(index) = layer.frequency {
            let s = params.narrow(0, index, 1)?;
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

/// Returns the jet of `σ(z)` from the jet of `z`: `∂ᵢσ(z) = σ'(z) ∂ᵢz` and `t_A = σ'(z) t_A(z) + σ''(z) Σᵢⱼ Aᵢⱼ ∂ᵢz ∂ⱼz`.
fn apply(pointwise: Pointwise, z: Parts, order: &Order) -> Result<Parts> {
    if pointwise == Pointwise::Linear {
        return Ok(z);
    }
    let Derivatives {
        value: s0,
        first: s1,
        second: s2,
    } = derivatives(pointwise, &z.value)?;
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

/// A function of a tensor and its first two derivatives, element by element.
struct Derivatives {
    value: Tensor,
    first: Tensor,
    second: Tensor,
}

/// Returns `σ(z)`, `σ'(z)` and `σ''(z)`. Candle's backward pass computes the third derivative.
fn derivatives(pointwise: Pointwise, z: &Tensor) -> Result<Derivatives> {
    let zero = z.zeros_like()?;
    let positive = z.gt(&zero)?;
    let positive_as_number = positive.to_dtype(z.dtype())?;
    let (value, first, second) = match pointwise {
        Pointwise::Linear => (z.clone(), z.ones_like()?, zero),
        Pointwise::Sine { omega } => {
            let angle = (z * omega)?;
            let sin = angle.sin()?;
            (
                sin.clone(),
                (angle.cos()? * omega)?,
                (sin * (-omega * omega))?,
            )
        }
        Pointwise::Finer { omega } => return finer(z, omega),
        Pointwise::HyperbolicSine { omega } => return hyperbolic_sine(z, omega),
        Pointwise::Gabor { omega, scale } => return gabor(z, omega, scale),
        Pointwise::Sinc { omega } => {
            let s = sinc(&(z * omega)?)?;
            (s.value, (s.first * omega)?, (s.second * (omega * omega))?)
        }
        Pointwise::Gaussian { scale } => return gaussian(z, scale),
        Pointwise::Silu => {
            let s = logistic(z)?;
            (
                (z * &s.value)?,
                (s.value + (z * &s.first)?)?,
                ((s.first * 2.0)? + (z * s.second)?)?,
            )
        }
        Pointwise::Relu => (z.relu()?, positive_as_number, zero),
        Pointwise::Tanh => {
            let t = z.tanh()?;
            let first = (1.0 - t.sqr()?)?;
            (t.clone(), first.clone(), ((t * -2.0)? * first)?)
        }
        Pointwise::Sigmoid => return logistic(z),
        Pointwise::Softplus => {
            // Above the threshold, where σ(z) = z, the exponential must not overflow either: the backward pass would compute 0 · ∞, which
            // is NaN.
            let above = z.gt(SOFTPLUS_THRESHOLD)?;
            let safe = above.where_cond(&zero, z)?;
            let s = logistic(&safe)?;
            let value = (safe.exp()? + 1.0)?.log()?;
            (
                above.where_cond(z, &value)?,
                above.where_cond(&z.ones_like()?, &s.value)?,
                above.where_cond(&zero, &s.first)?,
            )
        }
        Pointwise::Exponential { scale, alpha } => {
            let e = (positive.where_cond(&zero, z)?.exp()? * (scale * alpha))?;
            (
                positive.where_cond(&(z * scale)?, &(&e - scale * alpha)?)?,
                positive.where_cond(&(z.ones_like()? * scale)?, &e)?,
                positive.where_cond(&zero, &e)?,
            )
        }
    };
    Ok(Derivatives {
        value,
        first,
        second,
    })
}

/// Returns `sin u(z)` and its first two derivatives with respect to z, from `u` and its derivatives `du = u'(z)`, `d2u = u''(z)`.
fn sine_of(u: &Tensor, du: Tensor, d2u: Tensor) -> Result<Derivatives> {
    let (sin, cos) = (u.sin()?, u.cos()?);
    let second = ((d2u * &cos)? - (du.sqr()? * &sin)?)?;
    Ok(Derivatives {
        value: sin,
        first: (du * cos)?,
        second,
    })
}

/// Returns `sin(ω (|z| + 1) z)` and its first two derivatives.
fn finer(z: &Tensor, omega: f64) -> Result<Derivatives> {
    let size = z.abs()?;
    let sign = z
        .ge(&z.zeros_like()?)?
        .to_dtype(z.dtype())?
        .affine(2.0, -1.0)?;
    let slope = size.affine(2.0 * omega, omega)?;
    let phase = (size.affine(omega, omega)? * z)?;
    sine_of(&phase, slope, (sign * (2.0 * omega))?)
}

/// Returns `sin(ω sinh 2z)` and its first two derivatives.
fn hyperbolic_sine(z: &Tensor, omega: f64) -> Result<Derivatives> {
    let (grows, falls) = ((z * 2.0)?.exp()?, (z * -2.0)?.exp()?);
    let sinh = ((&grows - &falls)? * (omega / 2.0))?;
    let cosh = ((grows + falls)? * (omega / 2.0))?;
    sine_of(&sinh, (cosh * 2.0)?, (&sinh * 4.0)?)
}

/// Returns `e^(−(s z)²) cos ωz` and its first two derivatives.
fn gabor(z: &Tensor, omega: f64, scale: f64) -> Result<Derivatives> {
    let Derivatives {
        value: g0,
        first: g1,
        second: g2,
    } = gaussian(z, scale)?;
    let angle = (z * omega)?;
    let (c0, c1) = (angle.cos()?, (angle.sin()? * -omega)?);
    let second = ((&g2 * &c0)? + ((&g1 * &c1)? * 2.0)?)?;
    Ok(Derivatives {
        value: (&g0 * &c0)?,
        first: ((&g1 * &c0)? + (&g0 * &c1)?)?,
        second: (second - ((g0 * c0)? * (omega * omega))?)?,
    })
}

/// Returns `sin(u)/u` and its first two derivatives: quotients for |u| ≥ 1, power series for |u| < 1, where the quotients lose digits.
fn sinc(u: &Tensor) -> Result<Derivatives> {
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
    Ok(Derivatives {
        value: near.where_cond(&t0?, &s0)?,
        first: near.where_cond(&(t1? * close)?, &s1)?,
        second: near.where_cond(&t2?, &s2)?,
    })
}

/// Returns `e^(−(s z)²)` and its first two derivatives.
fn gaussian(z: &Tensor, scale: f64) -> Result<Derivatives> {
    let square = scale * scale;
    let e = (z.sqr()? * -square)?.exp()?;
    let second = (&e * ((z.sqr()? * (4.0 * square * square))? - 2.0 * square)?)?;
    Ok(Derivatives {
        value: e.clone(),
        first: ((z * (-2.0 * square))? * &e)?,
        second,
    })
}

/// Returns the logistic function `1 / (1 + e⁻ᶻ)` and its first two derivatives.
fn logistic(z: &Tensor) -> Result<Derivatives> {
    let s = ((z.neg()?.exp()? + 1.0)?).recip()?;
    let first = (&s * (1.0 - &s)?)?;
    let second = (&first * (1.0 - (&s * 2.0)?)?)?;
    Ok(Derivatives {
        value: s,
        first,
        second,
    })
}

/// Returns the jet of the encoded coordinates, the input of the first layer.
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
