//! Distances and normals between two surfaces, in both directions.

use parry3d_f64::glamx::DVec3;
use siren_core::Result;
use siren_core::metrics::Metrics;

use super::{
    ACCURACY_PERCENT, CHAMFER_PERCENT, COMPLETENESS_PERCENT, F_SCORE_0_1_PERCENT,
    F_SCORE_1_PERCENT, HAUSDORFF_PERCENT, NORMAL_CONSISTENCY, SIGNED_NORMAL_CONSISTENCY,
    check_diagonal, check_distances, maximum, mean, share_within,
};
use crate::truth::{CloudDistance, SurfaceDistance, at_each};
use crate::{PointCloud, Vector};

/// One of two surfaces that are compared.
#[derive(Clone, Copy)]
pub enum Side<'a> {
    /// A surface of which points alone are known. Distances to it are those to its nearest point.
    ///
    /// They exceed the distances to the surface that was sampled: two samplings of one surface, `n` points on the area `A`, are `½ √(A / n)`
    /// apart on average, which is 0.16 % of the diagonal for 100,000 points on a sphere.
    Cloud(&'a CloudDistance),
    /// The same, where distances from some of the points stand for those from all.
    SampledCloud {
        /// Some of its points, with normals if those are to be compared.
        samples: &'a PointCloud,
        /// All its points.
        cloud: &'a CloudDistance,
    },
    /// A surface of triangles. Distances to it are exact.
    Surface {
        /// Points of the surface, uniform by area, with normals if those are to be compared.
        samples: &'a PointCloud,
        /// Its triangles.
        distance: &'a SurfaceDistance,
    },
}

/// Distances between a reconstructed surface and the truth.
#[derive(Clone, Debug)]
pub struct Comparison {
    to_truth: OneSided,
    to_surface: OneSided,
    diagonal: f64,
}

/// From each sample of one side to the other side.
#[derive(Clone, Debug)]
struct OneSided {
    distances: Vec<f64>,
    /// Of the normals of the sample and of its nearest point, if both are known.
    cosines: Option<Vec<f64>>,
}

/// What the other side has nearest to a sample.
struct Opposite {
    distance: f64,
    normal: Option<Vector>,
}

impl Comparison {
    /// Compares samples of a reconstructed surface with samples of the truth whose bounding box has the given `diagonal`.
    ///
    /// Builds a tree of each; for trees that exist, and for exact distances to triangles, see [`between`](Self::between).
    ///
    /// # Errors
    ///
    /// As [`CloudDistance::new`], and [`Error::InvalidValue`](siren_core::Error::InvalidValue) for a diagonal that is not positive.
    pub fn new(surface: &PointCloud, truth: &PointCloud, diagonal: f64) -> Result<Self> {
        let cloud =
            |cloud: &PointCloud| CloudDistance::new(&cloud.points, cloud.normals.as_deref());
        let (surface, truth) = rayon::join(|| cloud(surface), || cloud(truth));
        Self::between(Side::Cloud(&surface?), Side::Cloud(&truth?), diagonal)
    }

    /// Compares a reconstructed surface with the truth whose bounding box has the given `diagonal`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](siren_core::Error::Shape) for no samples, [`Error::NotFinite`](siren_core::Error::NotFinite) for one that is not
    /// finite, [`Error::InvalidValue`](siren_core::Error::InvalidValue) for a diagonal that is not positive.
    pub fn between(surface: Side<'_>, truth: Side<'_>, diagonal: f64) -> Result<Self> {
        check_diagonal(diagonal)?;
        Ok(Self {
            to_truth: OneSided::new("samples of the surface", &surface, &truth)?,
            to_surface: OneSided::new("samples of the truth", &truth, &surface)?,
            diagonal,
        })
    }

    /// Returns the mean distance from the surface to the truth, in percent of the diagonal.
    #[must_use]
    pub fn accuracy_percent(&self) -> f64 {
        self.percent(mean(&self.to_truth.distances))
    }

