//! The formulas of the optimizers on the CPU, in double precision, and Muon's in single precision too.

use siren_kernel::Real;

use crate::optimizer::{AdamStep, MuonStep};

/// Returns `len` elements in (−1, 1) without a pattern; those of other seeds differ.
pub(super) fn elements(len: usize, seed: usize) -> Vec<f32> {
    let element = |i: usize| {
        // The finalizer of MurmurHash3.
        let mut bits = (i + seed * 1_000_003) as u32;
        for (shift, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35)] {
            bits = (bits ^ (bits >> shift)).wrapping_mul(factor);
        }
        ((bits ^ (bits >> 16)) >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(element).collect()
}

pub(super) fn widened(elements: &[f32]) -> Vec<f64> {
    elements.iter().map(|&x| f64::from(x)).collect()
}

/// Returns the largest difference, relative to the largest expected magnitude.
pub(super) fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // NaN must not vanish in a maximum.
    differences.fold(0.0, |most: f64, x| if x <= most { most } else { x }) / largest
}

/// Parameters and the moments of all of them, after one step of Adam as written in its documentation.
pub(super) fn adam_oracle(
    step: &AdamStep,
    gradient: &[f32],
    theta: &mut [f64],
    [first, second]: &mut [Vec<f64>; 2],
) {
    for (i, theta) in theta.iter_mut().enumerate() {
        let g = step.factor * f64::from(gradient[i]) + step.decay * *theta;
        first[i] = step.betas[0] * first[i] + (1.0 - step.betas[0]) * g;
        second[i] = step.betas[1] * second[i] + (1.0 - step.betas[1]) * g * g;
        let root = second[i].sqrt() * step.inverse_root;
        *theta = step.rest * *theta - step.rate * first[i] / (root + step.epsilon);
    }
}

/// `XᵀX` for a matrix with so many columns.
fn gram<T: Real>(x: &[T], columns: usize) -> Vec<T> {
    let mut square = vec![T::of(0.0); columns * columns];
    for row in x.chunks(columns) {
        for i in 0..columns {
            for j in 0..columns {
                square[i * columns + j] += row[i] * row[j];
            }
        }
    }
    square
}

fn transposed<T: Real>(x: &[T], columns: usize) -> Vec<T> {
    let column = |c| x.iter().skip(c).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

/// `NS(U / (‖U‖ + 10⁻⁷))` in the precision of `T`.
fn orthogonalized<T: Real>(u: &[T], columns: usize, iterations: usize) -> Vec<T> {
    let rows = u.len() / columns;
    if rows < columns {
        let tall = orthogonalized(&transposed(u, columns), rows, iterations);
        return transposed(&tall, rows);
    }
    let squares = u.iter().map(|x| x.to_double().powi(2));
    let norm = squares.sum::<f64>().sqrt() + 1e-7;
    let mut y: Vec<T> = u.iter().map(|x| T::of(x.to_double() / norm)).collect();
    let [a, b, c] = [3.4445, -4.775, 2.0315].map(T::of);
    for _ in 0..iterations {
        let square = gram(&y, columns);
        let fourth = gram(&square, columns);
        let polynomial = square.iter().zip(&fourth).map(|(&s, &f)| b * s + c * f);
        let polynomial: Vec<T> = polynomial.collect();
        for row in y.chunks_mut(columns) {
            let old = row.to_vec();
            for (j, y) in row.iter_mut().enumerate() {
                let products = old.iter().enumerate();
                let sum: T = products
                    .map(|(k, &x)| x * polynomial[k * columns + j])
                    .sum();
                *y = a * *y + sum;
            }
        }
    }
    y
}

/// A matrix and its momentum.
pub(super) struct Stepped<T> {
    weight: Vec<T>,
    pub(super) momentum: Vec<T>,
}

impl<T: Real> Stepped<T> {
    pub(super) fn new(weight: &[f32]) -> Self {
        Self {
            weight: weight.iter().map(|&w| T::of(f64::from(w))).collect(),
            momentum: vec![T::of(0.0); weight.len()],
        }
    }

    /// Takes one step as written in the documentation of [`MuonStep`].
    pub(super) fn step(&mut self, step: &MuonStep, gradient: &[f32], columns: usize) {
        let (mu, rest) = (T::of(step.momentum), T::of(1.0 - step.momentum));
        let mut u = Vec::new();
        for (m, &g) in self.momentum.iter_mut().zip(gradient) {
            let g = T::of(f64::from(g)) * T::of(step.factor);
            *m = mu * *m + rest * g;
            u.push(mu * *m + rest * g);
        }
        let direction = orthogonalized(&u, columns, step.iterations);
        let scale = ((u.len() / columns) as f64 / columns as f64)
            .max(1.0)
            .sqrt();
        for (w, d) in self.weight.iter_mut().zip(direction) {
            *w = *w * T::of(1.0 - step.rate * step.weight_decay) - d * T::of(step.rate * scale);
        }
    }

    pub(super) fn weight(&self) -> Vec<f64> {
        self.weight.iter().map(|w| w.to_double()).collect()
    }
}
