//! What all solids of the shape have in common.

use std::f64::consts::TAU;

use nalgebra::Vector3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::knot::KnotTube;
use super::ring::Ring;
use super::rounded_box::RoundedBox;

/// A solid with an exact signed distance.
pub(super) enum Solid {
    Knot(KnotTube),
    Ring(Ring),
    Box(RoundedBox),
}

/// Signed distance of a point to a surface, and its gradient, of length 1.
#[derive(Clone, Copy)]
pub(super) struct DistanceAndGradient {
    pub(super) distance: f64,
    pub(super) gradient: Vector3<f64>,
}

/// A point of a surface, drawn at random, and its outward normal, of length 1.
pub(super) struct SurfaceSample {
    pub(super) point: Vector3<f64>,
    pub(super) normal: Vector3<f64>,
}

impl Solid {
    /// Returns the exact signed distance at `p` and its gradient.
    pub(super) fn distance_and_gradient(&self, p: &Vector3<f64>) -> DistanceAndGradient {
        match self {
            Self::Knot(knot) => knot.distance_and_gradient(p),
            Self::Ring(ring) => ring.distance_and_gradient(p),
            Self::Box(rounded) => rounded.distance_and_gradient(p),
        }
    }

    /// Returns a bound below the signed distance at `p` that costs less than the distance.
    pub(super) fn lower_bound(&self, p: &Vector3<f64>) -> f64 {
        match self {
            Self::Knot(knot) => knot.lower_bound(p),
            Self::Ring(ring) => ring.lower_bound(p),
            Self::Box(rounded) => rounded.lower_bound(p),
        }
    }

    pub(super) fn area(&self) -> f64 {
        match self {
            Self::Knot(knot) => knot.area(),
            Self::Ring(ring) => ring.area(),
            Self::Box(rounded) => rounded.area(),
        }
    }

    /// Draws a point, uniformly distributed over the surface.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> SurfaceSample {
        match self {
            Self::Knot(knot) => knot.sample(rng),
            Self::Ring(ring) => ring.sample(rng),
            Self::Box(rounded) => rounded.sample(rng),
        }
    }
}

/// Returns the signed distance at `p`, and its gradient, of the set of points within `radius` of a core. `core` is the point of the core that
/// is nearest to `p`.
///
/// `d − radius` is the exact signed distance of the set of points within `radius` of a core if every point of that set has a single
/// nearest point in the core (Federer 1959: the core's reach is larger than `radius`).
pub(super) fn distance_from_core(
    p: &Vector3<f64>,
    core: &Vector3<f64>,
    radius: f64,
) -> DistanceAndGradient {
    let delta = p - core;
    let distance = delta.norm();
    let gradient = if distance > 0.0 {
        delta / distance
    } else {
        Vector3::y()
    };
    DistanceAndGradient {
        distance: distance - radius,
        gradient,
    }
}

/// Directions at right angles to a direction and to each other.
pub(super) struct NormalPlane {
    first: Vector3<f64>,
    second: Vector3<f64>,
}

impl NormalPlane {
    /// Returns the plane at right angles to `axis`, of length 1.
    pub(super) fn of(axis: &Vector3<f64>) -> Self {
        let least = axis.iamin();
        let first = axis.cross(&Vector3::ith(least, 1.0)).normalize();
        let second = axis.cross(&first);
        Self { first, second }
    }

    /// Returns the direction at `angle`, in radians.
    pub(super) fn direction(&self, angle: f64) -> Vector3<f64> {
        let (sine, cosine) = angle.sin_cos();
        self.first * cosine + self.second * sine
    }
}

/// Draws an angle in [0, 2π).
pub(super) fn sample_angle(rng: &mut ChaCha8Rng) -> f64 {
    TAU * rng.random::<f64>()
}

/// Draws a direction, uniformly distributed over the unit sphere.
pub(super) fn sample_direction(rng: &mut ChaCha8Rng) -> Vector3<f64> {
    // Archimedes: the height of a uniformly distributed point of the sphere is uniformly distributed.
    let height = 2.0 * rng.random::<f64>() - 1.0;
    let (sine, cosine) = sample_angle(rng).sin_cos();
    let radius = (1.0 - height * height).sqrt();
    Vector3::new(radius * cosine, radius * sine, height)
}
