//! Sums of squares.

use rayon::prelude::*;

use crate::Real;

/// Number of elements that a thread sums at once.
const PIECE: usize = 1 << 14;
/// Number of independent partial sums of a piece: an addition waits for the previous one of its own partial sum only.
const LANES: usize = 16;

/// Returns `Σ xᵢ²` in double precision, 0 for an empty slice.
///
/// Runs on the current rayon pool. The order of additions, and thus every bit of the result, is independent of the number of threads.
pub fn sum_of_squares<T: Real>(values: &[T]) -> f64 {
    let squares = |piece: &[T]| {
        let mut lanes = [0.0; LANES];
        for values in piece.chunks(LANES) {
            for (lane, &value) in lanes.iter_mut().zip(values) {
                let value = value.to_double();
                *lane += value * value;
            }
        }
        lanes.iter().sum::<f64>()
    };
    let sums: Vec<f64> = values.par_chunks(PIECE).map(squares).collect();
    sums.iter().sum()
}
