//! Tube around a torus knot.

use std::f64::consts::{PI, TAU};

use nalgebra::{Complex, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::solid::{
    DistanceAndGradient, NormalPlane, SurfaceSample, distance_from_core, sample_angle,
};

/// Number of equal intervals of the parameter in which the search for the nearest point starts.
const INTERVALS: usize = 96;
/// Half the width of the intervals at which the search ends. Halving further changes the squared distance by less than 1e-12.
const SMALLEST_HALF_WIDTH: f64 = 1e-5;
/// Multiples of the parameter in the squared distance.
const HARMONICS: [f64; 4] = [1.0, 2.0, 3.0, 5.0];

/// All points within `radius` of the (2, 3) torus knot around `center`
///
/// `c(t) = (−(R + a cos 3t) sin 2t, (R + a cos 3t) cos 2t, a sin 3t)`, `R = major`, `a = minor`, `0 ≤ t < 2π`, a trefoil one of whose lobes
/// points up.
///
/// Its distance is exact if `radius` is less than the knot's radii of curvature and less than half the distance of its strands.
pub(super) struct KnotTube {
    center: Vector3<f64>,
    major: f64,
    minor: f64,
    radius: f64,
    /// Length of the knot.
    length: f64,
    /// Bounds of ‖c′‖ and of the curvature.
    max_speed: f64,
    max_curvature: f64,
    /// Middles of the first intervals.
    nodes: Vec<Node>,
}

/// A parameter `t` and `exp(i k t)` for every `k` of [`HARMONICS`].
struct Node {
    t: f64,
    waves: [Complex<f64>; 4],
}

/// Radii of the knot and of the tube around it.
pub(super) struct KnotRadii {
    pub(super) major: f64,
    pub(super) minor: f64,
    pub(super) tube: f64,
}

/// Position and first two derivatives of the knot.
pub(super) struct CurvePoint {
    pub(super) position: Vector3<f64>,
    pub(super) velocity: Vector3<f64>,
    pub(super) acceleration: Vector3<f64>,
}

impl CurvePoint {
    pub(super) fn tangent(&self) -> Vector3<f64> {
        self.velocity.normalize()
    }

    /// Returns the curvature times the direction of the center of curvature.
    pub(super) fn curvature(&self) -> Vector3<f64> {
        let tangent = self.tangent();
        let normal_part = self.acceleration - tangent * self.acceleration.dot(&tangent);
        normal_part / self.velocity.norm_squared()
    }
}

impl KnotTube {
    pub(super) fn new(center: Vector3<f64>, radii: &KnotRadii) -> Self {
        let node = |i: usize| Node::at(TAU * (i as f64 + 0.5) / INTERVALS as f64);
        let mut tube = Self {
            center,
            major: radii.major,
            minor: radii.minor,
            radius: radii.tube,
            length: 0.0,
            max_speed: 0.0,
            max_curvature: 0.0,
            nodes: (0..INTERVALS).map(node).collect(),
        };
        // The trapezoidal rule is exact to rounding for a smooth periodic function at this many nodes.
        let nodes = 4096;
        for i in 0..nodes {
            let point = tube.curve(TAU * f64::from(i) / f64::from(nodes));
            let speed = point.velocity.norm();
            tube.length += speed * TAU / f64::from(nodes);
            // Between two nodes, both exceed the larger value at the nodes by far less than 1 %.
            tube.max_speed = tube.max_speed.max(1.01 * speed);
            tube.max_curvature = tube.max_curvature.max(1.01 * point.curvature().norm());
        }
        tube
    }

    /// Returns the point of the knot at parameter `t`.
    pub(super) fn curve(&self, t: f64) -> CurvePoint {
        let (sin_2, cos_2) = (2.0 * t).sin_cos();
        let (sin_3, cos_3) = (3.0 * t).sin_cos();
        let a = self.minor;
        let (rho, d_rho, dd_rho) = (self.major + a * cos_3, -3.0 * a * sin_3, -9.0 * a * cos_3);
        let radial = Vector3::new(-sin_2, cos_2, 0.0);
        let angular = Vector3::new(-cos_2, -sin_2, 0.0);
        let up = Vector3::z() * a;
        CurvePoint {
            position: self.center + radial * rho + up * sin_3,
            velocity: radial * d_rho + angular * (2.0 * rho) + up * (3.0 * cos_3),
            acceleration: radial * (dd_rho - 4.0 * rho) + angular * (4.0 * d_rho)
                - up * (9.0 * sin_3),
        }
    }

    pub(super) fn distance_and_gradient(&self, p: &Vector3<f64>) -> DistanceAndGradient {
        let nearest = self.curve(self.nearest_parameter(p)).position;
        distance_from_core(p, &nearest, self.radius)
    }

    /// Returns a bound below the signed distance at `p`: the distance to the solid torus that holds the tube, since the knot lies on a torus.
    pub(super) fn lower_bound(&self, p: &Vector3<f64>) -> f64 {
        let local = p - self.center;
        (local.xy().norm() - self.major).hypot(local.z) - self.minor - self.radius
    }

    /// Returns the area `2π radius length`. By Pappus, the bending of the tube does not change it.
    pub(super) fn area(&self) -> f64 {
        TAU * self.radius * self.length
    }

    /// Draws a point. The area element is `radius ‖c′‖ (1 − radius κ·n) dθ dt` for the curvature vector κ and the normal n at angle θ.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> SurfaceSample {
        loop {
            let point = self.curve(sample_angle(rng));
            let normal = NormalPlane::of(&point.tangent()).direction(sample_angle(rng));
            let stretch = 1.0 - self.radius * point.curvature().dot(&normal);
            let density = point.velocity.norm() * stretch;
            let bound = self.max_speed * (1.0 + self.radius * self.max_curvature);
            if rng.random::<f64>() * bound < density {
                return SurfaceSample {
                    point: point.position + normal * self.radius,
                    normal,
                };
            }
        }
    }

    /// Returns the parameter of the knot's nearest point by branch and bound, so that no local minimum is taken for the global one.
    fn nearest_parameter(&self, p: &Vector3<f64>) -> f64 {
        let square = self.squared_distance(&(p - self.center));
        let half = PI / INTERVALS as f64;
        let mut values = [0.0; INTERVALS];
        let mut best = Minimum {
            t: 0.0,
            value: f64::INFINITY,
        };
        for (value, node) in values.iter_mut().zip(&self.nodes) {
            *value = square.value(&node.waves);
            best.update(node.t, *value);
        }
        for (value, node) in values.iter().zip(&self.nodes) {
            if value - square.bounds[0] * half < best.value {
                square.refine(node, half, &mut best);
            }
        }
        best.t
    }

    /// Returns `‖c(t) − p‖²` for a position `p` relative to the center.
    ///
    /// Since `cos 3t cos 2t = (cos 5t + cos t) / 2` and `cos 3t sin 2t = (sin 5t − sin t) / 2`, it is a sum of few harmonics.
    fn squared_distance(&self, p: &Vector3<f64>) -> SquaredDistance {
        let (r, a) = (self.major, self.minor);
        let amplitudes = [
            Complex::new(-a * p.y, -a * p.x),
            Complex::new(-2.0 * r * p.y, 2.0 * r * p.x),
            Complex::new(2.0 * r * a, -2.0 * a * p.z),
            Complex::new(-a * p.y, a * p.x),
        ];
        let bound = |order: i32| {
            let terms = amplitudes.iter().zip(HARMONICS);
            terms.map(|(z, k)| k.powi(order) * z.norm()).sum()
        };
        SquaredDistance {
            constant: r * r + a * a + p.norm_squared(),
            amplitudes,
            bounds: [bound(1), bound(2), bound(3)],
        }
    }
}

