//! The points and the true surface that a config names.

use std::path::Path;

use siren_core::signal::Stream;
use siren_core::{Error, Result};

use crate::config::{NormalSource, ShapeSignalConfig};
use crate::geometry::{Bounds, Geometry, Mesh, PointCloud};
use crate::scene::Scene;
use crate::truth::Truth;

/// Ratio of the diagonals of two bounding boxes from which on they seem to have different units. An inch has 2.54 cm.
const DIFFERENT_UNITS: f64 = 2.0;

/// Points of a surface, and the surface itself if it is known.
pub(crate) struct ShapeSource {
    pub(crate) points: PointCloud,
    pub(crate) truth: Option<Truth>,
    /// The file, or what else the points are from, for messages.
    pub(crate) origin: String,
    pub(crate) orientation: Orientation,
}

/// Whether the sides of the normals are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orientation {
    /// Computed from a surface whose sides are known.
    Certain,
    /// From a file, or from the caller.
    Claimed,
}

impl ShapeSource {
    /// Reads the files of a config, or makes the embedded shape. `notes` receives remarks on them.
    ///
    /// # Errors
    /// If a file cannot be read, or holds no usable shape.
    pub(crate) fn open(
        signal: &ShapeSignalConfig,
        seed: u64,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let mut rng = Stream::named("shape.samples").rng(seed, 0);
        let Some(path) = &signal.path else {
            let scene = Scene::new();
            return Ok(Self {
                points: scene.sample(signal.samples, &mut rng),
                truth: Some(Truth::Scene(scene)),
                origin: "the embedded shape".to_owned(),
                orientation: Orientation::Certain,
            });
        };
        let mut source = match read(path, signal.normals, notes)? {
            Geometry::Points(points) => Self {
                points,
                truth: None,
                origin: path.display().to_string(),
                orientation: Orientation::Claimed,
            },
            Geometry::Mesh(mesh) => {
                let truth = Truth::of_mesh(outside_out(mesh, path, notes))?;
                Self {
                    points: truth.sample(signal.samples, &mut rng),
                    orientation: if truth.is_oriented() {
                        Orientation::Certain
                    } else {
                        Orientation::Claimed
                    },
                    truth: Some(truth),
                    origin: path.display().to_string(),
                }
            }
        };
        let mut named = path;
        if let Some(path) = &signal.truth {
            named = path;
            source.truth = Some(read_truth(path, &source.points, notes)?);
        }
        for remark in source
            .truth
            .as_ref()
            .map(Truth::remarks)
            .unwrap_or_default()
        {
            notes.push(format!("{remark} ({})", named.display()));
        }
        Ok(source)
    }
}

/// Reads a file, with the normals of points if the config asks for them.
fn read(path: &Path, normals: NormalSource, notes: &mut Vec<String>) -> Result<Geometry> {
    let mut remarks = Vec::new();
    let geometry = match normals {
        NormalSource::Given => Geometry::open(path, &mut remarks)?,
        NormalSource::Estimate | NormalSource::None => {
            Geometry::open_positions(path, &mut remarks)?
        }
    };
    notes.extend(remarks.into_iter().map(|remark| format!("note: {remark}")));
    Ok(geometry)
}

/// Reads the true surface of points.
fn read_truth(path: &Path, points: &PointCloud, notes: &mut Vec<String>) -> Result<Truth> {
    let Geometry::Mesh(mesh) = read(path, NormalSource::None, notes)? else {
        let message = "expected a mesh as the true surface (`signal.truth`): the file has points but no triangles";
        return Err(Error::signal(path, message));
    };
    let mesh = outside_out(mesh, path, notes);
    notes.extend(mismatch(&points.bounds(), &mesh.bounds()).map(|difference| {
        format!(
            "warning: {}: {difference}: is `signal.truth` the surface of the points, in the same unit and place? Scores compare the two",
            path.display()
        )
    }));
    Truth::of_mesh(mesh)
}

/// Returns how the boxes of a shape and of its true surface contradict each other.
fn mismatch(points: &Bounds, truth: &Bounds) -> Option<String> {
    let are_apart =
        |axis: usize| points.high[axis] < truth.low[axis] || truth.high[axis] < points.low[axis];
    if (0..3).any(are_apart) {
        return Some(format!(
            "the box of the true surface, {:?} to {:?}, does not overlap that of the points, {:?} to {:?}",
            truth.low, truth.high, points.low, points.high
        ));
    }
    let ratio = truth.diagonal() / points.diagonal();
    let is_similar = (1.0 / DIFFERENT_UNITS..=DIFFERENT_UNITS).contains(&ratio);
    (!is_similar).then(|| {
        format!("the box of the true surface is {ratio:.3} times as large as that of the points")
    })
}

/// Turns the triangles of a mesh whose volume is negative.
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
