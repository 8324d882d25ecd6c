//! Scores of a fitted shape.
//!
//! Lengths are measured in coordinates and given in percent of the diagonal of the bounding box of the points, so they do not depend on the
//! unit of the user.

use rand::Rng;
use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::Metrics;
use siren_core::signal::Stream;

use crate::Vector;
use crate::extract::{Extracted, Extraction, LevelFunction as _, ValuesAndGradients};
use crate::geometry::vector::length;
use crate::geometry::{Mesh, PointCloud};
use crate::metrics::{
    ACCURACY_PERCENT, CHAMFER_PERCENT, COMPLETENESS_PERCENT, COMPONENTS, Comparison,
    DEFAULT_SAMPLES, DISTANCE_ERROR, EIKONAL_ERROR, F_SCORE_0_1_PERCENT, F_SCORE_1_PERCENT,
    GHOST_AREA, HAUSDORFF_PERCENT, HELD_OUT_MAX_PERCENT, HELD_OUT_PERCENT, HeldOut, IOU,
    NEAR_DISTANCE_ERROR, NEAR_EIKONAL_ERROR, NORMAL_CONSISTENCY, SIGNED_NORMAL_CONSISTENCY, Side,
    ghost_area, iou, mean,
};
use crate::signal::Shape;
use crate::truth::{CloudDistance, SurfaceDistance};

/// Points of the volume in which eikonal error, distance and occupancy are measured.
const VOLUME_SAMPLES: usize = 100_000;
/// Distance from the surface, in coordinates, that counts as near.
const NEAR: f64 = 0.1;

/// What fields are compared with, in coordinates.
pub(crate) struct Reference {
    /// Samples of the true surface, if it is known.
    truth: Option<CloudDistance>,
    /// All points, fitted and held out.
    input: CloudDistance,
    /// Some of them, for distances from them.
    input_samples: PointCloud,
    /// Some of the points that are held out.
    held_out: PointCloud,
    /// Diagonal of the bounding box of all points.
    diagonal: f64,
    /// Points in the cube [−1, 1]³, uniformly.
    volume: Vec<Vector>,
    /// Distance at each of them: signed if the true surface is known, otherwise that to the nearest point.
    distances: Vec<f64>,
}

impl Reference {
    /// Computes what the fields of a shape are compared with.
    ///
    /// # Errors
    /// Only if the points are unusable.
    pub(crate) fn of(shape: &Shape, seed: u64) -> Result<Self> {
        let all = shape.fitted().joined(shape.held_out());
        let (diagonal, input_samples) = (all.bounds().diagonal(), all.thinned(DEFAULT_SAMPLES));
        let input = CloudDistance::of_cloud(all)?;
        let mut rng = Stream::named("shape.scores").rng(seed, 0);
        let volume: Vec<Vector> = (0..VOLUME_SAMPLES)
            .map(|_| std::array::from_fn(|_| rng.random_range(-1.0..1.0)))
            .collect();
        let (truth, distances) = if let Some(truth) = shape.truth() {
            let samples = shape.frame().cloud(truth.sample(DEFAULT_SAMPLES, &mut rng));
            let samples = CloudDistance::of_cloud(samples)?;
            (Some(samples), shape.signed_distances(&volume)?)
        } else {
            (None, input.distances(&volume))
        };
        Ok(Self {
            truth,
            diagonal,
            input,
            input_samples,
            held_out: shape.held_out().thinned(DEFAULT_SAMPLES),
            volume,
            distances,
        })
    }

    /// Returns the surface that others are compared with: the true one, or the points.
    fn side(&self) -> Side<'_> {
        let points = Side::SampledCloud {
            samples: &self.input_samples,
            cloud: &self.input,
        };
        self.truth.as_ref().map_or(points, Side::Cloud)
    }

    fn has_normals(&self) -> bool {
        let compared = self.truth.as_ref().unwrap_or(&self.input);
        compared.normals().is_some()
    }
}

