//! Forward and backward pass of a pointwise function on jets.
//!
//! With `h = σ(z)` and `q_A = Σᵢⱼ Aᵢⱼ ∂ᵢz ∂ⱼz`:
//!
//! ```text
//! ∂ᵢh   = σ'(z) ∂ᵢz                      t_A(h) = σ'(z) t_A(z) + σ''(z) q_A
//! z̄     = σ' h̄ + Σᵢ σ'' ∂ᵢz h̄ᵢ + Σ_A (σ'' t_A(z) + σ''' q_A) h̄_A
//! ∂ᵢz̄   = σ' h̄ᵢ + Σ_A 2 σ'' (A ∂z)ᵢ h̄_A   t̄_A(z) = σ' h̄_A
//! ```
//!
//! where a bar denotes the derivative of the loss. Components are stacked: the values of all points of a tile, then each
//! gradient component, then each trace. Points are processed one by one, so that the rows of all components of a point stay in the
//! first-level cache.

use std::ops::RangeInclusive;

use pulp::{Simd, WithSimd};

use super::order::{Order, Trace, TraceEntry};
use crate::function::Pointwise;
use crate::product::panel::LANES;
use crate::{Level, Real};

/// The components of a jet: its value, `gradients` gradient components, and its second-order traces.
#[derive(Clone, Copy)]
pub(super) struct Components<'a> {
    pub(super) gradients: usize,
    pub(super) traces: &'a [Trace],
}

impl<'a> Components<'a> {
    pub(super) const VALUE: Self = Self {
        gradients: 0,
        traces: &[],
    };

    pub(super) fn new(order: &'a Order, dims: usize) -> Self {
        Self {
            gradients: order.gradients(dims),
            traces: order.traces(),
        }
    }

    pub(super) fn count(self) -> usize {
        1 + self.gradients + self.traces.len()
    }

    /// Returns the highest derivative of σ that the forward pass needs.
    fn highest_derivative(self) -> usize {
        usize::from(self.gradients > 0) + usize::from(!self.traces.is_empty())
    }
}

/// Layout of a buffer of one layer: row `c · points + p` holds component `c` of point `p`.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) points: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
}

impl Shape {
    /// Returns the distance between components in elements.
    fn component_stride(self) -> usize {
        self.points * self.stride
    }
}

/// Rows of intermediate values of one point: σ and its derivatives, and products of them.
#[derive(Default)]
pub(super) struct Scratch<T> {
    derivatives: [Vec<T>; 4],
    product: Vec<T>,
    sum: Vec<T>,
}

impl<T: Real> Scratch<T> {
    /// Computes the derivatives of σ of these orders, at most three, at a row of `z`.
    #[inline(always)]
    fn evaluate<S: Simd>(
        &mut self,
        simd: S,
        pointwise: Pointwise,
        z: &[T],
        orders: RangeInclusive<usize>,
    ) {
        let [a, b, c, d] = &mut self.derivatives;
        let width = z.len();
        let mut slices = [
            &mut a[..width],
            &mut b[..width],
            &mut c[..width],
            &mut d[..width],
        ];
        pointwise.derivatives(simd, z, *orders.start(), &mut slices[orders]);
    }

    /// Returns `[σ'(z), σ''(z)]` of a row. [`Stage::forward`] must have been called with rows at least as wide.
    #[inline(always)]
    pub(super) fn slope_and_curvature<S: Simd>(
        &mut self,
        simd: S,
        pointwise: Pointwise,
        z: &[T],
    ) -> [&[T]; 2] {
        self.evaluate(simd, pointwise, z, 1..=2);
        let [_, first, second, _] = &self.derivatives;
        [&first[..z.len()], &second[..z.len()]]
    }

    fn resize(&mut self, width: usize) {
        let rows = self.derivatives.iter_mut();
        for row in rows.chain([&mut self.product, &mut self.sum]) {
            row.resize(width.max(row.len()), T::of(0.0));
        }
    }
}

/// A pointwise function on a tile.
#[derive(Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) level: Level,
    pub(super) pointwise: Pointwise,
    pub(super) components: Components<'a>,
    pub(super) shape: Shape,
}

/// Buffers of the forward pass of a [`Stage`].
pub(super) struct ForwardBuffers<'b, T> {
    /// Input jet, without the bias.
    pub(super) z: &'b mut [T],
    /// Output jet.
    pub(super) h: &'b mut [T],
    /// Receives `σ'(z)` if only values are carried and a backward pass follows; otherwise empty.
    pub(super) slope: &'b mut [T],
}

