//! Points that are equal.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::Vector;

/// Returns for each point the index of the first point at the same position. `-0` equals `0`.
///
/// Sorts the points instead of hashing them, which takes less memory: 20 bytes a point.
pub(super) fn first_of_equal(points: &[Vector]) -> Vec<u32> {
    // The x coordinates lie beside the indices: most comparisons look nowhere else.
    let mut order: Vec<(f64, u32)> = points.iter().map(|point| point[0] + 0.0).zip(0..).collect();
    let compare = |a: &(f64, u32), b: &(f64, u32)| {
        a.0.total_cmp(&b.0)
            .then_with(|| compare(points[a.1 as usize], points[b.1 as usize]))
    };
    order.par_sort_unstable_by(|a, b| compare(a, b).then(a.1.cmp(&b.1)));
    let mut firsts = vec![0; points.len()];
    for group in order.chunk_by(|a, b| compare(a, b).is_eq()) {
        for &(_, index) in group {
            firsts[index as usize] = group[0].1;
        }
    }
    firsts
}

/// Compares two positions, x first.
fn compare(a: Vector, b: Vector) -> Ordering {
    // The sum with 0 turns -0 into 0.
    a.iter()
        .zip(&b)
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
