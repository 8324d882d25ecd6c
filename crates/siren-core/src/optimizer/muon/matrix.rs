//! The step of one matrix.

use siren_kernel::product::Matrix;

use super::MuonConfig;
use crate::field::tensor::Element;

/// Upper bound of the singular values of what is iterated, and so of its elements.
pub(super) const LARGEST_SINGULAR_VALUE: f64 = 1.3;
/// Of the quintic `p(x) = a x + b x³ + c x⁵` that is iterated: it drives every singular value in (0, 1] into [0.68, 1.13],
/// fast where they are small.
const QUINTIC: [f64; 3] = [3.4445, -4.775, 2.0315];
/// Added to the norm by which the first iterate is divided.
const EPSILON: f64 = 1e-7;

/// Constants of the step of a matrix `W (m, n)`, as PyTorch's `Muon` takes it, but in the precision of the parameters, not in bfloat16:
///
/// ```text
/// M ← μ M + (1 − μ) G        U = μ M + (1 − μ) G
/// W ← W (1 − η λ) − η √max(1, m/n) · NS(U / ‖U‖)
/// ```
///
/// where `NS` iterates `X ← a X + (b A + c A²) X`, `A = X Xᵀ`: an approximation of the nearest orthogonal matrix.
pub(super) struct MatrixRule {
    /// Factor of the gradient, from clipping.
    factor: f64,
    momentum: f64,
    rate: f64,
    weight_decay: f64,
    iterations: usize,
}

impl MatrixRule {
    /// Returns the rule with learning rate `rate`, for gradients that are multiplied by `factor`.
    pub(super) fn new(config: &MuonConfig, rate: f64, factor: f64) -> Self {
        Self {
            factor,
            momentum: config.momentum,
            rate,
            weight_decay: config.weight_decay,
            iterations: config.iterations,
        }
    }

    /// Returns the weight `(m, n)` after a step, given the momentum after it.
    pub(super) fn step<T: Element>(
        &self,
        weight: &[T],
        momentum: &[T],
        gradient: &[T],
        shape: [usize; 2],
    ) -> Vec<T> {
        let direction = blend(self, momentum, gradient);
        let direction = orthogonalized(&direction, shape, self.iterations);
        let kept = T::of(1.0 - self.rate * self.weight_decay);
        let distance = T::of(self.rate * scale(shape));
        let elements = weight.iter().zip(direction);
        elements
            .map(|(&w, direction)| w * kept - direction * distance)
            .collect()
    }
}

/// `μ M + (1 − μ) G`.
pub(super) fn blend<T: Element>(rule: &MatrixRule, momentum: &[T], gradient: &[T]) -> Vec<T> {
    let [kept, rest, factor] = [rule.momentum, 1.0 - rule.momentum, rule.factor].map(T::of);
    let elements = momentum.iter().zip(gradient);
    elements
        .map(|(&m, &g)| m * kept + g * factor * rest)
        .collect()
}

/// `√max(1, m/n)`, by which the step of a matrix `(m, n)` is multiplied.
pub(super) fn scale([rows, columns]: [usize; 2]) -> f64 {
    (rows as f64 / columns as f64).max(1.0).sqrt()
}

/// `NS(U / ‖U‖)`.
///
/// The iteration is on `Y = Xᵀ` where that is tall, so that `A = Yᵀ Y` is the smaller of the two squares: `Y ← a Y + Y (b A + c A²)`.
pub(super) fn orthogonalized<T: Element>(
    matrix: &[T],
    [rows, columns]: [usize; 2],
    iterations: usize,
) -> Vec<T> {
    let squares = matrix.iter().map(|x| x.to_double().powi(2));
    let factor = T::of(1.0 / (squares.sum::<f64>().sqrt() + EPSILON));
    let scaled: Vec<T> = matrix.iter().map(|&x| x * factor).collect();
    let [a, b, c] = QUINTIC.map(T::of);
    let wide = rows < columns;
    let [mut y, mut y_transposed] = if wide {
        let transposed = Matrix::from_row_major(rows, columns, &scaled);
        [transposed.transposed(), transposed]
    } else {
        let y = Matrix::from_row_major(rows, columns, &scaled);
        let transposed = y.transposed();
        [y, transposed]
    };
    let side = rows.min(columns);
    let [mut square, mut fourth] = [(); 2].map(|()| Matrix::zeros(side, side));
    for iteration in 0..iterations {
        if iteration > 0 {
            y.transpose_into(&mut y_transposed);
        }
        y.gram(&mut square);
        // It is symmetric: its own square is that of its transpose with itself.
        square.gram(&mut fourth);
        square.zip_mut_with(&fourth, |s, f| b * s + c * f);
        y.map(|y| a * y);
        y_transposed.add_transposed_product(&square, &mut y);
    }
    if wide {
        y.transposed().to_vec()
    } else {
        y.to_vec()
    }
}
