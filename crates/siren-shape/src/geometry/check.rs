//! Checks that points can be those of a surface.

use nalgebra::{Matrix3, SymmetricEigen};
use siren_core::{Error, Result};

use super::equal::first_of_equal;
use super::vector::{difference, dot, is_finite, scaled, sum, unit};
use super::{PointCloud, Vector};

/// Smallest number of points that can enclose a volume.
const MIN_POINTS: usize = 4;

/// Points are on a line or in a plane if their standard deviation across it is at most this share of that along it: coordinates in files have
/// 6 to 7 digits.
const THIN: f64 = 1e-6;

/// Squared lengths that differ from 1 by less than this are 1 up to rounding.
const ROUNDING: f64 = 1e-12;

impl PointCloud {
    /// Checks the points, removes those at the same position as an earlier point, and gives normals the length 1. `origin` is the file or what else the points are from, for
    /// messages; `notes` receives a sentence if points were removed, or all points are in one plane.
    ///
    /// # Errors
    /// [`Error::Signal`] if there are fewer than 4 different points, or all are on one line; [`Error::Shape`] if there is another number of
    /// normals than of points; [`Error::NotFinite`] for points, [`Error::Signal`] for normals that are zero or not finite.
    pub fn checked(mut self, origin: &str, notes: &mut Vec<String>) -> Result<Self> {
        let count = self.points.len();
        if let Some(normals) = self.normals.as_ref().filter(|n| n.len() != count) {
            return Err(Error::Shape {
                what: "normals",
                expected: format!("{count}, one for each point"),
                got: normals.len().to_string(),
            });
        }
        if let Some(point) = self.points.iter().position(|&point| !is_finite(point)) {
            return Err(Error::NotFinite {
                column: "coordinates".to_owned(),
                point,
            });
        }
        self.make_normals_unit(origin)?;
        let removed = self.remove_equal();
        let distinct = self.points.len();
        if distinct < MIN_POINTS {
            let found = match (count, distinct) {
                (0, _) => "holds no points".to_owned(),
                (1, _) => "holds one point".to_owned(),
                (_, 1) => format!("holds {count} points, all at the same position"),
                (_, _) if removed > 0 => {
                    format!("holds {count} points at {distinct} different positions")
                }
                _ => format!("holds {count} points"),
            };
            let message =
                format!("{found}, expected at least {MIN_POINTS} different points of a surface");
            return Err(Error::signal(origin, message));
        }
        if removed > 0 {
            notes.push(format!(
                "{origin}: removed {removed} of {count} points ({:.2} %), which repeat the position of an earlier point",
                100.0 * removed as f64 / count as f64
            ));
        }
        let [longest, middle, shortest] = deviations(&self.points);
        if middle <= THIN * longest {
            return Err(Error::signal(
                origin,
                format!("all {distinct} points are on one line, expected points of a surface"),
            ));
        }
        if shortest <= THIN * longest {
            notes.push(format!(
                "{origin}: all {distinct} points are in one plane: they enclose no volume"
            ));
        }
        Ok(self)
    }

    /// Gives every normal the length 1. Those that have it keep their bits.
    fn make_normals_unit(&mut self, origin: &str) -> Result<()> {
        for (point, normal) in self.normals.iter_mut().flatten().enumerate() {
            if (dot(*normal, *normal) - 1.0).abs() < ROUNDING {
                continue;
            }
            let Some(direction) = unit(*normal) else {
                let message = format!(
                    "the normal of point {point} (counted from 0) is {normal:?}, expected a direction"
                );
                return Err(Error::signal(origin, message));
            };
            *normal = direction;
        }
        Ok(())
    }

    /// Removes points at the same position as an earlier point, and returns their number.
    fn remove_equal(&mut self) -> usize {
        let firsts = first_of_equal(&self.points);
        let count = self.points.len();
        let keep_first = |vectors: &mut Vec<Vector>| {
            let mut index = 0;
            vectors.retain(|_| {
                index += 1;
                firsts[index - 1] as usize == index - 1
            });
        };
        keep_first(&mut self.points);
        if let Some(normals) = &mut self.normals {
            keep_first(normals);
        }
        count - self.points.len()
    }
}

