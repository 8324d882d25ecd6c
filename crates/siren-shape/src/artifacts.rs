//! Files in the folder of a finished run: the mesh, and pictures of the mesh, the input and the field.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;

use crate::config::RESOLUTIONS;
use crate::draw::{self, ColorMap, Paint};
use crate::extract::{Extracted, Extraction};
use crate::geometry::Mesh;
use crate::signal::Shape;

/// Pixels per cell of the scores' mesh, along the side of a view of the mesh or of the points: 640 of 128 cells.
const VIEW_PIXELS_PER_CELL: usize = 5;
/// Pixels per cell along the side of a slice.
const SLICE_PIXELS_PER_CELL: usize = 3;
/// Largest side of a view or a slice, in pixels.
const LARGEST_SIDE: usize = 1600;

/// Distance at which the color of an error is darkest, in coordinates: 0.5 % of the longest side.
const LARGEST_ERROR: f32 = 0.01;

/// Writes `mesh.ply` in the units of the user, with twice the resolution that scores have, `mesh.png` (from the front and from behind),
/// `error.png` (the same, colored by the distance to the true surface, if it is known), `points.png` (the input), `slices.png` (Φ) and
/// `gradient_norm.png` (‖∇Φ‖ − 1).
///
/// A field without a zero has no mesh: its three files are left out, and a remark says so.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write(shape: &Shape, field: &Siren, folder: &Path) -> Result<Vec<String>> {
    let points = draw::cloud_views(shape.fitted(), view_pixels(shape));
    draw::save(&points, &folder.join("points.png"))?;
    let side = (SLICE_PIXELS_PER_CELL * shape.resolution()).min(LARGEST_SIDE);
    let slices = draw::FieldSlices::of(field, side)?;
    draw::save(&slices.values(), &folder.join("slices.png"))?;
    draw::save(&slices.gradient_norms(), &folder.join("gradient_norm.png"))?;
    let resolution = (2 * shape.resolution()).min(*RESOLUTIONS.end());
    match Extraction::of_resolution(resolution).extract(field)? {
        Extracted::Surface(mesh) => {
            write_mesh(shape, mesh, folder)?;
            Ok(Vec::new())
        }
        Extracted::Nothing(range) => Ok(vec![format!(
            "warning: the field has no surface, its values are {:.4} to {:.4} in coordinates: no mesh was written. Look at {}; more \
             steps, or another `train.learning_rate` or `objective.start`, may help",
            range.lowest,
            range.highest,
            folder.join("slices.png").display()
        )]),
    }
}

/// Returns the side of a view, in pixels.
fn view_pixels(shape: &Shape) -> u32 {
    (VIEW_PIXELS_PER_CELL * shape.resolution()).min(LARGEST_SIDE) as u32
}

/// Writes the mesh, and pictures of it.
fn write_mesh(shape: &Shape, mesh: Mesh, folder: &Path) -> Result<()> {
    draw::save(
        &draw::two_views(&mesh, view_pixels(shape)),
        &folder.join("mesh.png"),
    )?;
    // To points that are all that is known, the distance is that between neighbors.
    if shape.truth().is_some() {
        let errors = shape.signed_distances(&mesh.vertices)?;
        let errors: Vec<f32> = errors.iter().map(|&d| d.abs() as f32).collect();
        let paint = Paint {
            values: &errors,
            map: ColorMap::Heat { max: LARGEST_ERROR },
        };
        let painted = draw::painted_views(&mesh, view_pixels(shape), &paint);
        draw::save(&painted, &folder.join("error.png"))?;
    }
    shape
        .frame()
        .mesh_at_positions(mesh)
        .save(&folder.join("mesh.ply"))
}
