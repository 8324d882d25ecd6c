//! How the triangles of a mesh hang together: borders, manifoldness, orientation, components.

use rayon::slice::ParallelSliceMut;

use super::vector::{face_normal, length};
use super::{Mesh, Vector};
use crate::disjoint_sets::DisjointSets;

/// Counts that tell whether a mesh is a closed surface. [`Mesh::topology`] computes them from the indices alone: positions play no part, so two
/// vertices at one position are two vertices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Vertices that a face uses.
    pub vertices: usize,
    /// Pairs of vertices that are a side of a face.
    pub edges: usize,
    /// Faces, without the degenerate ones.
    pub faces: usize,
    /// Faces with a corner that occurs twice or that is no vertex of the mesh. All other counts leave them out.
    pub degenerate_faces: usize,
    /// Edges of one face.
    pub boundary_edges: usize,
    /// Edges of three or more faces.
    pub non_manifold_edges: usize,
    /// Edges of two faces that run through them in the same direction: one of the faces is turned over.
    pub misoriented_edges: usize,
    /// Vertices whose faces form several fans, which touch at the vertex only.
    pub non_manifold_vertices: usize,
    /// χ = vertices − edges + faces. A closed connected surface with `g` handles has χ = 2 − 2g.
    pub euler_characteristic: i64,
    /// Sets of faces that are connected by common vertices.
    pub components: usize,
}

impl Topology {
    /// Returns whether there are faces, and each edge belongs to exactly two, in opposite directions. Such a mesh has an inside and an outside.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.faces > 0
            && self.boundary_edges == 0
            && self.non_manifold_edges == 0
            && self.misoriented_edges == 0
    }

    /// Returns whether the mesh is a surface at every point: at most two faces at an edge, one fan of faces at a vertex.
    #[must_use]
    pub fn is_manifold(&self) -> bool {
        self.non_manifold_edges == 0 && self.non_manifold_vertices == 0
    }
}

impl Mesh {
    /// Counts edges, borders and components, from the indices of the faces.
    #[must_use]
    pub fn topology(&self) -> Topology {
        let half_edges = self.sorted_half_edges();
        let mut topology = Topology {
            faces: half_edges.len() / 3,
            degenerate_faces: self.faces.len() - half_edges.len() / 3,
            components: self.label_components().count,
            ..Topology::default()
        };
        // Corners of faces at a common vertex, united across the edges between their faces.
        let mut fans = DisjointSets::new(3 * self.faces.len());
        for edge in half_edges.chunk_by(HalfEdge::is_along) {
            topology.edges += 1;
            match edge {
                [_] => topology.boundary_edges += 1,
                [first, second] => {
                    let same = self.runs_upward(*first) == self.runs_upward(*second);
                    topology.misoriented_edges += usize::from(same);
                }
                _ => topology.non_manifold_edges += 1,
            }
            for pair in edge.windows(2) {
                let [first, second] = [self.ends(pair[0]), self.ends(pair[1])];
                fans.unite(first.low, second.low);
                fans.unite(first.high, second.high);
            }
        }
        let mut fans_of_vertex = vec![0_u32; self.vertices.len()];
        for (index, face) in self.valid_faces() {
            for (place, &vertex) in face.iter().enumerate() {
                let corner = 3 * index + place;
                fans_of_vertex[vertex as usize] += u32::from(fans.find(corner) == corner);
            }
        }
        topology.vertices = fans_of_vertex.iter().filter(|&&fans| fans > 0).count();
        topology.non_manifold_vertices = fans_of_vertex.iter().filter(|&&fans| fans > 1).count();
        topology.euler_characteristic =
            topology.vertices as i64 - topology.edges as i64 + topology.faces as i64;
        topology
    }

    /// Returns the components, in the order of their first faces. Two faces belong to one component if common vertices connect them. Degenerate
    /// faces and vertices without faces are left out.
    #[must_use]
    pub fn components(&self) -> Vec<Self> {
        let labels = self.label_components();
        let mut members = vec![Vec::new(); labels.count];
        for (index, face) in self.valid_faces() {
            members[labels.of_face[index]].push(*face);
        }
        let mut renumbered = vec![u32::MAX; self.vertices.len()];
        members
            .into_iter()
            .map(|faces| self.part(faces, &mut renumbered))
            .collect()
    }

