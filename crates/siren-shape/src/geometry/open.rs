//! Opens a file of points or triangles by its extension.

use std::path::Path;

use siren_core::file::has_extension;
use siren_core::{Error, Result};

use super::collect::FileNormals;
use super::{Geometry, array, glb, obj, ply, stl, text};

/// Extensions of text files of points.
const TEXT: [&str; 4] = ["xyz", "txt", "csv", "pts"];

impl Geometry {
    /// Reads a file of points or triangles. Its extension says the format; upper and lower case are the same.
    ///
    /// | extension | content |
    /// |---|---|
    /// | `.xyz`, `.txt`, `.csv`, `.pts` | text with a point a line: x y z, or x y z nx ny nz |
    /// | `.npy` | NumPy array of shape `(n, 3)` or `(n, 6)` |
    /// | `.las`, `.laz` | points; with the feature `las` |
    /// | `.ply` | points or a mesh, ascii or binary |
    /// | `.obj`, `.stl`, `.glb` | a mesh |
    ///
    /// Normals may have any length; they are scaled to length 1. Points whose normals have length 0 or are not finite are dropped, as are
    /// degenerate faces. Vertices of a mesh at the same position become one. A mesh file without faces gives points. `notes` receives a
    /// sentence about each of these.
    ///
    /// Files are read piece by piece: apart from `.glb`, whose bytes are held in memory, the memory taken is that of the result.
    ///
    /// # Errors
    /// [`Error::Signal`] with the line or element of a file that cannot be used (coordinates that are not finite, rows of different lengths,
    /// indices out of range, a file that is cut short, no points, an unknown extension); [`Error::Io`].
    pub fn open(path: &Path, notes: &mut Vec<String>) -> Result<Self> {
        Self::open_with(path, FileNormals::Read, notes)
    }

    /// Reads a file as [`open`](Self::open) does, but without the normals of points, whatever they are: no point is dropped for its normal,
    /// and columns 4 to 6 of a text file or an array may hold anything, such as colors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_positions(path: &Path, notes: &mut Vec<String>) -> Result<Self> {
        Self::open_with(path, FileNormals::Ignored, notes)
    }

    fn open_with(path: &Path, normals: FileNormals, notes: &mut Vec<String>) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(Error::io("open", path))?;
        if metadata.is_dir() {
            return Err(Error::signal(
                path,
                "is a folder, expected a file of points or triangles",
            ));
        }
        if metadata.is_file() && metadata.len() == 0 {
            return Err(Error::signal(
                path,
                "is empty, expected points or triangles",
            ));
        }
        let is = |extensions: &[&str]| has_extension(path, extensions);
        if is(&TEXT) {
            text::read_points(path, normals, notes).map(Self::Points)
        } else if is(&["npy"]) {
            array::read_points(path, normals, notes).map(Self::Points)
        } else if is(&["las", "laz"]) {
            open_las(path, notes)
        } else if is(&["ply"]) {
            ply::read(path, normals, notes)
        } else if is(&["obj"]) {
            obj::read(path, normals, notes)
        } else if is(&["stl"]) {
            stl::read(path, notes)
        } else if is(&["glb"]) {
            glb::read(path, normals, notes)
        } else if is(&["gltf"]) {
            Err(Error::signal(
                path,
                "keeps its data in other files: export it as a single .glb",
            ))
        } else {
            Err(Error::signal(
                path,
                "has an unknown extension, expected .xyz, .txt, .csv, .pts, .npy, .las, .laz, .ply, .obj, .stl or .glb",
            ))
        }
    }
}

#[cfg(feature = "las")]
fn open_las(path: &Path, notes: &mut Vec<String>) -> Result<Geometry> {
    super::las::read_points(path, notes).map(Geometry::Points)
}

#[cfg(not(feature = "las"))]
fn open_las(path: &Path, _: &mut Vec<String>) -> Result<Geometry> {
    Err(Error::signal(
        path,
        "is read with the feature `las` alone: build with `--features las`, or convert the file to .ply or .xyz",
    ))
}
