use std::f64::consts::{PI, TAU};

use nalgebra::Vector3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Scene;
use super::knot::KnotTube;
use super::layout::KNOT;
use super::solid::Solid;
use crate::geometry::Vector;

fn random_points(count: usize, half: f64, seed: u64) -> Vec<Vector> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut coordinate = || half * (2.0 * rng.random::<f64>() - 1.0);
    (0..count)
        .map(|_| std::array::from_fn(|_| coordinate()))
        .collect()
}

fn distance(p: Vector, q: Vector) -> f64 {
    (Vector3::from(p) - Vector3::from(q)).norm()
}

/// Central differences of the distance.
fn difference_quotients(scene: &Scene, p: Vector) -> Vector3<f64> {
    let step = 1e-5;
    Vector3::from_fn(|axis, _| {
        let at = |offset: f64| {
            let mut q = p;
            q[axis] += offset;
            scene.signed_distance(q)
        };
        (at(step) - at(-step)) / (2.0 * step)
    })
}

#[test]
fn sampled_points_lie_on_the_zero_set_and_their_normals_are_the_gradient() {
    let scene = Scene::new();
    let cloud = scene.sample(20_000, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(cloud.points.len(), 20_000);
    let normals = cloud.normals.expect("has normals");
    for (&p, &normal) in cloud.points.iter().zip(&normals) {
        let d = scene.signed_distance(p);
        assert!(d.abs() < 1e-9, "d = {d} at {p:?}");
        let outside: Vector = std::array::from_fn(|k| p[k] + 1e-3 * normal[k]);
        assert!((scene.signed_distance(outside) - 1e-3).abs() < 1e-9);
        assert!(distance(scene.gradient(outside), normal) < 1e-6, "{p:?}");
    }
}

#[test]
fn the_same_seed_draws_the_same_points() {
    let sample = |seed| Scene::new().sample(100, &mut ChaCha8Rng::seed_from_u64(seed));
    assert_eq!(sample(5), sample(5));
    assert_ne!(sample(5), sample(6));
}

#[test]
fn the_gradient_is_that_of_the_distance_and_has_length_1() {
    let scene = Scene::new();
    let mut off_axis = 0;
    for p in random_points(3000, 1.0, 2) {
        let gradient = Vector3::from(scene.gradient(p));
        assert!((gradient.norm() - 1.0).abs() < 1e-12);
        // On the medial axis the difference quotients mix the gradients of both sides.
        off_axis += usize::from((difference_quotients(&scene, p) - gradient).norm() < 1e-4);
    }
    assert!(off_axis > 2980, "{off_axis} of 3000");
}

#[test]
fn the_distance_is_that_to_the_nearest_of_many_surface_points_inside_and_outside() {
    let scene = Scene::new();
    let cloud = scene.sample(400_000, &mut ChaCha8Rng::seed_from_u64(3));
    // Points inside: surface points that are moved inward.
    let normals = cloud.normals.as_ref().expect("has normals");
    let inside = (0..60).map(|i| -> Vector {
        let depth = 0.1 * f64::from(i) / 60.0;
        let index = 6000 * i as usize;
        std::array::from_fn(|k| cloud.points[index][k] - depth * normals[index][k])
    });
    let mut signs = [0, 0];
    for p in random_points(120, 1.0, 4).into_iter().chain(inside) {
        let d = scene.signed_distance(p);
        signs[usize::from(d < 0.0)] += 1;
        let nearest = cloud.points.iter().map(|&q| distance(p, q));
        let nearest = nearest.fold(f64::INFINITY, f64::min);
        // No surface point is nearer than |d|, and one is within the spacing of the samples, about 0.005, of the nearest point.
        let excess = nearest - d.abs();
        assert!(
            (-1e-9..0.015).contains(&excess),
            "d = {d}, nearest sample {nearest} at {p:?}"
        );
    }
    assert!(signs[0] > 60 && signs[1] > 30, "{signs:?}");
}

#[test]
fn the_nearest_point_of_the_knot_is_the_global_minimum_even_on_its_axis_and_focal_surface() {
    let center = Vector3::new(0.1, -0.2, 0.3);
    let tube = KnotTube::new(center, &KNOT);
    let count = 20_000;
    let curve: Vec<_> = (0..count)
        .map(|i| tube.curve(TAU * f64::from(i) / f64::from(count)))
        .collect();
    let random = random_points(100, 1.0, 5).into_iter().map(Vector3::from);
    let on_axis = (0..10).map(|i| center + Vector3::z() * (0.2 * f64::from(i) - 1.0));
    let far = random_points(5, 10.0, 6).into_iter().map(Vector3::from);
    // Centers of curvature, where f″ vanishes at the nearest point.
    let focal = curve.iter().step_by(500).map(|point| {
        let curvature = point.curvature();
        point.position + curvature / curvature.norm_squared()
    });
    for p in random.chain(on_axis).chain(far).chain(focal) {
        let nearest = curve.iter().map(|point| (point.position - p).norm());
        let nearest = nearest.fold(f64::INFINITY, f64::min) - KNOT.tube;
        let found = tube.distance_and_gradient(&p).distance;
        // A sample is at most a step of 2π/20000 from the minimum, where f is flat.
        assert!(found <= nearest + 1e-10, "{found} > {nearest} at {p:?}");
        assert!(found > nearest - 1e-6, "{found} < {nearest} at {p:?}");
        assert!(tube.lower_bound(&p) <= found + 1e-12);
    }
}

#[test]
fn the_tube_is_thinner_than_the_reach_of_its_knot() {
    let scene = Scene::new();
    let knots = scene.solids.iter().filter_map(|solid| match solid {
        Solid::Knot(knot) => Some(knot),
        _ => None,
    });
    let knots: Vec<_> = knots.collect();
    assert_eq!(knots.len(), 1);
    let count = 1200;
    let curve: Vec<_> = (0..count)
        .map(|i| knots[0].curve(TAU * f64::from(i) / f64::from(count)))
        .collect();
    // Federer 1959, theorem 4.18: the reach is the infimum of ‖q − p‖² / (2 dist(q − p, tangent at p)) over pairs of points.
    let mut reach = f64::INFINITY;
    for p in &curve {
        reach = reach.min(1.0 / p.curvature().norm());
        for q in &curve {
            let chord = q.position - p.position;
            let offset = chord.cross(&p.tangent()).norm();
            if chord.norm() > 1e-9 {
                reach = reach.min(chord.norm_squared() / (2.0 * offset));
            }
        }
    }
    assert!(reach > 1.4 * KNOT.tube, "reach {reach}");
}

#[test]
fn the_solids_do_not_touch() {
    let scene = Scene::new();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut gap = f64::INFINITY;
    for (index, solid) in scene.solids.iter().enumerate() {
        // Many enough that a sample is within 0.005 of every point.
        let count = (4e5 * solid.area()) as usize + 200;
        for _ in 0..count {
            let p = solid.sample(&mut rng).point;
            for (other_index, other) in scene.solids.iter().enumerate() {
                if other_index != index && other.lower_bound(&p) < gap {
                    gap = gap.min(other.distance_and_gradient(&p).distance);
                }
            }
        }
    }
    assert!(gap > 0.015, "gap {gap}");
}

#[test]
fn the_area_is_that_of_a_thin_shell_around_the_surface() {
    let scene = Scene::new();
    // The volume of {|d| < w} is 2 w area, up to a term in w³ that is (4π/3) w³ for every solid without a hole and 0 for the others.
    let width = 0.005;
    let points = random_points(1_000_000, 0.9, 8);
    let hits = points
        .iter()
        .filter(|&&p| scene.signed_distance(p).abs() < width);
    let share = hits.count() as f64 / points.len() as f64;
    let area = share * 1.8_f64.powi(3) / (2.0 * width);
    let expected = scene.area();
    // Three standard deviations of the count are about 2 %.
    assert!(
        (area / expected - 1.0).abs() < 0.02,
        "{area}, expected {expected}"
    );
}

#[test]
fn equal_areas_of_a_box_get_equal_numbers_of_samples() {
    let scene = Scene::new();
    let mut plates = scene.solids.iter().filter_map(|solid| match solid {
        Solid::Box(rounded) if rounded.half.x > 0.6 => Some(rounded),
        _ => None,
    });
    let plate = plates.next().expect("the lower plate");
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let count = 200_000;
    let (mut top, mut corners) = (0, 0);
    for _ in 0..count {
        let normal = plate.sample(&mut rng).normal;
        top += usize::from(normal.y > 1.0 - 1e-12);
        corners += usize::from(normal.iter().all(|n| n.abs() > 1e-12));
    }
    let share = |n: usize| n as f64 / f64::from(count);
    let expected_top = 4.0 * plate.half.x * plate.half.z / plate.area();
    let expected_corners = 4.0 * PI * plate.radius.powi(2) / plate.area();
    assert!((share(top) / expected_top - 1.0).abs() < 0.02);
    assert!((share(corners) / expected_corners - 1.0).abs() < 0.2);
}

#[test]
fn the_shape_is_centered_in_a_cube_of_side_1_8() {
    let scene = Scene::new();
    let cloud = scene.sample(200_000, &mut ChaCha8Rng::seed_from_u64(10));
    let bound = |axis: usize, sign: f64| {
        let along = cloud.points.iter().map(|p| sign * p[axis]);
        along.fold(f64::NEG_INFINITY, f64::max)
    };
    let extents = [0, 1, 2].map(|axis| bound(axis, 1.0) + bound(axis, -1.0));
    assert!(extents.iter().all(|&extent| extent < 1.8), "{extents:?}");
    assert!(extents.iter().any(|&extent| extent > 1.7), "{extents:?}");
    for axis in 0..3 {
        let middle = 0.5 * (bound(axis, 1.0) - bound(axis, -1.0));
        assert!(middle.abs() < 0.005, "axis {axis}: {middle}");
    }
}
