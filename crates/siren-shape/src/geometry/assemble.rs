//! Makes a mesh of the vertices and faces of a file.

use std::path::Path;

use siren_core::{Error, Result};

use super::collect::{FileNormals, Normals, PointCollector};
use super::equal::first_of_equal;
use super::polygon::{Polygons, triangulate};
use super::vector::{cross, difference, length, unit};
use super::{Geometry, Mesh, Vector};

/// A face is degenerate if its height over its longest edge is at most this share of that edge: a few roundings of `f64`.
const FLAT: f64 = 1e-14;

/// Vertices and faces as a file stores them. The vertices were checked by `check_position`.
#[derive(Default)]
pub(super) struct RawMesh {
    pub(super) vertices: Vec<Vector>,
    /// Normals of any length at the vertices, if the file has one for each.
    pub(super) normals: Option<Vec<Vector>>,
    pub(super) polygons: Polygons,
    /// What `Polygons::push` was given as the place of a face: `line` or `face`.
    pub(super) place: &'static str,
}

impl RawMesh {
    /// Returns the mesh, or the points if there are no faces: with their normals if `normals` says so.
    ///
    /// Polygons are triangulated. Vertices at the same position become one: formats without shared vertices (STL), and seams of normals or
    /// textures in other formats, would make every edge a border. Degenerate faces and vertices without faces are dropped. Notes say how many.
    ///
    /// # Errors
    /// [`Error::Signal`] if there are no vertices, an index is out of range, or all faces are degenerate.
    pub(super) fn finish(
        self,
        path: &Path,
        normals: FileNormals,
        notes: &mut Vec<String>,
    ) -> Result<Geometry> {
        let mut note = |message: String| notes.push(format!("{}: {message}", path.display()));
        if self.polygons.is_empty() {
            note(format!(
                "holds no faces: its {} vertices are used as points",
                self.vertices.len()
            ));
            return self.into_points(path, normals, notes);
        }
        if let Some(largest) = self.polygons.largest()
            && largest.index as usize >= self.vertices.len()
        {
            return Err(Error::signal(
                path,
                format!(
                    "{} {} names vertex {} (counted from 0), but the file holds {} vertices: is it cut short?",
                    self.place,
                    largest.place,
                    largest.index,
                    self.vertices.len()
                ),
            ));
        }
        let mut faces = Vec::with_capacity(self.polygons.count());
        for polygon in self.polygons.iter() {
            triangulate(polygon, &self.vertices, &mut faces);
        }
        let count = faces.len();
        let firsts = first_of_equal(&self.vertices);
        for corner in faces.as_flattened_mut() {
            *corner = firsts[*corner as usize];
        }
        faces.retain(|face| !is_degenerate(face.map(|index| self.vertices[index as usize])));
        if faces.is_empty() {
            return Err(Error::signal(
                path,
                format!(
                    "all {} faces are degenerate, expected triangles with an area",
                    self.polygons.count()
                ),
            ));
        }
        if faces.len() < count {
            note(format!(
                "dropped {} of {count} triangles, which are degenerate (a repeated corner or no area)",
                count - faces.len()
            ));
        }
        let welded = Weld {
            vertices: &self.vertices,
            normals: self.normals.as_deref(),
            firsts: &firsts,
        };
        Ok(Geometry::Mesh(welded.compact(faces, &mut note)))
    }

    /// Returns the vertices as points.
    fn into_points(
        self,
        path: &Path,
        normals: FileNormals,
        notes: &mut Vec<String>,
    ) -> Result<Geometry> {
        let presence = if self.normals.is_some() {
            Normals::Named
        } else {
            Normals::Absent
        };
        let mut collector = PointCollector::new(presence.unless_ignored(normals));
        let mut normals = self.normals.unwrap_or_default().into_iter();
        for (point, index) in self.vertices.into_iter().zip(0..) {
            let pushed = collector.push(point, normals.next().unwrap_or_default());
            pushed.map_err(|message| {
                let place = format!("vertex {index} (counted from 0): {message}");
                Error::signal(path, place)
            })?;
        }
        Ok(Geometry::Points(collector.finish(path, notes)?))
    }
}

/// Vertices of a file of which those at the same position become one.
struct Weld<'a> {
    vertices: &'a [Vector],
    normals: Option<&'a [Vector]>,
    /// For each vertex the first one at its position.
    firsts: &'a [u32],
}

impl Weld<'_> {
    /// Returns the mesh of the vertices that faces use, in the order of the file.
    fn compact(&self, mut faces: Vec<[u32; 3]>, note: &mut impl FnMut(String)) -> Mesh {
        let mut is_used = vec![false; self.vertices.len()];
        for &corner in faces.as_flattened() {
            is_used[corner as usize] = true;
        }
        let welded = self
            .firsts
            .iter()
            .zip(0..)
            .filter(|&(&f, i)| f != i)
            .count();
        if welded > 0 {
            note(format!(
                "joined {welded} of {} vertices with others at the same position",
                self.vertices.len()
            ));
        }
        let normals = self.unit_normals(&is_used, note);
        let mut renumbered = vec![0; self.vertices.len()];
        let mut mesh = Mesh {
            vertices: Vec::new(),
            faces: Vec::new(),
            normals: normals.as_ref().map(|_| Vec::new()),
        };
        for (index, &vertex) in self.vertices.iter().enumerate() {
            if !is_used[index] {
                continue;
            }
            renumbered[index] = mesh.vertices.len() as u32;
            mesh.vertices.push(vertex);
            if let (Some(kept), Some(normals)) = (&mut mesh.normals, &normals) {
                kept.push(normals[index]);
            }
        }
        let unused = self.vertices.len() - welded - mesh.vertices.len();
        if unused > 0 {
            note(format!("dropped {unused} vertices that belong to no face"));
        }
        for corner in faces.as_flattened_mut() {
            *corner = renumbered[*corner as usize];
        }
        mesh.faces = faces;
        mesh
    }

    /// Returns the normals with length 1, or `None` if there are none, a used vertex has none, or joined vertices have different ones.
    fn unit_normals(&self, is_used: &[bool], note: &mut impl FnMut(String)) -> Option<Vec<Vector>> {
        let normals: Vec<Option<Vector>> = self.normals?.iter().map(|&n| unit(n)).collect();
        let used = |index: usize| is_used[self.firsts[index] as usize];
        let without = (0..normals.len())
            .filter(|&i| used(i) && normals[i].is_none())
            .count();
        if without > 0 {
            note(format!(
                "ignored all normals: those of {without} vertices have length 0 or are not finite"
            ));
            return None;
        }
        let is_same = |index: usize| {
            let (own, first) = (normals[index], normals[self.firsts[index] as usize]);
            own.zip(first)
                .is_none_or(|(a, b)| length(difference(a, b)) < 1e-6)
        };
        if !(0..normals.len()).all(is_same) {
            note("ignored all normals: joined vertices have different ones".to_owned());
            return None;
        }
        Some(normals.into_iter().map(Option::unwrap_or_default).collect())
    }
}

/// Returns whether a triangle has no area, except for rounding.
fn is_degenerate([a, b, c]: [Vector; 3]) -> bool {
    let (ab, ac, bc) = (difference(b, a), difference(c, a), difference(c, b));
    let longest = length(ab).max(length(ac)).max(length(bc));
    // Divided first: the square of a short edge is zero.
    let relative = |edge: Vector| edge.map(|component| component / longest);
    longest == 0.0 || length(cross(relative(ab), relative(ac))) <= FLAT
}
