//! Transforms of nodes.

use super::super::Vector;
use super::super::vector::{cross, dot, scaled, sum};

/// An affine transform: `x ↦ A x + b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transform {
    /// Columns of `A`.
    columns: [Vector; 3],
    offset: Vector,
}

impl Transform {
    pub(super) fn identity() -> Self {
        Self {
            columns: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            offset: [0.0; 3],
        }
    }

    /// Returns the transform that applies a child's matrix, given by its columns, before this one.
    pub(super) fn then(&self, child: &[[f32; 4]; 4]) -> Self {
        let column = |index: usize| {
            let [x, y, z, _] = child[index].map(f64::from);
            [x, y, z]
        };
        Self {
            columns: [0, 1, 2].map(|index| self.linear(column(index))),
            offset: self.point(column(3)),
        }
    }

    /// Returns `A v`.
    fn linear(&self, [x, y, z]: Vector) -> Vector {
        let [a, b, c] = self.columns;
        sum(sum(scaled(a, x), scaled(b, y)), scaled(c, z))
    }

    /// Transforms a position.
    pub(super) fn point(&self, position: Vector) -> Vector {
        sum(self.linear(position), self.offset)
    }

    /// Transforms a normal, by a multiple of the inverse transpose of `A`: the length of the result has no meaning.
    pub(super) fn normal(&self, [x, y, z]: Vector) -> Vector {
        let [a, b, c] = self.columns;
        let cofactors = [cross(b, c), cross(c, a), cross(a, b)];
        let normal = sum(
            sum(scaled(cofactors[0], x), scaled(cofactors[1], y)),
            scaled(cofactors[2], z),
        );
        if self.is_reflection() {
            scaled(normal, -1.0)
        } else {
            normal
        }
    }

    /// Returns whether the transform exchanges left and right: det `A` < 0.
    pub(super) fn is_reflection(&self) -> bool {
        let [a, b, c] = self.columns;
        dot(a, cross(b, c)) < 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::vector::unit;
    use super::*;

    #[test]
    fn normals_stay_perpendicular_to_a_surface_that_is_stretched_or_reflected() {
        for factor in [3.0, -3.0] {
            let matrix = [
                [factor, 0.0, 0.0, 0.0],
                [0.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 1.0, 0.0],
                [10.0, 20.0, 30.0, 1.0],
            ];
            let transform = Transform::identity().then(&matrix);
            assert_eq!(transform.is_reflection(), factor < 0.0);
            assert_eq!(
                transform.point([1.0, 1.0, 1.0]).to_vec(),
                [10.0 + f64::from(factor), 21.0, 31.0]
            );
            // The plane x + y = 0 and its normal, stretched along x.
            let tangent = transform.linear([1.0, -1.0, 0.0]);
            let normal = unit(transform.normal([1.0, 1.0, 0.0])).unwrap();
            assert!(dot(tangent, normal).abs() < 1e-12);
            // The point that the normal pointed to stays on its side.
            assert!(dot(normal, transform.linear([1.0, 1.0, 0.0])) > 0.0);
        }
    }
}
