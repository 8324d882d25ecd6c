//! The points and the true surface that a config names.

use std::path::Path;

use siren_core::signal::Stream;
use siren_core::{Error, Result};

use crate::config::ShapeSignalConfig;
use crate::geometry::{Geometry, Mesh, PointCloud};
use crate::scene::Scene;
use crate::truth::Truth;

/// Points of a surface, and the surface itself if it is known.
pub(crate) struct ShapeSource {
    pub(crate) points: PointCloud,
    pub(crate) truth: Option<Truth>,
}

/// Reads the files of a config, or makes the embedded shape.
///
/// # Errors
/// If a file cannot be read, or holds no usable shape.
pub(crate) fn open(
    signal: &ShapeSignalConfig,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<ShapeSource> {
    let mut rng = Stream::named("shape.samples").rng(seed, 0);
    let source = match &signal.path {
        None => {
            let scene = Scene::new();
            ShapeSource {
                points: scene.sample(signal.samples, &mut rng),
                truth: Some(Truth::Scene(scene)),
            }
        }
        Some(path) => match Geometry::open(path, notes)? {
            Geometry::Points(points) => ShapeSource {
                points: points.checked(&path.display().to_string(), notes)?,
                truth: None,
            },
            Geometry::Mesh(mesh) => {
                let mesh = outside_out(mesh, path, notes);
                ShapeSource {
                    points: mesh.sample(signal.samples, &mut rng),
                    truth: Some(Truth::of_mesh(mesh)?),
                }
            }
        },
    };
    let Some(path) = &signal.truth else {
        return Ok(source);
    };
    match Geometry::open(path, notes)? {
        Geometry::Mesh(mesh) => Ok(ShapeSource {
            truth: Some(Truth::of_mesh(outside_out(mesh, path, notes))?),
            ..source
        }),
        Geometry::Points(_) => {
            let message = "expected a mesh as the true surface (`signal.truth`): the file has points but no triangles";
            Err(Error::signal(path, message))
        }
    }
}

/// Turns the triangles of a closed mesh whose volume is negative.
fn outside_out(mesh: Mesh, path: &Path, notes: &mut Vec<String>) -> Mesh {
    if !mesh.is_inside_out() {
        return mesh;
    }
    notes.push(format!(
        "note: {}: the mesh is inside out (its volume is negative): its triangles and normals are turned",
        path.display()
    ));
    mesh.flipped()
}
