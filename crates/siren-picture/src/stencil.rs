//! Finite-difference stencils for the derivatives of pictures, as in `scipy.ndimage`, and their transposes.
//!
//! A picture is extended beyond its edges by reflection with the edge pixel repeated (`mode="reflect"`).

/// Shape of values on the pixels of a picture, row-major `(height, width, channels)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelShape {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Values per pixel.
    pub channels: usize,
}

/// `[−1, 0, 1]`.
const DIFFERENCE: [f64; 3] = [-1.0, 0.0, 1.0];
/// `[1, 2, 1]`.
const SMOOTHING: [f64; 3] = [1.0, 2.0, 1.0];
/// `[1, −2, 1]`.
const CURVATURE: [f64; 3] = [1.0, -2.0, 1.0];

impl PixelShape {
    fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Returns the number of pixels along an axis and the stride between them.
    fn side_and_stride(self, axis: usize) -> (usize, usize) {
        match axis {
            0 => (self.height, self.width * self.channels),
            _ => (self.width, self.channels),
        }
    }

    /// Computes `Σₖ wₖ x(i + k)`, k = −1, 0, 1, along an axis.
    fn correlate(self, values: &[f64], axis: usize, weights: [f64; 3]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        self.for_each_neighbor(axis, weights, |at, neighbor, weight| {
            out[at] += weight * values[neighbor];
        });
        out
    }

    /// Applies the transpose of [`correlate`](Self::correlate).
    fn correlate_transposed(self, values: &[f64], axis: usize, weights: [f64; 3]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        self.for_each_neighbor(axis, weights, |at, neighbor, weight| {
            out[neighbor] += weight * values[at];
        });
        out
    }

    /// Calls `visit(index, neighbor index, weight)` for every value and each of its three neighbors along an axis, itself included.
    fn for_each_neighbor(
        self,
        axis: usize,
        weights: [f64; 3],
        mut visit: impl FnMut(usize, usize, f64),
    ) {
        let (side, stride) = self.side_and_stride(axis);
        for at in 0..self.len() {
            let position = at / stride % side;
            let line_start = at - position * stride;
            let before = position.saturating_sub(1);
            let after = (position + 1).min(side - 1);
            for (neighbor, weight) in [before, position, after].into_iter().zip(weights) {
                visit(at, line_start + neighbor * stride, weight);
            }
        }
    }

    /// Computes `scipy.ndimage.sobel(values, axis)`: eight times the derivative per pixel, smoothed along the other axis.
    #[must_use]
    pub fn sobel(self, values: &[f64], axis: usize) -> Vec<f64> {
        let smooth = self.correlate(values, 1 - axis, SMOOTHING);
        self.correlate(&smooth, axis, DIFFERENCE)
    }

    /// Applies the transpose of [`sobel`](Self::sobel).
    #[must_use]
    pub fn sobel_transposed(self, values: &[f64], axis: usize) -> Vec<f64> {
        let smooth = self.correlate_transposed(values, axis, DIFFERENCE);
        self.correlate_transposed(&smooth, 1 - axis, SMOOTHING)
    }

    /// Computes `x(i + 1) − x(i − 1)` along an axis: twice the derivative per pixel.
    #[must_use]
    pub fn central(self, values: &[f64], axis: usize) -> Vec<f64> {
        self.correlate(values, axis, DIFFERENCE)
    }

    /// Applies the transpose of [`central`](Self::central).
    #[must_use]
    pub fn central_transposed(self, values: &[f64], axis: usize) -> Vec<f64> {
        self.correlate_transposed(values, axis, DIFFERENCE)
    }

    /// Computes `x(i − 1) − 2 x(i) + x(i + 1)` along an axis. The sum over both axes is `scipy.ndimage.laplace`.
    #[must_use]
    pub fn second_difference(self, values: &[f64], axis: usize) -> Vec<f64> {
        self.correlate(values, axis, CURVATURE)
    }

    /// Returns the angular frequency `πk/n`, in radians per pixel, of the wave `cos(πk(i + ½)/n)` on an axis of `n` pixels, with
    /// `k = waves[axis]`. They are invariant under the reflection at the edges, and eigenvectors of `SᵀS` for every stencil S of this module.
    #[must_use]
    pub fn angle(self, axis: usize, waves: [usize; 2]) -> f64 {
        let (side, _) = self.side_and_stride(axis);
        std::f64::consts::PI * waves[axis] as f64 / side as f64
    }

