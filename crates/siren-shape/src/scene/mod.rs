//! The embedded shape: a knot in rings on a pedestal, whose signed distance is known exactly.

mod knot;
mod layout;
mod ring;
mod rounded_box;
mod solid;
#[cfg(test)]
mod tests;

use nalgebra::Vector3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use self::solid::{DistanceAndGradient, Solid};
use crate::geometry::{PointCloud, Vector};

/// A union of disjoint solids with details from 0.01 to 1 in size, in a box centered at 0 whose longest side is at most 1.8.
///
/// The solids are a tube around a trefoil knot, thin rings around the tube, and boxes and pins with rounded edges. The signed
/// distance `d(p) = min_i d_i(p)`, negative inside, is exact at every point, since every `d_i` is exact and the solids are disjoint:
///
/// * Outside of all solids, the nearest point of the union is the nearest point of the nearest solid.
/// * Inside solid `i`, every other `d_j` is positive, so `d = d_i`. The nearest point of the union's boundary is on the boundary of
///   solid `i`, because a straight path to another solid leaves solid `i` first.
pub struct Scene {
    solids: Vec<Solid>,
    /// Area of the solids up to and including each one.
    areas: Vec<f64>,
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// Creates the shape.
    #[must_use]
    pub fn new() -> Self {
        let solids = layout::solids();
        let areas = solids.iter().scan(0.0, |area, solid| {
            *area += solid.area();
            Some(*area)
        });
        let areas = areas.collect();
        Self { solids, areas }
    }

    /// Returns the exact signed distance from `p` to the surface, negative inside, NaN if a coordinate is NaN. Errors are below 1e-9 in the cube
    /// [−10, 10]³.
    #[must_use]
    pub fn signed_distance(&self, p: Vector) -> f64 {
        self.distance_and_gradient(p).distance
    }

    /// Returns the gradient of the signed distance at `p`, of length 1: the direction from the nearest point of the surface if `p` is
    /// outside, and toward it if `p` is inside.
    ///
    /// Where several points of the surface are nearest, the gradient of one of them is returned.
    #[must_use]
    pub fn gradient(&self, p: Vector) -> Vector {
        self.distance_and_gradient(p).gradient.into()
    }

    /// Returns the area of the surface.
    #[must_use]
    pub fn area(&self) -> f64 {
        self.areas.last().copied().unwrap_or_default()
    }

    /// Draws `count` points, uniformly distributed over the surface, with their outward normals.
    #[must_use]
    pub fn sample(&self, count: usize, rng: &mut ChaCha8Rng) -> PointCloud {
        let mut points = Vec::with_capacity(count);
        let mut normals = Vec::with_capacity(count);
        while points.len() < count {
            let area = rng.random::<f64>() * self.area();
            let index = self.areas.partition_point(|&sum| sum <= area);
            let Some(solid) = self.solids.get(index) else {
                continue; // rounding: `area` is the total
            };
            let sample = solid.sample(rng);
            points.push(sample.point.into());
            normals.push(sample.normal.into());
        }
        PointCloud {
            points,
            normals: Some(normals),
        }
    }

    fn distance_and_gradient(&self, p: Vector) -> DistanceAndGradient {
        let p = Vector3::from(p);
        if p.iter().any(|x| x.is_nan()) {
            return DistanceAndGradient {
                distance: f64::NAN,
                gradient: Vector3::repeat(f64::NAN),
            };
        }
        let mut nearest = DistanceAndGradient {
            distance: f64::INFINITY,
            gradient: Vector3::y(),
        };
        for solid in &self.solids {
            if solid.lower_bound(&p) < nearest.distance {
                let candidate = solid.distance_and_gradient(&p);
                if candidate.distance < nearest.distance {
                    nearest = candidate;
                }
            }
        }
        nearest
    }
}