impl<'b, T> ForwardBuffers<'b, T> {
    /// Saves `z` in `saved` for the backward pass.
    pub(super) fn saving_preactivations(saved: &'b mut [T], h: &'b mut [T]) -> Self {
        Self {
            z: saved,
            h,
            slope: &mut [],
        }
    }

    /// Saves `σ'(z)` in `saved`, which is all that the backward pass needs if only values are carried. `z` is stored in `current_z`, which
    /// is reused for every layer and therefore stays in the cache.
    pub(super) fn saving_slopes(
        current_z: &'b mut [T],
        saved: &'b mut [T],
        h: &'b mut [T],
    ) -> Self {
        Self {
            z: current_z,
            h,
            slope: saved,
        }
    }
}

impl Stage<'_> {
    /// Adds `bias` to the values of `z` and writes `h = σ(z)`. If only values are carried and `slope` is not empty, also writes `σ'(z)`.
    pub(super) fn forward<T: Real>(
        self,
        bias: &[T],
        buffers: &mut ForwardBuffers<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        scratch.resize(self.shape.width);
        T::dispatch(
            self.level,
            Forward {
                stage: self,
                bias,
                buffers,
                scratch,
            },
        );
    }

    #[inline(always)]
    fn forward_point<T: Real, S: Simd>(
        self,
        simd: S,
        point: usize,
        bias: &[T],
        buffers: &mut ForwardBuffers<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let Shape { width, stride, .. } = self.shape;
        let block = self.shape.component_stride();
        let first = point * stride;
        let row = |component: usize| first + component * block..first + component * block + width;
        let ForwardBuffers { z, h, slope } = buffers;
        let z0 = &mut z[row(0)];
        add(bias, z0);
        if self.components.gradients == 0 {
            let h0 = &mut h[row(0)];
            match self.pointwise {
                Pointwise::Linear => {
                    h0.copy_from_slice(z0);
                    if !slope.is_empty() {
                        slope[row(0)].fill(T::of(1.0));
                    }
                }
                pointwise if slope.is_empty() => pointwise.derivatives(simd, z0, 0, &mut [h0]),
                pointwise => pointwise.derivatives(simd, z0, 0, &mut [h0, &mut slope[row(0)]]),
            }
            return;
        }
        let orders = 0..=self.components.highest_derivative();
        scratch.evaluate(simd, self.pointwise, z0, orders);
        let [s0, s1, s2, _] = &scratch.derivatives;
        h[row(0)].copy_from_slice(&s0[..width]);
        for component in 1..self.components.count() {
            multiply(s1, &z[row(component)], &mut h[row(component)]);
        }
        for (k, trace) in self.components.traces.iter().enumerate() {
            let h = &mut h[row(1 + self.components.gradients + k)];
            for &TraceEntry { i, j, coefficient } in trace.entries() {
                let (zi, zj) = (&z[row(1 + i)], &z[row(1 + j)]);
                add_triple_product(T::of(coefficient), s2, zi, zj, h);
            }
        }
    }

    /// Replaces `dh` by `dz` in place, and adds the gradient with respect to the bias to `d_bias`.
    pub(super) fn backward<T: Real>(
        self,
        z: &[T],
        d: &mut [T],
        d_bias: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        scratch.resize(self.shape.width);
        T::dispatch(
            self.level,
            Backward {
                stage: self,
                z,
                d,
                d_bias,
                scratch,
            },
        );
    }

    #[inline(always)]
    fn backward_point<T: Real, S: Simd>(
        self,
        simd: S,
        point: usize,
        z: &[T],
        d: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let Shape { width, stride, .. } = self.shape;
        let block = self.shape.component_stride();
        let first = point * stride;
        let row = |component: usize| first + component * block..first + component * block + width;
        if self.pointwise == Pointwise::Linear {
            return;
        }
        let gradients = self.components.gradients;
        if gradients == 0 {
            // `z` holds `σ'` of the preactivations.
            scale(&z[row(0)], &mut d[row(0)]);
            return;
        }
        let orders = 1..=self.components.highest_derivative() + 1;
        scratch.evaluate(simd, self.pointwise, &z[row(0)], orders);
        let Scratch {
            derivatives: [_, s1, s2, s3],
            product,
            sum,
        } = scratch;
        let (product, sum) = (&mut product[..width], &mut sum[..width]);
        multiply(s1, &d[row(0)], sum);
        for component in 1..self.components.count() {
            let (z, d) = (&z[row(component)], &d[row(component)]);
            add_triple_product(T::of(1.0), s2, z, d, sum);
        }
        for i in 1..=gradients {
            scale(s1, &mut d[row(i)]);
        }
        let traces_start = (1 + gradients) * block;
        let (lower, upper) = d.split_at_mut(traces_start.min(d.len()));
        for (k, trace) in self.components.traces.iter().enumerate() {
            let dk = &mut upper[k * block + first..][..width];
            multiply(s2, dk, product);
            for &TraceEntry { i, j, coefficient } in trace.entries() {
                let a = T::of(coefficient);
                add_product(a, product, &z[row(1 + j)], &mut lower[row(1 + i)]);
                add_product(a, product, &z[row(1 + i)], &mut lower[row(1 + j)]);
            }
            multiply(s3, dk, product);
            for &TraceEntry { i, j, coefficient } in trace.entries() {
                let (zi, zj) = (&z[row(1 + i)], &z[row(1 + j)]);
                add_triple_product(T::of(coefficient), product, zi, zj, sum);
            }
            scale(s1, dk);
        }
        lower[row(0)].copy_from_slice(sum);
    }
}

