//! How derivatives are taken of the pixels of a picture: each choice of `signal.stencil` with its transpose and its eigenvalues.
//!
//! By every choice a picture goes on beyond its edge as its mirror image, the edge pixel repeated. So `cos(w (i + ½))`, `w = πk/n` on an
//! axis of `n` pixels, is an eigenvector, and the spectral derivative is that of the cosine series through the pixels.

use std::f64::consts::PI;

use siren_picture::stencil::Shape;

use crate::config::Stencil;
use crate::cosine::for_each_line;

impl Stencil {
    /// What [`first`](Self::first) multiplies the derivative per pixel by.
    pub(crate) fn gain(self) -> f64 {
        match self {
            Self::Spectral => 1.0,
            Self::Central => 2.0,
            Self::Sobel => 8.0,
        }
    }

    /// First derivatives along an axis, times the [gain](Self::gain).
    pub(crate) fn first(self, shape: Shape, values: &[f64], axis: usize) -> Vec<f64> {
        match self {
            Self::Spectral => spectral_first(shape, values, axis),
            Self::Central => shape.central(values, axis),
            Self::Sobel => shape.sobel(values, axis),
        }
    }

    /// The transpose of [`first`](Self::first).
    pub(crate) fn first_transposed(self, shape: Shape, values: &[f64], axis: usize) -> Vec<f64> {
        match self {
            Self::Spectral => spectral_first_transposed(shape, values, axis),
            Self::Central => shape.central_transposed(values, axis),
            Self::Sobel => shape.sobel_transposed(values, axis),
        }
    }

    /// Second derivatives per pixel along an axis; this map is symmetric.
    pub(crate) fn second(self, shape: Shape, values: &[f64], axis: usize) -> Vec<f64> {
        match self {
            Self::Spectral => spectral_second(shape, values, axis),
            Self::Central | Self::Sobel => shape.second_difference(values, axis),
        }
    }

    /// Eigenvalues for the wave `waves` along an axis: of [`first`](Self::first) followed by its transpose, and of
    /// [`second`](Self::second).
    pub(crate) fn eigenvalues(self, shape: Shape, axis: usize, waves: [usize; 2]) -> [f64; 2] {
        let [along, across] = [axis, 1 - axis].map(|axis| shape.angle(axis, waves));
        let second = Shape::second_eigenvalue(along);
        match self {
            Self::Spectral => [along * along, -along * along],
            Self::Central => [Shape::central_eigenvalue(along), second],
            Self::Sobel => [Shape::sobel_eigenvalue(along, across), second],
        }
    }

    /// Upper bounds: of the sum of the first [eigenvalue](Self::eigenvalues) over both axes, and of the square of that of the second.
    pub(crate) fn largest_eigenvalues(self) -> [f64; 2] {
        match self {
            Self::Spectral => [2.0 * PI * PI, (2.0 * PI * PI).powi(2)],
            Self::Central => [8.0, 64.0],
            Self::Sobel => [128.0, 64.0],
        }
    }
}

/// `w` of the wave `k` times what the transforms of a line leave to the caller.
fn scaled_angle(k: usize, n: usize) -> [f64; 2] {
    [PI * k as f64 / n as f64, 2.0 / n as f64]
}

/// `Σ X cos(w(i + ½))` becomes `Σ −w X sin(w(i + ½))`.
fn spectral_first(shape: Shape, values: &[f64], axis: usize) -> Vec<f64> {
    let mut out = values.to_vec();
    for_each_line(shape, &mut out, axis, |transform, line| {
        let n = line.len();
        transform.process_dct2(line);
        for k in 1..n {
            let [angle, scale] = scaled_angle(k, n);
            line[k - 1] = -angle * scale * line[k];
        }
        line[n - 1] = 0.0;
        transform.process_dst3(line);
    });
    out
}

fn spectral_first_transposed(shape: Shape, values: &[f64], axis: usize) -> Vec<f64> {
    let mut out = values.to_vec();
    for_each_line(shape, &mut out, axis, |transform, line| {
        let n = line.len();
        transform.process_dst2(line);
        for k in (1..n).rev() {
            let [angle, scale] = scaled_angle(k, n);
            line[k] = -angle * scale * line[k - 1];
        }
        line[0] = 0.0;
        transform.process_dct3(line);
    });
    out
}

