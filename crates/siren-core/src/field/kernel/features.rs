//! The input jet: coordinates through their encoding, and back into learned centers.

use super::super::activation::Pointwise;
use super::super::encoding::{Features, Sinusoid};
use super::Real;
use super::level::Level;
use super::panel::stride;
use super::pointwise::{Components, Scratch, Shape, Stage, Through};
use super::tile::Tile;

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
            sinusoids(*keep, waves, components, (coords, dims), input);
        }
        Features::Rbf {
            centers,
            first_center,
            first_sigma,
        } => {
            let centers_d = &params[*first_center..][..centers * dims];
            let sigmas = &params[*first_sigma..][..*centers];
            let stage = rbf_stage(level, components, *centers, points);
            let mut through =
                Through::new(components.count() == 1, (hot, &mut tile.distances), input);
            scaled_distances(components, (coords, dims), (centers_d, sigmas), through.z);
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
        pointwise: Pointwise::Gaussian,
        components,
        shape: Shape {
            points,
            width: centers,
            stride: stride(centers),
        },
    }
}

fn sinusoids<T: Real>(
    keep: bool,
    waves: &[Sinusoid],
    components: Components<'_>,
    (coords, dims): (&[T], usize),
    input: &mut [T],
) {
    let kept = if keep { dims } else { 0 };
    let width = stride(kept + waves.len());
    let points = coords.len() / dims;
    let block = points * width;
    input[..components.count() * block].fill(T::of(0.0));
    for (p, x) in coords.chunks(dims).enumerate() {
        input[p * width..][..kept].copy_from_slice(&x[..kept]);
        for i in 0..components.gradients.min(kept) {
            input[(1 + i) * block + p * width + i] = T::of(1.0);
        }
        for (f, wave) in waves.iter().enumerate() {
            let at = p * width + kept + f;
            let angle = wave.angular.iter().zip(x);
            let angle = angle.fold(T::of(0.0), |sum, (&w, &x)| sum + T::of(w) * x);
            let (sin, cos) = angle.sin_cos();
            let (value, slope) = if wave.cosine { (cos, -sin) } else { (sin, cos) };
            input[at] = value;
            for i in 0..components.gradients {
                input[(1 + i) * block + at] = slope * T::of(wave.angular[i]);
            }
            for (k, trace) in components.traces.iter().enumerate() {
                let quadratic = trace.entries().iter();
                let quadratic = quadratic.map(|&(i, j, a)| a * wave.angular[i] * wave.angular[j]);
                let quadratic = T::of(quadratic.sum::<f64>());
                input[(1 + components.gradients + k) * block + at] = -value * quadratic;
            }
        }
    }
}

/// The jet of `s ‖x − c‖²`: `2s(xᵢ − cᵢ)`, `2s tr A`.
fn scaled_distances<T: Real>(
    components: Components<'_>,
    (coords, dims): (&[T], usize),
    (centers, sigmas): (&[T], &[T]),
    distances: &mut [T],
) {
    let width = stride(sigmas.len());
    let block = coords.len() / dims * width;
    let traces = diagonal_sums::<T>(components);
    let two = T::of(2.0);
    for (p, x) in coords.chunks(dims).enumerate() {
        for (f, (center, &sigma)) in centers.chunks(dims).zip(sigmas).enumerate() {
            let at = p * width + f;
            let squared = x.iter().zip(center).map(|(&x, &c)| (x - c) * (x - c));
            distances[at] = sigma * squared.fold(T::of(0.0), |sum, square| sum + square);
            for i in 0..components.gradients {
                distances[(1 + i) * block + at] = two * sigma * (x[i] - center[i]);
            }
            for (k, &trace) in traces.iter().enumerate() {
                distances[(1 + components.gradients + k) * block + at] = two * sigma * trace;
            }
        }
    }
}

/// Adds the gradient in the centers and widths of the radial basis functions, from `d_distances`, the derivative of the
/// loss in the jet of `s ‖x − c‖²`.
pub(super) fn backward_rbf<T: Real>(
    components: Components<'_>,
    coords: &[T],
    (centers, sigmas): (&[T], &[T]),
    d_distances: &[T],
    (d_centers, d_sigmas): (&mut [T], &mut [T]),
) {
    let dims = centers.len() / sigmas.len();
    let width = stride(sigmas.len());
    let block = coords.len() / dims * width;
    let traces = diagonal_sums::<T>(components);
    let two = T::of(2.0);
    for (p, x) in coords.chunks(dims).enumerate() {
        for f in 0..sigmas.len() {
            let at = p * width + f;
            let d0 = d_distances[at];
            for i in 0..dims {
                let offset = x[i] - centers[f * dims + i];
                let mut d_offset = d0 * offset;
                d_sigmas[f] += d0 * offset * offset;
                if components.gradients > 0 {
                    let di = d_distances[(1 + i) * block + at];
                    d_sigmas[f] += two * di * offset;
                    d_offset += di;
                }
                d_centers[f * dims + i] -= two * sigmas[f] * d_offset;
            }
            for (k, &trace) in traces.iter().enumerate() {
                let dk = d_distances[(1 + components.gradients + k) * block + at];
                d_sigmas[f] += two * dk * trace;
            }
        }
    }
}
