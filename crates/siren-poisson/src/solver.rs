//! What a classical solver makes of the same targets: the picture whose stencils come nearest to them.
//!
//! It minimizes `a Σᵢ ‖Sᵢ u − gᵢ‖² + b ‖L u − l‖²` over all pictures u, with the gradient S and the Laplacian L of a [`Stencil`]. Pictures
//! go on as their mirror images, so cosines are eigenvectors of `SᵀS` and L, and the normal equations are solved by a cosine
//! transform, a division and a transform back. Waves that no stencil sees (the mean; with differences alone, also the finest ones) are
//! left out.

use siren_picture::stencil::Shape;

use crate::config::Stencil;
use crate::cosine;

/// Below this share of the largest eigenvalue a wave counts as unseen.
const UNSEEN: f64 = 1e-12;

/// Targets in the units of the stencils, `(height, width, channels)` each.
#[derive(Clone, Debug)]
pub struct Targets {
    /// By which they were taken.
    pub stencil: Stencil,
    /// First derivatives down and to the right, times what the stencil multiplies them by.
    pub first: [Vec<f64>; 2],
    /// Second derivatives per pixel down and to the right, whose sum is the Laplacian.
    pub second: [Vec<f64>; 2],
}

/// The picture that comes nearest; `[a, b]` are the weights. Its mean is zero in every channel.
#[must_use]
pub fn solve(shape: Shape, targets: &Targets, [a, b]: [f64; 2]) -> Vec<f64> {
    let stencil = targets.stencil;
    let mut waves = vec![0.0; targets.first[0].len()];
    let pairs = targets.second[0].iter().zip(&targets.second[1]);
    let laplacian: Vec<f64> = pairs.map(|(rows, columns)| rows + columns).collect();
    for axis in [0, 1] {
        let sloped = stencil.first_transposed(shape, &targets.first[axis], axis);
        let curved = stencil.second(shape, &laplacian, axis);
        for ((sum, s), l) in waves.iter_mut().zip(sloped).zip(curved) {
            *sum += a * s + b * l;
        }
    }
    cosine::forward(shape, &mut waves);
    let eigenvalue = |waves: [usize; 2]| {
        let [down, right] = [0, 1].map(|axis| stencil.eigenvalues(shape, axis, waves));
        a * (down[0] + right[0]) + b * (down[1] + right[1]).powi(2)
    };
    let [first, second] = stencil.largest_eigenvalues();
    let unseen = UNSEEN * (first * a + second * b);
    for (at, wave) in waves.iter_mut().enumerate() {
        let pixel = at / shape.channels;
        let value = eigenvalue([pixel / shape.width, pixel % shape.width]);
        *wave = if value > unseen { *wave / value } else { 0.0 };
    }
    cosine::inverse(shape, &mut waves);
    waves
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        height: 7,
        width: 10,
        channels: 2,
    };

    fn picture() -> Vec<f64> {
        let numbers = (0..SHAPE.height * SHAPE.width * 2).map(|i| (0.37 * (i * i) as f64).sin());
        numbers.collect()
    }

    const ALL: [Stencil; 3] = [Stencil::Spectral, Stencil::Central, Stencil::Sobel];

    fn derivatives(stencil: Stencil, u: &[f64]) -> Targets {
        Targets {
            stencil,
            first: [0, 1].map(|axis| stencil.first(SHAPE, u, axis)),
            second: [0, 1].map(|axis| stencil.second(SHAPE, u, axis)),
        }
    }

    /// The channels of a picture, less their means.
    fn centered(u: &[f64]) -> Vec<f64> {
        let mean = |channel: usize| {
            let own = u.iter().skip(channel).step_by(2);
            own.sum::<f64>() / (u.len() / 2) as f64
        };
        let means = [mean(0), mean(1)];
        let pixels = u.iter().enumerate();
        pixels.map(|(at, x)| x - means[at % 2]).collect()
    }

    /// Whatever the stencil does not see is lost: nothing here, whose sides are no multiples of a wave of two pixels.
    #[test]
    fn a_picture_comes_back_from_its_derivatives_up_to_its_mean() {
        let u = centered(&picture());
        for stencil in ALL {
            let targets = derivatives(stencil, &u);
            for weights in [[0.0, 1.0], [1.0, 0.0], [1.0, 0.3]] {
                let found = solve(SHAPE, &targets, weights);
                for (u, found) in u.iter().zip(found) {
                    assert!(
                        (u - found).abs() < 1e-9,
                        "{stencil:?} {weights:?}: {u} {found}"
                    );
                }
            }
        }
    }

    /// The gradient of the quadratic form vanishes there.
    #[test]
    fn no_picture_near_the_solution_fits_blended_targets_better() {
        let (u, other) = (picture(), picture().into_iter().rev().collect::<Vec<f64>>());
        for stencil in ALL {
            let mut targets = derivatives(stencil, &u);
            let other = derivatives(stencil, &other);
            for axis in [0, 1] {
                // A third of the other's: no picture has these.
                for (at, x) in targets.first[axis].iter_mut().enumerate() {
                    if at % 3 == 0 {
                        *x = other.first[axis][at];
                    }
                }
            }
            let weights = [1.0, 0.3];
            let found = solve(SHAPE, &targets, weights);
            let least = loss(&found, &targets, weights);
            for at in (0..found.len()).step_by(11) {
                for step in [1e-3, -1e-3] {
                    let mut near = found.clone();
                    near[at] += step;
                    assert!(loss(&near, &targets, weights) > least, "{stencil:?}");
                }
            }
        }
    }

    fn loss(u: &[f64], targets: &Targets, [a, b]: [f64; 2]) -> f64 {
        let own = derivatives(targets.stencil, u);
        let square =
            |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
        let slopes = (0..2).map(|axis| square(&own.first[axis], &targets.first[axis]));
        let laplacian = |t: &Targets| -> Vec<f64> {
            let pairs = t.second[0].iter().zip(&t.second[1]);
            pairs.map(|(rows, columns)| rows + columns).collect()
        };
        a * slopes.sum::<f64>() + b * square(&laplacian(&own), &laplacian(targets))
    }
}