    /// Returns the mean distance from the truth to the surface, in percent of the diagonal.
    #[must_use]
    pub fn completeness_percent(&self) -> f64 {
        self.percent(mean(&self.to_surface.distances))
    }

    /// Returns the Chamfer distance in percent of the diagonal: ½ (accuracy + completeness), of distances that are not squared.
    #[must_use]
    pub fn chamfer_percent(&self) -> f64 {
        f64::midpoint(self.accuracy_percent(), self.completeness_percent())
    }

    /// Returns the Hausdorff distance in percent of the diagonal: the largest distance from a sample of either to the other.
    #[must_use]
    pub fn hausdorff_percent(&self) -> f64 {
        let largest = maximum(&self.to_truth.distances).max(maximum(&self.to_surface.distances));
        self.percent(largest)
    }

    /// Returns the harmonic mean, in [0, 1], of precision and recall: the shares of samples of the surface and of the truth that are at most
    /// `threshold_percent` of the diagonal from the other.
    #[must_use]
    pub fn f_score(&self, threshold_percent: f64) -> f64 {
        let threshold = threshold_percent / 100.0 * self.diagonal;
        let precision = share_within(&self.to_truth.distances, threshold);
        let recall = share_within(&self.to_surface.distances, threshold);
        if precision + recall > 0.0 {
            2.0 * precision * recall / (precision + recall)
        } else {
            0.0
        }
    }

    /// Returns the normal consistency, in [0, 1]: the mean of |n·m| over the samples with normal n, where m is the normal at the nearest point
    /// of the other side; mean of both directions (Mescheder et al. 2019, "Occupancy networks"). `None` without normals of both sides.
    ///
    /// The absolute value hides a surface that is inside out: see [`signed_normal_consistency`](Self::signed_normal_consistency).
    #[must_use]
    pub fn normal_consistency(&self) -> Option<f64> {
        self.mean_cosine(f64::abs)
    }

    /// Returns the mean of n·m in [−1, 1], as [`normal_consistency`](Self::normal_consistency) without absolute value: negative for a surface
    /// that is inside out.
    #[must_use]
    pub fn signed_normal_consistency(&self) -> Option<f64> {
        self.mean_cosine(|cosine| cosine)
    }

    /// Returns all metrics of the comparison; those of normals if both sides have them.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = vec![
            CHAMFER_PERCENT.of(self.chamfer_percent()),
            ACCURACY_PERCENT.of(self.accuracy_percent()),
            COMPLETENESS_PERCENT.of(self.completeness_percent()),
            HAUSDORFF_PERCENT.of(self.hausdorff_percent()),
            F_SCORE_1_PERCENT.of(self.f_score(1.0)),
            F_SCORE_0_1_PERCENT.of(self.f_score(0.1)),
        ];
        metrics.extend(
            self.normal_consistency()
                .map(|value| NORMAL_CONSISTENCY.of(value)),
        );
        let signed = self.signed_normal_consistency();
        metrics.extend(signed.map(|value| SIGNED_NORMAL_CONSISTENCY.of(value)));
        metrics
    }

    fn percent(&self, length: f64) -> f64 {
        100.0 * length / self.diagonal
    }

    fn mean_cosine(&self, of: fn(f64) -> f64) -> Option<f64> {
        let one_sided = |side: &OneSided| {
            let cosines = side.cosines.as_ref()?;
            Some(cosines.iter().copied().map(of).sum::<f64>() / cosines.len() as f64)
        };
        Some(f64::midpoint(
            one_sided(&self.to_truth)?,
            one_sided(&self.to_surface)?,
        ))
    }
}

impl OneSided {
    fn new(what: &'static str, from: &Side<'_>, to: &Side<'_>) -> Result<Self> {
        let opposites = at_each(from.points(), |point| to.opposite(point));
        let distances: Vec<f64> = opposites.iter().map(|found| found.distance).collect();
        check_distances(what, &distances)?;
        let cosines = from.normals().and_then(|normals| {
            let cosine = |(&own, found): (&Vector, &Opposite)| {
                Some(DVec3::from(own).dot(found.normal?.into()))
            };
            normals.iter().zip(&opposites).map(cosine).collect()
        });
        Ok(Self { distances, cosines })
    }
}

