//! Box with rounded edges.

use std::f64::consts::{PI, TAU};

use nalgebra::{Rotation3, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::solid::{
    DistanceAndGradient, SurfaceSample, distance_from_core, sample_angle, sample_direction,
};

/// All points within `radius` of a core, a box with half the sizes `half`. A half size may be 0: a core that is a segment gives a capsule.
///
/// Outside of the core, the distance to the core minus `radius` is exact, because the core is convex. Inside, the ball that touches
/// the core's nearest side grows by `radius` with the solid, and touches the solid's flat side.
pub(super) struct RoundedBox {
    pub(super) center: Vector3<f64>,
    /// From the box's own axes to the axes of space.
    pub(super) rotation: Rotation3<f64>,
    pub(super) half: Vector3<f64>,
    pub(super) radius: f64,
}

impl RoundedBox {
    pub(super) fn distance_and_gradient(&self, p: &Vector3<f64>) -> DistanceAndGradient {
        let local = self.rotation.inverse_transform_vector(&(p - self.center));
        let core = local.sup(&-self.half).inf(&self.half);
        let in_box_axes = if core == local {
            let depths = self.half - local.abs();
            let axis = depths.imin();
            DistanceAndGradient {
                distance: -depths[axis] - self.radius,
                gradient: Vector3::ith(axis, 1.0_f64.copysign(local[axis])),
            }
        } else {
            distance_from_core(&local, &core, self.radius)
        };
        DistanceAndGradient {
            distance: in_box_axes.distance,
            gradient: self.rotation * in_box_axes.gradient,
        }
    }

    pub(super) fn lower_bound(&self, p: &Vector3<f64>) -> f64 {
        (p - self.center).norm() - (self.half.norm() + self.radius)
    }

    pub(super) fn area(&self) -> f64 {
        self.side_areas().sum() + self.edge_areas().sum() + 2.0 * TAU * self.radius * self.radius
    }

    /// Returns the area of both flat sides at right angles to each axis.
    fn side_areas(&self) -> Vector3<f64> {
        let [x, y, z] = self.half.into();
        Vector3::new(y * z, z * x, x * y) * 8.0
    }

    /// Returns the area of the four rounded edges parallel to each axis, which form a whole cylinder.
    fn edge_areas(&self) -> Vector3<f64> {
        self.half * (4.0 * PI * self.radius)
    }

    /// Draws a point of a side, an edge or a corner.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> SurfaceSample {
        let mut area = rng.random::<f64>() * self.area();
        let mut normal = sample_direction(rng);
        for axis in 0..3 {
            let side = self.side_areas()[axis];
            if (0.0..side).contains(&area) {
                normal = Vector3::ith(axis, if area < 0.5 * side { -1.0 } else { 1.0 });
            }
            area -= side;
        }
        for axis in 0..3 {
            let edge = self.edge_areas()[axis];
            if (0.0..edge).contains(&area) {
                let (sine, cosine) = sample_angle(rng).sin_cos();
                normal[axis] = 0.0;
                normal[(axis + 1) % 3] = cosine;
                normal[(axis + 2) % 3] = sine;
            }
            area -= edge;
        }
        // The core's point with this normal: the corner toward it, or anywhere along the axes at right angles to it.
        let core = Vector3::from_fn(|axis, _| {
            let position = if normal[axis] == 0.0 {
                2.0 * rng.random::<f64>() - 1.0
            } else {
                normal[axis].signum()
            };
            self.half[axis] * position
        });
        SurfaceSample {
            point: self.center + self.rotation * (core + normal * self.radius),
            normal: self.rotation * normal,
        }
    }
}
