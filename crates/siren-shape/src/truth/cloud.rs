//! Distances to the points of a cloud.

use std::fmt;
use std::num::NonZero;

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use parry3d_f64::glamx::DVec3;
use siren_core::{Error, Result};

use super::{at_each, checked_extent};
use crate::geometry::vector::is_finite;
use crate::{PointCloud, Vector};

/// Points that vote for the sign of a distance.
const VOTERS: NonZero<usize> = NonZero::new(3).unwrap();

/// Distances to the nearest of many points, by a k-d tree.
pub struct CloudDistance {
    // The immutable tree: the mutable one cannot hold many points with the same coordinate on an axis.
    tree: ImmutableKdTree<f64, 3>,
    points: Vec<Vector>,
    normals: Option<Vec<Vector>>,
}

/// The point of a cloud that is nearest to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Its index in the cloud; of several at the same distance, any.
    pub index: usize,
    /// Its distance from the other point.
    pub distance: f64,
}

impl fmt::Debug for CloudDistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudDistance")
            .field("points", &self.points.len())
            .field("normals", &self.normals.is_some())
            .finish_non_exhaustive()
    }
}

impl CloudDistance {
    /// Builds the tree of `points` `(n,)` with their outward `normals` `(n,)`, of any length, if they are known.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for no points, for normals of another number, and for coordinates beyond 1e100; [`Error::NotFinite`] for a point or
    /// normal that is not finite.
    pub fn new(points: &[Vector], normals: Option<&[Vector]>) -> Result<Self> {
        Self::of_cloud(PointCloud {
            points: points.to_vec(),
            normals: normals.map(<[Vector]>::to_vec),
        })
    }