/// The loops of [`Stage::forward`], compiled for each instruction set. (A closure would not be inlined into the dispatch, and would then be
/// compiled without its instructions.)
struct Forward<'a, 'b, 'c, T> {
    stage: Stage<'a>,
    bias: &'b [T],
    buffers: &'b mut ForwardBuffers<'c, T>,
    scratch: &'b mut Scratch<T>,
}

impl<T: Real> WithSimd for Forward<'_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for point in 0..self.stage.shape.points {
            self.stage
                .forward_point(simd, point, self.bias, self.buffers, self.scratch);
        }
    }
}

/// The loops of [`Stage::backward`].
struct Backward<'a, 'b, T> {
    stage: Stage<'a>,
    z: &'b [T],
    d: &'b mut [T],
    d_bias: &'b mut [T],
    scratch: &'b mut Scratch<T>,
}

impl<T: Real> WithSimd for Backward<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Shape {
            points,
            width,
            stride,
        } = self.stage.shape;
        if self.stage.pointwise == Pointwise::Linear {
            add_column_sums(self.stage.shape, self.d, self.d_bias);
            return;
        }
        for point in 0..points {
            self.stage
                .backward_point(simd, point, self.z, self.d, self.scratch);
            add(&self.d[point * stride..][..width], self.d_bias);
        }
    }
}

/// `sum += terms`, compiled for each instruction set.
pub(super) struct AddInPlace<'a, T> {
    pub(super) terms: &'a [T],
    pub(super) sum: &'a mut [T],
}

impl<T: Real> WithSimd for AddInPlace<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        add(self.terms, self.sum);
    }
}

/// Adds the sums of the columns of the values to `out`, in blocks of columns whose sums stay in registers.
#[inline(always)]
fn add_column_sums<T: Real>(shape: Shape, rows: &[T], out: &mut [T]) {
    for (index, out) in out.chunks_mut(LANES).enumerate() {
        let mut sums = [T::of(0.0); LANES];
        for row in rows.chunks_exact(shape.stride).take(shape.points) {
            // Rows are padded to whole blocks.
            add(&row[index * LANES..][..LANES], &mut sums);
        }
        add(&sums, out);
    }
}

/// Computes `out += a`.
#[inline(always)]
pub(super) fn add<T: Real>(a: &[T], out: &mut [T]) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out += a;
    }
}

/// Computes `out *= a`.
#[inline(always)]
fn scale<T: Real>(a: &[T], out: &mut [T]) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out *= a;
    }
}

/// Computes `out = a · b`.
#[inline(always)]
pub(super) fn multiply<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a * b;
    }
}

/// Computes `out += factor · a · b`.
#[inline(always)]
pub(super) fn add_product<T: Real>(factor: T, a: &[T], b: &[T], out: &mut [T]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out += factor * a * b;
    }
}

/// Computes `out += factor · a · b · c`.
#[inline(always)]
fn add_triple_product<T: Real>(factor: T, a: &[T], b: &[T], c: &[T], out: &mut [T]) {
    for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *out += factor * a * b * c;
    }
}