/// Returns the standard deviations along the principal axes, the largest first, up to a common factor.
fn deviations(points: &[Vector]) -> Vector {
    let count = points.len() as f64;
    let mean = scaled(points.iter().copied().fold([0.0; 3], sum), 1.0 / count);
    let from_mean = || points.iter().map(|&point| difference(point, mean));
    let largest = from_mean()
        .flatten()
        .fold(0.0, |largest: f64, c| largest.max(c.abs()));
    let mut covariance = Matrix3::zeros();
    for offset in from_mean() {
        // Scaled: squares of long and short offsets are infinite or zero.
        let offset = nalgebra::Vector3::from(offset) / largest;
        covariance += offset * offset.transpose();
    }
    let variances = SymmetricEigen::new(covariance / count).eigenvalues;
    let mut deviations = [0, 1, 2].map(|axis| variances[axis].max(0.0).sqrt());
    deviations.sort_by(|a, b| b.total_cmp(a));
    deviations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(points: &[Vector]) -> PointCloud {
        PointCloud {
            points: points.to_vec(),
            normals: None,
        }
    }

    fn refusal(points: &[Vector]) -> String {
        let error = cloud(points).checked("a.xyz", &mut Vec::new()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn points_that_can_be_no_surface_are_refused_with_the_reason() {
        let line: Vec<Vector> = (0..100)
            .map(|i| [0.1, 0.7, -0.3].map(|slope| 1e3 + slope * f64::from(i)))
            .collect();
        let [a, b, c] = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        for (points, words) in [
            (&[][..], "a.xyz: holds no points"),
            (&[a], "one point, expected at least 4"),
            (&[a, b, c], "holds 3 points"),
            (&[b; 50], "50 points, all at the same position"),
            (&[a, a, b, b, c], "5 points at 3 different positions"),
            (&line, "all 100 points are on one line"),
        ] {
            let message = refusal(points);
            assert!(message.contains(words), "{message}");
        }
        assert!(refusal(&[a, b, [0.0, f64::NAN, 0.0], c]).contains("point 2"));
    }

    #[test]
    fn repeated_points_are_removed_with_their_normals_and_the_first_is_kept() {
        let [a, b] = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]];
        let [c, d] = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let mut notes = Vec::new();
        let axis =
            |index: usize, sign: f64| std::array::from_fn(|i| if i == index { sign } else { 0.0 });
        let normals: Vec<Vector> = (0..6)
            .map(|i| axis(i % 3, if i < 3 { 1.0 } else { -1.0 }))
            .collect();
        let with_normals = PointCloud {
            points: vec![a, b, a, c, d, [0.0, 1.0, -0.0]],
            normals: Some(normals.clone()),
        };
        let checked = with_normals.checked("a.xyz", &mut notes).unwrap();
        assert_eq!(checked.points, [a, b, c, d]);
        let kept = [0, 1, 3, 4].map(|index| normals[index]);
        assert_eq!(checked.normals.unwrap(), kept);
        assert_eq!(
            notes,
            [
                "a.xyz: removed 2 of 6 points (33.33 %), which repeat the position of an earlier point"
            ]
        );
    }

    #[test]
    fn normals_get_the_length_1_and_one_without_a_direction_is_refused() {
        let corners = [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let cloud = |last: Vector| PointCloud {
            points: corners.to_vec(),
            normals: Some(vec![
                [3.0, 0.0, -4.0],
                [0.0, 1e-200, 0.0],
                [0.0, 0.0, 1.0],
                last,
            ]),
        };
        let checked = cloud([0.0, -1e9, 0.0]).checked("a.xyz", &mut Vec::new());
        let expected = [
            [0.6, 0.0, -0.8],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, -1.0, 0.0],
        ];
        for (normal, expected) in checked.unwrap().normals.unwrap().iter().zip(expected) {
            assert!(
                normal
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-12),
                "{normal:?}"
            );
        }
        for last in [[0.0; 3], [f64::NAN, 0.0, 0.0]] {
            let error = cloud(last).checked("a.xyz", &mut Vec::new()).unwrap_err();
            assert!(
                error.to_string().contains("a.xyz: the normal of point 3"),
                "{error}"
            );
        }
    }

    #[test]
    fn points_in_a_plane_are_accepted_with_a_note() {
        // 3x + 4y = 12, far from the origin.
        let plane: Vec<Vector> = (0..100)
            .map(|i| (f64::from(i % 10), f64::from(i / 10)))
            .map(|(u, v)| [1e4 + 4.0 * u, 1e4 - 3.0 * u, v])
            .collect();
        let mut notes = Vec::new();
        cloud(&plane).checked("a.xyz", &mut notes).unwrap();
        assert_eq!(
            notes,
            ["a.xyz: all 100 points are in one plane: they enclose no volume"]
        );
        let mut solid = plane;
        solid[7][0] += 1.0;
        notes.clear();
        cloud(&solid).checked("a.xyz", &mut notes).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
    }
}