impl Node {
    fn at(t: f64) -> Self {
        let first = Complex::new(t.cos(), t.sin());
        let second = first * first;
        let third = second * first;
        Self {
            t,
            waves: [first, second, third, second * third],
        }
    }
}

/// `f(t) = constant + Σ_k (Re z_k cos kt + Im z_k sin kt)`, `k` in [`HARMONICS`], for the amplitudes `z_k`.
struct SquaredDistance {
    constant: f64,
    amplitudes: [Complex<f64>; 4],
    /// Bounds of |f′|, |f″| and |f‴|.
    bounds: [f64; 3],
}

struct Minimum {
    t: f64,
    value: f64,
}

impl Minimum {
    fn update(&mut self, t: f64, value: f64) {
        if value < self.value {
            *self = Self { t, value };
        }
    }
}

impl SquaredDistance {
    fn value(&self, waves: &[Complex<f64>; 4]) -> f64 {
        let terms = self.amplitudes.iter().zip(waves);
        self.constant + terms.map(|(z, w)| z.re * w.re + z.im * w.im).sum::<f64>()
    }

    /// Returns f′ and f″.
    fn derivatives(&self, waves: &[Complex<f64>; 4]) -> [f64; 2] {
        let mut derivatives = [0.0; 2];
        for ((z, w), k) in self.amplitudes.iter().zip(waves).zip(HARMONICS) {
            derivatives[0] += k * (z.im * w.re - z.re * w.im);
            derivatives[1] -= k * k * (z.re * w.re + z.im * w.im);
        }
        derivatives
    }

    /// Searches the interval of the given half width around `middle` for a value below `best`.
    fn refine(&self, middle: &Node, half: f64, best: &mut Minimum) {
        let value = self.value(&middle.waves);
        best.update(middle.t, value);
        let [slope, curvature] = self.derivatives(&middle.waves);
        let [_, max_second, max_third] = self.bounds;
        let lowest = value - half * (slope.abs() + 0.5 * half * max_second);
        // A minimum has f″ ≥ 0.
        let is_concave = curvature < -max_third * half;
        if lowest > best.value || is_concave || half < SMALLEST_HALF_WIDTH {
            return;
        }
        // Here f″ is within a quarter of `curvature`, so every Newton step at least removes a third of the error.
        if curvature > 4.0 * max_third * half {
            self.descend(middle, half, best);
            return;
        }
        let quarter = 0.5 * half;
        for t in [middle.t - quarter, middle.t + quarter] {
            self.refine(&Node::at(t), quarter, best);
        }
    }

    /// Finds the minimum of an interval in which f is convex by Newton's method.
    fn descend(&self, middle: &Node, half: f64, best: &mut Minimum) {
        let mut node = Node::at(middle.t);
        for _ in 0..60 {
            let [slope, curvature] = self.derivatives(&node.waves);
            let t = node.t - slope / curvature;
            let next = Node::at(t.clamp(middle.t - half, middle.t + half));
            let step = (next.t - node.t).abs();
            node = next;
            if step < 1e-15 {
                break;
            }
        }
        best.update(node.t, self.value(&node.waves));
    }
}
