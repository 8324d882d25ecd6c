//! Derivatives of the pixels of a picture for each value of `signal.stencil`, with their transposes and their eigenvalues.
//!
//! Every stencil extends a picture beyond its edges by reflection with the edge pixel repeated. Therefore the waves `cos(w (i + ½))` with
//! `w = πk/n`, on an axis of `n` pixels, are eigenvectors of `SᵀS` and of the second derivative. The spectral derivative is the derivative of
//! the cosine series through the pixels.

use std::f64::consts::PI;

use siren_picture::stencil::PixelShape;

use crate::config::Stencil;
use crate::cosine::for_each_line;

impl Stencil {
    /// Returns the factor between [`first`](Self::first) and the derivative per pixel.
    pub(crate) fn gain(self) -> f64 {
        match self {
            Self::Spectral => 1.0,
            Self::Central => 2.0,
            Self::Sobel => 8.0,
        }
    }

    /// Computes first derivatives along an axis, per pixel, multiplied by the [gain](Self::gain).
    pub(crate) fn first(self, shape: PixelShape, values: &[f64], axis: usize) -> Vec<f64> {
        match self {
            Self::Spectral => spectral_first(shape, values, axis),
            Self::Central => shape.central(values, axis),
            Self::Sobel => shape.sobel(values, axis),
        }
    }

    /// Applies the transpose of [`first`](Self::first).
    pub(crate) fn first_transposed(
        self,
        shape: PixelShape,
        values: &[f64],
        axis: usize,
    ) -> Vec<f64> {
        match self {
            Self::Spectral => spectral_first_transposed(shape, values, axis),
            Self::Central => shape.central_transposed(values, axis),
            Self::Sobel => shape.sobel_transposed(values, axis),
        }
    }

    /// Computes second derivatives along an axis, per pixel squared. This linear map is symmetric.
    pub(crate) fn second(self, shape: PixelShape, values: &[f64], axis: usize) -> Vec<f64> {
        match self {
            Self::Spectral => spectral_second(shape, values, axis),
            Self::Central | Self::Sobel => shape.second_difference(values, axis),
        }
    }

    /// Returns the eigenvalues along an axis for the wave with `waves[axis]` half periods along each axis.
    pub(crate) fn eigenvalues(
        self,
        shape: PixelShape,
        axis: usize,
        waves: [usize; 2],
    ) -> Eigenvalues {
        let [along, across] = [axis, 1 - axis].map(|axis| shape.angle(axis, waves));
        let second = PixelShape::second_eigenvalue(along);
        let (gradient, second) = match self {
            Self::Spectral => (along * along, -along * along),
            Self::Central => (PixelShape::central_eigenvalue(along), second),
            Self::Sobel => (PixelShape::sobel_eigenvalue(along, across), second),
        };
        Eigenvalues { gradient, second }
    }

    /// Returns upper bounds of the [eigenvalues](Self::eigenvalues), summed over both axes, for all waves.
    pub(crate) fn eigenvalue_bounds(self) -> EigenvalueBounds {
        let (gradient, squared_laplacian) = match self {
            Self::Spectral => (2.0 * PI * PI, (2.0 * PI * PI).powi(2)),
            Self::Central => (8.0, 64.0),
            Self::Sobel => (128.0, 64.0),
        };
        EigenvalueBounds {
            gradient,
            squared_laplacian,
        }
    }
}

/// Eigenvalues of a stencil along one axis for one wave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eigenvalues {
    /// Eigenvalue of [`Stencil::first`] followed by its transpose.
    pub(crate) gradient: f64,
    /// Eigenvalue of [`Stencil::second`].
    pub(crate) second: f64,
}

/// Upper bounds of the eigenvalues of a stencil.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EigenvalueBounds {
    /// Bound of the sum of [`Eigenvalues::gradient`] over both axes.
    pub(crate) gradient: f64,
    /// Bound of the square of the sum of [`Eigenvalues::second`] over both axes.
    pub(crate) squared_laplacian: f64,
}

/// Returns the angular frequency of the wave `k` on an axis of `n` pixels, in radians per pixel.
fn angular_frequency(k: usize, n: usize) -> f64 {
    PI * k as f64 / n as f64
}

/// Returns the normalization that a DCT-II followed by a DCT-III or DST-III of length `n` leaves to the caller.
fn normalization(n: usize) -> f64 {
    2.0 / n as f64
}

/// Differentiates the cosine series along an axis: `Σ X cos(w(i + ½))` becomes `Σ −w X sin(w(i + ½))`.
fn spectral_first(shape: PixelShape, values: &[f64], axis: usize) -> Vec<f64> {
    let mut out = values.to_vec();
    for_each_line(shape, &mut out, axis, |transform, line| {
        let n = line.len();
        transform.process_dct2(line);
        for k in 1..n {
            let (w, scale) = (angular_frequency(k, n), normalization(n));
            line[k - 1] = -w * scale * line[k];
        }
        line[n - 1] = 0.0;
        transform.process_dst3(line);
    });
    out
}

