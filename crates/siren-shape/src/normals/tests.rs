//! Normals of surfaces whose normals are known.

use std::f64::consts::TAU;

use rand::{Rng, SeedableRng};
use siren_core::rand_chacha::ChaCha8Rng;

use super::*;
use crate::geometry::PointCloud;
use crate::geometry::vector::unit;

/// Mean angle to the true normals, in degrees, and the share of normals on the right side.
struct Accuracy {
    degrees: f64,
    right: f64,
}

impl Accuracy {
    fn of(estimated: &[Vector], truth: &[Vector]) -> Self {
        assert_eq!(estimated.len(), truth.len());
        let count = truth.len() as f64;
        let cosines: Vec<f64> = estimated
            .iter()
            .zip(truth)
            .map(|(&a, &b)| dot(a, b))
            .collect();
        let angle = |cosine: &f64| cosine.abs().min(1.0).acos().to_degrees();
        Self {
            degrees: cosines.iter().map(angle).sum::<f64>() / count,
            right: cosines.iter().filter(|&&cosine| cosine > 0.0).count() as f64 / count,
        }
    }
}

/// Returns `count` points of a surface of two parameters in [0, 1).
fn surface(count: usize, seed: u64, point: impl Fn(f64, f64) -> (Vector, Vector)) -> PointCloud {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (points, normals) = (0..count)
        .map(|_| point(rng.random(), rng.random()))
        .unzip();
    PointCloud {
        points,
        normals: Some(normals),
    }
}

fn sphere(count: usize, radius: f64, center: Vector) -> PointCloud {
    surface(count, 1, |u, v| {
        let z = 2.0 * v - 1.0;
        let ring = (1.0 - z * z).sqrt();
        let normal = [ring * (TAU * u).cos(), ring * (TAU * u).sin(), z];
        (sum(center, scaled(normal, radius)), normal)
    })
}

fn torus(count: usize) -> PointCloud {
    surface(count, 2, |u, v| {
        let ((sin, cos), (tube_sin, tube_cos)) = ((TAU * u).sin_cos(), (TAU * v).sin_cos());
        let ring = 1.0 + 0.4 * tube_cos;
        let normal = [tube_cos * cos, tube_sin, tube_cos * sin];
        ([ring * cos, 0.4 * tube_sin, ring * sin], normal)
    })
}

/// Returns a box of edges 1, 2 and 3.
fn cuboid(count: usize) -> PointCloud {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut cloud = PointCloud::default();
    let mut normals = Vec::new();
    let extents = [1.0, 2.0, 3.0];
    while cloud.points.len() < count {
        // By area: 6, 3 and 2 for each pair of sides.
        let axis = match rng.random_range(0..11) {
            0..6 => 0,
            6..9 => 1,
            _ => 2,
        };
        let side = f64::from(rng.random_range(0..2));
        let mut point: Vector = [0, 1, 2].map(|axis| extents[axis] * rng.random::<f64>());
        point[axis] = side * extents[axis];
        let mut normal = [0.0; 3];
        normal[axis] = 2.0 * side - 1.0;
        cloud.points.push(point);
        normals.push(normal);
    }
    cloud.normals = Some(normals);
    cloud
}

fn accuracy(cloud: &PointCloud) -> (Accuracy, EstimatedNormals) {
    let estimated = estimate_normals(&cloud.points, NEIGHBORS);
    let truth = cloud.normals.as_deref().unwrap();
    (Accuracy::of(&estimated.normals, truth), estimated)
}

#[test]
fn normals_of_closed_surfaces_are_exact_to_some_degrees_and_point_outward() {
    // At the edges of the box the planes lie across them.
    for (name, cloud, degrees) in [
        ("sphere", sphere(4000, 2.0, [5.0, -3.0, 1.0]), 2.5),
        ("torus", torus(6000), 4.0),
        ("box", cuboid(8000), 6.0),
    ] {
        let (accuracy, estimated) = accuracy(&cloud);
        assert!(accuracy.degrees < degrees, "{name}: {}", accuracy.degrees);
        assert!(accuracy.right > 0.999, "{name}: {}", accuracy.right);
        assert!(
            estimated.disagreeing < 1e-3,
            "{name}: {}",
            estimated.disagreeing
        );
        assert_eq!(estimated.components, 1, "{name}");
        let length = |normal: &Vector| dot(*normal, *normal).sqrt();
        assert!(
            estimated
                .normals
                .iter()
                .all(|n| (length(n) - 1.0).abs() < 1e-12)
        );
    }
}

#[test]
fn all_normals_of_separate_closed_surfaces_point_outward() {
    let mut both = sphere(1000, 1.0, [0.0; 3]);
    let other = sphere(700, 0.5, [10.0, 0.0, -4.0]);
    both.points.extend(&other.points);
    both.normals
        .as_mut()
        .unwrap()
        .extend(other.normals.unwrap());
    let (accuracy, estimated) = accuracy(&both);
    assert_eq!(estimated.components, 2);
    assert!(accuracy.right > 0.999, "{}", accuracy.right);
}