fn spectral_second(shape: Shape, values: &[f64], axis: usize) -> Vec<f64> {
    let mut out = values.to_vec();
    for_each_line(shape, &mut out, axis, |transform, line| {
        let n = line.len();
        transform.process_dct2(line);
        for (k, x) in line.iter_mut().enumerate() {
            let [angle, scale] = scaled_angle(k, n);
            *x *= -angle * angle * scale;
        }
        transform.process_dct3(line);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        height: 6,
        width: 9,
        channels: 2,
    };
    const ALL: [Stencil; 3] = [Stencil::Spectral, Stencil::Central, Stencil::Sobel];

    fn numbers(seed: f64) -> Vec<f64> {
        let all = 0..SHAPE.height * SHAPE.width * SHAPE.channels;
        all.map(|i| (seed * (i as f64 + 1.0)).sin()).collect()
    }

    /// `cos(w(i + ½))` down times `cos(v(j + ½))` to the right, and its derivatives by `order` along `axis`.
    fn wave(waves: [usize; 2], order: usize, axis: usize) -> Vec<f64> {
        let all = 0..SHAPE.height * SHAPE.width * SHAPE.channels;
        let value = |at: usize| {
            let place = [at / 2 / SHAPE.width, at / 2 % SHAPE.width];
            let factor = |axis: usize, order: usize| {
                let w = SHAPE.angle(axis, waves);
                let phase = w * (place[axis] as f64 + 0.5);
                match order {
                    0 => phase.cos(),
                    1 => -w * phase.sin(),
                    _ => -w * w * phase.cos(),
                }
            };
            factor(axis, order) * factor(1 - axis, 0)
        };
        all.map(value).collect()
    }

    fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn the_spectral_derivative_is_exact_up_to_the_finest_wave() {
        for waves in [[0, 0], [1, 2], [3, 0], [5, 8]] {
            for axis in [0, 1] {
                let x = wave(waves, 0, axis);
                let first = Stencil::Spectral.first(SHAPE, &x, axis);
                assert!(largest_difference(&first, &wave(waves, 1, axis)) < 1e-12);
                let second = Stencil::Spectral.second(SHAPE, &x, axis);
                assert!(largest_difference(&second, &wave(waves, 2, axis)) < 1e-12);
            }
        }
    }

    #[test]
    fn every_stencil_has_the_gain_that_it_says_on_a_slow_wave() {
        let shape = Shape {
            height: 400,
            width: 3,
            channels: 1,
        };
        let angle = shape.angle(0, [2, 0]);
        let phase = |at: usize| angle * ((at / 3) as f64 + 0.5);
        let x: Vec<f64> = (0..1200).map(|at| phase(at).cos()).collect();
        let exact: Vec<f64> = (0..1200).map(|at| -angle * phase(at).sin()).collect();
        for stencil in ALL {
            let first = stencil.first(shape, &x, 0).into_iter();
            let per_pixel: Vec<f64> = first.map(|d| d / stencil.gain()).collect();
            // Differences are off by w³/6 at most.
            assert!(
                largest_difference(&per_pixel, &exact) < angle.powi(3) / 6.0 + 1e-12,
                "{stencil:?}"
            );
        }
    }

    #[test]
    fn a_transpose_gives_the_same_scalar_product() {
        let (x, y) = (numbers(0.7), numbers(1.9));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for stencil in ALL {
            for axis in [0, 1] {
                let forward = dot(&stencil.first(SHAPE, &x, axis), &y);
                let backward = dot(&x, &stencil.first_transposed(SHAPE, &y, axis));
                assert!((forward - backward).abs() < 1e-11, "{stencil:?}");
                let forward = dot(&stencil.second(SHAPE, &x, axis), &y);
                let backward = dot(&x, &stencil.second(SHAPE, &y, axis));
                assert!((forward - backward).abs() < 1e-11, "{stencil:?}");
            }
        }
    }

    #[test]
    fn waves_are_scaled_by_the_eigenvalues_and_none_exceeds_its_bound() {
        for stencil in ALL {
            for waves in [[0, 1], [2, 3], [5, 8]] {
                let mut sums = [0.0; 2];
                for axis in [0, 1] {
                    let x = wave(waves, 0, axis);
                    let [square, second] = stencil.eigenvalues(SHAPE, axis, waves);
                    let first = stencil.first(SHAPE, &x, axis);
                    let back = stencil.first_transposed(SHAPE, &first, axis);
                    let scaled = |by: f64| x.iter().map(|x| by * x).collect::<Vec<_>>();
                    assert!(largest_difference(&back, &scaled(square)) < 1e-11);
                    let curved = stencil.second(SHAPE, &x, axis);
                    assert!(largest_difference(&curved, &scaled(second)) < 1e-11);
                    sums[0] += square;
                    sums[1] += second;
                }
                let [first, second] = stencil.largest_eigenvalues();
                assert!(sums[0] <= first && sums[1].powi(2) <= second, "{stencil:?}");
            }
        }
    }

    #[test]
    fn along_an_axis_of_one_pixel_there_is_no_slope() {
        let shape = Shape {
            height: 1,
            width: 5,
            channels: 1,
        };
        let x = [1.0, 4.0, 2.0, 8.0, 5.0];
        for stencil in ALL {
            let down = stencil.first(shape, &x, 0).into_iter();
            assert!(
                down.chain(stencil.second(shape, &x, 0))
                    .all(|d| d.abs() < 1e-15)
            );
        }
    }
}
