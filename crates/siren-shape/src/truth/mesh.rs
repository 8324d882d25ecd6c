//! Signed distances to a mesh.

use std::fmt;

use parry3d_f64::glamx::DVec3;
use siren_core::Result;

use super::pseudo_normals::PseudoNormals;
use super::winding::WindingTree;
use super::{SurfaceDistance, at_each};
use crate::geometry::Topology;
use crate::{Mesh, Vector};

/// Pseudo-normals decide if their cosine with the direction from the surface is at least this large; else the winding number does. It is
/// smaller at edges as sharp as a blade.
const DECISIVE_COSINE: f64 = 0.01;

/// Distances below this share of the extent are 0 but for rounding: their sign does not matter.
const NEGLIGIBLE: f64 = 1e-12;

/// Rule by which [`MeshDistance`] tells inside from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignRule {
    /// By the pseudo-normal at the nearest point of the surface: the normal of its face, or the sum of the normals at its edge, or the sum
    /// of the normals at its vertex weighted with the angles of their faces (Bærentzen & Aanæs 2005, "Signed distance computation using the
    /// angle weighted pseudonormal"). Exact for a closed manifold mesh that does not intersect itself.
    PseudoNormals,
    /// By the generalized winding number, inside where it is at least ½ (Jacobson et al. 2013, "Robust inside-outside segmentation using
    /// generalized winding numbers"). For any mesh with consistent orientation: holes are closed by a surface of winding number ½.
    WindingNumber,
}

impl SignRule {
    /// Returns the rule for meshes of a topology: pseudo-normals if they are closed and manifold, else the winding number.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        if topology.is_closed() && topology.is_manifold() {
            Self::PseudoNormals
        } else {
            Self::WindingNumber
        }
    }
}

impl fmt::Display for SignRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PseudoNormals => "pseudo-normals",
            Self::WindingNumber => "winding number",
        })
    }
}

/// Signed distances to a mesh whose faces are counterclockwise from outside.
pub struct MeshDistance {
    surface: SurfaceDistance,
    /// Unless the winding number alone decides.
    pseudo_normals: Option<PseudoNormals>,
    winding: WindingTree,
}

impl MeshDistance {
    /// Prepares queries of `mesh`, by pseudo-normals if it is closed and manifold, else by the winding number.
    ///
    /// The orientation of the faces is taken as it is: see [`Mesh::is_inside_out`].
    ///
    /// # Errors
    ///
    /// As [`SurfaceDistance::new`].
    pub fn new(mesh: &Mesh) -> Result<Self> {
        Self::with_rule(mesh, SignRule::of(&mesh.topology()))
    }

    /// Prepares queries of `mesh` by `rule`. Pseudo-normals give wrong signs near the holes of an open mesh.
    ///
    /// # Errors
    ///
    /// As [`SurfaceDistance::new`].
    pub fn with_rule(mesh: &Mesh, rule: SignRule) -> Result<Self> {
        let surface = SurfaceDistance::new(mesh)?;
        Ok(Self {
            surface,
            pseudo_normals: (rule == SignRule::PseudoNormals).then(|| PseudoNormals::new(mesh)),
            winding: WindingTree::new(mesh),
        })
    }

    /// Returns the rule by which inside is told from outside.
    #[must_use]
    pub fn sign_rule(&self) -> SignRule {
        match self.pseudo_normals {
            Some(_) => SignRule::PseudoNormals,
            None => SignRule::WindingNumber,
        }
    }

    /// Returns the distance from `point` to the mesh, negative inside; NaN if `point` is not finite.
    #[must_use]
    pub fn signed_distance(&self, point: Vector) -> f64 {
        let point = DVec3::from(point);
        let Some(nearest) = self.surface.project(point) else {
            return f64::NAN;
        };
        let offset = point - nearest.position;
        let distance = offset.length();
        if distance <= NEGLIGIBLE * self.surface.extent() {
            return distance;
        }
        let cosine = self.pseudo_normals.as_ref().map_or(f64::NAN, |normals| {
            let normal = normals.at(&nearest);
            offset.dot(normal) / (distance * normal.length())
        });
        let inside = if cosine.abs() >= DECISIVE_COSINE {
            cosine < 0.0
        } else {
            self.winding.contains(point)
        };
        if inside { -distance } else { distance }
    }

    /// Returns the signed distances from `points` `(n,)` to the mesh.
    #[must_use]
    pub fn signed_distances(&self, points: &[Vector]) -> Vec<f64> {
        at_each(points, |point| self.signed_distance(point))
    }

