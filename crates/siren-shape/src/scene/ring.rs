//! Torus.

use std::f64::consts::TAU;

use nalgebra::Vector3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::solid::{
    DistanceAndGradient, NormalPlane, SurfaceSample, distance_from_core, sample_angle,
};

/// All points within `minor` of the circle of radius `major` around `center`, at right angles to `axis`.
pub(super) struct Ring {
    pub(super) center: Vector3<f64>,
    /// Has length 1.
    pub(super) axis: Vector3<f64>,
    pub(super) major: f64,
    /// Less than `major`, the reach of the circle.
    pub(super) minor: f64,
}

impl Ring {
    pub(super) fn distance_and_gradient(&self, p: &Vector3<f64>) -> DistanceAndGradient {
        let local = p - self.center;
        let in_plane = local - self.axis * local.dot(&self.axis);
        let length = in_plane.norm();
        let direction = if length > 0.0 {
            in_plane / length
        } else {
            NormalPlane::of(&self.axis).direction(0.0)
        };
        distance_from_core(p, &(self.center + direction * self.major), self.minor)
    }

    pub(super) fn lower_bound(&self, p: &Vector3<f64>) -> f64 {
        (p - self.center).norm() - (self.major + self.minor)
    }

    pub(super) fn area(&self) -> f64 {
        TAU * TAU * self.major * self.minor
    }

    /// Draws a point. The area element is `minor (major + minor cos φ) dθ dφ`.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> SurfaceSample {
        let outward = NormalPlane::of(&self.axis).direction(sample_angle(rng));
        loop {
            let (sine, cosine) = sample_angle(rng).sin_cos();
            let density = (self.major + self.minor * cosine) / (self.major + self.minor);
            if rng.random::<f64>() < density {
                let normal = outward * cosine + self.axis * sine;
                return SurfaceSample {
                    point: self.center + outward * self.major + normal * self.minor,
                    normal,
                };
            }
        }
    }
}