/// Measures a fitted field: its surface, and how far it is from a signed distance.
///
/// A field without a zero has no surface: the metrics of the surface are then NaN.
///
/// # Errors
/// Those of [`Extraction::extract`], as for a field with a value that is not finite, and those of [`Shape::reference`].
pub(crate) fn metrics(shape: &Shape, field: &Siren) -> Result<Metrics> {
    let reference = shape.reference()?;
    let volume = volume_metrics(reference, field)?;
    let extraction = Extraction::of_resolution(shape.resolution());
    // A field without a zero is scored as one that fits badly: the run goes on.
    let mut metrics = match extraction.extract(field)? {
        Extracted::Surface(mesh) => surface_metrics(reference, &mesh)?,
        Extracted::Nothing(_) => without_surface(reference),
    };
    metrics.extend(volume);
    Ok(metrics)
}

/// Measures a mesh in coordinates.
fn surface_metrics(reference: &Reference, mesh: &Mesh) -> Result<Metrics> {
    let diagonal = reference.diagonal;
    let mut rng = Stream::named("shape.scores").rng(0, 1);
    let samples = &mesh.sample(DEFAULT_SAMPLES, &mut rng);
    let distance = &SurfaceDistance::new(mesh)?;
    let surface = Side::Surface { samples, distance };
    let mut metrics = Comparison::between(surface, reference.side(), diagonal)?.metrics();
    if !reference.held_out.points.is_empty() {
        let held_out = HeldOut::measure(&reference.held_out.points, distance, diagonal)?;
        metrics.push(HELD_OUT_PERCENT.of(held_out.mean_percent));
        metrics.push(HELD_OUT_MAX_PERCENT.of(held_out.max_percent));
    }
    let ghosts = ghost_area(&samples.points, &reference.input, diagonal)?;
    metrics.push(GHOST_AREA.of(ghosts));
    metrics.push(COMPONENTS.of(mesh.topology().components as f64));
    Ok(metrics)
}

/// Returns the metrics of [`surface_metrics`], NaN: a table has the same columns in every row.
fn without_surface(reference: &Reference) -> Metrics {
    let mut metrics = vec![
        CHAMFER_PERCENT,
        ACCURACY_PERCENT,
        COMPLETENESS_PERCENT,
        HAUSDORFF_PERCENT,
        F_SCORE_1_PERCENT,
        F_SCORE_0_1_PERCENT,
    ];
    if reference.has_normals() {
        metrics.extend([NORMAL_CONSISTENCY, SIGNED_NORMAL_CONSISTENCY]);
    }
    if !reference.held_out.points.is_empty() {
        metrics.extend([HELD_OUT_PERCENT, HELD_OUT_MAX_PERCENT]);
    }
    metrics.push(GHOST_AREA);
    let metrics = metrics.iter().map(|metric| metric.of(f64::NAN));
    metrics.chain([COMPONENTS.of(0.0)]).collect()
}

/// Measures how far a field is from a signed distance at points of the volume, and at those of them that are near the surface.
///
/// # Errors
/// Only from candle.
fn volume_metrics(reference: &Reference, field: &Siren) -> Result<Metrics> {
    let Reference {
        volume, distances, ..
    } = reference;
    let ValuesAndGradients { values, gradients } =
        field.values_and_gradients(volume.as_flattened())?;
    let near_mean = |errors: &[f64]| {
        let errors = errors.iter().zip(distances);
        let near = errors.filter(|(_, distance)| distance.abs() < NEAR);
        mean(&near.map(|(&error, _)| error).collect::<Vec<f64>>())
    };
    let gradients = gradients.as_chunks::<3>().0.iter();
    let eikonal: Vec<f64> = gradients.map(|&g| (length(g) - 1.0).abs()).collect();
    let mut metrics = vec![
        EIKONAL_ERROR.of(mean(&eikonal)),
        NEAR_EIKONAL_ERROR.of(near_mean(&eikonal)),
    ];
    if reference.truth.is_some() {
        let inside = |values: &[f64]| values.iter().map(|&v| v < 0.0).collect::<Vec<bool>>();
        metrics.push(IOU.of(iou(&inside(&values), &inside(distances))?));
        let pairs = values.iter().zip(distances);
        let errors: Vec<f64> = pairs.map(|(value, d)| (value - d).abs()).collect();
        metrics.push(DISTANCE_ERROR.of(mean(&errors)));
        metrics.push(NEAR_DISTANCE_ERROR.of(near_mean(&errors)));
    }
    Ok(metrics)
}
