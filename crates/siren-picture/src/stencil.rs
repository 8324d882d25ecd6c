//! Derivatives of pictures from their pixels: the stencils of `scipy.ndimage`, and their transposes.
//!
//! Beyond an edge a picture goes on as its mirror image, the edge pixel repeated (`mode="reflect"`).

/// Numbers on the pixels of a picture, `(height, width, channels)`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Numbers a pixel.
    pub channels: usize,
}

/// `[−1, 0, 1]`.
const DIFFERENCE: [f64; 3] = [-1.0, 0.0, 1.0];
/// `[1, 2, 1]`.
const SMOOTHING: [f64; 3] = [1.0, 2.0, 1.0];
/// `[1, −2, 1]`.
const CURVATURE: [f64; 3] = [1.0, -2.0, 1.0];

impl Shape {
    fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Samples on an axis, and numbers from one to the next.
    fn axis(self, axis: usize) -> (usize, usize) {
        match axis {
            0 => (self.height, self.width * self.channels),
            _ => (self.width, self.channels),
        }
    }

    /// `Σₖ wₖ x(i + k)` along an axis.
    fn correlate(self, values: &[f64], axis: usize, weights: [f64; 3]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        self.each(axis, weights, |at, from, weight| {
            out[at] += weight * values[from];
        });
        out
    }

    /// The transpose of [`correlate`](Self::correlate).
    fn transposed(self, values: &[f64], axis: usize, weights: [f64; 3]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        self.each(axis, weights, |at, from, weight| {
            out[from] += weight * values[at];
        });
        out
    }

    /// Every number with each of its neighbors along an axis: where it is, where the neighbor is, and its weight.
    fn each(self, axis: usize, weights: [f64; 3], mut visit: impl FnMut(usize, usize, f64)) {
        let (side, stride) = self.axis(axis);
        for at in 0..self.len() {
            let index = at / stride % side;
            let line = at - index * stride;
            let before = index.saturating_sub(1);
            let after = (index + 1).min(side - 1);
            for (neighbor, weight) in [before, index, after].into_iter().zip(weights) {
                visit(at, line + neighbor * stride, weight);
            }
        }
    }

    /// `scipy.ndimage.sobel(values, axis)`: eight times the derivative per pixel, smoothed across.
    #[must_use]
    pub fn sobel(self, values: &[f64], axis: usize) -> Vec<f64> {
        let smooth = self.correlate(values, 1 - axis, SMOOTHING);
        self.correlate(&smooth, axis, DIFFERENCE)
    }

    /// The transpose of [`sobel`](Self::sobel).
    #[must_use]
    pub fn sobel_transposed(self, values: &[f64], axis: usize) -> Vec<f64> {
        let smooth = self.transposed(values, axis, DIFFERENCE);
        self.transposed(&smooth, 1 - axis, SMOOTHING)
    }

    /// `x(i + 1) − x(i − 1)` along an axis: twice the derivative per pixel.
    #[must_use]
    pub fn central(self, values: &[f64], axis: usize) -> Vec<f64> {
        self.correlate(values, axis, DIFFERENCE)
    }

    /// The transpose of [`central`](Self::central).
    #[must_use]
    pub fn central_transposed(self, values: &[f64], axis: usize) -> Vec<f64> {
        self.transposed(values, axis, DIFFERENCE)
    }

    /// The second difference along an axis; both of them together are `scipy.ndimage.laplace`.
    #[must_use]
    pub fn second_difference(self, values: &[f64], axis: usize) -> Vec<f64> {
        self.correlate(values, axis, CURVATURE)
    }

    /// Radians per pixel of the wave `cos(πk(i + ½)/n)` on an axis of `n` pixels, `k = waves[axis]`. Such waves are their own mirror images,
    /// so stencils only scale them.
    #[must_use]
    pub fn angle(self, axis: usize, waves: [usize; 2]) -> f64 {
        let (side, _) = self.axis(axis);
        std::f64::consts::PI * waves[axis] as f64 / side as f64
    }

    /// Eigenvalue of `Sᵀ S` for [`sobel`](Self::sobel) along an axis, for a wave of these [angles](Self::angle) along it and across.
    #[must_use]
    pub fn sobel_eigenvalue(along: f64, across: f64) -> f64 {
        let sobel = 2.0 * along.sin() * (2.0 + 2.0 * across.cos());
        sobel * sobel
    }

    /// Eigenvalue of `Sᵀ S` for [`central`](Self::central), for a wave of this [angle](Self::angle).
    #[must_use]
    pub fn central_eigenvalue(along: f64) -> f64 {
        4.0 * along.sin().powi(2)
    }

    /// Eigenvalue of [`second_difference`](Self::second_difference), for a wave of this [angle](Self::angle).
    #[must_use]
    pub fn second_eigenvalue(along: f64) -> f64 {
        2.0 * along.cos() - 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        height: 4,
        width: 5,
        channels: 2,
    };

    fn numbers(seed: f64) -> Vec<f64> {
        (0..SHAPE.len())
            .map(|i| (seed * (i as f64 + 1.0)).sin())
            .collect()
    }

    /// `numpy.arange(12).reshape(3, 4) ** 2` through `scipy.ndimage`.
    #[test]
    fn stencils_are_those_of_scipy() {
        let shape = Shape {
            height: 3,
            width: 4,
            channels: 1,
        };
        let squares: Vec<f64> = (0..12).map(|i| f64::from(i * i)).collect();
        let down = [
            72.0, 96.0, 128.0, 152.0, 272.0, 320.0, 384.0, 432.0, 200.0, 224.0, 256.0, 280.0,
        ];
        assert_eq!(shape.sobel(&squares, 0), down);
        let [rows, columns] = [0, 1].map(|axis| shape.second_difference(&squares, axis));
        let laplace: Vec<f64> = rows.iter().zip(&columns).map(|(a, b)| a + b).collect();
        let expected = [
            17.0, 26.0, 34.0, 35.0, 41.0, 34.0, 34.0, 19.0, -31.0, -54.0, -62.0, -93.0,
        ];
        assert_eq!(laplace, expected);
    }

    #[test]
    fn a_transpose_gives_the_same_scalar_product() {
        let (x, y) = (numbers(0.7), numbers(1.9));
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
            assert!((forward - backward).abs() < 1e-12, "it is symmetric");
        }
    }

    #[test]
    fn cosines_are_eigenvectors() {
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
                    Shape::sobel_eigenvalue(along, across),
                    SHAPE.sobel_transposed(&SHAPE.sobel(&x, axis), axis),
                ),
                (
                    Shape::central_eigenvalue(along),
                    SHAPE.central_transposed(&SHAPE.central(&x, axis), axis),
                ),
                (
                    Shape::second_eigenvalue(along),
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
