//! Angle-weighted pseudo-normals of a mesh.

use std::collections::HashMap;

use parry3d_f64::glamx::DVec3;
use parry3d_f64::shape::TrianglePointLocation;

use super::orientation::scaled_normal;
use super::surface::NearestOnTriangle;
use crate::Mesh;

/// A face whose height is below this share of its longest edge has a normal that is mostly rounding.
const FLAT: f64 = 1e-9;

/// Normals of the faces, edges and vertices of a mesh: a point off a closed manifold surface is outside if and only if it lies on the side to
/// which the pseudo-normal at its nearest point of the surface points (Bærentzen & Aanæs 2005).
///
/// Parry has them too, but leaves out faces without area, so that an edge of such a face has the normal of its other face alone: the sign
/// is wrong on one side of a sharp edge. Here, normals of such faces, and of their edges and vertices, are NaN.
pub(super) struct PseudoNormals {
    /// Indices of the corners of each face.
    faces: Vec<[u32; 3]>,
    of_faces: Vec<DVec3>,
    /// Of the edges of each face, in the order ab, bc, ca.
    of_edges: Vec<[DVec3; 3]>,
    of_vertices: Vec<DVec3>,
}

impl PseudoNormals {
    /// Computes the pseudo-normals of a mesh whose indices are in range.
    pub(super) fn new(mesh: &Mesh) -> Self {
        let of_faces: Vec<DVec3> = mesh.corners().map(face_normal).collect();
        let mut edges = HashMap::with_capacity(3 * mesh.faces.len() / 2);
        let mut of_vertices = vec![DVec3::ZERO; mesh.vertices.len()];
        for ((face, corners), &normal) in mesh.faces.iter().zip(mesh.corners()).zip(&of_faces) {
            for corner in 0..3 {
                let [next, last] = [(corner + 1) % 3, (corner + 2) % 3];
                *edges.entry(edge(face, corner)).or_insert(DVec3::ZERO) += normal;
                let (u, v) = (
                    corners[next] - corners[corner],
                    corners[last] - corners[corner],
                );
                of_vertices[face[corner] as usize] += normal * u.cross(v).length().atan2(u.dot(v));
            }
        }
        let normal = |face, corner| {
            edges
                .get(&edge(face, corner))
                .copied()
                .unwrap_or(DVec3::NAN)
        };
        let of_edges = mesh
            .faces
            .iter()
            .map(|face| [0, 1, 2].map(|corner| normal(face, corner)));
        Self {
            faces: mesh.faces.clone(),
            of_faces,
            of_edges: of_edges.collect(),
            of_vertices,
        }
    }

    /// Returns the pseudo-normal, of any length, where a point was projected to; NaN where there is none.
    pub(super) fn at(&self, projection: &NearestOnTriangle) -> DVec3 {
        let face = projection.face as usize;
        match projection.location {
            TrianglePointLocation::OnVertex(corner) => {
                let vertex = self.faces[face][corner as usize];
                self.of_vertices[vertex as usize]
            }
            TrianglePointLocation::OnEdge(edge, _) => self.of_edges[face][edge as usize],
            TrianglePointLocation::OnFace(..) | TrianglePointLocation::OnSolid => {
                self.of_faces[face]
            }
        }
    }
}

/// Returns the edge that starts at a corner of `face`, in either direction.
fn edge(face: &[u32; 3], corner: usize) -> (u32, u32) {
    let (from, to) = (face[corner], face[(corner + 1) % 3]);
    (from.min(to), from.max(to))
}

/// Returns the normal of length 1; NaN for a face without area.
fn face_normal([a, b, c]: [DVec3; 3]) -> DVec3 {
    let normal = scaled_normal([a, b, c]);
    let longest = a
        .distance_squared(b)
        .max(b.distance_squared(c))
        .max(c.distance_squared(a));
    if normal.length() > FLAT * longest {
        normal.normalize()
    } else {
        DVec3::NAN
    }
}
