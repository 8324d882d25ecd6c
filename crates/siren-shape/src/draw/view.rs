//! Positions on the screen.

use nalgebra::Vector3;
use rayon::prelude::*;

use crate::geometry::Vector;
use crate::geometry::vector::is_finite;

/// Share of the picture's side that the larger extent of the object takes.
const FILL: f64 = 0.92;
/// Turn of the viewer about the y axis and height above the object, in degrees.
const AZIMUTH: f64 = 28.0;
const ELEVATION: f64 = 18.0;

/// Axes of a parallel projection, of length 1 and at right angles to each other.
#[derive(Clone, Copy)]
pub(super) struct Viewpoint {
    right: Vector3<f64>,
    up: Vector3<f64>,
    toward_viewer: Vector3<f64>,
}

impl Viewpoint {
    /// Returns the view from the front, +z, and the view from behind, both with y up and from a little to the right and above.
    pub(super) fn front_and_back() -> [Self; 2] {
        [AZIMUTH, AZIMUTH + 180.0].map(|azimuth| {
            let (sin_a, cos_a) = azimuth.to_radians().sin_cos();
            let (sin_e, cos_e) = ELEVATION.to_radians().sin_cos();
            let right = Vector3::new(cos_a, 0.0, -sin_a);
            let toward_viewer = Vector3::new(sin_a * cos_e, sin_e, cos_a * cos_e);
            Self {
                right,
                up: toward_viewer.cross(&right),
                toward_viewer,
            }
        })
    }

    /// Returns the components to the right, up and toward the viewer.
    pub(super) fn components(&self, v: Vector) -> Vector3<f64> {
        let v = Vector3::from(v);
        Vector3::new(
            self.right.dot(&v),
            self.up.dot(&v),
            self.toward_viewer.dot(&v),
        )
    }
}

/// Points as seen from one side.
pub(super) struct ScreenPoints {
    pub(super) viewpoint: Viewpoint,
    /// Positions in pixels: to the right, downward, and toward the viewer. A point that is not finite is at NaN.
    pub(super) positions: Vec<[f32; 3]>,
}

/// Range of positions along an axis.
#[derive(Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    const EMPTY: Self = Self {
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
    };

    fn including(self, value: f64) -> Self {
        Self {
            low: self.low.min(value),
            high: self.high.max(value),
        }
    }

    // Halves, since a sum could overflow.
    fn center(self) -> f64 {
        0.5 * self.low + 0.5 * self.high
    }

    fn half(self) -> f64 {
        0.5 * self.high - 0.5 * self.low
    }
}

fn ranges(points: impl Iterator<Item = Vector>) -> [Range; 3] {
    points.fold([Range::EMPTY; 3], |ranges, p| {
        std::array::from_fn(|k| ranges[k].including(p[k]))
    })
}

/// Projects points to two square pictures of `side` pixels, to the same scale, such that the finite ones fill the pictures.
///
/// Positions are computed relative to the bounding box, so that points far from the origin lose no digits. Returns `None` if no point
/// is finite.
pub(super) fn project(points: &[Vector], side: usize) -> Option<[ScreenPoints; 2]> {
    let bounds = ranges(points.iter().copied().filter(|&p| is_finite(p)));
    let half = bounds.iter().map(|range| range.half()).fold(0.0, f64::max);
    if !bounds.iter().all(|range| range.center().is_finite()) {
        return None;
    }
    // All points at one place: any scale will do.
    let half = if half > 0.0 { half } else { 1.0 };
    let local = |p: &Vector| -> Vector {
        if is_finite(*p) {
            std::array::from_fn(|k| p[k] / half - bounds[k].center() / half)
        } else {
            [f64::NAN; 3]
        }
    };
    let views = Viewpoint::front_and_back().map(|viewpoint| {
        let components = points
            .par_iter()
            .map(|p| viewpoint.components(local(p)).into());
        let components: Vec<Vector> = components.collect();
        let ranges = ranges(components.iter().copied().filter(|&p| is_finite(p)));
        (viewpoint, components, ranges)
    });
    let screen_halves = views
        .iter()
        .flat_map(|(_, _, [x, y, _])| [x.half(), y.half()]);
    let largest = screen_halves.fold(0.0, f64::max);
    let middle = 0.5 * side as f64;
    let scale = FILL * middle / if largest > 0.0 { largest } else { 1.0 };
    Some(views.map(|(viewpoint, components, ranges)| {
        let place = |p: &Vector| {
            let [x, y, z] = std::array::from_fn(|k| scale * (p[k] - ranges[k].center()));
            [(middle + x) as f32, (middle - y) as f32, z as f32]
        };
        ScreenPoints {
            viewpoint,
            positions: components.par_iter().map(place).collect(),
        }
    }))
}
