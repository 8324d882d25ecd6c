//! The generalized winding number of a mesh.

use std::f64::consts::PI;

use parry3d_f64::glamx::DVec3;

use super::orientation::scaled_normal;
use crate::Mesh;

/// Faces of a leaf of the tree.
const LEAF_FACES: usize = 8;

/// β of Barill et al., the distance in radii of a cluster beyond which its expansion is used. Errors reach 0.07 in a sphere.
const COARSE: f64 = 2.0;

/// β for errors of a few thousandths.
const FINE: f64 = 8.0;

/// Coarse values that differ from ½ by this much are on the right side of it.
const DECISIVE: f64 = 0.2;

/// A hierarchy of the triangles of a mesh that evaluates its generalized winding number
/// `w(q) = Σ Ω(q) / 4π` over the solid angles Ω of the faces (Jacobson et al. 2013, "Robust inside-outside segmentation using generalized
/// winding numbers").
///
/// Near faces are exact; clusters of far ones are replaced by their expansion to first order in the distance from their center (Barill et al.
/// 2018, "Fast winding numbers for soups and clouds", §3 with the first two terms).
#[derive(Debug)]
pub(super) struct WindingTree {
    /// Corners of the triangles, those of a cluster side by side.
    triangles: Vec<[DVec3; 3]>,
    /// Clusters in depth-first order.
    clusters: Vec<Cluster>,
}

#[derive(Debug)]
struct Cluster {
    /// Centroid of its surface.
    center: DVec3,
    /// Squared distance of its farthest corner from the center.
    squared_radius: f64,
    /// `Σ n`, of area vectors `n`.
    dipole: DVec3,
    /// Diagonal of the matrix `Σ (centroid − center) nᵀ`.
    diagonal: DVec3,
    /// Sums of its opposite elements off the diagonal: those of yz, zx and xy.
    off_diagonal: DVec3,
    /// Triangles of a leaf; empty for a cluster of clusters.
    leaf: std::ops::Range<usize>,
    /// Index of the next cluster that is not part of this one.
    next: usize,
}

impl WindingTree {
    pub(super) fn new(mesh: &Mesh) -> Self {
        let mut triangles: Vec<_> = mesh.corners().collect();
        let mut clusters = Vec::new();
        add_clusters(&mut triangles, 0, &mut clusters);
        Self {
            triangles,
            clusters,
        }
    }

    /// Returns whether the winding number at `point` is at least ½.
    pub(super) fn contains(&self, point: DVec3) -> bool {
        let coarse = self.evaluate(point, COARSE);
        if (coarse - 0.5).abs() >= DECISIVE {
            coarse >= 0.5
        } else {
            self.winding_number(point) >= 0.5
        }
    }

    /// Returns the winding number at `point`: 1 inside and 0 outside of a closed mesh, a value between near the holes of an open one.
    pub(super) fn winding_number(&self, point: DVec3) -> f64 {
        self.evaluate(point, FINE)
    }

    fn evaluate(&self, point: DVec3, accuracy: f64) -> f64 {
        let (mut sum, mut at) = (0.0, 0);
        while let Some(cluster) = self.clusters.get(at) {
            let offset = cluster.center - point;
            let squared = offset.length_squared();
            if squared > accuracy * accuracy * cluster.squared_radius {
                sum += cluster.far_solid_angle(offset, squared);
                at = cluster.next;
            } else if cluster.leaf.is_empty() {
                at += 1;
            } else {
                let near = &self.triangles[cluster.leaf.clone()];
                sum += near
                    .iter()
                    .map(|triangle| solid_angle(triangle, point))
                    .sum::<f64>();
                at = cluster.next;
            }
        }
        sum / (4.0 * PI)
    }
}

impl Cluster {
    fn new(triangles: &[[DVec3; 3]]) -> Self {
        let (mut area, mut moment, mut mean, mut dipole) =
            (0.0, DVec3::ZERO, DVec3::ZERO, DVec3::ZERO);
        for triangle in triangles {
            let vector = area_vector(triangle);
            area += vector.length();
            moment += vector.length() * centroid(triangle);
            mean += centroid(triangle);
            dipole += vector;
        }
        let center = if area > 0.0 {
            moment / area
        } else {
            mean / triangles.len() as f64
        };
        let (mut squared_radius, mut diagonal, mut off_diagonal) =
            (0.0_f64, DVec3::ZERO, DVec3::ZERO);
        for triangle in triangles {
            let (arm, n) = (centroid(triangle) - center, area_vector(triangle));
            diagonal += arm * n;
            off_diagonal += DVec3::new(
                arm.y * n.z + arm.z * n.y,
                arm.z * n.x + arm.x * n.z,
                arm.x * n.y + arm.y * n.x,
            );
            for corner in triangle {
                squared_radius = squared_radius.max(corner.distance_squared(center));
            }
        }
        Self {
            center,
            squared_radius,
            dipole,
            diagonal,
            off_diagonal,
            leaf: 0..0,
            next: 0,
        }
    }

