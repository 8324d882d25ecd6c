//! The 256 cases of marching cubes, generated.
//!
//! Corner `c` of a cell lies at (c & 1, c >> 1 & 1, c >> 2 & 1). Bit `c` of a case says that corner `c` is inside, where the function is below the
//! level. Edge `4a + u + 2v` runs along axis `a` at `u` and `v` of the two axes that follow `a` cyclically. The surface has one vertex on each edge
//! between an inside and an outside corner.
//!
//! On each face of the cell, every run of inside corners around the face is cut off by one segment. So an ambiguous face, with inside corners on one
//! diagonal, always separates them, and both cells at the face draw the same segments, in opposite directions. The segments of a cell form loops,
//! and each loop is triangulated by a fan whose diagonals lie inside the cell: a diagonal between two edges of one face could be an edge of the cell
//! on the other side too, and would then have more than two triangles. With that, in a grid whose border is outside, each edge of the mesh has two
//! triangles, and the triangles of each vertex form one fan. Each of the 256 cases has such a fan for each loop, without further vertices.

use std::sync::LazyLock;

/// Number of edges of a cell.
pub(super) const EDGES: usize = 12;

/// Triangles of each case, by their edges, counterclockwise from outside.
pub(super) static TRIANGLES: LazyLock<Vec<Vec<[u8; 3]>>> =
    LazyLock::new(|| (0..=u8::MAX).map(triangles).collect());

/// Corners of each face, counterclockwise from outside the cell. Face `2a + s` is perpendicular to axis `a` at its lower (0) or upper (1) end.
pub(super) const FACES: [[u8; 4]; 6] = [
    [0, 4, 6, 2],
    [1, 3, 7, 5],
    [0, 1, 5, 4],
    [2, 6, 7, 3],
    [0, 2, 3, 1],
    [4, 5, 7, 6],
];

/// Returns the lower and the upper corner of an edge.
pub(super) fn ends(edge: u8) -> [u8; 2] {
    let axis = axis(edge);
    let [second, third] = [(axis + 1) % 3, (axis + 2) % 3];
    let low = (edge & 1) << second | (edge >> 1 & 1) << third;
    [low, low | 1 << axis]
}

/// Returns the axis along which an edge runs.
pub(super) fn axis(edge: u8) -> u8 {
    edge / 4
}

/// Returns whether a face, by its index in [`FACES`], has corners inside and outside.
pub(super) fn crosses_face(case: u8, face: usize) -> bool {
    let corners = FACES[face].iter().fold(0, |set, corner| set | 1 << corner);
    let inside = case & corners;
    inside != 0 && inside != corners
}

fn triangles(case: u8) -> Vec<[u8; 3]> {
    let mut next = segments(case);
    let mut triangles = Vec::new();
    for start in 0..EDGES {
        let mut loop_edges = Vec::new();
        let mut at = start;
        while let Some(end) = next[at].take() {
            loop_edges.push(at as u8);
            at = usize::from(end);
        }
        if !loop_edges.is_empty() {
            triangles.extend(fan(&loop_edges));
        }
    }
    triangles
}

/// Returns the segments of all faces of a case: for each edge, the edge to which the segment that starts there leads.
fn segments(case: u8) -> [Option<u8>; EDGES] {
    let is_inside = |corner: u8| case >> corner & 1 == 1;
    let mut next = [None; EDGES];
    for face in FACES {
        for first in 0..4 {
            let before = face[(first + 3) % 4];
            if is_inside(before) || !is_inside(face[first]) {
                continue;
            }
            // `first` starts a run of inside corners. It has an end, since `before` is outside.
            let length = (1..4)
                .take_while(|step| is_inside(face[(first + step) % 4]))
                .count();
            let last = face[(first + length) % 4];
            let after = face[(first + length + 1) % 4];
            next[usize::from(edge_between(before, face[first]))] = Some(edge_between(last, after));
        }
    }
    next
}

fn edge_between(first: u8, second: u8) -> u8 {
    let axis = (first ^ second).trailing_zeros() as u8;
    let [low, b, c] = [first & second, (axis + 1) % 3, (axis + 2) % 3];
    4 * axis + (low >> b & 1) + 2 * (low >> c & 1)
}

/// Triangulates a loop from the first of its edges whose diagonals all lie inside the cell.
fn fan(loop_edges: &[u8]) -> Vec<[u8; 3]> {
    let count = loop_edges.len();
    let around = |start: usize, step: usize| loop_edges[(start + step) % count];
    let start = (0..count)
        .find(|&start| {
            (2..count - 1).all(|step| !share_face(around(start, 0), around(start, step)))
        })
        .expect("each loop of the 256 cases has such a fan, which a test checks");
    (1..count - 1)
        .map(|step| [0, step, step + 1].map(|step| around(start, step)))
        .collect()
}

/// Returns whether two edges lie on one face of the cell.
fn share_face(first: u8, second: u8) -> bool {
    let corners = [ends(first), ends(second)].concat();
    FACES
        .iter()
        .any(|face| corners.iter().all(|corner| face.contains(corner)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_case_uses_each_crossed_edge_and_no_other() {
        for case in 0..=u8::MAX {
            let mut used: Vec<u8> = TRIANGLES[usize::from(case)].concat();
            used.sort_unstable();
            used.dedup();
            let crossed: Vec<u8> = (0..EDGES as u8)
                .filter(|&edge| ends(edge).map(|corner| case >> corner & 1) != [0, 0])
                .filter(|&edge| ends(edge).map(|corner| case >> corner & 1) != [1, 1])
                .collect();
            assert_eq!(used, crossed, "case {case:#010b}");
        }
    }

    #[test]
    fn triangles_meet_a_face_in_its_segments_and_each_other_in_diagonals_inside_the_cell() {
        for case in 0..=u8::MAX {
            let mut sides = BTreeMap::new();
            for triangle in &TRIANGLES[usize::from(case)] {
                for place in 0..3 {
                    let side = [triangle[place], triangle[(place + 1) % 3]];
                    *sides.entry(side).or_insert(0) += 1;
                }
            }
            for (&[from, to], &count) in &sides {
                assert_eq!(count, 1, "case {case:#010b}");
                let is_diagonal = sides.contains_key(&[to, from]);
                let is_segment = segments(case)[usize::from(from)] == Some(to);
                assert!(is_diagonal != is_segment, "case {case:#010b}");
                assert_eq!(share_face(from, to), is_segment, "case {case:#010b}");
            }
        }
    }

    #[test]
    fn one_inside_corner_gives_a_triangle_that_faces_away_from_it() {
        // Edges 0, 4 and 8 are those of corner 0 along x, y and z.
        assert_eq!(TRIANGLES[0b0000_0001], [[0, 4, 8]]);
        assert_eq!(TRIANGLES[0b1111_1110], [[0, 8, 4]]);
        assert!(TRIANGLES[0].is_empty() && TRIANGLES[255].is_empty());
    }

    #[test]
    fn inside_corners_on_a_diagonal_of_a_face_are_separated() {
        // Corners 0 and 3 lie on the face z = 0.
        assert_eq!(TRIANGLES[0b0000_1001].len(), 2);
        // Outside corners 0 and 3 are joined by a hexagon.
        assert_eq!(TRIANGLES[0b1111_0110].len(), 4);
    }
}
