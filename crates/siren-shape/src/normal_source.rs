//! The normals that a config asks for: those of the points after checks of their signs, estimated ones, or none.

use siren_core::{Error, Result};

use crate::config::NormalSource;
use crate::geometry::PointCloud;
use crate::geometry::vector::{difference, dot, length, scaled, sum};
use crate::normals::{NEIGHBORS, estimate_normals, mixed_signs};
use crate::source::{Orientation, ShapeSource};

/// Share of estimated normals that disagree, or of given ones that oppose their neighbors, above which the user is told.
const SUSPICIOUS_SHARE: f64 = 0.01;
/// Share of given normals that oppose their neighbors above which they are refused.
const REFUSED_SHARE: f64 = 0.25;
/// Normals point inward if their [`outwardness`] is below this.
const INWARD: f64 = -0.1;
/// Length of the mean normal up to which a surface is taken for closed. It is 0 for a closed surface that is sampled evenly, ½ for a half
/// sphere and 1 for a plane.
const CLOSED: f64 = 0.2;

impl ShapeSource {
    /// Returns the shape with the normals that the config asks for. `notes` receives remarks on them.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for given normals that are missing or of mixed signs.
    pub(crate) fn with_normals(
        self,
        normals: NormalSource,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let points = match normals {
            NormalSource::None => PointCloud {
                normals: None,
                ..self.points
            },
            NormalSource::Estimate => estimated(self.points, notes),
            NormalSource::Given if self.orientation == Orientation::Certain => self.points,
            NormalSource::Given => checked(self.points, &self.origin, notes)?,
        };
        Ok(Self { points, ..self })
    }
}

/// Returns the points with estimated normals.
fn estimated(points: PointCloud, notes: &mut Vec<String>) -> PointCloud {
    let estimated = estimate_normals(&points.points, NEIGHBORS);
    if estimated.disagreeing > SUSPICIOUS_SHARE {
        notes.push(format!(
            "warning: {:.1} % of neighboring normals disagree after their estimation; thin parts or noise may have the wrong side: the losses \
             `digs` and `heat` need no normals (`signal.normals = \"none\"`)",
            100.0 * estimated.disagreeing
        ));
    }
    PointCloud {
        normals: Some(estimated.normals),
        ..points
    }
}

/// Checks that the normals of the points are there and agree with each other, and turns them if they point inward.
fn checked(points: PointCloud, origin: &str, notes: &mut Vec<String>) -> Result<PointCloud> {
    let refuse = |reason: &str| {
        let expected = format!("\"estimate\" or \"none\": {reason}");
        Err(Error::invalid("signal.normals", "\"given\"", &expected))
    };
    let Some(normals) = &points.normals else {
        return refuse(&format!("{origin} has points without normals"));
    };
    let mixed = mixed_signs(&points.points, normals, NEIGHBORS);
    let percent = 100.0 * mixed;
    if mixed > REFUSED_SHARE {
        return refuse(&format!(
            "{percent:.1} % of the normals in {origin} point against those of their neighbors"
        ));
    }
    if mixed > SUSPICIOUS_SHARE {
        notes.push(format!(
            "warning: {origin}: {percent:.1} % of the normals point against those of their neighbors: parts thinner than the distance of \
             the points, or wrong signs; `signal.normals = \"estimate\"` replaces them"
        ));
    }
    if outwardness(&points) >= INWARD {
        return Ok(points);
    }
    if mean_normal_length(&points) > CLOSED {
        notes.push(format!(
            "warning: {origin}: most normals point to the center of the points; the field is negative behind the surface, so this is right \
             for a surface that is seen from within, and otherwise the normals are to be negated in the file"
        ));
        return Ok(points);
    }
    notes.push(format!(
        "note: {origin}: the normals point inward (the volume that they enclose is negative): all are turned"
    ));
    let turned = |normals: Vec<_>| normals.into_iter().map(|n| scaled(n, -1.0)).collect();
    Ok(PointCloud {
        normals: points.normals.map(turned),
        ..points
    })
}

/// Returns `Σ n · (p − c) / Σ ‖p − c‖` in [−1, 1], with the mean c of the points. For a closed surface that is sampled evenly, the numerator is
/// in proportion to the volume, by the divergence theorem; it is positive if the normals point outward.
fn outwardness(points: &PointCloud) -> f64 {
    let count = points.points.len() as f64;
    let first = points.points.first().copied().unwrap_or_default();
    // Differences from a point, so that a cloud far from the origin loses no digits.
    let offsets = || points.points.iter().map(|&point| difference(point, first));
    let center = scaled(offsets().fold([0.0; 3], sum), 1.0 / count);
    let from_center = || offsets().map(|offset| difference(offset, center));
    let normals = points.normals.iter().flatten();
    let outward: f64 = from_center().zip(normals).map(|(p, &n)| dot(p, n)).sum();
    let distance: f64 = from_center().map(length).sum();
    outward / distance
}

/// Returns the length of the mean of the normals, in [0, 1].
fn mean_normal_length(points: &PointCloud) -> f64 {
    let normals = points.normals.as_deref().unwrap_or_default();
    let total = normals.iter().copied().fold([0.0; 3], sum);
    length(total) / normals.len() as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::Vector;
    use crate::scene::Scene;
    use crate::truth::test_shapes::{sphere, torus};

    /// Returns what becomes of given normals, and the notes.
    fn given(points: PointCloud) -> (PointCloud, Vec<String>) {
        let mut notes = Vec::new();
        let checked = checked(points, "a.xyz", &mut notes).unwrap();
        (checked, notes)
    }

    fn turned(cloud: &PointCloud) -> PointCloud {
        let negated = |normals: &Vec<Vector>| normals.iter().map(|&n| scaled(n, -1.0)).collect();
        PointCloud {
            normals: cloud.normals.as_ref().map(negated),
            ..cloud.clone()
        }
    }

    #[test]
    fn inward_normals_of_closed_surfaces_anywhere_are_turned_and_outward_ones_are_kept() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let scene = Scene::new().sample(20_000, &mut rng);
        let mut far = torus(1.0, 0.3, 32).sample(4000, &mut rng);
        for point in &mut far.points {
            *point = sum(*point, [1e6, -2e6, 3e6]);
        }
        for cloud in [scene, far, sphere(1.0, 24).sample(500, &mut rng)] {
            let (outward, notes) = given(cloud.clone());
            assert_eq!(outward, cloud);
            assert!(
                !notes.iter().any(|note| note.contains("inward")),
                "{notes:?}"
            );
            let (outward, notes) = given(turned(&cloud));
            assert_eq!(outward, cloud);
            assert!(
                notes
                    .iter()
                    .any(|note| note.contains("a.xyz: the normals point inward")),
                "{notes:?}"
            );
        }
    }

    #[test]
    fn the_normals_of_a_bowl_that_is_seen_from_within_are_kept_with_a_warning() {
        let sphere = turned(&sphere(1.0, 48).sample(4000, &mut ChaCha8Rng::seed_from_u64(2)));
        let bowl = sphere.filtered(|index| sphere.points[index][2] < 0.0);
        let (kept, notes) = given(bowl.clone());
        assert_eq!(kept, bowl);
        assert!(
            matches!(&notes[..], [note] if note.contains("point to the center")),
            "{notes:?}"
        );
        let (_, notes) = given(turned(&bowl));
        assert!(notes.is_empty(), "{notes:?}");
    }
}
