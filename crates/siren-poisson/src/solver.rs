//! Classical Poisson solver for the same targets, as a reference for the fitted field.
//!
//! The solver minimizes `a Σᵢ ‖Sᵢ u − gᵢ‖² + b ‖L u − l‖²` over all pictures u, with the gradient S and the Laplacian L of a [`Stencil`].
//! Pictures are extended by reflection at their edges, so cosines are eigenvectors of `SᵀS` and L, and the normal equations are solved
//! by a discrete cosine transform, a division by the eigenvalues, and the inverse transform. Waves whose eigenvalue is zero or nearly
//! zero (the mean; for finite differences without the Laplacian also waves of the highest frequencies) are set to zero.

use siren_picture::stencil::PixelShape;

use crate::config::Stencil;
use crate::cosine;

/// Waves whose eigenvalue is below this fraction of the largest one are set to zero.
const NULL_SPACE_FRACTION: f64 = 1e-12;

/// Derivative targets in the units of the stencil. Each vector is row-major `(height, width, channels)`.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Stencil that computed the derivatives.
    pub stencil: Stencil,
    /// First derivatives downward and to the right, per pixel, multiplied by the gain of the stencil.
    pub first: [Vec<f64>; 2],
    /// Second derivatives downward and to the right, per pixel squared. Their sum is the Laplacian.
    pub second: [Vec<f64>; 2],
}

/// A quantity for the gradient and for the Laplacian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerTerm<T> {
    /// That of the gradient.
    pub gradient: T,
    /// That of the Laplacian.
    pub laplacian: T,
}

/// Computes the picture `(height, width, channels)` that fits the targets best in the least-squares sense.
///
/// `weights` are a and b of the minimized sum. The mean of every channel of the result is zero.
#[must_use]
pub fn solve(shape: PixelShape, targets: &Targets, weights: PerTerm<f64>) -> Vec<f64> {
    let (a, b) = (weights.gradient, weights.laplacian);
    let stencil = targets.stencil;
    let mut waves = vec![0.0; targets.first[0].len()];
    let pairs = targets.second[0].iter().zip(&targets.second[1]);
    let laplacian: Vec<f64> = pairs.map(|(rows, columns)| rows + columns).collect();
    // Right-hand side of the normal equations.
    for axis in [0, 1] {
        let from_gradient = stencil.first_transposed(shape, &targets.first[axis], axis);
        let from_laplacian = stencil.second(shape, &laplacian, axis);
        for ((sum, s), l) in waves.iter_mut().zip(from_gradient).zip(from_laplacian) {
            *sum += a * s + b * l;
        }
    }
    cosine::forward(shape, &mut waves);
    let eigenvalue = |waves: [usize; 2]| {
        let [rows, columns] = [0, 1].map(|axis| stencil.eigenvalues(shape, axis, waves));
        a * (rows.gradient + columns.gradient) + b * (rows.second + columns.second).powi(2)
    };
    let bounds = stencil.eigenvalue_bounds();
    let threshold = NULL_SPACE_FRACTION * (bounds.gradient * a + bounds.squared_laplacian * b);
    for (at, wave) in waves.iter_mut().enumerate() {
        let pixel = at / shape.channels;
        let value = eigenvalue([pixel / shape.width, pixel % shape.width]);
        *wave = if value > threshold {
            *wave / value
        } else {
            0.0
        };
    }
    cosine::inverse(shape, &mut waves);
    waves
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PixelShape = PixelShape {
        height: 7,
        width: 10,
        channels: 2,
    };

    fn picture() -> Vec<f64> {
        let values = (0..SHAPE.height * SHAPE.width * 2).map(|i| (0.37 * (i * i) as f64).sin());
        values.collect()
    }

    const ALL: [Stencil; 3] = [Stencil::Spectral, Stencil::Central, Stencil::Sobel];

    fn derivatives(stencil: Stencil, u: &[f64]) -> Targets {
        Targets {
            stencil,
            first: [0, 1].map(|axis| stencil.first(SHAPE, u, axis)),
            second: [0, 1].map(|axis| stencil.second(SHAPE, u, axis)),
        }
    }

    /// Subtracts the mean from each channel.
    fn centered(u: &[f64]) -> Vec<f64> {
        let mean = |channel: usize| {
            let values = u.iter().skip(channel).step_by(2);
            values.sum::<f64>() / (u.len() / 2) as f64
        };
        let means = [mean(0), mean(1)];
        let pixels = u.iter().enumerate();
        pixels.map(|(at, x)| x - means[at % 2]).collect()
    }

    /// The solver loses only the null space of the stencil. For the sides of this picture it contains only the mean.
    #[test]
    fn a_picture_is_recovered_from_its_derivatives_up_to_its_mean() {
        let u = centered(&picture());
        for stencil in ALL {
            let targets = derivatives(stencil, &u);
            for weights in [[0.0, 1.0], [1.0, 0.0], [1.0, 0.3]].map(weights) {
                let solution = solve(SHAPE, &targets, weights);
                for (u, solved) in u.iter().zip(solution) {
                    assert!(
                        (u - solved).abs() < 1e-9,
                        "{stencil:?} {weights:?}: {u} {solved}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_solution_minimizes_the_loss_for_blended_targets() {
        let (u, other) = (picture(), picture().into_iter().rev().collect::<Vec<f64>>());
        for stencil in ALL {
            let mut targets = derivatives(stencil, &u);
            let other = derivatives(stencil, &other);
            for axis in [0, 1] {
                // A third of the targets is from another picture, so no picture has exactly these derivatives.
                for (at, x) in targets.first[axis].iter_mut().enumerate() {
                    if at % 3 == 0 {
                        *x = other.first[axis][at];
                    }
                }
            }
            let weights = weights([1.0, 0.3]);
            let solution = solve(SHAPE, &targets, weights);
            let least = loss(&solution, &targets, weights);
            for at in (0..solution.len()).step_by(11) {
                for step in [1e-3, -1e-3] {
                    let mut near = solution.clone();
                    near[at] += step;
                    assert!(loss(&near, &targets, weights) > least, "{stencil:?}");
                }
            }
        }
    }

    fn weights([gradient, laplacian]: [f64; 2]) -> PerTerm<f64> {
        PerTerm {
            gradient,
            laplacian,
        }
    }

    fn loss(u: &[f64], targets: &Targets, weights: PerTerm<f64>) -> f64 {
        let computed = derivatives(targets.stencil, u);
        let square =
            |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
        let slopes = (0..2).map(|axis| square(&computed.first[axis], &targets.first[axis]));
        let laplacian = |t: &Targets| -> Vec<f64> {
            let pairs = t.second[0].iter().zip(&t.second[1]);
            pairs.map(|(rows, columns)| rows + columns).collect()
        };
        weights.gradient * slopes.sum::<f64>()
            + weights.laplacian * square(&laplacian(&computed), &laplacian(targets))
    }
}