    /// Returns the component of the largest area, the first one of several. An empty mesh is returned as it is.
    #[must_use]
    pub fn largest_component(&self) -> Self {
        let labels = self.label_components();
        let mut areas = vec![0.0; labels.count];
        for (index, face) in self.valid_faces() {
            areas[labels.of_face[index]] += self.area_of(*face);
        }
        let mut largest = 0;
        for (label, &area) in areas.iter().enumerate() {
            if area > areas[largest] {
                largest = label;
            }
        }
        let faces = self
            .valid_faces()
            .filter(|(index, _)| labels.of_face[*index] == largest)
            .map(|(_, face)| *face)
            .collect();
        self.part(faces, &mut vec![u32::MAX; self.vertices.len()])
    }

    /// Returns the mesh of some faces with the vertices that they use, in the order of the vertices of this mesh. `renumbered` has an entry per
    /// vertex, all of them `u32::MAX` before and after.
    fn part(&self, mut faces: Vec<[u32; 3]>, renumbered: &mut [u32]) -> Self {
        let mut used: Vec<u32> = faces.iter().flatten().copied().collect();
        used.sort_unstable();
        used.dedup();
        for (new, &old) in used.iter().enumerate() {
            renumbered[old as usize] = new as u32;
        }
        for corner in faces.iter_mut().flatten() {
            *corner = renumbered[*corner as usize];
        }
        for &old in &used {
            renumbered[old as usize] = u32::MAX;
        }
        let select = |all: &Vec<Vector>| used.iter().map(|&old| all[old as usize]).collect();
        Self {
            vertices: select(&self.vertices),
            faces,
            normals: self
                .normals
                .as_ref()
                .filter(|normals| normals.len() == self.vertices.len())
                .map(select),
        }
    }

    /// Iterates over the faces that are not degenerate, with their indices.
    fn valid_faces(&self) -> impl Iterator<Item = (usize, &[u32; 3])> {
        let count = self.vertices.len();
        self.faces.iter().enumerate().filter(move |(_, face)| {
            let [a, b, c] = **face;
            a != b && b != c && c != a && face.iter().all(|&corner| (corner as usize) < count)
        })
    }

    fn sorted_half_edges(&self) -> Vec<HalfEdge> {
        let mut half_edges = Vec::with_capacity(3 * self.faces.len());
        for (index, face) in self.valid_faces() {
            for place in 0..3 {
                let [from, to] = [face[place], face[(place + 1) % 3]];
                half_edges.push(HalfEdge {
                    low: from.min(to),
                    high: from.max(to),
                    corner: (3 * index + place) as u64,
                });
            }
        }
        half_edges.par_sort_unstable();
        half_edges
    }

    /// Returns whether the face of a half-edge runs from its lower to its higher vertex.
    fn runs_upward(&self, edge: HalfEdge) -> bool {
        let corner = edge.corner as usize;
        self.faces[corner / 3][corner % 3] == edge.low
    }

    fn ends(&self, edge: HalfEdge) -> Ends {
        let from = edge.corner as usize;
        let to = from / 3 * 3 + (from + 1) % 3;
        if self.runs_upward(edge) {
            Ends {
                low: from,
                high: to,
            }
        } else {
            Ends {
                low: to,
                high: from,
            }
        }
    }

    fn label_components(&self) -> ComponentLabels {
        let mut sets = DisjointSets::new(self.vertices.len());
        for (_, face) in self.valid_faces() {
            sets.unite(face[0] as usize, face[1] as usize);
            sets.unite(face[0] as usize, face[2] as usize);
        }
        let mut label_of_root = vec![usize::MAX; self.vertices.len()];
        let mut of_face = vec![usize::MAX; self.faces.len()];
        let mut count = 0;
        for (index, face) in self.valid_faces() {
            let label = &mut label_of_root[sets.find(face[0] as usize)];
            if *label == usize::MAX {
                *label = count;
                count += 1;
            }
            of_face[index] = *label;
        }
        ComponentLabels { of_face, count }
    }

    /// Returns the positions of the corners of a face whose indices are in range.
    pub(crate) fn corners_of(&self, face: [u32; 3]) -> [Vector; 3] {
        face.map(|index| self.vertices[index as usize])
    }

    /// Returns the area of a face whose indices are in range.
    pub(super) fn area_of(&self, face: [u32; 3]) -> f64 {
        0.5 * length(face_normal(self.corners_of(face)))
    }
}

/// A side of a face. The order sorts the sides of an edge together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HalfEdge {
    low: u32,
    high: u32,
    /// Three times the face, plus the place of the corner at which the side starts.
    corner: u64,
}

