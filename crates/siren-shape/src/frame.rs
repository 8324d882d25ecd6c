//! Between positions of the user and coordinates of the field.

use serde::{Deserialize, Serialize};
use siren_core::signal::SignalMetadata;
use siren_core::{Error, Result};

use crate::config::Normalization;
use crate::geometry::vector::is_finite;
use crate::{Mesh, PointCloud, Vector};

/// The similarity `x = (p − center) · scale` from positions p in the units of the user to coordinates x of the field.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Position of the coordinate 0.
    pub center: Vector,
    /// Coordinates per unit of the user.
    pub scale: f64,
}

impl SignalMetadata for Frame {
    const VERSION: u32 = 1;
}

/// Half the longest side of the points, in coordinates.
const BOX_HALF_SIDE: f64 = 0.9;

impl Frame {
    /// Returns the frame of a rule for the given points.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no points, or they all coincide, or lie farther apart than numbers reach.
    pub fn of(points: &[Vector], rule: Normalization) -> Result<Self> {
        let bound = |pick: fn(f64, f64) -> f64, start: f64| {
            let mut bound = [start; 3];
            for point in points {
                for (bound, x) in bound.iter_mut().zip(point) {
                    *bound = pick(*bound, *x);
                }
            }
            bound
        };
        let low = bound(f64::min, f64::INFINITY);
        let high = bound(f64::max, f64::NEG_INFINITY);
        let axes = [0, 1, 2];
        let frame = match rule {
            Normalization::Box => {
                let longest = axes
                    .map(|i| high[i] - low[i])
                    .into_iter()
                    .fold(0.0, f64::max);
                Self {
                    center: axes.map(|i| f64::midpoint(low[i], high[i])),
                    scale: 2.0 * BOX_HALF_SIDE / longest,
                }
            }
            Normalization::Authors => {
                let count = points.len() as f64;
                // Differences from a corner, so that a cloud far from the origin loses no digits.
                let mean = axes.map(|i| {
                    low[i]
                        + points
                            .iter()
                            .map(|point| (point[i] - low[i]) / count)
                            .sum::<f64>()
                });
                let least = axes
                    .map(|i| low[i] - mean[i])
                    .into_iter()
                    .fold(f64::INFINITY, f64::min);
                let most = axes
                    .map(|i| high[i] - mean[i])
                    .into_iter()
                    .fold(f64::NEG_INFINITY, f64::max);
                Self {
                    center: mean.map(|x| x + f64::midpoint(least, most)),
                    scale: 2.0 / (most - least),
                }
            }
        };
        let is_usable = frame.scale.is_finite() && frame.scale > 0.0 && is_finite(frame.center);
        if is_usable {
            return Ok(frame);
        }
        Err(Error::Shape {
            what: "points of a shape",
            expected: "points at different positions, a finite distance apart".to_owned(),
            got: format!("{} points from {low:?} to {high:?}", points.len()),
        })
    }

    /// Returns the coordinates of a position.
    #[must_use]
    pub fn coord(&self, position: Vector) -> Vector {
        [0, 1, 2].map(|i| (position[i] - self.center[i]) * self.scale)
    }

    /// Returns a cloud in coordinates. Its normals are unchanged: the axes are scaled alike.
    #[must_use]
    pub fn cloud(&self, mut points: PointCloud) -> PointCloud {
        for point in &mut points.points {
            *point = self.coord(*point);
        }
        points
    }

    /// Returns a mesh in the units of the user, of one in coordinates.
    #[must_use]
    pub fn mesh_at_positions(&self, mesh: Mesh) -> Mesh {
        Mesh {
            vertices: mesh.vertices.iter().map(|x| self.position(*x)).collect(),
            ..mesh
        }
    }

    /// Returns the position of coordinates.
    #[must_use]
    pub fn position(&self, coord: Vector) -> Vector {
        [0, 1, 2].map(|i| coord[i] / self.scale + self.center[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Vector, b: Vector) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn the_box_is_centered_with_its_longest_side_within_nine_tenths() {
        let points = [[10.0, 0.0, -1.0], [30.0, 4.0, 1.0], [11.0, 1.0, 0.0]];
        let frame = Frame::of(&points, Normalization::Box).unwrap();
        assert!(close(frame.coord(points[0]), [-0.9, -0.18, -0.09]));
        assert!(close(frame.coord(points[1]), [0.9, 0.18, 0.09]));
        assert!(close(frame.position(frame.coord(points[2])), points[2]));
    }

    #[test]
    fn the_authors_rule_takes_one_range_over_all_axes_after_the_mean() {
        let points = [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 6.0, 0.0]];
        // Mean (1, 2, 0); then values range from -2 to 4.
        let frame = Frame::of(&points, Normalization::Authors).unwrap();
        let expected = |v: f64| 2.0 * ((v + 2.0) / 6.0 - 0.5);
        for point in points {
            let centered = [point[0] - 1.0, point[1] - 2.0, point[2]];
            assert!(close(frame.coord(point), centered.map(expected)));
        }
    }

    #[test]
    fn coordinates_of_a_shape_far_from_the_origin_keep_their_digits() {
        let far = [[1e6, 2e6, 3e6], [1e6 + 1.0, 2e6 + 0.25, 3e6 + 0.5]];
        let near = [[0.0, 0.0, 0.0], [1.0, 0.25, 0.5]];
        for rule in [Normalization::Box, Normalization::Authors] {
            let coords = |points: &[Vector; 2]| {
                let frame = Frame::of(points, rule).unwrap();
                points.map(|point| frame.coord(point))
            };
            for (a, b) in coords(&far).into_iter().zip(coords(&near)) {
                assert!(close(a, b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn points_that_coincide_have_no_frame() {
        let error = Frame::of(&[[1.0, 2.0, 3.0]; 5], Normalization::Box).unwrap_err();
        assert!(error.to_string().contains("different positions"), "{error}");
        assert!(Frame::of(&[], Normalization::Authors).is_err());
    }
}
