//! Files in the folder of a finished run: the mesh, and pictures of the mesh, the input and the field.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_run::{Artifacts, Exhibit};

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

/// The mesh that a page turns, and its resolution, with which it has some tens of thousands of triangles.
const PREVIEW: &str = "preview.obj";
const PREVIEW_RESOLUTION: usize = 64;

/// Distance at which the color of an error is darkest, in coordinates: 0.5 % of the longest side.
const LARGEST_ERROR: f32 = 0.01;

/// Writes `mesh.ply` in the units of the user, with twice the resolution that scores have, `preview.obj` (the same with at most 64 cells along the
/// longest side, for the page of the run), `mesh.png` (from the front and from behind),
/// `error.png` (the same, colored by the distance to the true surface, if it is known), `points.png` (the input), `slices.png` (Φ) and
/// `gradient_norm.png` (‖∇Φ‖ − 1).
///
/// A field without a zero has no mesh: its four files are left out, and a remark says so.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write(shape: &Shape, field: &Siren, folder: &Path) -> Result<Artifacts> {
    let points = draw::cloud_views(shape.fitted(), view_pixels(shape));
    draw::save(&points, &folder.join("points.png"))?;
    let side = (SLICE_PIXELS_PER_CELL * shape.resolution()).min(LARGEST_SIDE);
    let slices = draw::FieldSlices::of(field, side)?;
    draw::save(&slices.values(), &folder.join("slices.png"))?;
    draw::save(&slices.gradient_norms(), &folder.join("gradient_norm.png"))?;
    let resolution = (2 * shape.resolution()).min(*RESOLUTIONS.end());
    let slices = [
        Exhibit::picture("Input", "points.png")
            .captioned("The points that were fitted, from the front and from behind."),
        Exhibit::picture("Field", "slices.png")
            .captioned("Φ on three planes. It should be the signed distance to the surface."),
        Exhibit::picture("Length of the gradient", "gradient_norm.png")
            .captioned("‖∇Φ‖ − 1 on the same planes. A signed distance has 0."),
    ];
    match Extraction::of_resolution(resolution).extract(field)? {
        Extracted::Surface(mesh) => {
            let mut exhibits = write_mesh(shape, mesh, folder)?;
            let preview =
                Extraction::of_resolution(resolution.min(PREVIEW_RESOLUTION)).extract(field)?;
            if let Extracted::Surface(preview) = preview {
                preview.save(&folder.join(PREVIEW))?;
                exhibits.insert(
                    0,
                    Exhibit::mesh("Mesh", PREVIEW)
                        .captioned("Drag it, or turn it with the arrow keys. mesh.ply is finer."),
                );
            }
            exhibits.extend(slices);
            Ok(Artifacts::shown(exhibits))
        }
        Extracted::Nothing(range) => Ok(Artifacts {
            exhibits: slices.into(),
            notes: vec![format!(
                "warning: the field has no surface, its values are {:.4} to {:.4} in coordinates: no mesh was written. Look at {}; more \
             steps, or another `train.learning_rate` or `objective.start`, may help",
                range.lowest,
                range.highest,
                folder.join("slices.png").display()
            )],
        }),
    }
}

/// Returns the side of a view, in pixels.
fn view_pixels(shape: &Shape) -> u32 {
    (VIEW_PIXELS_PER_CELL * shape.resolution()).min(LARGEST_SIDE) as u32
}

/// Writes the mesh, and pictures of it, which a page shows.
fn write_mesh(shape: &Shape, mesh: Mesh, folder: &Path) -> Result<Vec<Exhibit>> {
    let mut exhibits = vec![
        Exhibit::picture("Mesh in two views", "mesh.png")
            .captioned("From the front and from behind."),
    ];
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
        let error = Exhibit::picture("Error", "error.png");
        exhibits.push(error.captioned("The mesh, colored by the distance to the true surface: darkest at 0.5 % of the longest side."));
    }
    shape
        .frame()
        .mesh_at_positions(mesh)
        .save(&folder.join("mesh.ply"))?;
    Ok(exhibits)
}
