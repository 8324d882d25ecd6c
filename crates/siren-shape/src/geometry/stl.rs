//! Meshes in STL files, ascii and binary.
//!
//! The existing crate for this format takes binary files whose header starts with `solid` for ascii, refuses ascii files whose solid has no
//! name, ignores all solids but the first one, and names no line in its errors.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use siren_core::{Error, Result};

use super::assemble::RawMesh;
use super::collect::{FileNormals, check_position};
use super::lines::{Lines, line_error, parse_number};
use super::{Geometry, Vector};

/// Bytes before the first triangle of a binary file: a comment, and the number of triangles.
pub(super) const HEADER: usize = 84;

/// Bytes of a triangle: normal, corners, attributes.
pub(super) const TRIANGLE: usize = 50;

/// Reads the triangles of all solids of a file. Normals are ignored: the order of the corners says which side is outside.
///
/// # Errors
/// [`Error::Signal`] with the line or the triangle that cannot be used; [`Error::Io`].
pub(super) fn read(path: &Path, notes: &mut Vec<String>) -> Result<Geometry> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    let mut start = Vec::new();
    let read = (&mut file).take(HEADER as u64).read_to_end(&mut start);
    read.map_err(Error::io("read", path))?;
    let count = match start.last_chunk() {
        Some(&count) if start.len() == HEADER => u32::from_le_bytes(count),
        _ => 0,
    };
    let expected = HEADER as u64 + u64::from(count) * TRIANGLE as u64;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    let says_solid = text.trim_ascii_start().get(..5);
    let is_text = says_solid.is_some_and(|word| word.eq_ignore_ascii_case(b"solid"));
    // Some programs start the comment of a binary file with `solid`: the size decides.
    if is_text && (size != expected || start.len() < HEADER) {
        return read_ascii(path)?.finish(path, FileNormals::Ignored, notes);
    }
    if start.len() < HEADER || size < expected {
        return Err(Error::signal(
            path,
            format!(
                "claims {count} triangles, which take {expected} bytes, but holds {size} bytes: the file is cut short, or no STL file; copy it again"
            ),
        ));
    }
    if size > expected {
        notes.push(format!(
            "{}: ignored {} bytes after the last of {count} triangles",
            path.display(),
            size - expected
        ));
    }
    read_binary(path, file, count)?.finish(path, FileNormals::Ignored, notes)
}

/// A mesh to which triangles are added.
struct Triangles(RawMesh);

impl Triangles {
    fn new(place: &'static str) -> Self {
        Self(RawMesh {
            place,
            ..RawMesh::default()
        })
    }

    /// Adds a triangle. The error is a message.
    fn push(&mut self, corners: [Vector; 3], place: u64) -> Result<(), String> {
        let first = u32::try_from(self.0.vertices.len() + 2)
            .map_err(|_| "holds too many triangles, expected at most 1431655765".to_owned())?
            - 2;
        for corner in corners {
            check_position(corner)?;
            self.0.vertices.push(corner);
        }
        self.0.polygons.push(&[first, first + 1, first + 2], place);
        Ok(())
    }

    /// Returns the mesh.
    ///
    /// # Errors
    /// [`Error::Signal`] without triangles.
    fn finish(self, path: &Path) -> Result<RawMesh> {
        if self.0.polygons.is_empty() {
            return Err(Error::signal(path, "holds no triangles"));
        }
        Ok(self.0)
    }
}

fn read_binary(path: &Path, file: File, count: u32) -> Result<RawMesh> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut triangles = Triangles::new("face");
    for index in 0..u64::from(count) {
        let mut bytes = [0; TRIANGLE];
        reader
            .read_exact(&mut bytes)
            .map_err(Error::io("read", path))?;
        let value = |at: usize| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|byte| bytes[4 * at + byte]);
            f64::from(f32::from_le_bytes([a, b, c, d]))
        };
        let corners = [3, 6, 9].map(|at| [value(at), value(at + 1), value(at + 2)]);
        triangles.push(corners, index).map_err(|message| {
            Error::signal(
                path,
                format!("triangle {index} (counted from 0): {message}"),
            )
        })?;
    }
    triangles.finish(path)
}

fn read_ascii(path: &Path) -> Result<RawMesh> {
    let mut lines = Lines::open(path)?;
    let mut triangles = Triangles::new("line");
    // The corners of the current facet.
    let mut corners: Option<Vec<Vector>> = None;
    let mut is_complete = false;
    while let Some(line) = lines.next_line()? {
        let number = line.number;
        let mut words = line.text.split_whitespace();
        let Some(word) = words.next() else { continue };
        let outcome = match (word.to_ascii_lowercase().as_str(), &mut corners) {
            ("facet", current @ None) => {
                *current = Some(Vec::with_capacity(3));
                Ok(())
            }
            ("vertex", Some(corners)) if corners.len() < 3 => {
                parse_corner(words).and_then(|corner| {
                    corners.push(corner);
                    // Here too, for the line.
                    check_position(corner)
                })
            }
            ("endfacet", current) => match current.take().as_deref() {
                Some(&[a, b, c]) => triangles.push([a, b, c], number),
                _ => Err("ends a facet without 3 vertices".to_owned()),
            },
            ("outer" | "endloop", Some(_)) | ("solid", None) => Ok(()),
            ("endsolid", None) => {
                is_complete = true;
                continue;
            }
            _ => Err(format!(
                "`{word}` is not expected here: an ascii STL file is `solid`, then for each triangle `facet normal`, `outer loop`, three \
                 `vertex`, `endloop`, `endfacet`, then `endsolid`"
            )),
        };
        outcome.map_err(|message| line_error(path, number, &message))?;
        is_complete = false;
    }
    if !is_complete {
        return Err(Error::signal(
            path,
            "ends without `endsolid`: the file is cut short; copy it again",
        ));
    }
    triangles.finish(path)
}

/// Parses the three numbers of a corner. The error is a message.
fn parse_corner<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vector, String> {
    let numbers: Vec<f64> = words.map(parse_number).collect::<Result<_, _>>()?;
    numbers
        .as_slice()
        .try_into()
        .map_err(|_| format!("has {} numbers, expected 3: x y z", numbers.len()))
}
