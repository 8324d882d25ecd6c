//! Areas of meshes, and points on them.

use rand::Rng;
use siren_core::rand_chacha::ChaCha8Rng;

use super::vector::{difference, face_normal, scaled, sum, unit};
use super::{Mesh, PointCloud};

impl Mesh {
    /// Returns the area of all triangles, in squares of the unit of length.
    #[must_use]
    pub fn area(&self) -> f64 {
        self.faces.iter().map(|&face| self.area_of(face)).sum()
    }

    /// Draws `count` points uniformly by area, independently, with the normals of their triangles.
    ///
    /// A triangle is drawn by a binary search in the running sum of areas, and a point of it by barycentric coordinates
    /// `(1 − √r₁, √r₁ (1 − r₂), √r₁ r₂)` of two uniform numbers (Osada et al. 2002). Returns no points if the mesh has no area.
    ///
    /// # Panics
    /// If a face has an index that is out of range.
    #[must_use]
    pub fn sample(&self, count: usize, rng: &mut ChaCha8Rng) -> PointCloud {
        let mut total = 0.0;
        let sums: Vec<f64> = self
            .faces
            .iter()
            .map(|&face| {
                total += self.area_of(face);
                total
            })
            .collect();
        let mut points = Vec::new();
        let mut normals = Vec::new();
        if total > 0.0 && total.is_finite() {
            points.reserve_exact(count);
            normals.reserve_exact(count);
            for _ in 0..count {
                let drawn = rng.random::<f64>() * total;
                // The first face whose sum is larger: never one without area. Rounding of the product may give `total` itself.
                let face = sums.partition_point(|&sum| sum <= drawn);
                let face = face.min(sums.partition_point(|&sum| sum < total));
                let [a, b, c] = self.corners_of(self.faces[face]);
                let (root, second) = (rng.random::<f64>().sqrt(), rng.random::<f64>());
                let along = scaled(difference(b, a), root * (1.0 - second));
                points.push(sum(a, sum(along, scaled(difference(c, a), root * second))));
                normals.push(unit(face_normal([a, b, c])).unwrap_or_default());
            }
        }
        PointCloud {
            points,
            normals: Some(normals),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Returns a unit square in z = 1 of two triangles, a triangle without area, and a triangle of area 3 in the plane x = 5.
    fn mesh() -> Mesh {
        Mesh {
            vertices: vec![
                [0.0, 0.0, 1.0],
                [1.0, 0.0, 1.0],
                [1.0, 1.0, 1.0],
                [0.0, 1.0, 1.0],
                [5.0, 0.0, 0.0],
                [5.0, 3.0, 0.0],
                [5.0, 0.0, 2.0],
            ],
            faces: vec![[0, 1, 2], [0, 2, 0], [0, 2, 3], [4, 5, 6]],
            normals: None,
        }
    }

    #[test]
    fn points_are_uniform_by_area_and_have_the_normals_of_their_faces() {
        let mesh = mesh();
        assert!((mesh.area() - 4.0).abs() < 1e-12);
        let count = 40_000;
        let cloud = mesh.sample(count, &mut ChaCha8Rng::seed_from_u64(1));
        let normals = cloud.normals.unwrap();
        assert_eq!((cloud.points.len(), normals.len()), (count, count));
        let mut in_square = 0;
        let mut mean = [0.0; 2];
        for (&[x, y, z], normal) in cloud.points.iter().zip(normals) {
            if normal[2] > 0.999_999 {
                assert!((z - 1.0).abs() < 1e-12);
                assert!((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y));
                in_square += 1;
                mean = [mean[0] + x, mean[1] + y];
            } else {
                assert!(normal[0] > 0.999_999);
                assert!((x - 5.0).abs() < 1e-12 && y / 3.0 + z / 2.0 <= 1.0 + 1e-12);
            }
        }
        // Within four standard deviations of the binomial distribution, and of the mean of uniform numbers.
        let expected = count as f64 / 4.0;
        assert!((f64::from(in_square) - expected).abs() < 4.0 * (expected * 0.75).sqrt());
        for sum in mean {
            let mean = sum / f64::from(in_square);
            assert!((mean - 0.5).abs() < 4.0 * 0.29 / expected.sqrt(), "{mean}");
        }
    }

    #[test]
    fn samples_are_a_function_of_the_generator() {
        let draw = |seed| mesh().sample(50, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn a_mesh_without_area_has_no_points() {
        let mut mesh = mesh();
        mesh.faces = vec![[0, 2, 0]];
        for mesh in [mesh, Mesh::default()] {
            let cloud = mesh.sample(5, &mut ChaCha8Rng::seed_from_u64(1));
            assert!(cloud.points.is_empty());
        }
    }
}
