//! Points that are equal.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::Vector;

/// Returns for each point the index of the first point at the same position. `-0` equals `0`.
///
/// Sorts the indices, which takes a tenth of the memory of a hash table.
pub(super) fn first_of_equal(points: &[Vector]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..points.len() as u32).collect();
    let position = |index: u32| points[index as usize];
    order.par_sort_unstable_by(|&a, &b| compare(position(a), position(b)).then(a.cmp(&b)));
    let mut firsts = vec![0; points.len()];
    for group in order.chunk_by(|&a, &b| compare(position(a), position(b)).is_eq()) {
        for &index in group {
            firsts[index as usize] = group[0];
        }
    }
    firsts
}

/// Compares two positions, x first.
fn compare(a: Vector, b: Vector) -> Ordering {
    // The sum with 0 turns -0 into 0.
    let components = a.iter().zip(&b);
    components
        .map(|(a, b)| (a + 0.0).total_cmp(&(b + 0.0)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_is_mapped_to_the_first_at_its_position() {
        let points = [
            [1.0, 0.0, 2.0],
            [1.0, 0.0, 1.0],
            [1.0, -0.0, 2.0],
            [0.0, 0.0, 0.0],
            [1.0, 0.0, 1.0],
            [1.0, 0.0, 2.0],
        ];
        assert_eq!(first_of_equal(&points), [0, 1, 0, 3, 1, 0]);
        assert!(first_of_equal(&[]).is_empty());
    }
}
