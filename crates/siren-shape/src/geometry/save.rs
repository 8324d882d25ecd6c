//! Writes meshes and points to files.

use std::fs::File;
use std::io::{BufWriter, Result as IoResult, Write};
use std::path::Path;

use siren_core::file::{PartialFile, has_extension};
use siren_core::{Error, Result};

use super::stl;
use super::vector::{face_normal, unit};
use super::{Bounds, Mesh, PointCloud, Vector};

/// Largest error of a coordinate in `f32`, as a share of the bounding box's diagonal; PLY files have `f64` beyond it.
const ROUNDING: f64 = 1e-7;

/// Largest such error in an STL file, which has no `f64`.
const STL_ROUNDING: f64 = 1e-4;

impl Mesh {
    /// Writes the mesh to a file: `.ply` (binary), `.obj` (text) or `.stl` (binary, without normals of vertices). The file has its name only
    /// once it is complete.
    ///
    /// Coordinates in PLY files are `float`, or `double` if `float` would change one by more than 10⁻⁷ of the bounding box's diagonal. In OBJ
    /// files they have all digits of `f64`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for another extension; [`Error::Signal`] for STL if `f32` would change a coordinate by more than 10⁻⁴ of the
    /// diagonal; [`Error::Shape`] without faces, with an index out of range, or with another number of normals than of vertices;
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let write: fn(&Self, &mut dyn Write) -> IoResult<()> = if has_extension(path, &["ply"]) {
            Self::write_ply
        } else if has_extension(path, &["obj"]) {
            Self::write_obj
        } else if has_extension(path, &["stl"]) {
            Self::write_stl
        } else {
            return Err(unknown_extension(path, ".ply, .obj or .stl"));
        };
        self.check()?;
        if has_extension(path, &["stl"]) && rounding(&self.vertices) > STL_ROUNDING {
            return Err(Error::signal(
                path,
                "coordinates are so far from the origin that the 32 bits of an STL file would change the shape: save it as .ply or .obj",
            ));
        }
        save(path, |writer| write(self, writer))
    }

    /// Checks that there are faces and that all indices and normals fit the vertices.
    fn check(&self) -> Result<()> {
        let fail = |what, expected: &str, got: String| {
            Err(Error::Shape {
                what,
                expected: expected.to_owned(),
                got,
            })
        };
        if self.faces.is_empty() || u32::try_from(self.faces.len()).is_err() {
            let got = self.faces.len().to_string();
            return fail("faces of the mesh", "1 to 4294967295", got);
        }
        let count = self.vertices.len();
        let largest = self.faces.as_flattened().iter().max();
        if let Some(&largest) = largest.filter(|&&index| index as usize >= count) {
            let expected = format!("indices below {count}, the number of vertices");
            return fail("faces of the mesh", &expected, largest.to_string());
        }
        check_normals(&self.vertices, self.normals.as_deref())
    }

    fn write_ply(&self, writer: &mut dyn Write) -> IoResult<()> {
        // Most programs read `int` alone.
        let index = if i32::try_from(self.vertices.len()).is_ok() {
            "int"
        } else {
            "uint"
        };
        let faces = format!(
            "element face {}\nproperty list uchar {index} vertex_indices\n",
            self.faces.len()
        );
        write_ply_vertices(writer, &self.vertices, self.normals.as_deref(), &faces)?;
        for face in &self.faces {
            writer.write_all(&[3])?;
            for corner in face {
                writer.write_all(&corner.to_le_bytes())?;
            }
        }
        Ok(())
    }

    fn write_obj(&self, writer: &mut dyn Write) -> IoResult<()> {
        for [x, y, z] in &self.vertices {
            writeln!(writer, "v {x} {y} {z}")?;
        }
        for [x, y, z] in self.normals.iter().flatten() {
            writeln!(writer, "vn {x} {y} {z}")?;
        }
        for face in &self.faces {
            let [a, b, c] = face.map(|corner| u64::from(corner) + 1);
            if self.normals.is_some() {
                writeln!(writer, "f {a}//{a} {b}//{b} {c}//{c}")?;
            } else {
                writeln!(writer, "f {a} {b} {c}")?;
            }
        }
        Ok(())
    }

    fn write_stl(&self, writer: &mut dyn Write) -> IoResult<()> {
        let mut header = [0; stl::HEADER];
        header[..5].copy_from_slice(b"siren");
        header[stl::HEADER - 4..].copy_from_slice(&(self.faces.len() as u32).to_le_bytes());
        writer.write_all(&header)?;
        for face in &self.faces {
            let corners = self.corners_of(*face);
            let normal = unit(face_normal(corners)).unwrap_or_default();
            for vector in std::iter::once(normal).chain(corners) {
                write_f32(writer, vector)?;
            }
            // The attributes.
            writer.write_all(&[0; 2])?;
        }
        Ok(())
    }
}

