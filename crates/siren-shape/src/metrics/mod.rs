//! Metrics of a surface: how far it is from the truth.
//!
//! Lengths are in percent of a diagonal that the caller gives: in a run, that of the bounding box of all points. They do not depend on units and
//! are not squared. Shares are in [0, 1].
//!
//! | metric | formula |
//! |---|---|
//! | `accuracy_percent` | mean distance from the samples of the surface to the truth |
//! | `completeness_percent` | mean distance from the samples of the truth to the surface |
//! | `chamfer_percent` | mean of accuracy and completeness |
//! | `hausdorff_percent` | largest distance in both directions |
//! | `f_score_1_percent`, `f_score_0_1_percent` | harmonic mean of precision and recall, the shares of the samples of the surface and of the truth within 1 % or 0.1 % of the diagonal of the other |
//! | `normal_consistency` | mean of \|n·m\| over the samples with normal n, where m is the normal at the nearest point of the other; mean of both directions |
//! | `signed_normal_consistency` | the same without absolute value: −1 for a surface that is inside out |
//! | `held_out_percent`, `held_out_max_percent` | mean and largest distance from points that were not fitted to the triangles of the surface |
//! | `iou` | volume inside of both, divided by the volume inside of either |
//! | `components` | number of connected components of the surface |
//! | `eikonal_error`, `distance_error` | mean of \|‖∇Φ‖ − 1\| and \|Φ − d\| at points of the cube [−1, 1]³, uniformly; in coordinates |
//! | `near_eikonal_error`, `near_distance_error` | the same at those of these points that are nearer than 0.1 to the surface |
//! | `ghost_area` | share of the area of the surface that is farther than 2 % of the diagonal from every point of the input |
//!
//! [`Comparison`] computes those of two surfaces.

mod comparison;

use siren_core::metrics::Metric;
use siren_core::{Error, Result};

use crate::Vector;
use crate::truth::{CloudDistance, SurfaceDistance};

pub use self::comparison::{Comparison, Side};

/// Mean distance from the surface to the truth, see [`Comparison::accuracy_percent`].
pub const ACCURACY_PERCENT: Metric = Metric::lower("accuracy_percent", "%");
/// Mean distance from the truth to the surface, see [`Comparison::completeness_percent`].
pub const COMPLETENESS_PERCENT: Metric = Metric::lower("completeness_percent", "%");
/// Chamfer distance, see [`Comparison::chamfer_percent`].
pub const CHAMFER_PERCENT: Metric = Metric::lower("chamfer_percent", "%");
/// Hausdorff distance, see [`Comparison::hausdorff_percent`].
pub const HAUSDORFF_PERCENT: Metric = Metric::lower("hausdorff_percent", "%");
/// [`Comparison::f_score`] within 1 % of the diagonal.
pub const F_SCORE_1_PERCENT: Metric = Metric::higher("f_score_1_percent", "");
/// [`Comparison::f_score`] within 0.1 % of the diagonal.
pub const F_SCORE_0_1_PERCENT: Metric = Metric::higher("f_score_0_1_percent", "");
/// Agreement of normals but for their sign, see [`Comparison::normal_consistency`].
pub const NORMAL_CONSISTENCY: Metric = Metric::higher("normal_consistency", "");
/// Agreement of normals, see [`Comparison::signed_normal_consistency`].
pub const SIGNED_NORMAL_CONSISTENCY: Metric = Metric::higher("signed_normal_consistency", "");
/// Mean distance of points that were not fitted, see [`HeldOut`].
pub const HELD_OUT_PERCENT: Metric = Metric::lower("held_out_percent", "%");
/// Largest distance of points that were not fitted, see [`HeldOut`].
pub const HELD_OUT_MAX_PERCENT: Metric = Metric::lower("held_out_max_percent", "%");
/// Intersection over union, see [`iou`].
pub const IOU: Metric = Metric::higher("iou", "");
/// Area far from the input, see [`ghost_area`].
pub const GHOST_AREA: Metric = Metric::lower("ghost_area", "");

