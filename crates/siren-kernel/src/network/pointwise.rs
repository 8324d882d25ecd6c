//! Jets through one pointwise function, forward and in reverse.
//!
//! With `h = σ(z)` and `q_A = Σᵢⱼ Aᵢⱼ ∂ᵢz ∂ⱼz`:
//!
//! ```text
//! ∂ᵢh   = σ'(z) ∂ᵢz                      t_A(h) = σ'(z) t_A(z) + σ''(z) q_A
//! z̄     = σ' h̄ + Σᵢ σ'' ∂ᵢz h̄ᵢ + Σ_A (σ'' t_A(z) + σ''' q_A) h̄_A
//! ∂ᵢz̄   = σ' h̄ᵢ + Σ_A 2 σ'' (A ∂z)ᵢ h̄_A   t̄_A(z) = σ' h̄_A
//! ```
//!
//! where a bar marks the derivative of the loss. Components are stacked: the values of all points of a tile, then each
//! gradient component, then each trace. The work goes point by point, so that a row of every component stays in the
//! nearest cache.

use std::ops::RangeInclusive;

use pulp::{Simd, WithSimd};

use super::order::{Order, Trace};
use crate::function::Pointwise;
use crate::{Level, Real};

/// Which components a tile carries.
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

    /// The highest derivative of σ that the forward pass needs.
    fn order(self) -> usize {
        usize::from(self.gradients > 0) + usize::from(!self.traces.is_empty())
    }
}

/// How a buffer of one layer is laid out: row `c · points + p` holds component `c` of point `p`.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) points: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
}

impl Shape {
    fn block(self) -> usize {
        self.points * self.stride
    }
}

/// One row each of σ and its derivatives, and of products.
#[derive(Default)]
pub(super) struct Scratch<T> {
    derivatives: [Vec<T>; 4],
    product: Vec<T>,
    sum: Vec<T>,
}

impl<T: Real> Scratch<T> {
    /// Evaluates the derivatives of `orders`, at most three, at a row of `z`.
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

    /// `σ'` and `σ''` at a row of `z`, as wide as a row that went through [`Stage::forward`] before.
    #[inline(always)]
    pub(super) fn slopes<S: Simd>(&mut self, simd: S, pointwise: Pointwise, z: &[T]) -> [&[T]; 2] {
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

/// The buffers of a stage's forward pass.
pub(super) struct Through<'b, T> {
    pub(super) z: &'b mut [T],
    pub(super) h: &'b mut [T],
    /// For `σ'(z)` where only values are carried; otherwise empty.
    pub(super) slope: &'b mut [T],
}

impl<'b, T> Through<'b, T> {
    /// What is `kept` for the reverse pass is `z` itself or, with `slopes_only`, `σ'(z)`; then `z` lies in a buffer that is
    /// used over and over and stays `hot`.
    pub(super) fn new(
        slopes_only: bool,
        (hot, kept): (&'b mut [T], &'b mut [T]),
        h: &'b mut [T],
    ) -> Self {
        if slopes_only {
            return Self {
                z: hot,
                h,
                slope: kept,
            };
        }
        Self {
            z: kept,
            h,
            slope: &mut [],
        }
    }
}

impl Stage<'_> {
    /// Adds `bias` to the values of `z` and writes `h`; where only values are carried and `slope` is not empty, also
    /// `σ'(z)`, which is all that the reverse pass then needs.
    pub(super) fn forward<T: Real>(
        self,
        bias: &[T],
        through: &mut Through<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        scratch.resize(self.shape.width);
        T::dispatch(
            self.level,
            Forward {
                stage: self,
                bias,
                through,
                scratch,
            },
        );
    }

