//! Operations on vectors of three components.

use super::Vector;

pub(crate) fn sum(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn difference(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scaled(a: Vector, factor: f64) -> Vector {
    a.map(|component| component * factor)
}

pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// Returns (b − a) × (c − a) of a triangle: its normal, counterclockwise, with the length of twice its area.
pub(crate) fn face_normal([a, b, c]: [Vector; 3]) -> Vector {
    cross(difference(b, a), difference(c, a))
}

/// Returns the Euclidean length.
pub(crate) fn length(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn is_finite(a: Vector) -> bool {
    a.iter().all(|component| component.is_finite())
}

/// Returns the vector of length 1 in the direction of `a`, or `None` if `a` is zero or not finite.
pub(crate) fn unit(a: Vector) -> Option<Vector> {
    // Scaled first: the square of a long or short vector is infinite or zero.
    let largest = a.iter().fold(0.0, |largest: f64, c| largest.max(c.abs()));
    if !is_finite(a) || largest == 0.0 {
        return None;
    }
    let a = a.map(|component| component / largest);
    Some(scaled(a, 1.0 / length(a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_of_vectors_of_any_length_is_found() {
        for size in [1e-300, 1.0, 1e300] {
            let [x, y, z] = unit([3.0 * size, 0.0, -4.0 * size]).unwrap();
            assert!((x - 0.6).abs() < 1e-15 && y == 0.0 && (z + 0.8).abs() < 1e-15);
        }
        for vector in [[0.0; 3], [f64::NAN, 1.0, 0.0], [f64::INFINITY, 1.0, 0.0]] {
            assert_eq!(unit(vector), None);
        }
    }
}