    /// Builds the tree of a cloud, without a copy of its points.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of_cloud(cloud: PointCloud) -> Result<Self> {
        let PointCloud { points, normals } = cloud;
        checked_extent("points of the cloud", &points)?;
        if let Some(normals) = &normals {
            if normals.len() != points.len() {
                return Err(Error::Shape {
                    what: "normals of the cloud",
                    expected: format!("{}, one for each point", points.len()),
                    got: normals.len().to_string(),
                });
            }
            checked_extent("normals of the cloud", normals)?;
        }
        let tree = ImmutableKdTree::new_from_slice(&points).map_err(|error| Error::Shape {
            what: "points of the cloud",
            expected: format!("at most {}", u32::MAX),
            got: format!("{} ({error})", points.len()),
        })?;
        Ok(Self {
            tree,
            points,
            normals,
        })
    }

    /// Returns the points.
    #[must_use]
    pub fn points(&self) -> &[Vector] {
        &self.points
    }

    /// Returns the normals of the points, if they are known.
    #[must_use]
    pub fn normals(&self) -> Option<&[Vector]> {
        self.normals.as_deref()
    }

    /// Returns the point that is nearest to `point`; `None` if `point` is not finite.
    #[must_use]
    pub fn nearest(&self, point: Vector) -> Option<Nearest> {
        if !is_finite(point) {
            return None;
        }
        let found = self
            .tree
            .query(&point)
            .nearest_one::<SquaredEuclidean<f64>>()
            .execute();
        Some(Nearest {
            index: found.item as usize,
            distance: found.distance.sqrt(),
        })
    }

    /// Returns the distance from `point` to the nearest point; NaN if `point` is not finite.
    #[must_use]
    pub fn distance(&self, point: Vector) -> f64 {
        self.nearest(point)
            .map_or(f64::NAN, |nearest| nearest.distance)
    }

    /// Returns the distances from `points` `(n,)` to the nearest points, as [`distance`](Self::distance).
    #[must_use]
    pub fn distances(&self, points: &[Vector]) -> Vec<f64> {
        at_each(points, |point| self.distance(point))
    }

    /// Returns the distance from `point` to the nearest point `p`, negative inside; NaN if `point` is not finite.
    ///
    /// Inside is where the majority of the three nearest points `p_j` with normals `n_j` has `(point − p_j)·n_j < 0`; of less than three, and
    /// of a tie, the nearest decides. The distance is that of points, not of a surface: it exceeds the distance to the surface by up to half
    /// the spacing of the points, and the sign may be wrong far from them and at thin parts.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without normals.
    pub fn signed_distance(&self, point: Vector) -> Result<f64> {
        Ok(self.signed(point, self.required_normals()?))
    }

    /// Returns the signed distances from `points` `(n,)`, as [`signed_distance`](Self::signed_distance).
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without normals.
    pub fn signed_distances(&self, points: &[Vector]) -> Result<Vec<f64>> {
        let normals = self.required_normals()?;
        Ok(at_each(points, |point| self.signed(point, normals)))
    }

    fn required_normals(&self) -> Result<&[Vector]> {
        self.normals()
            .ok_or_else(|| Error::missing("column of the cloud", "normals", ["points"]))
    }

    fn signed(&self, point: Vector, normals: &[Vector]) -> f64 {
        if !is_finite(point) {
            return f64::NAN;
        }
        let voters = self
            .tree
            .query(&point)
            .nearest_n::<SquaredEuclidean<f64>>(VOTERS)
            .execute();
        let heights = voters.iter().map(|voter| {
            let index = voter.item as usize;
            (DVec3::from(point) - DVec3::from(self.points[index])).dot(normals[index].into())
        });
        let (mut votes, mut nearest) = (0, 0);
        for height in heights {
            let vote = i32::from(height > 0.0) - i32::from(height < 0.0);
            votes += vote;
            nearest = if nearest == 0 { vote } else { nearest };
        }
        let distance = voters
            .first()
            .map_or(f64::NAN, |nearest| nearest.distance.sqrt());
        if votes < 0 || (votes == 0 && nearest < 0) {
            -distance
        } else {
            distance
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::test_shapes::{assert_close, directions, random_points};

    fn by_search(points: &[Vector], from: Vector) -> f64 {
        let distance = |&point: &Vector| DVec3::from(point).distance(from.into());
        points.iter().map(distance).fold(f64::MAX, f64::min)
    }

    fn assert_nearest(points: &[Vector], from: &[Vector]) {
        let cloud = CloudDistance::new(points, None).unwrap();
        for (&from, distance) in from.iter().zip(cloud.distances(from)) {
            let found = cloud.nearest(from).unwrap();
            assert_eq!(distance.to_bits(), found.distance.to_bits());
            assert!((found.distance - by_search(points, from)).abs() < 1e-14);
            let own = DVec3::from(points[found.index]).distance(from.into());
            assert!((found.distance - own).abs() < 1e-14);
        }
    }

    #[test]
    fn the_nearest_of_random_points_is_found() {
        assert_nearest(&directions(3000), &random_points(300, 1.5));
    }

    #[test]
    fn the_nearest_is_found_among_planar_grids_lines_and_duplicates() {
        let from = random_points(300, 1.5);
        let axis = |i: u32| f64::from(i) / 20.0 - 1.0;
        let grid = (0..1600)
            .map(|i| [axis(i % 40), 0.25, axis(i / 40)])
            .collect::<Vec<_>>();
        assert_nearest(&grid, &from);
        assert_nearest(&grid, &grid);
        let line = (0..2000).map(|i| [0.5, f64::from(i) / 1000.0 - 1.0, 0.5]);
        assert_nearest(&line.collect::<Vec<_>>(), &from);
        let twins = [vec![[0.1, 0.2, 0.3]; 1000], vec![[0.1, 0.2, -0.3]; 1000]].concat();
        assert_nearest(&twins, &from);
        assert_nearest(&[[0.5, 0.0, 0.0]], &from);
    }

    #[test]
    fn signed_distances_to_a_dense_sphere_approach_the_formula() {
        let normals = directions(60_000);
        // Normals of any length.
        let long = normals
            .iter()
            .map(|n| n.map(|x| 5.0 * x))
            .collect::<Vec<_>>();
        let cloud = CloudDistance::new(&normals, Some(&long)).unwrap();
        let points = random_points(2000, 1.5);
        for (point, found) in points.iter().zip(cloud.signed_distances(&points).unwrap()) {
            let expected = DVec3::from(*point).length() - 1.0;
            if expected.abs() > 0.05 {
                assert!(
                    (found - expected).abs() < 0.006,
                    "{point:?}: {found} {expected}"
                );
            }
        }
        let one = cloud.signed_distance(points[0]).unwrap();
        assert_close(one, cloud.signed_distances(&points).unwrap()[0]);
    }

    #[test]
    fn one_wrong_normal_among_three_does_not_change_the_sign() {
        let points = [
            [0.0, 0.0, 0.0],
            [0.3, 0.0, 0.0],
            [0.0, 0.3, 0.0],
            [9.0, 0.0, 0.0],
        ];
        let up = [0.0, 0.0, 1.0];
        let normals = [[0.0, 0.0, -1.0], up, up, up];
        let cloud = CloudDistance::new(&points, Some(&normals)).unwrap();
        assert_close(cloud.signed_distance([0.0, 0.0, 0.5]).unwrap(), 0.5);
        assert_close(cloud.signed_distance([0.0, 0.0, -0.5]).unwrap(), -0.5);
    }

    #[test]
    fn the_nearest_of_two_points_decides() {
        let points = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let up = [0.0, 0.0, 1.0];
        let cloud = CloudDistance::new(&points, Some(&[up, up])).unwrap();
        assert_close(cloud.signed_distance([0.0, 0.0, 0.25]).unwrap(), 0.25);
        assert_close(cloud.signed_distance([0.0, 0.0, 0.75]).unwrap(), -0.25);
    }

    #[test]
    fn a_cloud_without_normals_has_no_sign_and_says_so() {
        let cloud = CloudDistance::new(&directions(10), None).unwrap();
        let message = cloud.signed_distances(&[]).unwrap_err().to_string();
        assert!(
            message.contains("`normals`") && message.contains("`points`"),
            "{message}"
        );
    }

    #[test]
    fn points_and_normals_that_do_not_go_together_are_refused() {
        let refused = |points: &[Vector], normals: Option<&[Vector]>| {
            CloudDistance::new(points, normals).unwrap_err().to_string()
        };
        assert!(refused(&[], None).contains("at least one"));
        let two = [[0.0; 3], [0.0, 0.0, f64::INFINITY]];
        assert!(refused(&two, None).contains("point 1"));
        assert!(refused(&[[0.0; 3]], Some(&two)).contains("expected 1"));
        assert!(refused(&[[0.0; 3]], Some(&[[f64::NAN; 3]])).contains("normals"));
    }

    #[test]
    fn a_point_that_is_not_finite_has_no_nearest_point() {
        let cloud = CloudDistance::new(&[[0.0; 3]], Some(&[[0.0, 0.0, 1.0]])).unwrap();
        assert_eq!(cloud.nearest([0.0, f64::NAN, 0.0]), None);
        assert!(cloud.distance([0.0, f64::NAN, 0.0]).is_nan());
        assert!(
            cloud
                .signed_distance([0.0, f64::INFINITY, 0.0])
                .unwrap()
                .is_nan()
        );
    }
}