#[test]
fn a_horizontal_sheet_points_up_and_a_wall_to_one_side() {
    let grid = |at: fn(f64, f64) -> Vector| -> Vec<Vector> {
        (0..900)
            .map(|i| at(f64::from(i % 30), f64::from(i / 30)))
            .collect()
    };
    let flat = estimate_normals(&grid(|u, v| [u, v, 0.0]), NEIGHBORS);
    assert!(flat.normals.iter().all(|normal| normal[2] > 0.999_999));
    assert_eq!((flat.disagreeing, flat.components), (0.0, 1));
    let wall = estimate_normals(&grid(|u, v| [7.0, u, v]), NEIGHBORS);
    let side = wall.normals[0][0].signum();
    assert!(
        wall.normals
            .iter()
            .all(|normal| side * normal[0] > 0.999_999)
    );
}

#[test]
fn equal_coordinates_and_few_points_are_no_problem() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut same_x: Vec<Vector> = (0..1000)
        .map(|_| [0.25, rng.random(), rng.random()])
        .collect();
    let normals = estimate_normals(&same_x, NEIGHBORS).normals;
    assert!(normals.iter().all(|normal| normal[0].abs() > 0.999_999));
    // A cluster of equal points, larger than any leaf of the tree.
    same_x.extend(vec![[0.25, 0.5, 0.5]; 1000]);
    for points in [
        &same_x,
        &same_x[999..],
        &same_x[..5],
        &same_x[..2],
        &same_x[..1],
        &[],
    ] {
        let estimated = estimate_normals(points, NEIGHBORS);
        assert_eq!(estimated.normals.len(), points.len());
        assert!(
            estimated
                .normals
                .as_flattened()
                .iter()
                .all(|c| c.is_finite())
        );
        assert!((0.0..=1.0).contains(&estimated.disagreeing));
    }
    assert_eq!(estimate_normals(&same_x, 0).normals.len(), same_x.len());
}

#[test]
fn neighbors_are_the_nearest_other_points() {
    let points = cuboid(500).points;
    let graph = NeighborGraph::of(&points, NEIGHBORS);
    let squared = |a: usize, b: usize| {
        let offset = difference(points[a], points[b]);
        dot(offset, offset)
    };
    for index in 0..points.len() {
        let mut nearest: Vec<usize> = (0..points.len()).filter(|&other| other != index).collect();
        nearest.sort_by(|&a, &b| squared(index, a).total_cmp(&squared(index, b)));
        let mut expected: Vec<u32> = nearest[..NEIGHBORS].iter().map(|&i| i as u32).collect();
        let mut found = graph.of_point(index).to_vec();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_result_is_the_same_for_any_number_of_threads() {
    let points = torus(3000).points;
    let with_threads = |count: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
        pool.unwrap()
            .install(|| estimate_normals(&points, NEIGHBORS))
    };
    assert_eq!(with_threads(1), with_threads(3));
}

#[test]
fn normals_of_mixed_sign_are_found() {
    let cloud = sphere(3000, 1.0, [0.0; 3]);
    let mut normals = cloud.normals.unwrap();
    let mixed = |normals: &[Vector]| mixed_signs(&cloud.points, normals, NEIGHBORS);
    assert!(mixed(&normals) < 1e-12);
    for normal in normals.iter_mut().step_by(20) {
        *normal = scaled(*normal, -1.0);
    }
    assert!((mixed(&normals) - 0.05).abs() < 0.01);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for normal in &mut normals {
        *normal = scaled(*normal, if rng.random() { 1.0 } else { -1.0 });
    }
    assert!((0.3..0.6).contains(&mixed(&normals)));
    assert!(mixed_signs(&[], &[], NEIGHBORS).abs() < 1e-12);
}

#[test]
fn the_share_of_mixed_signs_of_many_points_is_that_of_a_part_of_them() {
    let cloud = sphere(250_000, 1.0, [0.0; 3]);
    let mut normals = cloud.normals.unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for normal in &mut normals {
        *normal = scaled(*normal, if rng.random_bool(0.1) { -1.0 } else { 1.0 });
    }
    let mixed = mixed_signs(&cloud.points, &normals, NEIGHBORS);
    assert!((mixed - 0.1).abs() < 0.005, "{mixed}");
}

#[test]
fn few_points_of_random_sides_disagree() {
    // A cloud that is no surface: the sides cannot be made consistent.
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let points: Vec<Vector> = (0..500)
        .map(|_| [rng.random(), rng.random(), rng.random()])
        .collect();
    let estimated = estimate_normals(&points, NEIGHBORS);
    assert!(estimated.disagreeing > 0.1, "{}", estimated.disagreeing);
    assert!(
        estimated
            .normals
            .iter()
            .all(|&normal| unit(normal).is_some())
    );
}
