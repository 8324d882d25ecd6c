//! Unsigned distances to the triangles of a mesh.

use parry3d_f64::glamx::DVec3;
use parry3d_f64::query::{PointProjection, PointQueryWithLocation as _};
use parry3d_f64::shape::{TriMesh, TrianglePointLocation};
use siren_core::{Error, Result};

use super::orientation::scaled_normal;
use super::{at_each, checked_extent};
use crate::{Mesh, Vector};

/// Exact unsigned distances to a mesh, by a bounding volume hierarchy of its triangles.
pub struct SurfaceDistance {
    triangles: TriMesh,
    extent: f64,
}

/// The point of a mesh that is nearest to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfacePoint {
    /// Its position.
    pub position: Vector,
    /// Index of its face; of several faces that share the point, any.
    pub face: usize,
    /// Normal of that face, of length 1, or 0 if the face has no area.
    pub normal: Vector,
    /// Its distance from the other point.
    pub distance: f64,
}

/// The point of a mesh that is nearest to another, with its place in the triangle as parry describes it.
pub(super) struct NearestOnTriangle {
    pub(super) position: DVec3,
    pub(super) face: u32,
    pub(super) location: TrianglePointLocation,
}

impl SurfaceDistance {
    /// Prepares queries of `mesh`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a mesh without faces, with an index out of range, without area, or with coordinates beyond 1e100;
    /// [`Error::NotFinite`] for a vertex that is not finite.
    pub fn new(mesh: &Mesh) -> Result<Self> {
        let extent = checked_extent("vertices of the mesh", &mesh.vertices)?;
        let faces = |expected: String, got: String| Error::Shape {
            what: "faces of the mesh",
            expected,
            got,
        };
        let count = mesh.vertices.len();
        let in_range = |face: &[u32; 3]| face.iter().all(|&index| (index as usize) < count);
        if let Some(index) = mesh.faces.iter().position(|face| !in_range(face)) {
            return Err(faces(
                format!("indices below {count}, the number of vertices"),
                format!("{:?} as face {index}, counted from 0", mesh.faces[index]),
            ));
        }
        if !mesh
            .corners()
            .any(|corners| scaled_normal(corners).length() > 0.0)
        {
            return Err(faces(
                "at least one with an area".to_owned(),
                format!("{} without", mesh.faces.len()),
            ));
        }
        let vertices = mesh.vertices.iter().copied().map(DVec3::from).collect();
        let triangles = TriMesh::new(vertices, mesh.faces.clone())
            .map_err(|error| faces("triangles".to_owned(), error.to_string()))?;
        Ok(Self { triangles, extent })
    }

    /// Returns the distance from `point` to the mesh; NaN if `point` is not finite.
    #[must_use]
    pub fn distance(&self, point: Vector) -> f64 {
        let point = DVec3::from(point);
        self.project(point)
            .map_or(f64::NAN, |projection| projection.position.distance(point))
    }

    /// Returns the distances from `points` `(n,)` to the mesh.
    #[must_use]
    pub fn distances(&self, points: &[Vector]) -> Vec<f64> {
        at_each(points, |point| self.distance(point))
    }

    /// Returns the point of the mesh that is nearest to `point`; `None` if `point` is not finite.
    #[must_use]
    pub fn nearest(&self, point: Vector) -> Option<SurfacePoint> {
        let point = DVec3::from(point);
        let projection = self.project(point)?;
        let triangle = self.triangles.triangle(projection.face);
        let normal = scaled_normal([triangle.a, triangle.b, triangle.c]);
        Some(SurfacePoint {
            position: projection.position.to_array(),
            face: projection.face as usize,
            normal: normal.normalize_or_zero().to_array(),
            distance: projection.position.distance(point),
        })
    }

    /// Returns the diagonal of the bounding box of the vertices.
    #[must_use]
    pub fn extent(&self) -> f64 {
        self.extent
    }

    pub(super) fn project(&self, point: DVec3) -> Option<NearestOnTriangle> {
        // Of a point that is not finite, the hierarchy may report an arbitrary face.
        if !point.is_finite() {
            return None;
        }
        let (projection, (face, location)): (PointProjection, _) = self
            .triangles
            .project_local_point_and_get_location_with_max_dist(point, false, f64::MAX)?;
        Some(NearestOnTriangle {
            position: projection.point,
            face,
            location,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::test_shapes::{assert_close, cube, moved, random_points, torus};

    #[test]
    fn distances_to_a_cube_are_exact_inside_and_at_faces_edges_and_corners() {
        let cube = SurfaceDistance::new(&cube(2.0)).unwrap();
        let points = [
            [0.1, 0.2, 0.7],
            [0.0, 0.3, 3.0],
            [2.0, 2.0, 0.5],
            [2.0, 2.0, 2.0],
            [1.0, 0.0, 0.0],
        ];
        let expected = [0.3, 2.0, 2.0_f64.sqrt(), 3.0_f64.sqrt(), 0.0];
        for (found, expected) in cube.distances(&points).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
        let nearest = cube.nearest(points[1]).unwrap();
        assert_close(nearest.normal[2], 1.0);
        assert_close(nearest.position[1], 0.3);
        assert_close(nearest.distance, 2.0);
    }

    #[test]
    fn the_hierarchy_finds_the_same_distance_as_all_triangles_one_by_one() {
        let mesh = moved(&torus(1.0, 0.4, 24), [3.0, -2.0, 1.0]);
        let all = SurfaceDistance::new(&mesh).unwrap();
        let single = |face: &[u32; 3]| {
            let faces = vec![*face];
            SurfaceDistance::new(&Mesh {
                faces,
                ..mesh.clone()
            })
        };
        let singles: Vec<_> = mesh
            .faces
            .iter()
            .map(|face| single(face).unwrap())
            .collect();
        for [x, y, z] in random_points(50, 2.0) {
            let point = [x + 3.0, y - 2.0, z + 1.0];
            let expected = singles
                .iter()
                .map(|one| one.distance(point))
                .fold(f64::MAX, f64::min);
            assert_eq!(all.distance(point).to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn the_distance_of_a_point_that_is_not_finite_is_nan() {
        let cube = SurfaceDistance::new(&cube(2.0)).unwrap();
        for x in [f64::NAN, f64::INFINITY] {
            assert!(cube.distance([0.0, x, 0.0]).is_nan());
            assert_eq!(cube.nearest([0.0, x, 0.0]), None);
        }
    }

    #[test]
    fn a_mesh_that_has_no_distance_is_refused_with_the_reason() {
        let refused = |change: fn(&mut Mesh)| {
            let mut mesh = cube(2.0);
            change(&mut mesh);
            SurfaceDistance::new(&mesh).err().unwrap().to_string()
        };
        let message = refused(|mesh| mesh.faces[3][1] = 8);
        assert!(
            message.contains("indices below 8") && message.contains("face 3"),
            "{message}"
        );
        let message = refused(|mesh| mesh.vertices[2][0] = f64::NAN);
        assert!(
            message.contains("vertices") && message.contains("point 2"),
            "{message}"
        );
        assert!(refused(|mesh| mesh.faces.clear()).contains("at least one with an area"));
        assert!(refused(|mesh| mesh.faces = vec![[1, 1, 2]]).contains("1 without"));
        assert!(refused(|mesh| mesh.vertices.clear()).contains("at least one"));
        assert!(refused(|mesh| mesh.vertices[0][0] = 1e200).contains("1e200"));
    }
}
