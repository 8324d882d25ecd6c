//! What a classical solver makes of the same targets: the picture whose stencils come nearest to them.
//!
//! It minimizes `a Σᵢ ‖Sᵢ u − gᵢ‖² + b ‖L u − l‖²` over all pictures u, with Sobel's stencils S and the five-point Laplacian L. Pictures
//! go on as their mirror images, so cosines are eigenvectors of `SᵀS` and L, and the normal equations are solved by a cosine
//! transform, a division and a transform back. Waves that no stencil sees (the mean; with S alone, also the finest ones) are left out.

use rustdct::DctPlanner;
use siren_picture::stencil::Shape;

/// Below this share of the largest eigenvalue a wave counts as unseen.
const UNSEEN: f64 = 1e-12;

/// Targets in the units of the stencils, `(height, width, channels)` each.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Sobel's differences down and to the right.
    pub sobel: [Vec<f64>; 2],
    /// Second differences down and to the right, whose sum is the five-point Laplacian.
    pub second: [Vec<f64>; 2],
}

/// The picture that comes nearest; `[a, b]` are the weights. Its mean is zero in every channel.
#[must_use]
pub fn solve(shape: Shape, targets: &Targets, [a, b]: [f64; 2]) -> Vec<f64> {
    let mut waves = vec![0.0; targets.sobel[0].len()];
    let pairs = targets.second[0].iter().zip(&targets.second[1]);
    let laplacian: Vec<f64> = pairs.map(|(rows, columns)| rows + columns).collect();
    for axis in [0, 1] {
        let sobel = shape.sobel_transposed(&targets.sobel[axis], axis);
        let curved = shape.second_difference(&laplacian, axis);
        for ((sum, s), l) in waves.iter_mut().zip(sobel).zip(curved) {
            *sum += a * s + b * l;
        }
    }
    transform(shape, &mut waves, Way::Forward);
    let eigenvalue = |waves: [usize; 2]| {
        let [down, right] = [0, 1].map(|axis| shape.eigenvalues(axis, waves));
        a * (down[0] + right[0]) + b * (down[1] + right[1]).powi(2)
    };
    // Of the order of the largest there can be: 4 · 16 for S along each axis, 8² for L.
    let unseen = UNSEEN * (128.0 * a + 64.0 * b);
    for (at, wave) in waves.iter_mut().enumerate() {
        let pixel = at / shape.channels;
        let value = eigenvalue([pixel / shape.width, pixel % shape.width]);
        *wave = if value > unseen { *wave / value } else { 0.0 };
    }
    transform(shape, &mut waves, Way::Back);
    waves
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Forward,
    Back,
}

/// The cosine transform along both axes, or its inverse.
fn transform(shape: Shape, values: &mut [f64], way: Way) {
    let mut planner = DctPlanner::new();
    for (side, stride) in [
        (shape.height, shape.width * shape.channels),
        (shape.width, shape.channels),
    ] {
        let dct = planner.plan_dct2(side);
        let mut line = vec![0.0; side];
        for block in values.chunks_exact_mut(side * stride) {
            for first in 0..stride {
                for (i, x) in line.iter_mut().enumerate() {
                    *x = block[first + i * stride];
                }
                match way {
                    Way::Forward => dct.process_dct2(&mut line),
                    Way::Back => dct.process_dct3(&mut line),
                }
                let scale = match way {
                    Way::Forward => 1.0,
                    Way::Back => 2.0 / side as f64,
                };
                for (i, x) in line.iter().enumerate() {
                    block[first + i * stride] = scale * x;
                }
            }
        }
    }
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

    fn stencils(u: &[f64]) -> Targets {
        Targets {
            sobel: [0, 1].map(|axis| SHAPE.sobel(u, axis)),
            second: [0, 1].map(|axis| SHAPE.second_difference(u, axis)),
        }
    }

    #[test]
    fn a_picture_comes_back_from_its_laplacian_up_to_its_mean() {
        let u = picture();
        let found = solve(SHAPE, &stencils(&u), [0.0, 1.0]);
        for channel in [0, 1] {
            let of = |values: &[f64]| {
                values
                    .iter()
                    .skip(channel)
                    .step_by(2)
                    .copied()
                    .collect::<Vec<f64>>()
            };
            let (u, found) = (of(&u), of(&found));
            let mean = u.iter().sum::<f64>() / u.len() as f64;
            for (u, found) in u.iter().zip(found) {
                assert!((u - mean - found).abs() < 1e-10, "{u} {found}");
            }
        }
    }

    /// The gradient of the quadratic form vanishes there.
    #[test]
    fn no_picture_near_the_solution_fits_blended_targets_better() {
        let (u, other) = (picture(), picture().into_iter().rev().collect::<Vec<f64>>());
        let (a, b) = (stencils(&u), stencils(&other));
        let mut targets = a.clone();
        for axis in [0, 1] {
            // Half of each: no picture has these.
            for (at, x) in targets.sobel[axis].iter_mut().enumerate() {
                if at % 3 == 0 {
                    *x = b.sobel[axis][at];
                }
            }
        }
        let weights = [1.0, 0.3];
        let loss = |u: &[f64]| {
            let s = stencils(u);
            let square =
                |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
            let sobel = (0..2).map(|axis| square(&s.sobel[axis], &targets.sobel[axis]));
            let sum = |t: &Targets| -> Vec<f64> {
                t.second[0]
                    .iter()
                    .zip(&t.second[1])
                    .map(|(a, b)| a + b)
                    .collect()
            };
            weights[0] * sobel.sum::<f64>() + weights[1] * square(&sum(&s), &sum(&targets))
        };
        let found = solve(SHAPE, &targets, weights);
        let least = loss(&found);
        for at in (0..found.len()).step_by(11) {
            for step in [1e-3, -1e-3] {
                let mut near = found.clone();
                near[at] += step;
                assert!(loss(&near) > least);
            }
        }
    }
}