/// Applies the transpose of [`spectral_first`].
fn spectral_first_transposed(shape: PixelShape, values: &[f64], axis: usize) -> Vec<f64> {
    let mut out = values.to_vec();
    for_each_line(shape, &mut out, axis, |transform, line| {
        let n = line.len();
        transform.process_dst2(line);
        for k in (1..n).rev() {
            let (w, scale) = (angular_frequency(k, n), normalization(n));
            line[k] = -w * scale * line[k - 1];
        }
        line[0] = 0.0;
        transform.process_dct3(line);
    });
    out
}

/// Differentiates the cosine series along an axis twice.
fn spectral_second(shape: PixelShape, values: &[f64], axis: usize) -> Vec<f64> {
    let mut out = values.to_vec();
    for_each_line(shape, &mut out, axis, |transform, line| {
        let n = line.len();
        transform.process_dct2(line);
        for (k, x) in line.iter_mut().enumerate() {
            let (w, scale) = (angular_frequency(k, n), normalization(n));
            *x *= -w * w * scale;
        }
        transform.process_dct3(line);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PixelShape = PixelShape {
        height: 6,
        width: 9,
        channels: 2,
    };
    const ALL: [Stencil; 3] = [Stencil::Spectral, Stencil::Central, Stencil::Sobel];

    fn values(seed: f64) -> Vec<f64> {
        let all = 0..SHAPE.height * SHAPE.width * SHAPE.channels;
        all.map(|i| (seed * (i as f64 + 1.0)).sin()).collect()
    }

    /// Returns the derivative of order `order` along `axis` of `cos(w(i + ½)) cos(v(j + ½))`, with i for rows and j for columns.
    fn wave(waves: [usize; 2], order: usize, axis: usize) -> Vec<f64> {
        let all = 0..SHAPE.height * SHAPE.width * SHAPE.channels;
        let value = |at: usize| {
            let pixel = [at / 2 / SHAPE.width, at / 2 % SHAPE.width];
            let factor = |axis: usize, order: usize| {
                let w = SHAPE.angle(axis, waves);
                let phase = w * (pixel[axis] as f64 + 0.5);
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
    fn the_spectral_derivative_is_exact_up_to_the_highest_frequency() {
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
    fn the_gain_of_every_stencil_holds_for_a_wave_of_low_frequency() {
        let shape = PixelShape {
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
            // The error of central differences is at most w³/6.
            assert!(
                largest_difference(&per_pixel, &exact) < angle.powi(3) / 6.0 + 1e-12,
                "{stencil:?}"
            );
        }
    }

    #[test]
    fn scalar_products_with_a_stencil_and_with_its_transpose_are_equal() {
        let (x, y) = (values(0.7), values(1.9));
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
    fn waves_are_eigenvectors_and_no_eigenvalue_exceeds_its_bound() {
        for stencil in ALL {
            for waves in [[0, 1], [2, 3], [5, 8]] {
                let (mut gradient, mut laplacian) = (0.0, 0.0);
                for axis in [0, 1] {
                    let x = wave(waves, 0, axis);
                    let eigenvalues = stencil.eigenvalues(SHAPE, axis, waves);
                    let first = stencil.first(SHAPE, &x, axis);
                    let product = stencil.first_transposed(SHAPE, &first, axis);
                    let scaled = |factor: f64| x.iter().map(|x| factor * x).collect::<Vec<_>>();
                    let expected = scaled(eigenvalues.gradient);
                    assert!(largest_difference(&product, &expected) < 1e-11);
                    let second = stencil.second(SHAPE, &x, axis);
                    let expected = scaled(eigenvalues.second);
                    assert!(largest_difference(&second, &expected) < 1e-11);
                    gradient += eigenvalues.gradient;
                    laplacian += eigenvalues.second;
                }
                let bounds = stencil.eigenvalue_bounds();
                assert!(gradient <= bounds.gradient, "{stencil:?}");
                let squared = laplacian * laplacian;
                assert!(squared <= bounds.squared_laplacian, "{stencil:?}");
            }
        }
    }

    #[test]
    fn derivatives_along_an_axis_of_one_pixel_are_zero() {
        let shape = PixelShape {
            height: 1,
            width: 5,
            channels: 1,
        };
        let x = [1.0, 4.0, 2.0, 8.0, 5.0];
        for stencil in ALL {
            let first = stencil.first(shape, &x, 0).into_iter();
            assert!(
                first
                    .chain(stencil.second(shape, &x, 0))
                    .all(|d| d.abs() < 1e-15)
            );
        }
    }
}
