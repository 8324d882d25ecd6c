//! Sums of squares.

use rayon::prelude::*;

use crate::Real;

/// Numbers that a thread works on at once.
const PIECE: usize = 1 << 14;
/// Sums that a piece is split into: each addition waits for the one before, and these do not wait for one another.
const LANES: usize = 16;

/// `Σ xᵢ²` in `f64`, in an order that does not depend on the threads.
pub fn sum_of_squares<T: Real>(numbers: &[T]) -> f64 {
    let squares = |piece: &[T]| {
        let mut lanes = [0.0; LANES];
        for numbers in piece.chunks(LANES) {
            for (lane, &number) in lanes.iter_mut().zip(numbers) {
                let number = number.to_double();
                *lane += number * number;
            }
        }
        lanes.iter().sum::<f64>()
    };
    let sums: Vec<f64> = numbers.par_chunks(PIECE).map(squares).collect();
    sums.iter().sum()
}
