//! Meshes in Wavefront OBJ files.
//!
//! The existing crate for this format gives each object and group vertices of its own, so that a surface falls apart at their borders; reads
//! coordinates as `f32`; and names no line in its errors.

use std::path::Path;

use siren_core::{Error, Result};

use super::assemble::RawMesh;
use super::collect::{FileNormals, check_position};
use super::lines::{Lines, TextLine, line_error, parse_number};
use super::polygon::Polygons;
use super::{Geometry, Vector};

/// Marks a vertex whose faces name no normal so far.
const NO_NORMAL: u32 = u32::MAX;

/// Elements of the format that are surfaces but not polygons.
const CURVED: [&str; 5] = ["curv", "curv2", "surf", "sp", "vp"];

/// Reads positions (`v`), normals (`vn`) and faces (`f`) of an OBJ file. Groups, objects, materials, textures, lines and points are ignored.
/// Normals are kept if all faces at a vertex name the same.
///
/// # Errors
/// [`Error::Signal`] with the line that cannot be used; [`Error::Io`].
pub(super) fn read(path: &Path, normals: FileNormals, notes: &mut Vec<String>) -> Result<Geometry> {
    let mut lines = Lines::open(path)?;
    let mut content = Content::default();
    let mut continued = String::new();
    while let Some(TextLine { number, text }) = lines.next_line()? {
        // A backslash at the end of a line continues it.
        if let Some(start) = text.strip_suffix('\\') {
            continued.push_str(start);
            continued.push(' ');
            continue;
        }
        let outcome = if continued.is_empty() {
            content.read_line(text, number)
        } else {
            continued.push_str(text);
            content.read_line(&std::mem::take(&mut continued), number)
        };
        outcome.map_err(|message| line_error(path, number, &message))?;
    }
    if content.vertices.is_empty() {
        return Err(Error::signal(
            path,
            "holds no vertices, expected lines such as `v 0.1 0.2 0.3`",
        ));
    }
    content.finish(path, normals, notes)
}

/// The content of a file.
#[derive(Default)]
struct Content {
    vertices: Vec<Vector>,
    normals: Vec<Vector>,
    polygons: Polygons,
    /// For each vertex the index of its normal; shorter than `vertices` if the last vertices have none.
    normal_of: Vec<u32>,
    has_conflicting_normals: bool,
    /// The corners of the current face.
    corners: Vec<u32>,
}

impl Content {
    /// Reads a line. The error is a message.
    fn read_line(&mut self, line: &str, number: u64) -> Result<(), String> {
        let line = line.split_once('#').map_or(line, |(text, _)| text);
        let mut words = line.split_whitespace();
        match words.next() {
            Some("v") => {
                let position = parse_vector(words.clone())?;
                check_position(position)?;
                // x y z; x y z w; x y z r g b; x y z w r g b.
                let weight = match words.count() {
                    4 | 7 => words_at(line, 4)?,
                    3 | 6 => 1.0,
                    count => return Err(format!("has {count} numbers, expected 3: x y z")),
                };
                #[expect(clippy::float_cmp, reason = "an exact 1 is what plain meshes have")]
                if weight != 1.0 {
                    return Err(format!("has the weight {weight}, expected 1 or none"));
                }
                self.vertices.push(position);
            }
            Some("vn") => self.normals.push(parse_vector(words)?),
            Some("f") => self.read_face(words, number)?,
            Some(word) if CURVED.contains(&word) => {
                return Err(format!(
                    "`{word}`: curves and curved surfaces are not read, expected polygons: convert the file to a mesh"
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads the corners of a face: `vertex`, `vertex/texture`, `vertex//normal` or `vertex/texture/normal`. The error is a message.
    fn read_face<'a>(
        &mut self,
        words: impl Iterator<Item = &'a str>,
        number: u64,
    ) -> Result<(), String> {
        self.corners.clear();
        for word in words {
            let mut parts = word.split('/');
            let vertex = parse_index(parts.next().unwrap_or_default(), self.vertices.len())?;
            self.corners.push(vertex);
            let normal = match parts.nth(1) {
                Some(text) if !text.is_empty() => parse_index(text, self.normals.len())?,
                _ => continue,
            };
            self.set_normal(vertex, normal);
        }
        if self.corners.len() < 3 {
            return Err(format!(
                "a face with {} corners, expected at least 3",
                self.corners.len()
            ));
        }
        self.polygons.push(&self.corners, number);
        Ok(())
    }

    /// Records the normal of a vertex of a face.
    fn set_normal(&mut self, vertex: u32, normal: u32) {
        let index = vertex as usize;
        // A vertex that is out of range is reported at the end; it must not take memory here.
        if index >= self.vertices.len() {
            self.has_conflicting_normals = true;
            return;
        }
        if index >= self.normal_of.len() {
            self.normal_of.resize(self.vertices.len(), NO_NORMAL);
        }
        let known = &mut self.normal_of[index];
        let value = |index: u32| self.normals.get(index as usize);
        if *known == NO_NORMAL {
            *known = normal;
        } else if *known != normal && value(*known) != value(normal) {
            self.has_conflicting_normals = true;
        }
    }

    fn finish(
        self,
        path: &Path,
        file_normals: FileNormals,
        notes: &mut Vec<String>,
    ) -> Result<Geometry> {
        let normal = |&index: &u32| self.normals.get(index as usize).copied();
        let normals: Option<Vec<Vector>> = if self.has_conflicting_normals {
            None
        } else if self.polygons.is_empty() && self.normals.len() == self.vertices.len() {
            // Points with normals, in the same order.
            Some(self.normals)
        } else if self.normal_of.is_empty() {
            None
        } else {
            // Vertices without faces are dropped later, whatever their normals are.
            let mut normals: Vec<Vector> = self
                .normal_of
                .iter()
                .map(|index| normal(index).unwrap_or_default())
                .collect();
            normals.resize(self.vertices.len(), [0.0; 3]);
            Some(normals)
        };
        let mesh = RawMesh {
            vertices: self.vertices,
            normals,
            polygons: self.polygons,
            place: "line",
        };
        mesh.finish(path, file_normals, notes)
    }
}

/// Parses three numbers. The error is a message.
fn parse_vector<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Vector, String> {
    let mut vector = [0.0; 3];
    for value in &mut vector {
        let word = words
            .next()
            .ok_or("ends early, expected 3 numbers: x y z")?;
        *value = parse_number(word)?;
    }
    Ok(vector)
}

/// Parses the number after `index` words. The error is a message.
fn words_at(line: &str, index: usize) -> Result<f64, String> {
    parse_number(line.split_whitespace().nth(index).unwrap_or_default())
}

/// Parses an index of a face, and returns it counted from 0. In the file, indices count from 1, or backwards from −1, the last of `count`
/// elements so far. The error is a message.
fn parse_index(text: &str, count: usize) -> Result<u32, String> {
    let expected = || format!("`{text}` is not an index, expected one from 1 to {count}");
    let index: i64 = text.parse().map_err(|_| expected())?;
    let from_zero = if index < 0 {
        count as i64 + index
    } else {
        index - 1
    };
    u32::try_from(from_zero).map_err(|_| expected())
}