/// Number of connected components of the surface.
pub const COMPONENTS: Metric = Metric::lower("components", "");
/// Mean of |‖∇Φ‖ − 1| at points in the cube [−1, 1]³, uniformly.
pub const EIKONAL_ERROR: Metric = Metric::lower("eikonal_error", "");
/// Mean of |‖∇Φ‖ − 1| at those of these points that are nearer than 0.1 to the surface.
pub const NEAR_EIKONAL_ERROR: Metric = Metric::lower("near_eikonal_error", "");
/// Mean of |Φ − d| at points in the cube [−1, 1]³, uniformly, in coordinates.
pub const DISTANCE_ERROR: Metric = Metric::lower("distance_error", "");
/// Mean of |Φ − d| at those of these points that are nearer than 0.1 to the surface.
pub const NEAR_DISTANCE_ERROR: Metric = Metric::lower("near_distance_error", "");

/// Number of samples of each surface that scores are computed with.
pub const DEFAULT_SAMPLES: usize = 100_000;

/// Distance from the input beyond which area is a ghost, as a share of the diagonal.
pub const GHOST_DISTANCE: f64 = 0.02;

/// Distances from points that were not fitted to the triangles of a surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    /// Mean, in percent of the diagonal.
    pub mean_percent: f64,
    /// Maximum, in percent of the diagonal.
    pub max_percent: f64,
}

impl HeldOut {
    /// Measures `points` `(n,)` against `surface`, relative to the `diagonal` of the truth.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for no points, [`Error::NotFinite`] for one that is not finite, [`Error::InvalidValue`] for a diagonal that is not
    /// positive.
    pub fn measure(points: &[Vector], surface: &SurfaceDistance, diagonal: f64) -> Result<Self> {
        check_diagonal(diagonal)?;
        let distances = surface.distances(points);
        check_distances("held-out points", &distances)?;
        Ok(Self {
            mean_percent: 100.0 * mean(&distances) / diagonal,
            max_percent: 100.0 * maximum(&distances) / diagonal,
        })
    }
}

/// Returns the share of a surface that is farther than [`GHOST_DISTANCE`] times `diagonal` from every point of `input`, in [0, 1].
///
/// `samples` `(n,)` are points of the surface, uniform by area. The error of the share `s` by sampling is `√(s (1 − s) / n)`.
///
/// # Errors
///
/// [`Error::Shape`] for no samples, [`Error::NotFinite`] for one that is not finite, [`Error::InvalidValue`] for a diagonal that is not
/// positive.
pub fn ghost_area(samples: &[Vector], input: &CloudDistance, diagonal: f64) -> Result<f64> {
    check_diagonal(diagonal)?;
    let distances = input.distances(samples);
    check_distances("samples of the surface", &distances)?;
    Ok(1.0 - share_within(&distances, GHOST_DISTANCE * diagonal))
}

/// Returns the intersection over union of two sets of points, `|A ∩ B| / |A ∪ B|`; NaN if both are empty.
///
/// `a` and `b` `(n,)` tell for the same points, uniform in a volume, whether they are inside.
///
/// # Errors
///
/// [`Error::Shape`] for different lengths.
pub fn iou(a: &[bool], b: &[bool]) -> Result<f64> {
    if a.len() != b.len() {
        return Err(Error::Shape {
            what: "occupancies",
            expected: format!("as many as of the other surface, {}", a.len()),
            got: b.len().to_string(),
        });
    }
    let count = |inside: fn(bool, bool) -> bool| {
        let pairs = a.iter().zip(b);
        pairs.filter(|&(&a, &b)| inside(a, b)).count() as f64
    };
    Ok(count(|a, b| a && b) / count(|a, b| a || b))
}

fn check_diagonal(diagonal: f64) -> Result<()> {
    if diagonal.is_finite() && diagonal > 0.0 {
        return Ok(());
    }
    Err(Error::invalid(
        "diagonal",
        diagonal,
        "the positive length of the diagonal of the bounding box of the truth",
    ))
}

/// Refuses no distances, and those of points that are not finite.
fn check_distances(what: &'static str, distances: &[f64]) -> Result<()> {
    if distances.is_empty() {
        return Err(Error::Shape {
            what,
            expected: "at least one".to_owned(),
            got: "none".to_owned(),
        });
    }
    match distances.iter().position(|distance| distance.is_nan()) {
        Some(point) => Err(Error::NotFinite {
            column: what.to_owned(),
            point,
        }),
        None => Ok(()),
    }
}

