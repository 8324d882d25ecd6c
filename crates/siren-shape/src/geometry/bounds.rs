//! Bounding boxes.

use super::vector::{difference, length};
use super::{Mesh, PointCloud, Vector};

/// The smallest box with edges along the axes that holds some points.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Smallest coordinates.
    pub low: Vector,
    /// Largest coordinates.
    pub high: Vector,
}

impl Bounds {
    /// Returns the bounding box of finite points, or `None` if there are none.
    #[must_use]
    pub fn of(points: &[Vector]) -> Option<Self> {
        let &first = points.first()?;
        let start = Self {
            low: first,
            high: first,
        };
        Some(points.iter().fold(start, |mut bounds, point| {
            for (axis, &coordinate) in point.iter().enumerate() {
                bounds.low[axis] = bounds.low[axis].min(coordinate);
                bounds.high[axis] = bounds.high[axis].max(coordinate);
            }
            bounds
        }))
    }

    /// Returns the lengths of the edges.
    #[must_use]
    pub fn extents(&self) -> Vector {
        difference(self.high, self.low)
    }

    /// Returns the length of the diagonal.
    #[must_use]
    pub fn diagonal(&self) -> f64 {
        length(self.extents())
    }

    /// Returns the center.
    #[must_use]
    pub fn center(&self) -> Vector {
        [0, 1, 2].map(|axis| f64::midpoint(self.low[axis], self.high[axis]))
    }
}

impl PointCloud {
    /// Returns the bounding box of the points: a box at the origin, of size 0, if there are none.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds::of(&self.points).unwrap_or_default()
    }
}

impl Mesh {
    /// Returns the bounding box of the vertices: a box at the origin, of size 0, if there are none.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds::of(&self.vertices).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_has_the_extents_the_center_and_the_diagonal_of_its_points() {
        let points = vec![[1.0, -2.0, 5.0], [3.0, 1.0, 5.0], [2.0, 2.0, 17.0]];
        let cloud = PointCloud {
            points,
            normals: None,
        };
        let bounds = cloud.bounds();
        let [extents, center] = [vec![2.0, 4.0, 12.0], vec![2.0, 0.0, 11.0]];
        assert_eq!(bounds.extents().to_vec(), extents);
        assert_eq!(bounds.center().to_vec(), center);
        assert!((bounds.diagonal() - 164.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(Bounds::of(&[]), None);
        assert_eq!(Mesh::default().bounds(), Bounds::default());
    }
}