impl HalfEdge {
    fn is_along(&self, other: &Self) -> bool {
        self.low == other.low && self.high == other.high
    }
}

/// Corners of a face at the two ends of a half-edge, by the order of the vertices.
struct Ends {
    low: usize,
    high: usize,
}

struct ComponentLabels {
    /// `usize::MAX` for degenerate faces.
    of_face: Vec<usize>,
    count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tetrahedron(offset: f64, scale: f64) -> Mesh {
        let corners = [
            [0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
        ];
        Mesh {
            vertices: corners
                .iter()
                .map(|corner| corner.map(|x| offset + scale * x))
                .collect(),
            faces: vec![[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
            normals: None,
        }
    }

    fn join(mut first: Mesh, second: &Mesh) -> Mesh {
        let shift = first.vertices.len() as u32;
        first.vertices.extend(&second.vertices);
        let shifted = second
            .faces
            .iter()
            .map(|face| face.map(|corner| corner + shift));
        first.faces.extend(shifted);
        first
    }

    #[test]
    fn a_tetrahedron_is_closed_and_has_characteristic_2() {
        let expected = Topology {
            vertices: 4,
            edges: 6,
            faces: 4,
            euler_characteristic: 2,
            components: 1,
            ..Topology::default()
        };
        let topology = tetrahedron(0.0, 1.0).topology();
        assert_eq!(topology, expected);
        assert!(topology.is_closed() && topology.is_manifold());
    }

    #[test]
    fn a_missing_face_leaves_three_boundary_edges() {
        let mut mesh = tetrahedron(0.0, 1.0);
        mesh.faces.pop();
        let topology = mesh.topology();
        assert_eq!(
            (topology.boundary_edges, topology.euler_characteristic),
            (3, 1)
        );
        assert!(!topology.is_closed() && topology.is_manifold());
    }

    #[test]
    fn a_face_turned_over_has_three_misoriented_edges() {
        let mut mesh = tetrahedron(0.0, 1.0);
        mesh.faces[2].swap(0, 1);
        let topology = mesh.topology();
        assert_eq!(topology.misoriented_edges, 3);
        assert!(!topology.is_closed());
    }

    #[test]
    fn a_third_face_makes_an_edge_non_manifold() {
        let mut mesh = tetrahedron(0.0, 1.0);
        mesh.vertices.push([5.0, 5.0, 5.0]);
        mesh.faces.push([0, 1, 4]);
        let topology = mesh.topology();
        assert_eq!(
            (topology.non_manifold_edges, topology.boundary_edges),
            (1, 2)
        );
        assert!(!topology.is_closed() && !topology.is_manifold());
    }

    #[test]
    fn two_tetrahedra_at_one_vertex_are_closed_and_not_manifold() {
        let mut mesh = join(tetrahedron(0.0, 1.0), &tetrahedron(3.0, 1.0));
        for corner in mesh.faces.iter_mut().flatten() {
            if *corner == 4 {
                *corner = 3;
            }
        }
        let topology = mesh.topology();
        assert_eq!((topology.vertices, topology.components), (7, 1));
        assert_eq!(topology.non_manifold_vertices, 1);
        assert!(topology.is_closed() && !topology.is_manifold());
    }

    #[test]
    fn components_split_and_the_one_of_the_largest_area_wins() {
        let [small, large] = [tetrahedron(5.0, 1.0), tetrahedron(0.0, 2.0)];
        let mesh = join(small.clone(), &large);
        assert_eq!(mesh.topology().components, 2);
        assert_eq!(mesh.components(), [small, large.clone()]);
        assert_eq!(mesh.largest_component(), large);
    }

    #[test]
    fn lone_vertices_and_degenerate_faces_are_not_counted() {
        let mut mesh = tetrahedron(0.0, 1.0);
        let normal = tetrahedron(0.0, 1.0).topology();
        mesh.vertices.push([9.0; 3]);
        mesh.faces.extend([[1, 1, 2], [0, 1, 77]]);
        let topology = mesh.topology();
        assert_eq!(
            topology,
            Topology {
                degenerate_faces: 2,
                ..normal
            }
        );
        assert_eq!(mesh.largest_component(), tetrahedron(0.0, 1.0));
        assert_eq!(Mesh::default().topology(), Topology::default());
        assert!(!Mesh::default().topology().is_closed());
        assert_eq!(Mesh::default().largest_component(), Mesh::default());
    }
}