    /// Returns the eigenvalue of `SᵀS`, with S = [`sobel`](Self::sobel), for a wave of these [angular frequencies](Self::angle) along the
    /// axis of the derivative and along the other axis.
    #[must_use]
    pub fn sobel_eigenvalue(along: f64, across: f64) -> f64 {
        let sobel = 2.0 * along.sin() * (2.0 + 2.0 * across.cos());
        sobel * sobel
    }

    /// Returns the eigenvalue of `SᵀS`, with S = [`central`](Self::central), for a wave of this [angular frequency](Self::angle).
    #[must_use]
    pub fn central_eigenvalue(along: f64) -> f64 {
        4.0 * along.sin().powi(2)
    }

    /// Returns the eigenvalue of [`second_difference`](Self::second_difference) for a wave of this [angular frequency](Self::angle).
    #[must_use]
    pub fn second_eigenvalue(along: f64) -> f64 {
        2.0 * along.cos() - 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PixelShape = PixelShape {
        height: 4,
        width: 5,
        channels: 2,
    };

    fn values(seed: f64) -> Vec<f64> {
        (0..SHAPE.len())
            .map(|i| (seed * (i as f64 + 1.0)).sin())
            .collect()
    }

    /// The expected values are those of `scipy.ndimage` for `numpy.arange(12).reshape(3, 4) ** 2`.
    #[test]
    fn stencils_agree_with_scipy() {
        let shape = PixelShape {
            height: 3,
            width: 4,
            channels: 1,
        };
        let squares: Vec<f64> = (0..12).map(|i| f64::from(i * i)).collect();
        let row_derivative = [
            72.0, 96.0, 128.0, 152.0, 272.0, 320.0, 384.0, 432.0, 200.0, 224.0, 256.0, 280.0,
        ];
        assert_eq!(shape.sobel(&squares, 0), row_derivative);
        let [rows, columns] = [0, 1].map(|axis| shape.second_difference(&squares, axis));
        let laplace: Vec<f64> = rows.iter().zip(&columns).map(|(a, b)| a + b).collect();
        let expected = [
            17.0, 26.0, 34.0, 35.0, 41.0, 34.0, 34.0, 19.0, -31.0, -54.0, -62.0, -93.0,
        ];
        assert_eq!(laplace, expected);
    }

    #[test]
    fn scalar_products_with_a_stencil_and_with_its_transpose_are_equal() {
        let (x, y) = (values(0.7), values(1.9));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for axis in [0, 1] {
            let forward = dot(&SHAPE.sobel(&x, axis), &y);
            let backward = dot(&x, &SHAPE.sobel_transposed(&y, axis));
            assert!((forward - backward).abs() < 1e-12);
            let forward = dot(&SHAPE.central(&x, axis), &y);
            let backward = dot(&x, &SHAPE.central_transposed(&y, axis));
            assert!((forward - backward).abs() < 1e-12);
            let forward = dot(&SHAPE.second_difference(&x, axis), &y);
            let backward = dot(&x, &SHAPE.second_difference(&y, axis));
            assert!((forward - backward).abs() < 1e-12, "not symmetric");
        }
    }

    #[test]
    fn cosines_are_eigenvectors_of_the_stencils() {
        let waves = [2, 3];
        let wave = |at: usize| {
            let (row, column) = (at / 2 / 5, at / 2 % 5);
            let cos = |k: usize, i: usize, n: usize| {
                (std::f64::consts::PI * k as f64 * (i as f64 + 0.5) / n as f64).cos()
            };
            cos(waves[0], row, 4) * cos(waves[1], column, 5)
        };
        let x: Vec<f64> = (0..SHAPE.len()).map(wave).collect();
        for axis in [0, 1] {
            let [along, across] = [axis, 1 - axis].map(|axis| SHAPE.angle(axis, waves));
            for (eigenvalue, scaled) in [
                (
                    PixelShape::sobel_eigenvalue(along, across),
                    SHAPE.sobel_transposed(&SHAPE.sobel(&x, axis), axis),
                ),
                (
                    PixelShape::central_eigenvalue(along),
                    SHAPE.central_transposed(&SHAPE.central(&x, axis), axis),
                ),
                (
                    PixelShape::second_eigenvalue(along),
                    SHAPE.second_difference(&x, axis),
                ),
            ] {
                for (x, y) in x.iter().zip(scaled) {
                    assert!((y - eigenvalue * x).abs() < 1e-12);
                }
            }
        }
    }
}
