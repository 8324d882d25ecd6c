//! Radial basis functions with learned centers and widths: their jets, and the backward pass.

use pulp::{Simd, WithSimd};

use super::order::TraceEntry;
use super::pointwise::{Components, Shape, Stage, add};
use crate::function::Pointwise;
use crate::product::panel::stride;
use crate::{Level, Real};

/// Parameters of radial basis functions.
#[derive(Clone, Copy)]
pub(super) struct RadialBasis<'a, T> {
    /// `(centers, d)`.
    pub(super) centers: &'a [T],
    /// Widths `s (centers,)`.
    pub(super) sigmas: &'a [T],
}

/// Gradient with respect to a [`RadialBasis`].
pub(super) struct RadialBasisGradient<'a, T> {
    /// `(centers, d)`.
    pub(super) d_centers: &'a mut [T],
    /// `(centers,)`.
    pub(super) d_sigmas: &'a mut [T],
}

/// Returns the pointwise function `e^(−z²)` of the scaled distances.
pub(super) fn stage(
    level: Level,
    components: Components<'_>,
    centers: usize,
    points: usize,
) -> Stage<'_> {
    Stage {
        level,
        pointwise: Pointwise::Gaussian { scale: 1.0 },
        components,
        shape: Shape {
            points,
            width: centers,
            stride: stride(centers),
        },
    }
}

/// Returns `Σᵢ Aᵢᵢ` of each second-order trace.
fn diagonal_sums<T: Real>(components: Components<'_>) -> Vec<T> {
    let sum = |entries: &[TraceEntry]| {
        let diagonal = entries.iter().filter(|entry| entry.i == entry.j);
        diagonal.map(|entry| entry.coefficient).sum::<f64>()
    };
    let traces = components.traces.iter();
    traces.map(|trace| T::of(sum(trace.entries()))).collect()
}

/// Transposes centers `(centers, d)` to `(d, centers)`, so that loops over them vectorize.
fn by_axis<T: Real>(centers: &[T], dims: usize) -> Vec<T> {
    let axis = |i: usize| centers[i..].iter().step_by(dims).copied();
    (0..dims).flat_map(axis).collect()
}

/// Writes the jet of `s ‖x − c‖²`, whose gradient is `2s(xᵢ − cᵢ)` and whose second-order traces are `2s tr A`.
pub(super) struct ScaledDistances<'a, 'b, T> {
    pub(super) components: Components<'a>,
    pub(super) coords: &'b [T],
    pub(super) basis: RadialBasis<'b, T>,
    pub(super) distances: &'b mut [T],
}

impl<T: Real> WithSimd for ScaledDistances<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let RadialBasis { centers, sigmas } = self.basis;
        let count = sigmas.len();
        let dims = centers.len() / count;
        let width = stride(count);
        let block = self.coords.len() / dims * width;
        let row = |component: usize, point: usize| {
            let first = component * block + point * width;
            first..first + count
        };
        let traces = diagonal_sums::<T>(self.components);
        let centers = by_axis(centers, dims);
        let twice: Vec<T> = sigmas.iter().map(|&s| T::of(2.0) * s).collect();
        for (p, x) in self.coords.chunks(dims).enumerate() {
            let distances = &mut self.distances[row(0, p)];
            distances.fill(T::of(0.0));
            for (&x, centers) in x.iter().zip(centers.chunks(count)) {
                for (distance, &c) in distances.iter_mut().zip(centers) {
                    *distance += (x - c) * (x - c);
                }
            }
            for (distance, &sigma) in distances.iter_mut().zip(sigmas) {
                *distance = sigma * *distance;
            }
            for i in 0..self.components.gradients {
                let slopes = &mut self.distances[row(1 + i, p)];
                let centers = &centers[i * count..][..count];
                for ((slope, &c), &twice) in slopes.iter_mut().zip(centers).zip(&twice) {
                    *slope = twice * (x[i] - c);
                }
            }
            for (k, &trace) in traces.iter().enumerate() {
                let traces = &mut self.distances[row(1 + self.components.gradients + k, p)];
                for (out, &twice) in traces.iter_mut().zip(&twice) {
                    *out = twice * trace;
                }
            }
        }
    }
}

/// Adds the gradient with respect to the centers and widths of radial basis functions to `gradient`, given `d_distances`, the gradient with
/// respect to the jet of `s ‖x − c‖²`.
pub(super) fn backward<T: Real>(
    stage: Stage<'_>,
    coords: &[T],
    basis: RadialBasis<'_, T>,
    d_distances: &[T],
    gradient: RadialBasisGradient<'_, T>,
) {
    let RadialBasis { centers, sigmas } = basis;
    let RadialBasisGradient {
        d_centers,
        d_sigmas,
    } = gradient;
    let count = sigmas.len();
    let dims = centers.len() / count;
    let mut d_offsets = vec![T::of(0.0); centers.len()];
    T::dispatch(
        stage.level,
        Backward {
            components: stage.components,
            coords,
            centers: &by_axis(centers, dims),
            d_distances,
            d_offsets: &mut d_offsets,
            d_sigmas,
        },
    );
    for (i, d_offsets) in d_offsets.chunks(count).enumerate() {
        let d_centers = d_centers[i..].iter_mut().step_by(dims);
        for ((d_center, &d_offset), &sigma) in d_centers.zip(d_offsets).zip(sigmas) {
            *d_center -= T::of(2.0) * sigma * d_offset;
        }
    }
}

/// Sums the gradients of radial basis functions over the points of a tile.
struct Backward<'a, 'b, T> {
    components: Components<'a>,
    coords: &'b [T],
    /// `(d, centers)`.
    centers: &'b [T],
    d_distances: &'b [T],
    /// `(d, centers)`: the gradient with respect to the centers, divided by `−2s`.
    d_offsets: &'b mut [T],
    d_sigmas: &'b mut [T],
}

impl<T: Real> WithSimd for Backward<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { d_sigmas, .. } = self;
        let count = d_sigmas.len();
        let dims = self.centers.len() / count;
        let width = stride(count);
        let block = self.coords.len() / dims * width;
        let traces = diagonal_sums::<T>(self.components);
        let gradients = self.components.gradients;
        for (p, x) in self.coords.chunks(dims).enumerate() {
            let row = |c: usize| &self.d_distances[c * block + p * width..][..count];
            let axes = self
                .centers
                .chunks(count)
                .zip(self.d_offsets.chunks_mut(count));
            for (i, (centers, d_offsets)) in axes.enumerate() {
                for ((d_offset, &c), &d0) in d_offsets.iter_mut().zip(centers).zip(row(0)) {
                    *d_offset += d0 * (x[i] - c);
                }
                for ((d_sigma, &c), &d0) in d_sigmas.iter_mut().zip(centers).zip(row(0)) {
                    *d_sigma += d0 * (x[i] - c) * (x[i] - c);
                }
                if gradients > 0 {
                    let di = row(1 + i);
                    add(di, d_offsets);
                    for ((d_sigma, &c), &di) in d_sigmas.iter_mut().zip(centers).zip(di) {
                        *d_sigma += T::of(2.0) * di * (x[i] - c);
                    }
                }
            }
            for (k, &trace) in traces.iter().enumerate() {
                for (d_sigma, &dk) in d_sigmas.iter_mut().zip(row(1 + gradients + k)) {
                    *d_sigma += T::of(2.0) * trace * dk;
                }
            }
        }
    }
}
