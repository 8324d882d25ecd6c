//! The input jet: coordinates through their encoding, and back into learned centers.

use pulp::{Simd, WithSimd};

use super::encoding::{Features, Waves};
use super::pointwise::{Components, Scratch, Shape, Stage, Through, add, add_product, multiply};
use super::tile::Tile;
use crate::function::Pointwise;
use crate::product::panel::stride;
use crate::{Level, Real};

/// `Σᵢ Aᵢᵢ`, of each trace.
fn diagonal_sums<T: Real>(components: Components<'_>) -> Vec<T> {
    let sum = |entries: &[(usize, usize, f64)]| {
        let diagonal = entries.iter().filter(|(i, j, _)| i == j);
        diagonal.map(|(_, _, a)| a).sum::<f64>()
    };
    let traces = components.traces.iter();
    traces.map(|trace| T::of(sum(trace.entries()))).collect()
}

/// Fills `tile.inputs[0]` from `coords (m, d)`.
pub(super) fn forward<T: Real>(
    level: Level,
    features: &Features,
    components: Components<'_>,
    (coords, params): (&[T], &[T]),
    (tile, hot, scratch): (&mut Tile<T>, &mut Vec<T>, &mut Scratch<T>),
) {
    let points = tile.points;
    let dims = coords.len() / points;
    let input = &mut tile.inputs[0];
    match features {
        Features::Identity => {
            let stride = stride(dims);
            let block = points * stride;
            input[..components.count() * block].fill(T::of(0.0));
            for (p, x) in coords.chunks(dims).enumerate() {
                input[p * stride..][..dims].copy_from_slice(x);
                for i in 0..components.gradients {
                    input[(1 + i) * block + p * stride + i] = T::of(1.0);
                }
            }
        }
        Features::Sinusoids { keep, waves } => {
            T::dispatch(
                level,
                Sinusoids {
                    kept: if *keep { dims } else { 0 },
                    waves,
                    components,
                    coords,
                    dims,
                    input,
                },
            );
        }
        Features::Rbf {
            centers,
            first_center,
            first_sigma,
        } => {
            let centers_d = &params[*first_center..][..centers * dims];
            let sigmas = &params[*first_sigma..][..*centers];
            let values_only = components.count() == 1;
            let mut through = Through::new(values_only, (hot, &mut tile.distances), input);
            T::dispatch(
                level,
                ScaledDistances {
                    components,
                    coords,
                    centers: centers_d,
                    sigmas,
                    distances: &mut *through.z,
                },
            );
            let stage = rbf_stage(level, components, *centers, points);
            stage.forward(&[], &mut through, scratch);
        }
    }
}

/// `e^(−z²)` of the scaled distances.
pub(super) fn rbf_stage(
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

/// Fills the input jet with sinusoids, row by row of all waves.
struct Sinusoids<'a, 'b, T> {
    /// How many coordinates stand before the waves.
    kept: usize,
    waves: &'a Waves,
    components: Components<'a>,
    coords: &'b [T],
    dims: usize,
    input: &'b mut [T],
}

impl<T: Real> WithSimd for Sinusoids<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { kept, dims, .. } = self;
        let Components { gradients, traces } = self.components;
        let count = self.waves.angular.len();
        let width = stride(kept + 2 * count);
        let block = self.coords.len() / dims * width;
        let (factors, mut rows) = (self.factors(), vec![T::of(0.0); 4 * count]);
        let factor = |row: usize| &factors[row * count..][..count];
        let (angle, rest) = rows.split_at_mut(count);
        let (sin, rest) = rest.split_at_mut(count);
        let (cos, minus_sin) = rest.split_at_mut(count);
        for (p, x) in self.coords.chunks(dims).enumerate() {
            angle.fill(T::of(0.0));
            for (i, &x) in x.iter().enumerate() {
                add_product(x, (factor(1), factor(2 + i)), angle);
            }
            let one = T::of(1.0);
            T::sin_cos_slice(simd, one, angle, [(one, sin), (one, cos)]);
            multiply(factor(0), sin, minus_sin);
            for component in 0..=gradients + traces.len() {
                let row = &mut self.input[component * block + p * width..][..width];
                let (row, padding) = row.split_at_mut(kept + 2 * count);
                let (coordinates, row) = row.split_at_mut(kept);
                padding.fill(T::of(0.0));
                coordinates.fill(T::of(0.0));
                if component == 0 {
                    coordinates.copy_from_slice(&x[..kept]);
                } else if let Some(own) = coordinates.get_mut(component - 1) {
                    // No trace gets here: there are as many gradient components as coordinates.
                    *own = T::of(1.0);
                }
                let slope = (1..=gradients).contains(&component);
                let pair = if slope {
                    (&*cos, &*minus_sin)
                } else {
                    (&*sin, &*cos)
                };
                let row_factor = factor(1 + component);
                place(self.waves.side_by_side, row_factor, pair, row);
            }
        }
    }
}