    /// Returns the solid angle of the cluster seen from afar: `r·D/r³ + tr M/r³ − 3 rᵀM r/r⁵` for the offset `r` of its center, dipole `D` and matrix `M`.
    fn far_solid_angle(&self, r: DVec3, squared: f64) -> f64 {
        let trace = self.diagonal.element_sum();
        let products = DVec3::new(r.y * r.z, r.z * r.x, r.x * r.y);
        let form = self.diagonal.dot(r * r) + self.off_diagonal.dot(products);
        (r.dot(self.dipole) + trace - 3.0 * form / squared) / (squared * squared.sqrt())
    }
}

/// Sorts `triangles`, the first of which has index `first` in the tree, into clusters and appends those in depth-first order.
fn add_clusters(triangles: &mut [[DVec3; 3]], first: usize, clusters: &mut Vec<Cluster>) {
    if triangles.is_empty() {
        return;
    }
    let own = clusters.len();
    clusters.push(Cluster::new(triangles));
    if triangles.len() <= LEAF_FACES {
        clusters[own].leaf = first..first + triangles.len();
    } else {
        let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
        for triangle in &*triangles {
            low = low.min(centroid(triangle));
            high = high.max(centroid(triangle));
        }
        let axis = (high - low).max_position();
        let middle = triangles.len() / 2;
        triangles.select_nth_unstable_by(middle, |a, b| {
            centroid(a)[axis].total_cmp(&centroid(b)[axis])
        });
        let (left, right) = triangles.split_at_mut(middle);
        add_clusters(left, first, clusters);
        add_clusters(right, first + middle, clusters);
    }
    clusters[own].next = clusters.len();
}

fn centroid([a, b, c]: &[DVec3; 3]) -> DVec3 {
    (a + b + c) / 3.0
}

/// Returns the normal of a triangle with its area as length.
fn area_vector(corners: &[DVec3; 3]) -> DVec3 {
    scaled_normal(*corners) / 2.0
}

/// Returns the signed solid angle of a triangle at `point` (Van Oosterom & Strackee 1983): positive from the side to which its normal does not
/// point.
fn solid_angle(triangle: &[DVec3; 3], point: DVec3) -> f64 {
    let [a, b, c] = triangle.map(|corner| corner - point);
    let [la, lb, lc] = [a.length(), b.length(), c.length()];
    let volume = a.dot(b.cross(c));
    let denominator = la * lb * lc + a.dot(b) * lc + b.dot(c) * la + c.dot(a) * lb;
    2.0 * volume.atan2(denominator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::test_shapes::{cube, merged, moved, random_points, sphere, torus};

    fn exact(mesh: &Mesh, point: DVec3) -> f64 {
        mesh.corners().map(|t| solid_angle(&t, point)).sum::<f64>() / (4.0 * PI)
    }

    #[test]
    fn the_solid_angle_of_a_face_of_a_cube_at_its_center_is_a_sixth_of_the_sphere() {
        let angles = cube(2.0)
            .corners()
            .map(|t| solid_angle(&t, DVec3::ZERO))
            .collect::<Vec<_>>();
        for face in angles.chunks(2) {
            assert!((face[0] + face[1] - 4.0 * PI / 6.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_tree_agrees_with_the_exact_sum_well_enough_to_decide() {
        let closed = torus(1.0, 0.4, 60);
        let mut open = sphere(1.0, 48);
        open.faces.truncate(open.faces.len() * 4 / 5);
        let soup = merged(&open, &moved(&closed, [0.5, 0.2, 0.1]));
        for mesh in [closed, open, soup] {
            let tree = WindingTree::new(&mesh);
            assert!(tree.clusters.len() > 200);
            let (mut fine, mut coarse) = (0.0_f64, 0.0_f64);
            for point in random_points(400, 1.8) {
                let point = DVec3::from(point);
                let expected = exact(&mesh, point);
                fine = fine.max((tree.winding_number(point) - expected).abs());
                coarse = coarse.max((tree.evaluate(point, COARSE) - expected).abs());
                assert_eq!(tree.contains(point), expected >= 0.5, "{point}: {expected}");
            }
            assert!(fine < 0.005, "{fine}");
            assert!(coarse > 1e-4, "the expansion was never used");
            assert!(coarse < DECISIVE / 2.0, "{coarse}");
        }
    }

    #[test]
    fn the_winding_number_is_one_inside_and_zero_outside_of_a_sphere() {
        let tree = WindingTree::new(&sphere(1.0, 64));
        for (x, expected) in [(0.0, 1.0), (0.9, 1.0), (1.1, 0.0), (30.0, 0.0)] {
            let found = tree.winding_number(DVec3::new(x, 0.01, 0.02));
            assert!((found - expected).abs() < 0.01, "{x}: {found}");
        }
    }

    #[test]
    fn faces_that_coincide_make_a_tree() {
        let mut mesh = cube(1.0);
        mesh.faces = vec![mesh.faces[0]; 1000];
        let tree = WindingTree::new(&mesh);
        let point = DVec3::new(0.1, 0.2, 0.3);
        assert!((tree.winding_number(point) - exact(&mesh, point)).abs() < 1e-9);
    }
}
