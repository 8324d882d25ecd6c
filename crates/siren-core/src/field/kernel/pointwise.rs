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
//! where a bar marks the derivative of the loss. Components are stacked: the values of all points of a tile, then
//! each gradient component, then each trace; `block` numbers each.

use super::super::activation::Pointwise;
use super::super::jet::{Order, Trace};
use super::Real;

/// Which components a tile carries.
#[derive(Clone, Copy)]
pub(super) struct Components<'a> {
    pub(super) gradients: usize,
    pub(super) traces: &'a [Trace],
}

impl<'a> Components<'a> {
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

/// Derivatives of σ at the values of one tile, and room for products.
#[derive(Default)]
pub(super) struct Scratch<T> {
    derivatives: [Vec<T>; 4],
    product: Vec<T>,
}

impl<T: Real> Scratch<T> {
    /// Evaluates σ … σ^(order) at `z`.
    fn evaluate(&mut self, pointwise: Pointwise, z: &[T], order: usize) {
        for buffer in &mut self.derivatives[..=order] {
            buffer.resize(z.len(), T::of(0.0));
        }
        self.product.resize(z.len(), T::of(0.0));
        let [a, b, c, d] = &mut self.derivatives;
        let mut slices = [&mut a[..], &mut b[..], &mut c[..], &mut d[..]];
        pointwise.derivatives(z, &mut slices[..=order]);
    }
}

/// `h` from `z`, both `components × block`.
pub(super) fn forward<T: Real>(
    pointwise: Pointwise,
    components: Components<'_>,
    z: &[T],
    h: &mut [T],
    scratch: &mut Scratch<T>,
) {
    if pointwise == Pointwise::Linear {
        h.copy_from_slice(z);
        return;
    }
    let block = z.len() / components.count();
    let z = |component: usize| &z[component * block..][..block];
    if components.gradients == 0 {
        pointwise.derivatives(z(0), &mut [h]);
        return;
    }
    scratch.evaluate(pointwise, z(0), components.order());
    let [s0, s1, s2, _] = &scratch.derivatives;
    h[..block].copy_from_slice(s0);
    for i in 1..=components.gradients {
        T::multiply_slice(s1, z(i), &mut h[i * block..][..block], false);
    }
    for (k, trace) in components.traces.iter().enumerate() {
        let k = 1 + components.gradients + k;
        let h = &mut h[k * block..][..block];
        T::multiply_slice(s1, z(k), h, false);
        for &(i, j, a) in trace.entries() {
            T::multiply_slice(s2, z(1 + i), &mut scratch.product, false);
            T::multiply_add_slice(T::of(a), &scratch.product, z(1 + j), h);
        }
    }
}

/// `dz` from `dh`, all `components × block`.
pub(super) fn backward<T: Real>(
    pointwise: Pointwise,
    components: Components<'_>,
    (z, dh): (&[T], &[T]),
    dz: &mut [T],
    scratch: &mut Scratch<T>,
) {
    if pointwise == Pointwise::Linear {
        dz.copy_from_slice(dh);
        return;
    }
    let block = z.len() / components.count();
    let z = |component: usize| &z[component * block..][..block];
    let dh = |component: usize| &dh[component * block..][..block];
    scratch.evaluate(pointwise, z(0), components.order() + 1);
    let Scratch {
        derivatives: [_, s1, s2, s3],
        product,
    } = scratch;
    for component in 0..components.count() {
        T::multiply_slice(
            s1,
            dh(component),
            &mut dz[component * block..][..block],
            false,
        );
    }
    if components.gradients == 0 {
        return;
    }
    let (dz0, dz_rest) = dz.split_at_mut(block);
    for component in 1..components.count() {
        T::multiply_slice(s2, dh(component), product, false);
        T::multiply_slice(product, z(component), dz0, true);
        let Some(trace) = (component - 1)
            .checked_sub(components.gradients)
            .map(|k| &components.traces[k])
        else {
            continue;
        };
        for &(i, j, a) in trace.entries() {
            let a = T::of(a);
            T::multiply_add_slice(a, product, z(1 + j), &mut dz_rest[i * block..][..block]);
            T::multiply_add_slice(a, product, z(1 + i), &mut dz_rest[j * block..][..block]);
        }
        T::multiply_slice(s3, dh(component), product, false);
        for &(i, j, a) in trace.entries() {
            add_triple(T::of(a), product, (z(1 + i), z(1 + j)), dz0);
        }
    }
}

/// `out += factor · a · b · c`.
fn add_triple<T: Real>(factor: T, a: &[T], (b, c): (&[T], &[T]), out: &mut [T]) {
    pulp::Arch::new().dispatch(|| {
        for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *out += factor * a * b * c;
        }
    });
}