impl PointCloud {
    /// Writes the points and their normals to a file: `.ply` (binary, as [`Mesh::save`] does) or `.xyz` (text with all digits of `f64`). The
    /// file has its name only once it is complete.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for another extension; [`Error::Shape`] without points or with another number of normals; [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let is_ply = has_extension(path, &["ply"]);
        if !is_ply && !has_extension(path, &["xyz"]) {
            return Err(unknown_extension(path, ".ply or .xyz"));
        }
        if self.points.is_empty() {
            return Err(Error::Shape {
                what: "points of the cloud",
                expected: "at least 1".to_owned(),
                got: "0".to_owned(),
            });
        }
        check_normals(&self.points, self.normals.as_deref())?;
        save(path, |writer| {
            if is_ply {
                return write_ply_vertices(writer, &self.points, self.normals.as_deref(), "");
            }
            for (index, [x, y, z]) in self.points.iter().enumerate() {
                write!(writer, "{x} {y} {z}")?;
                if let Some(normals) = &self.normals {
                    let [nx, ny, nz] = normals[index];
                    write!(writer, " {nx} {ny} {nz}")?;
                }
                writeln!(writer)?;
            }
            Ok(())
        })
    }
}

fn unknown_extension(path: &Path, expected: &str) -> Error {
    let expected = format!("a name that ends in {expected}");
    Error::invalid("path", path.display(), &expected)
}

fn check_normals(points: &[Vector], normals: Option<&[Vector]>) -> Result<()> {
    match normals {
        Some(normals) if normals.len() != points.len() => Err(Error::Shape {
            what: "normals",
            expected: format!("{}, one for each point", points.len()),
            got: normals.len().to_string(),
        }),
        _ => Ok(()),
    }
}

/// Writes a file completely or not at all.
fn save(path: &Path, write: impl FnOnce(&mut dyn Write) -> IoResult<()>) -> Result<()> {
    let (partial, file): (PartialFile, File) = PartialFile::create(path)?;
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    write(&mut writer)
        .and_then(|()| writer.flush())
        .map_err(|error| partial.write_error(error))?;
    partial.keep()
}

/// Writes the header of a PLY file and its vertices. `elements` are the lines of the header for the elements after them.
fn write_ply_vertices(
    writer: &mut dyn Write,
    points: &[Vector],
    normals: Option<&[Vector]>,
    elements: &str,
) -> IoResult<()> {
    let is_double = rounding(points) > ROUNDING;
    let kind = if is_double { "double" } else { "float" };
    write!(
        writer,
        "ply\nformat binary_little_endian 1.0\nelement vertex {}\n",
        points.len()
    )?;
    for axis in ["x", "y", "z"] {
        writeln!(writer, "property {kind} {axis}")?;
    }
    if normals.is_some() {
        for axis in ["nx", "ny", "nz"] {
            writeln!(writer, "property float {axis}")?;
        }
    }
    writeln!(writer, "{elements}end_header")?;
    for (index, &point) in points.iter().enumerate() {
        if is_double {
            for coordinate in point {
                writer.write_all(&coordinate.to_le_bytes())?;
            }
        } else {
            write_f32(writer, point)?;
        }
        if let Some(normals) = normals {
            write_f32(writer, normals[index])?;
        }
    }
    Ok(())
}

fn write_f32(writer: &mut dyn Write, vector: Vector) -> IoResult<()> {
    for component in vector {
        writer.write_all(&(component as f32).to_le_bytes())?;
    }
    Ok(())
}

/// Returns the largest change of a coordinate by `f32`, as a share of the bounding box's diagonal.
fn rounding(points: &[Vector]) -> f64 {
    let change = |coordinate: &f64| (f64::from(*coordinate as f32) - coordinate).abs();
    let largest = points.as_flattened().iter().map(change).fold(0.0, f64::max);
    if largest == 0.0 {
        return 0.0;
    }
    let diagonal = Bounds::of(points).unwrap_or_default().diagonal();
    largest / diagonal
}
