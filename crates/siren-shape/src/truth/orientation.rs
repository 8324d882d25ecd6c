//! The orientation of a mesh: whether it bounds a volume, and on which side.

use parry3d_f64::glamx::DVec3;

use crate::Mesh;

impl Mesh {
    /// Returns the signed volume that the mesh bounds, in cubed units: positive if its faces are counterclockwise from outside.
    ///
    /// The sum of `(a − o)·((b − o) × (c − o)) / 6` over the faces `a, b, c`, where `o` is the centroid of the surface. The sum of a closed
    /// mesh does not depend on `o`; an open mesh is closed by triangles from its boundary to `o`. The volume of a mesh without area is 0.
    ///
    /// Faces with an index out of range are left out.
    #[must_use]
    pub fn signed_volume(&self) -> f64 {
        let (mut area, mut moment) = (0.0, DVec3::ZERO);
        for [a, b, c] in self.corners() {
            let own = scaled_normal([a, b, c]).length();
            area += own;
            moment += own * (a + b + c) / 3.0;
        }
        if area == 0.0 {
            return 0.0;
        }
        let origin = moment / area;
        let volume = |[a, b, c]: [DVec3; 3]| (a - origin).dot((b - origin).cross(c - origin));
        self.corners().map(volume).sum::<f64>() / 6.0
    }

    /// Returns whether the mesh is inside out: its [`signed_volume`](Self::signed_volume) is negative, so its faces are clockwise from outside.
    ///
    /// Parts of the mesh are not told apart: a small part may be inside out in a mesh that is not.
    #[must_use]
    pub fn is_inside_out(&self) -> bool {
        self.signed_volume() < 0.0
    }

    /// Returns the mesh with its faces in the opposite orientation and its normals negated.
    #[must_use]
    pub fn flipped(&self) -> Self {
        let negated = |normals: &Vec<crate::Vector>| {
            let negate = |normal: &crate::Vector| normal.map(|x| -x);
            normals.iter().map(negate).collect()
        };
        Self {
            vertices: self.vertices.clone(),
            faces: self.faces.iter().map(|&[a, b, c]| [a, c, b]).collect(),
            normals: self.normals.as_ref().map(negated),
        }
    }

    /// Iterates over the corners of the faces whose indices are in range.
    pub(super) fn corners(&self) -> impl Iterator<Item = [DVec3; 3]> {
        let vertex = |index: u32| self.vertices.get(index as usize).copied().map(DVec3::from);
        self.faces
            .iter()
            .filter_map(move |&[a, b, c]| Some([vertex(a)?, vertex(b)?, vertex(c)?]))
    }
}

/// Returns (b − a) × (c − a) of a triangle: its normal, counterclockwise, with the length of twice its area.
pub(super) fn scaled_normal([a, b, c]: [DVec3; 3]) -> DVec3 {
    (b - a).cross(c - a)
}

#[cfg(test)]
mod tests {
    use crate::truth::test_shapes::{cube, moved, sphere};

    #[test]
    fn the_volume_of_a_cube_is_exact_wherever_it_lies_and_flips_its_sign() {
        let far = moved(&cube(2.0), [100.0, -50.0, 7.0]);
        assert!((far.signed_volume() - 8.0).abs() < 1e-9);
        assert!((far.flipped().signed_volume() + 8.0).abs() < 1e-9);
        assert!(!far.is_inside_out() && far.flipped().is_inside_out());
        assert_eq!(far.flipped().flipped(), far);
    }

    #[test]
    fn the_orientation_of_an_open_mesh_is_found_wherever_it_lies() {
        let mut open = moved(&sphere(1.0, 16), [0.0, 0.0, 50.0]);
        open.faces.truncate(open.faces.len() - 16);
        assert!(!open.is_inside_out() && open.flipped().is_inside_out());
    }

    #[test]
    fn flipping_negates_the_normals() {
        let mut mesh = cube(1.0);
        mesh.normals = Some(vec![[0.0, 0.6, -0.8]; 8]);
        assert_eq!(mesh.flipped().normals, Some(vec![[-0.0, -0.6, 0.8]; 8]));
    }
}