impl Side<'_> {
    fn points(&self) -> &[Vector] {
        match self {
            Self::Cloud(cloud) => cloud.points(),
            Self::SampledCloud { samples, .. } | Self::Surface { samples, .. } => &samples.points,
        }
    }

    fn normals(&self) -> Option<&[Vector]> {
        match self {
            Self::Cloud(cloud) => cloud.normals(),
            Self::SampledCloud { samples, .. } | Self::Surface { samples, .. } => {
                samples.normals.as_deref()
            }
        }
    }

    fn opposite(&self, point: Vector) -> Opposite {
        match self {
            Self::Cloud(cloud) | Self::SampledCloud { cloud, .. } => {
                let nearest = cloud.nearest(point);
                let normals = cloud.normals().zip(nearest);
                Opposite {
                    distance: nearest.map_or(f64::NAN, |nearest| nearest.distance),
                    normal: normals.and_then(|(all, nearest)| all.get(nearest.index).copied()),
                }
            }
            Self::Surface { distance, .. } => {
                let nearest = distance.nearest(point);
                Opposite {
                    distance: nearest.map_or(f64::NAN, |nearest| nearest.distance),
                    normal: nearest.map(|nearest| nearest.normal),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::test_shapes::{assert_close, cube, directions, moved, sphere};

    fn scaled(directions: &[Vector], radius: f64) -> PointCloud {
        PointCloud {
            points: directions.iter().map(|d| d.map(|x| radius * x)).collect(),
            normals: Some(directions.to_vec()),
        }
    }

    /// Samples of the side z = height of a cube.
    fn plane(height: f64, count: u32) -> PointCloud {
        let axis = |i: u32| (f64::from(i) + 0.5) / f64::from(count);
        let at = |i: u32| [axis(i % count), axis(i / count), height];
        PointCloud {
            points: (0..count * count).map(at).collect(),
            normals: Some(vec![[0.0, 0.0, 1.0]; (count * count) as usize]),
        }
    }

    #[test]
    fn concentric_spheres_are_as_far_apart_as_their_radii() {
        // Samples in the same directions: the nearest one is on the same ray.
        let rays = directions(5000);
        let comparison = Comparison::new(&scaled(&rays, 1.01), &scaled(&rays, 1.0), 2.0).unwrap();
        assert_close(comparison.chamfer_percent(), 0.5);
        assert_close(comparison.accuracy_percent(), 0.5);
        assert_close(comparison.completeness_percent(), 0.5);
        assert_close(comparison.hausdorff_percent(), 0.5);
        assert_close(comparison.normal_consistency().unwrap(), 1.0);
        assert_close(comparison.f_score(0.51), 1.0);
        assert_close(comparison.f_score(0.49), 0.0);
    }

    #[test]
    fn a_shifted_plane_that_is_half_as_long_has_one_sided_distances_by_the_formula() {
        let truth = plane(0.0, 40);
        let mut half = plane(0.25, 40);
        half.points.retain(|point| point[0] < 0.5);
        half.normals = Some(vec![[0.0, 0.0, -1.0]; 800]);
        let comparison = Comparison::new(&half, &truth, 1.0).unwrap();
        assert_close(comparison.accuracy_percent(), 25.0);
        // Columns at x < ½ are 0.25 away; those beyond are k/40 from the last one too.
        let beyond = (1..=20)
            .map(|k| (f64::from(k) / 40.0).hypot(0.25))
            .sum::<f64>()
            / 20.0;
        let completeness = 100.0 * f64::midpoint(0.25, beyond);
        assert_close(comparison.completeness_percent(), completeness);
        assert_close(
            comparison.chamfer_percent(),
            f64::midpoint(25.0, completeness),
        );
        assert_close(comparison.hausdorff_percent(), 100.0 * 0.5_f64.hypot(0.25));
        // Precision 1, recall ½.
        assert_close(comparison.f_score(25.0), 2.0 / 3.0);
        assert_close(comparison.normal_consistency().unwrap(), 1.0);
        assert_close(comparison.signed_normal_consistency().unwrap(), -1.0);
    }

    #[test]
    fn a_surface_equals_itself() {
        let cloud = scaled(&directions(2000), 3.0);
        let metrics = Comparison::new(&cloud, &cloud, 10.0).unwrap().metrics();
        let values: Vec<_> = metrics
            .iter()
            .map(|m| (m.metric.name.as_ref(), m.value))
            .collect();
        let expected = [
            ("chamfer_percent", 0.0),
            ("accuracy_percent", 0.0),
            ("completeness_percent", 0.0),
            ("hausdorff_percent", 0.0),
            ("f_score_1_percent", 1.0),
            ("f_score_0_1_percent", 1.0),
            ("normal_consistency", 1.0),
            ("signed_normal_consistency", 1.0),
        ];
        assert_eq!(values.len(), expected.len());
        for ((name, found), (own, value)) in values.into_iter().zip(expected) {
            assert_eq!(name, own);
            assert_close(found, value);
        }
    }

    #[test]
    fn distances_to_triangles_lack_the_floor_that_samples_have() {
        let samples = |seed: usize| scaled(&directions(20_000 + seed)[seed..], 1.0);
        let (one, other) = (samples(0), samples(20_000));
        let area = 4.0 * std::f64::consts::PI;
        let floor = 100.0 * 0.5 * (area / 20_000.0).sqrt() / 2.0;
        let sampled = Comparison::new(&one, &other, 2.0).unwrap();
        assert!((sampled.chamfer_percent() / floor - 1.0).abs() < 0.02);
        let distance = &SurfaceDistance::new(&sphere(1.0, 128)).unwrap();
        let side = |samples| Side::Surface { samples, distance };
        let exact = Comparison::between(side(&one), side(&other), 2.0).unwrap();
        assert!(
            exact.chamfer_percent() < 0.02,
            "{}",
            exact.chamfer_percent()
        );
        assert!(exact.signed_normal_consistency().unwrap() > 0.9998);
    }

    #[test]
    fn a_cube_shifted_along_an_axis_has_the_shift_as_hausdorff_distance() {
        let truth = SurfaceDistance::new(&cube(1.0)).unwrap();
        let shifted = SurfaceDistance::new(&moved(&cube(1.0), [0.1, 0.0, 0.0])).unwrap();
        let corners = |mesh: crate::Mesh| PointCloud {
            points: mesh.vertices,
            normals: None,
        };
        let (a, b) = (
            corners(moved(&cube(1.0), [0.1, 0.0, 0.0])),
            corners(cube(1.0)),
        );
        let surface = Side::Surface {
            samples: &a,
            distance: &shifted,
        };
        let truth = Side::Surface {
            samples: &b,
            distance: &truth,
        };
        let comparison = Comparison::between(surface, truth, 1.0).unwrap();
        assert_close(comparison.hausdorff_percent(), 10.0);
        // Half of the corners lie on an edge of the other cube.
        assert_close(comparison.chamfer_percent(), 5.0);
        assert_eq!(comparison.normal_consistency(), None);
        assert_eq!(comparison.metrics().len(), 6);
    }

    #[test]
    fn the_number_of_threads_leaves_the_bytes_alone() {
        let (a, b) = (
            scaled(&directions(9000), 1.0),
            scaled(&directions(5000), 1.1),
        );
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| Comparison::new(&a, &b, 1.0).unwrap().metrics())
        };
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn a_side_without_samples_is_refused() {
        let empty = PointCloud::default();
        let message = Comparison::new(&empty, &plane(0.0, 4), 1.0)
            .unwrap_err()
            .to_string();
        assert!(message.contains("at least one"), "{message}");
        let distance = &SurfaceDistance::new(&cube(1.0)).unwrap();
        let side = Side::Surface {
            samples: &empty,
            distance,
        };
        assert!(Comparison::between(side, side, 1.0).is_err());
        assert!(Comparison::new(&plane(0.0, 4), &plane(0.0, 4), -1.0).is_err());
    }
}
