//! Scores that several equations share, and the points at which they are computed.

use num_complex::Complex64;
use siren_core::metrics::Metric;

use crate::Point;

/// Relative error in percent: of waves `100 ‖u − u*‖ / ‖u*‖` (in |x|, |y| ≤ ½ without sources for the Helmholtz equation, the mean over the frames for
/// the wave equation, where a source term has `‖u*‖` of its largest frame), of a medium `100 ‖m − m*‖ / ‖1 − m*‖` in |x|, |y| ≤ 0.33.
pub const RELATIVE_ERROR_PERCENT: Metric = Metric::lower("relative_error_percent", "%");

/// Returns `100 ‖a − b‖ / ‖b‖` of pairs `(a, b)`.
pub(crate) fn relative_percent(pairs: impl Iterator<Item = (Complex64, Complex64)>) -> f64 {
    let sums = |[difference, norm]: [f64; 2], (a, b): (Complex64, Complex64)| {
        [difference + (a - b).norm_sqr(), norm + b.norm_sqr()]
    };
    let [difference, norm] = pairs.fold([0.0; 2], sums);
    100.0 * (difference / norm).sqrt()
}

/// Returns `Σ b²`.
pub(crate) fn squared_norm(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, b| sum + b * b)
}

/// Returns `100 ‖a − b‖ / √s` of two waves and the squared norm `s` of a third.
pub(crate) fn percent_of(squared_norm: f64, a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.iter().zip(b);
    let difference = pairs.fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b));
    100.0 * (difference / squared_norm).sqrt()
}

/// Returns the `side` × `side` points of a grid on the square |x|, |y| ≤ `half`, borders included: rows ascend in y, columns in x.
pub(crate) fn grid(side: usize, half: f64) -> Vec<Point> {
    let at = |index: usize| half * (2.0 * index as f64 / (side - 1) as f64 - 1.0);
    (0..side * side)
        .map(|i| [at(i % side), at(i / side)])
        .collect()
}
