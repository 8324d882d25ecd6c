//! Boxes whose edges are parallel to the axes.

use std::str::FromStr;

use super::vector::{difference, length};
use super::{Mesh, PointCloud, Vector};

/// A box with edges along the axes, such as the smallest one that holds some points.
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

    /// Returns the outward normal of the border at a point of it.
    pub(crate) fn border_normal(&self, point: Vector) -> Option<Vector> {
        let axis =
            (0..3).find(|&axis| point[axis] <= self.low[axis] || point[axis] >= self.high[axis])?;
        let mut normal = [0.0; 3];
        normal[axis] = if point[axis] <= self.low[axis] {
            -1.0
        } else {
            1.0
        };
        Some(normal)
    }
}

impl FromStr for Bounds {
    type Err = String;

    /// Parses `X0,X1,Y0,Y1,Z0,Z1`: the lowest and the highest x, y and z.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let number = part
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite());
            number.ok_or_else(|| format!("`{part}` is not a finite number"))
        };
        let numbers: Vec<f64> = text.split(',').map(number).collect::<Result<_, _>>()?;
        let &[x0, x1, y0, y1, z0, z1] = numbers.as_slice() else {
            return Err(format!(
                "expected 6 numbers, X0,X1,Y0,Y1,Z0,Z1, found {}",
                numbers.len()
            ));
        };
        for (axis, low, high) in [("X", x0, x1), ("Y", y0, y1), ("Z", z0, z1)] {
            if low >= high {
                return Err(format!(
                    "expected {axis}0 below {axis}1, found {low} and {high}"
                ));
            }
        }
        Ok(Self {
            low: [x0, y0, z0],
            high: [x1, y1, z1],
        })
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

    #[test]
    fn a_box_is_read_from_its_six_ends_and_others_are_refused() {
        let expected = Bounds {
            low: [-1.0, 0.0, 2.0],
            high: [1.0, 0.5, 3.0],
        };
        assert_eq!("-1,1, 0,0.5, 2,3".parse(), Ok(expected));
        for (text, part) in [
            ("0,1,0,1", "found 4"),
            ("0,1,2,1,0,1", "Y0 below Y1"),
            ("0,1,0,1,1,1", "Z0 below Z1"),
            ("0,x,0,1,0,1", "`x`"),
            ("0,inf,0,1,0,1", "`inf`"),
        ] {
            let message = text.parse::<Bounds>().unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