    /// Returns whether each of `points` `(n,)` is inside, by the rule of the mesh.
    #[must_use]
    pub fn contains(&self, points: &[Vector]) -> Vec<bool> {
        let distances = self.signed_distances(points);
        distances
            .into_iter()
            .map(|distance| distance < 0.0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::test_shapes::{cube, merged, moved, random_points, sphere, torus};

    fn box_distance(point: Vector, half: f64) -> f64 {
        let q = DVec3::from(point).abs() - half;
        q.max(DVec3::ZERO).length() + q.max_element().min(0.0)
    }

    #[test]
    fn distances_to_a_cube_equal_the_formula_by_both_rules() {
        for rule in [SignRule::PseudoNormals, SignRule::WindingNumber] {
            let mesh = MeshDistance::with_rule(&cube(2.0), rule).unwrap();
            let points = random_points(5000, 2.0);
            for (point, found) in points.iter().zip(mesh.signed_distances(&points)) {
                let expected = box_distance(*point, 1.0);
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{rule} {point:?}: {found}"
                );
            }
        }
    }

    #[test]
    fn both_rules_agree_on_a_torus_and_on_a_hollow_sphere() {
        let hollow = merged(&sphere(1.5, 24), &sphere(1.0, 20).flipped());
        for mesh in [torus(1.0, 0.45, 32), hollow] {
            let by = |rule| MeshDistance::with_rule(&mesh, rule).unwrap();
            let (pseudo, winding) = (by(SignRule::PseudoNormals), by(SignRule::WindingNumber));
            let points = random_points(5000, 1.7);
            let distances = pseudo.signed_distances(&points);
            assert_eq!(distances, winding.signed_distances(&points));
            let inside = distances.iter().filter(|&&distance| distance < 0.0).count();
            assert!((500..4500).contains(&inside), "{inside}");
        }
    }

    #[test]
    fn the_distance_to_a_fine_sphere_approaches_the_formula() {
        let mesh = MeshDistance::new(&sphere(1.0, 256)).unwrap();
        assert_eq!(mesh.sign_rule(), SignRule::PseudoNormals);
        for point in random_points(500, 1.5) {
            let expected = DVec3::from(point).length() - 1.0;
            assert!((mesh.signed_distance(point) - expected).abs() < 2e-4);
        }
    }

    #[test]
    fn an_open_sphere_is_closed_by_the_winding_number() {
        let mut open = sphere(1.0, 48);
        open.faces.truncate(open.faces.len() - 3 * 96);
        let mesh = MeshDistance::new(&open).unwrap();
        assert_eq!(mesh.sign_rule(), SignRule::WindingNumber);
        assert!(mesh.signed_distance([0.0, 0.0, 0.0]) < -0.9);
        assert!(mesh.signed_distance([0.0, 0.0, -1.2]) > 0.19);
        assert!(mesh.signed_distance([0.0, 0.0, 1.2]) > 0.19);
    }

    #[test]
    fn sharp_edges_with_a_face_without_area_have_the_right_sign() {
        // A wedge of 2 degrees whose sharp edge 0-1 is split by vertex 4 on one side only: the gap is the face 0-4-1 without area.
        let mesh = Mesh {
            vertices: vec![
                [0.0, -1.0, 0.0],
                [0.0, 1.0, 0.0],
                [-1.0, 0.0, 0.0175],
                [-1.0, 0.0, -0.0175],
                [0.0, 0.0, 0.0],
            ],
            faces: vec![
                [0, 4, 2],
                [4, 1, 2],
                [0, 3, 1],
                [0, 2, 3],
                [1, 3, 2],
                [0, 1, 4],
            ],
            normals: None,
        };
        assert!(mesh.signed_volume() > 0.0);
        let distance = MeshDistance::new(&mesh).unwrap();
        assert_eq!(distance.sign_rule(), SignRule::PseudoNormals);
        for degrees in -85_i32..=85 {
            let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
            for y in [-0.5, 0.0, 0.3] {
                let found = distance.signed_distance([0.1 * cos, y, 0.1 * sin]);
                assert!((found - 0.1).abs() < 1e-9, "{degrees} {y}: {found}");
            }
        }
        assert!(distance.signed_distance([-0.9, 0.0, 0.0]) < 0.0);
    }

    #[test]
    fn the_order_of_points_and_the_number_of_threads_leave_the_bytes_alone() {
        let mesh = MeshDistance::new(&moved(&torus(1.0, 0.3, 24), [0.1, 0.0, 0.0])).unwrap();
        let points = random_points(3000, 1.5);
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let four = rayon::ThreadPoolBuilder::new()
            .num_threads(4)
            .build()
            .unwrap();
        let alone = one.install(|| mesh.signed_distances(&points));
        assert_eq!(alone, four.install(|| mesh.signed_distances(&points)));
        let reversed: Vec<_> = points.iter().copied().rev().collect();
        let mut in_order = four.install(|| mesh.signed_distances(&reversed));
        in_order.reverse();
        assert_eq!(alone, in_order);
        assert_eq!(
            alone[17].to_bits(),
            mesh.signed_distance(points[17]).to_bits()
        );
    }

    #[test]
    fn a_point_that_is_not_finite_has_no_distance_and_is_not_inside() {
        let mesh = MeshDistance::new(&cube(2.0)).unwrap();
        assert!(mesh.signed_distance([f64::NAN, 0.0, 0.0]).is_nan());
        assert_eq!(
            mesh.contains(&[[f64::NAN, 0.0, 0.0], [0.0; 3]]),
            [false, true]
        );
    }
}
