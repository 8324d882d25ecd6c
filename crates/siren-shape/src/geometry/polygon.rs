//! Faces of any number of corners, and their triangles.

use super::Vector;
use super::vector::{cross, difference, dot, face_normal, sum};

/// The largest index of a vertex in a file, and where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LargestIndex {
    pub(super) index: u32,
    /// Number of the line or of the face.
    pub(super) place: u64,
}

/// Faces as lists of the indices of their corners, in one allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Polygons {
    corners: Vec<u32>,
    /// For each polygon the end of its corners.
    ends: Vec<usize>,
    largest: LargestIndex,
}

impl Polygons {
    /// Adds a face. `place` is the number of its line, or its own number, for messages.
    pub(super) fn push(&mut self, corners: &[u32], place: u64) {
        for &index in corners {
            if index >= self.largest.index {
                self.largest = LargestIndex { index, place };
            }
        }
        self.corners.extend_from_slice(corners);
        self.ends.push(self.corners.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Returns the largest index, or `None` without faces.
    pub(super) fn largest(&self) -> Option<LargestIndex> {
        (!self.corners.is_empty()).then_some(self.largest)
    }

    /// Returns the corners of each face.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.corners[start..end])
    }
}

/// Appends the triangles of a polygon, in its order of corners. A polygon of `n` corners has `n − 2` triangles; one of fewer than 3 corners
/// has none.
///
/// A convex polygon becomes a fan. Of another one ears are cut off (Meisters 1975), in the plane of its area vector (Newell's method); what
/// remains of a polygon that intersects itself becomes a fan.
pub(super) fn triangulate(polygon: &[u32], vertices: &[Vector], faces: &mut Vec<[u32; 3]>) {
    if let &[a, b, c] = polygon {
        faces.push([a, b, c]);
        return;
    }
    let position = |index: u32| vertices[index as usize];
    let mut rest = polygon.to_vec();
    let Some(&start) = rest.first() else { return };
    let edges = rest.iter().zip(rest.iter().cycle().skip(1));
    // Relative to a corner: far from the origin the products would cancel.
    let from_start = |index: u32| difference(position(index), position(start));
    let area = edges.fold([0.0; 3], |area, (&a, &b)| {
        sum(area, cross(from_start(a), from_start(b)))
    });
    let turn = |corners: [u32; 3]| dot(area, face_normal(corners.map(position)));
    let is_fan = rest[1..]
        .windows(2)
        .all(|edge| turn([start, edge[0], edge[1]]) > 0.0);
    while !is_fan && rest.len() > 3 {
        let Some(ear) = (0..rest.len()).find(|&at| is_ear(&rest, at, &turn)) else {
            break;
        };
        faces.push(corners_at(&rest, ear));
        rest.remove(ear);
    }
    for edge in rest[1..].windows(2) {
        faces.push([rest[0], edge[0], edge[1]]);
    }
}

/// Returns a corner of a polygon between the previous and the next one.
fn corners_at(polygon: &[u32], at: usize) -> [u32; 3] {
    let count = polygon.len();
    [
        polygon[(at + count - 1) % count],
        polygon[at],
        polygon[(at + 1) % count],
    ]
}

/// Returns whether the triangle at a corner is convex and holds no other corner. `turn` is positive for a triangle that turns as the polygon
/// does.
fn is_ear(polygon: &[u32], at: usize, turn: &impl Fn([u32; 3]) -> f64) -> bool {
    let [a, b, c] = corners_at(polygon, at);
    let holds = |p: u32| {
        ![a, b, c].contains(&p)
            && turn([a, b, p]) >= 0.0
            && turn([b, c, p]) >= 0.0
            && turn([c, a, p]) >= 0.0
    };
    turn([a, b, c]) > 0.0 && !polygon.iter().any(|&p| holds(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triangles(corners: &[[f64; 2]]) -> Vec<[u32; 3]> {
        let vertices: Vec<Vector> = corners.iter().map(|&[x, y]| [x, y, 1e3]).collect();
        let polygon: Vec<u32> = (0..vertices.len() as u32).collect();
        let mut faces = Vec::new();
        triangulate(&polygon, &vertices, &mut faces);
        faces
    }

    /// Returns the signed areas of triangles.
    fn areas(corners: &[[f64; 2]]) -> Vec<f64> {
        let corner = |index: u32| corners[index as usize];
        let area = |[a, b, c]: [u32; 3]| {
            let ([ax, ay], [bx, by], [cx, cy]) = (corner(a), corner(b), corner(c));
            0.5 * ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        };
        triangles(corners).into_iter().map(area).collect()
    }

    #[test]
    fn convex_polygons_become_fans() {
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        assert_eq!(triangles(&square), [[0, 1, 2], [0, 2, 3]]);
        assert!(triangles(&square[..2]).is_empty());
        assert!(triangles(&[]).is_empty());
    }

    #[test]
    fn triangles_of_a_concave_polygon_cover_it_without_overlap() {
        // A dart, whose fan from the first corner leaves the polygon; a comb; both clockwise too.
        let dart = vec![[2.0, 2.0], [1.0, 1.0], [0.0, 2.0], [1.0, 0.0]];
        let comb = vec![
            [0.0, 0.0],
            [5.0, 0.0],
            [5.0, 3.0],
            [4.0, 3.0],
            [4.0, 1.0],
            [3.0, 1.0],
            [3.0, 3.0],
            [2.0, 3.0],
            [2.0, 1.0],
            [1.0, 1.0],
            [1.0, 3.0],
            [0.0, 3.0],
        ];
        for (polygon, area) in [(dart, 1.0), (comb, 11.0)] {
            for is_reversed in [false, true] {
                let mut polygon = polygon.clone();
                let mut sign = 1.0;
                if is_reversed {
                    polygon.reverse();
                    sign = -1.0;
                }
                let areas = areas(&polygon);
                assert_eq!(areas.len(), polygon.len() - 2);
                assert!(areas.iter().all(|a| sign * a > 0.0), "{areas:?}");
                assert!((sign * areas.iter().sum::<f64>() - area).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_polygon_that_intersects_itself_or_has_no_area_gives_triangles() {
        let bow = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
        assert_eq!(triangles(&bow).len(), 2);
        let point = [[0.0, 0.0]; 5];
        assert_eq!(triangles(&point).len(), 3);
    }
}
