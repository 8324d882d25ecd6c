//! True distances: to the triangles of a mesh, and to the points of a cloud.
//!
//! Distances have the units of the geometry. Signed ones are negative inside, and NaN for a point that is not finite. Batches are computed by
//! the threads of the current rayon pool; their results do not depend on the number of threads.

mod cloud;
mod known;
mod mesh;
mod orientation;
mod pseudo_normals;
mod surface;
#[cfg(test)]
pub(crate) mod test_shapes;
mod winding;

use rayon::prelude::*;
use siren_core::{Error, Result};

use crate::geometry::vector::is_finite;
use crate::geometry::{Bounds, Vector};

pub use self::cloud::{CloudDistance, Nearest};
pub use self::known::{KnownMesh, Truth};
pub use self::mesh::{MeshDistance, SignRule};
pub use self::surface::{SurfaceDistance, SurfacePoint};

/// Least number of queries a thread takes.
const CHUNK: usize = 256;

/// Answers a query at each of `points` `(n,)`, in their order, by the threads of the current rayon pool.
pub(crate) fn at_each<T: Send>(points: &[Vector], answer: impl Fn(Vector) -> T + Sync) -> Vec<T> {
    let points = points.par_iter().with_min_len(CHUNK);
    points.map(|&point| answer(point)).collect()
}

/// Returns the extent of `points`, the diagonal of their bounding box.
///
/// # Errors
///
/// [`Error::Shape`] for no points, and for points that are so far apart that squared distances overflow; [`Error::NotFinite`] for a coordinate
/// that is not finite. `what` names the points.
fn checked_extent(what: &'static str, points: &[Vector]) -> Result<f64> {
    if let Some(point) = points.iter().position(|&point| !is_finite(point)) {
        return Err(Error::NotFinite {
            column: what.to_owned(),
            point,
        });
    }
    let shape = |expected: &str, got: String| Error::Shape {
        what,
        expected: expected.to_owned(),
        got,
    };
    let Some(bounds) = Bounds::of(points) else {
        return Err(shape("at least one", "none".to_owned()));
    };
    // Products of three lengths occur, as in volumes.
    let coordinates = [bounds.low, bounds.high].into_iter().flatten();
    let largest = coordinates.map(f64::abs).fold(0.0, f64::max);
    if largest > 1e100 {
        return Err(shape(
            "coordinates of at most 1e100, scale them down",
            format!("{largest:e}"),
        ));
    }
    Ok(bounds.diagonal())
}