    #[inline(always)]
    fn forward_point<T: Real, S: Simd>(
        self,
        simd: S,
        point: usize,
        (bias, through): (&[T], &mut Through<'_, T>),
        scratch: &mut Scratch<T>,
    ) {
        let Shape { width, stride, .. } = self.shape;
        let block = self.shape.block();
        let first = point * stride;
        let row = |component: usize| first + component * block..first + component * block + width;
        let Through { z, h, slope } = through;
        let z0 = &mut z[row(0)];
        add(bias, z0);
        if self.components.gradients == 0 {
            let h0 = &mut h[row(0)];
            match self.pointwise {
                Pointwise::Linear => h0.copy_from_slice(z0),
                pointwise if slope.is_empty() => pointwise.derivatives(simd, z0, 0, &mut [h0]),
                pointwise => pointwise.derivatives(simd, z0, 0, &mut [h0, &mut slope[row(0)]]),
            }
            return;
        }
        scratch.evaluate(simd, self.pointwise, z0, 0..=self.components.order());
        let [s0, s1, s2, _] = &scratch.derivatives;
        h[row(0)].copy_from_slice(&s0[..width]);
        for component in 1..self.components.count() {
            multiply(s1, &z[row(component)], &mut h[row(component)]);
        }
        for (k, trace) in self.components.traces.iter().enumerate() {
            let h = &mut h[row(1 + self.components.gradients + k)];
            for &(i, j, a) in trace.entries() {
                let (zi, zj) = (&z[row(1 + i)], &z[row(1 + j)]);
                add_triple(T::of(a), (s2, zi, zj), h);
            }
        }
    }

    /// Turns `dh` into `dz` in place, and adds the values' part to `d_bias`.
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
        (z, d): (&[T], &mut [T]),
        scratch: &mut Scratch<T>,
    ) {
        let Shape { width, stride, .. } = self.shape;
        let block = self.shape.block();
        let first = point * stride;
        let row = |component: usize| first + component * block..first + component * block + width;
        if self.pointwise == Pointwise::Linear {
            return;
        }
        let gradients = self.components.gradients;
        if gradients == 0 {
            scale(&z[row(0)], &mut d[row(0)]);
            return;
        }
        scratch.evaluate(
            simd,
            self.pointwise,
            &z[row(0)],
            1..=self.components.order() + 1,
        );
        let Scratch {
            derivatives: [_, s1, s2, s3],
            product,
            sum,
        } = scratch;
        let (product, sum) = (&mut product[..width], &mut sum[..width]);
        multiply(s1, &d[row(0)], sum);
        for component in 1..self.components.count() {
            add_triple(
                T::of(1.0),
                (s2, &z[row(component)], &d[row(component)]),
                sum,
            );
        }
        for i in 1..=gradients {
            scale(s1, &mut d[row(i)]);
        }
        let traces_start = (1 + gradients) * block;
        let (lower, upper) = d.split_at_mut(traces_start.min(d.len()));
        for (k, trace) in self.components.traces.iter().enumerate() {
            let dk = &mut upper[k * block + first..][..width];
            multiply(s2, dk, product);
            for &(i, j, a) in trace.entries() {
                let a = T::of(a);
                add_product(a, (product, &z[row(1 + j)]), &mut lower[row(1 + i)]);
                add_product(a, (product, &z[row(1 + i)]), &mut lower[row(1 + j)]);
            }
            multiply(s3, dk, product);
            for &(i, j, a) in trace.entries() {
                add_triple(T::of(a), (product, &z[row(1 + i)], &z[row(1 + j)]), sum);
            }
            scale(s1, dk);
        }
        lower[row(0)].copy_from_slice(sum);
    }
}

/// The loops of [`Stage::forward`], compiled for each instruction set. (A closure would not be inlined into the dispatch,
/// and then miss its instructions.)
struct Forward<'a, 'b, 'c, T> {
    stage: Stage<'a>,
    bias: &'b [T],
    through: &'b mut Through<'c, T>,
    scratch: &'b mut Scratch<T>,
}

impl<T: Real> WithSimd for Forward<'_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for point in 0..self.stage.shape.points {
            let buffers = (self.bias, &mut *self.through);
            self.stage.forward_point(simd, point, buffers, self.scratch);
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
        for point in 0..points {
            self.stage
                .backward_point(simd, point, (self.z, self.d), self.scratch);
            add(&self.d[point * stride..][..width], self.d_bias);
        }
    }
}

/// Adds the first to the second.
pub(super) struct Add<'a, T>(pub(super) &'a [T], pub(super) &'a mut [T]);

impl<T: Real> WithSimd for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        add(self.0, self.1);
    }
}

/// `out += a`.
#[inline(always)]
pub(super) fn add<T: Real>(a: &[T], out: &mut [T]) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out += a;
    }
}

/// `out *= a`.
#[inline(always)]
fn scale<T: Real>(a: &[T], out: &mut [T]) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out *= a;
    }
}

/// `out = a · b`.
#[inline(always)]
pub(super) fn multiply<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a * b;
    }
}

/// `out += factor · a · b`.
#[inline(always)]
pub(super) fn add_product<T: Real>(factor: T, (a, b): (&[T], &[T]), out: &mut [T]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out += factor * a * b;
    }
}

/// `out += factor · a · b · c`.
#[inline(always)]
fn add_triple<T: Real>(factor: T, (a, b, c): (&[T], &[T], &[T]), out: &mut [T]) {
    for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *out += factor * a * b * c;
    }
}