impl<T: Real> Sinusoids<'_, '_, T> {
    /// One number a wave and row: −1; for the values, 1; for each axis, `ωᵢ`; for each trace, `−Σᵢⱼ Aᵢⱼ ωᵢ ωⱼ`.
    fn factors(&self) -> Vec<T> {
        let angular = &self.waves.angular;
        let mut factors = vec![T::of(-1.0); angular.len()];
        factors.resize(2 * angular.len(), T::of(1.0));
        for i in 0..self.dims {
            factors.extend(angular.iter().map(|omega| T::of(omega[i])));
        }
        for trace in self.components.traces {
            let quadratic = |omega: &Vec<f64>| {
                let entries = trace.entries().iter();
                let products = entries.map(|&(i, j, a)| -a * omega[i] * omega[j]);
                T::of(products.sum::<f64>())
            };
            factors.extend(angular.iter().map(quadratic));
        }
        factors
    }
}

/// Writes `factor · first` where sines stand in a row and `factor · second` where cosines stand.
#[inline(always)]
fn place<T: Real>(side_by_side: bool, factor: &[T], (first, second): (&[T], &[T]), row: &mut [T]) {
    if side_by_side {
        let pairs = row.chunks_exact_mut(2).zip(factor).zip(first).zip(second);
        for (((pair, &factor), &first), &second) in pairs {
            pair[0] = factor * first;
            pair[1] = factor * second;
        }
    } else {
        let (sines, cosines) = row.split_at_mut(factor.len());
        multiply(factor, first, sines);
        multiply(factor, second, cosines);
    }
}

/// Centers axis by axis, so that loops over them vectorize.
fn by_axis<T: Real>(centers: &[T], dims: usize) -> Vec<T> {
    let axis = |i: usize| centers[i..].iter().step_by(dims).copied();
    (0..dims).flat_map(axis).collect()
}

/// Fills the jet of `s ‖x − c‖²`: `2s(xᵢ − cᵢ)`, `2s tr A`.
struct ScaledDistances<'a, 'b, T> {
    components: Components<'a>,
    coords: &'b [T],
    centers: &'b [T],
    sigmas: &'b [T],
    distances: &'b mut [T],
}

impl<T: Real> WithSimd for ScaledDistances<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let count = self.sigmas.len();
        let dims = self.centers.len() / count;
        let width = stride(count);
        let block = self.coords.len() / dims * width;
        let row = |component: usize, point: usize| {
            let first = component * block + point * width;
            first..first + count
        };
        let traces = diagonal_sums::<T>(self.components);
        let centers = by_axis(self.centers, dims);
        let twice: Vec<T> = self.sigmas.iter().map(|&s| T::of(2.0) * s).collect();
        for (p, x) in self.coords.chunks(dims).enumerate() {
            let distances = &mut self.distances[row(0, p)];
            distances.fill(T::of(0.0));
            for (&x, centers) in x.iter().zip(centers.chunks(count)) {
                for (distance, &c) in distances.iter_mut().zip(centers) {
                    *distance += (x - c) * (x - c);
                }
            }
            for (distance, &sigma) in distances.iter_mut().zip(self.sigmas) {
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

/// Adds the gradient in the centers and widths of the radial basis functions, from `d_distances`, the derivative of the
/// loss in the jet of `s ‖x − c‖²`.
pub(super) fn backward_rbf<T: Real>(
    stage: Stage<'_>,
    coords: &[T],
    (centers, sigmas): (&[T], &[T]),
    d_distances: &[T],
    (d_centers, d_sigmas): (&mut [T], &mut [T]),
) {
    let count = sigmas.len();
    let dims = centers.len() / count;
    let mut d_offsets = vec![T::of(0.0); centers.len()];
    T::dispatch(
        stage.level,
        BackwardRbf {
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

/// Sums over points, center by center: `d_offsets` what `−2s` times is the gradient in the centers.
struct BackwardRbf<'a, 'b, T> {
    components: Components<'a>,
    coords: &'b [T],
    /// Axis by axis, as `d_offsets` is.
    centers: &'b [T],
    d_distances: &'b [T],
    d_offsets: &'b mut [T],
    d_sigmas: &'b mut [T],
}

impl<T: Real> WithSimd for BackwardRbf<'_, '_, T> {
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
