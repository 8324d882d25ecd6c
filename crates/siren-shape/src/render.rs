//! Files of a fitted shape: meshes, signed distances on a grid, pictures.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use siren_core::file::{ArrayElement, ArrayHeader, PartialFile, has_extension};
use siren_core::{Error, Result};

use crate::config::check_resolution;
use crate::draw;
use crate::extract::{Component, Extraction};
use crate::{Bounds, ShapeField};

/// Largest side of one view of a picture, in pixels.
const MAX_VIEW: usize = 4096;
/// Number of cells along each axis of the mesh of a picture.
const PICTURE_RESOLUTION: usize = 256;

/// Settings of a file of a fitted shape: its resolution, level and box. Lengths are in the units of the user.
#[derive(Clone, Copy, Debug)]
pub struct ShapeRendering {
    /// Number of cells along each axis; of a picture, the side of each view in pixels.
    pub resolution: usize,
    /// Signed distance at which the surface lies.
    pub level: f64,
    /// Box in which it is sought. Default: the cube of the coordinates.
    pub bounds: Option<Bounds>,
    /// Which components are kept.
    pub component: Component,
}

/// Contents and size of a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderedShape {
    /// A mesh.
    Mesh {
        /// Number of vertices.
        vertices: usize,
        /// Number of triangles.
        faces: usize,
    },
    /// Signed distances on a grid.
    Grid {
        /// Number of points along each axis.
        side: usize,
    },
    /// A picture.
    Picture {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

impl ShapeRendering {
    /// Writes a mesh (`.ply`, `.obj`, `.stl`), the signed distances at the (resolution + 1)³ grid points (`.npy`, float32, x slowest), or a
    /// picture of the mesh from two sides (`.png`), by the extension of `path`.
    ///
    /// # Errors
    /// For another extension, settings out of range, or a field without a surface; [`Error::Io`] if the file cannot be written.
    pub fn write(&self, field: &ShapeField, path: &Path) -> Result<RenderedShape> {
        if !self.level.is_finite() {
            let expected = "a finite distance, in the units of the input";
            return Err(Error::invalid("--level", self.level, expected));
        }
        self.check_box(field)?;
        if has_extension(path, &["png"]) {
            return self.write_picture(field, path);
        }
        check_resolution("--resolution", self.resolution)?;
        if has_extension(path, &["npy"]) {
            return self.write_grid(field, path);
        }
        if !has_extension(path, &["ply", "obj", "stl"]) {
            let expected = "a name that ends in .ply, .obj or .stl (mesh), .npy (distances on a grid) or .png (picture)";
            return Err(Error::invalid("--output", path.display(), expected));
        }
        let mesh = field.mesh(&self.extraction(field, self.resolution))?;
        mesh.save(path)?;
        Ok(RenderedShape::Mesh {
            vertices: mesh.vertices.len(),
            faces: mesh.faces.len(),
        })
    }

    /// Checks that the box holds a part of the cube of the coordinates, in which the field was fitted. Farther away, its zeros mean nothing.
    fn check_box(&self, field: &ShapeField) -> Result<()> {
        let Some(bounds) = self.bounds else {
            return Ok(());
        };
        let cube = Extraction::default().bounds;
        let [low, high] = [cube.low, cube.high].map(|corner| field.frame().position(corner));
        if (0..3).all(|axis| bounds.low[axis] < high[axis] && bounds.high[axis] > low[axis]) {
            return Ok(());
        }
        let value = format!("from {:?} to {:?}", bounds.low, bounds.high);
        let expected = format!("a box that overlaps that of the fit, from {low:?} to {high:?}");
        Err(Error::invalid("--box", value, &expected))
    }

    fn extraction(&self, field: &ShapeField, resolution: usize) -> Extraction {
        let frame = field.frame();
        let bounds = self.bounds.map(|bounds| Bounds {
            low: frame.coord(bounds.low),
            high: frame.coord(bounds.high),
        });
        Extraction {
            resolution,
            level: self.level * frame.scale,
            bounds: bounds.unwrap_or(Extraction::default().bounds),
            component: self.component,
        }
    }

    fn write_grid(&self, field: &ShapeField, path: &Path) -> Result<RenderedShape> {
        let extraction = Extraction {
            level: 0.0,
            ..self.extraction(field, self.resolution)
        };
        let side = self.resolution + 1;
        let (partial, file) = PartialFile::create(path)?;
        let mut writer = BufWriter::new(file);
        let header = ArrayHeader::c_order(&[side; 3], ArrayElement::FLOAT32);
        let fail = |error| partial.write_error(error);
        header.write(&mut writer).map_err(fail)?;
        let scale = field.frame().scale;
        extraction.grid_values(field.siren(), |values| {
            let bytes = values
                .iter()
                .flat_map(|v| ((v / scale - self.level) as f32).to_le_bytes());
            writer.write_all(&bytes.collect::<Vec<u8>>()).map_err(fail)
        })?;
        writer.flush().map_err(fail)?;
        drop(writer);
        partial.keep()?;
        Ok(RenderedShape::Grid { side })
    }

    fn write_picture(&self, field: &ShapeField, path: &Path) -> Result<RenderedShape> {
        if !(16..=MAX_VIEW).contains(&self.resolution) {
            let expected = format!("16 to {MAX_VIEW} pixels for a picture");
            return Err(Error::invalid("--resolution", self.resolution, &expected));
        }
        let cells = self.resolution.clamp(PICTURE_RESOLUTION, 1024);
        let mesh = field.mesh(&self.extraction(field, cells))?;
        let picture = draw::two_views(&mesh, self.resolution as u32);
        let (width, height) = picture.dimensions();
        draw::save(&picture, path)?;
        Ok(RenderedShape::Picture { width, height })
    }
}