/// Returns the mean; NaN of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn maximum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

fn share_within(distances: &[f64], threshold: f64) -> f64 {
    let within = distances.iter().filter(|&&distance| distance <= threshold);
    within.count() as f64 / distances.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::MeshDistance;
    use crate::truth::test_shapes::{assert_close, cube, directions, random_points, sphere};

    #[test]
    fn held_out_points_at_known_heights_above_a_cube_have_their_mean_and_maximum() {
        let surface = SurfaceDistance::new(&cube(2.0)).unwrap();
        let points = [
            [0.1, 0.2, 1.1],
            [0.3, -1.3, 0.0],
            [0.0, 0.0, 0.8],
            [1.0, 0.5, 0.5],
        ];
        let held_out = HeldOut::measure(&points, &surface, 4.0).unwrap();
        assert!((held_out.mean_percent - 100.0 * 0.6 / 4.0 / 4.0).abs() < 1e-12);
        assert!((held_out.max_percent - 7.5).abs() < 1e-12);
    }

    #[test]
    fn the_ghost_area_of_a_small_sphere_far_away_is_its_share_of_the_area() {
        let input = CloudDistance::new(&directions(20_000), None).unwrap();
        let diagonal = 12.0_f64.sqrt();
        let mut samples = directions(10_000);
        assert_close(ghost_area(&samples, &input, diagonal).unwrap(), 0.0);
        // Radius 0.1: a hundredth of the area, hence of the samples.
        samples.extend(
            directions(100)
                .iter()
                .map(|[x, y, z]| [4.0 + 0.1 * x, 0.1 * y, 0.1 * z]),
        );
        let found = ghost_area(&samples, &input, diagonal).unwrap();
        assert!((found - 100.0 / 10_100.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn the_iou_of_two_spheres_equals_the_formula() {
        let points = random_points(200_000, 1.5);
        let inside = |x: f64| {
            points
                .iter()
                .map(move |p| (p[0] - x).hypot(p[1]).hypot(p[2]) < 1.0)
        };
        let found = iou(
            &inside(-0.25).collect::<Vec<_>>(),
            &inside(0.25).collect::<Vec<_>>(),
        );
        // Two unit spheres at distance d share π (4 + d) (2 − d)² / 12.
        let shared = 4.5 * 1.5 * 1.5 / 12.0;
        let expected = shared / (8.0 / 3.0 - shared);
        assert!((found.unwrap() - expected).abs() < 0.005, "{expected}");
    }

    #[test]
    fn the_iou_of_concentric_meshes_is_the_ratio_of_their_volumes() {
        let points = random_points(50_000, 1.1);
        let inside = |radius| {
            MeshDistance::new(&sphere(radius, 48))
                .unwrap()
                .contains(&points)
        };
        let found = iou(&inside(1.0), &inside(0.9)).unwrap();
        assert!((found - 0.9_f64.powi(3)).abs() < 0.01, "{found}");
    }

    #[test]
    fn the_iou_of_equal_sets_is_one_of_disjoint_sets_zero_and_of_empty_sets_undefined() {
        let (yes, no) = ([true, false], [false, true]);
        assert_close(iou(&yes, &yes).unwrap(), 1.0);
        assert_close(iou(&yes, &no).unwrap(), 0.0);
        assert!(iou(&[false], &[false]).unwrap().is_nan());
        assert!(iou(&yes, &[true]).is_err());
    }

    #[test]
    fn metrics_of_nothing_are_refused() {
        let surface = SurfaceDistance::new(&cube(2.0)).unwrap();
        let input = CloudDistance::new(&[[0.0; 3]], None).unwrap();
        assert!(HeldOut::measure(&[], &surface, 1.0).is_err());
        assert!(HeldOut::measure(&[[f64::NAN; 3]], &surface, 1.0).is_err());
        assert!(HeldOut::measure(&[[0.0; 3]], &surface, 0.0).is_err());
        assert!(ghost_area(&[], &input, 1.0).is_err());
        assert!(ghost_area(&[[0.0; 3]], &input, f64::NAN).is_err());
    }
}
