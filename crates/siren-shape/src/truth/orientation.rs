//! The orientation of a mesh: whether it bounds a volume, and on which side.

use std::collections::HashMap;

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
            let own = (b - a).cross(c - a).length();
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

/// Returns whether each edge belongs to exactly two faces that pass it in opposite directions, and the faces around each vertex form one fan.
pub(super) fn is_closed_manifold(faces: &[[u32; 3]]) -> bool {
    // Around its start, the face of a directed edge leads from `to` to `next`.
    let mut next_of = HashMap::with_capacity(3 * faces.len());
    let mut fans: HashMap<u32, u32> = HashMap::new();
    for &[a, b, c] in faces {
        for [from, to, next] in [[a, b, c], [b, c, a], [c, a, b]] {
            if from == to || next_of.insert((from, to), next).is_some() {
                return false;
            }
            *fans.entry(from).or_default() += 1;
        }
    }
    if !next_of
        .keys()
        .all(|&(from, to)| next_of.contains_key(&(to, from)))
    {
        return false;
    }
    // Every edge is matched, so the walk around a vertex returns to its start: after all of its faces, or after those of one fan of several.
    let mut starts: HashMap<u32, u32> = HashMap::with_capacity(fans.len());
    for &[a, b, c] in faces {
        for (from, to) in [(a, b), (b, c), (c, a)] {
            starts.entry(from).or_insert(to);
        }
    }
    starts.into_iter().all(|(vertex, start)| {
        let (mut at, mut faces) = (start, 0);
        loop {
            let Some(&next) = next_of.get(&(vertex, at)) else {
                return false;
            };
            (at, faces) = (next, faces + 1);
            if at == start {
                return fans.get(&vertex) == Some(&faces);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::test_shapes::{cube, merged, moved, sphere, torus};

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

    #[test]
    fn a_sphere_and_a_torus_are_closed_manifolds() {
        assert!(is_closed_manifold(&sphere(1.0, 12).faces));
        assert!(is_closed_manifold(&torus(1.0, 0.3, 12).faces));
    }

    #[test]
    fn a_hole_a_flipped_face_or_a_doubled_face_is_no_closed_manifold() {
        let faces = cube(1.0).faces;
        assert!(!is_closed_manifold(&faces[1..]));
        let mut flipped = faces.clone();
        flipped[3].swap(0, 1);
        assert!(!is_closed_manifold(&flipped));
        let mut doubled = faces.clone();
        doubled.push(faces[0]);
        assert!(!is_closed_manifold(&doubled));
    }

    #[test]
    fn two_cubes_that_share_one_corner_are_no_closed_manifold() {
        let pair = merged(&cube(1.0), &moved(&cube(1.0), [5.0, 0.0, 0.0]));
        assert!(is_closed_manifold(&pair.faces));
        let shared = pair
            .faces
            .iter()
            .map(|face| face.map(|i| if i == 8 { 7 } else { i }));
        assert!(!is_closed_manifold(&shared.collect::<Vec<_>>()));
    }
}
