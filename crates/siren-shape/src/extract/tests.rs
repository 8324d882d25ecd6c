#![expect(clippy::float_cmp, reason = "the border and integer values are exact")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::geometry::vector::{difference, length};
use crate::geometry::{Topology, Vector};

/// A function in closed form, with its gradient by the formula or by differences.
struct Closed<F: Fn(Vector) -> f64 + Sync> {
    value: F,
    evaluations: AtomicUsize,
}

fn closed<F: Fn(Vector) -> f64 + Sync>(value: F) -> Closed<F> {
    Closed {
        value,
        evaluations: AtomicUsize::new(0),
    }
}

impl<F: Fn(Vector) -> f64 + Sync> LevelFunction for Closed<F> {
    fn values(&self, points: &[f64]) -> Result<Vec<f64>> {
        self.evaluations
            .fetch_add(points.len() / 3, Ordering::Relaxed);
        let (points, _) = points.as_chunks::<3>();
        Ok(points.iter().map(|&point| (self.value)(point)).collect())
    }

    fn values_and_gradients(&self, points: &[f64]) -> Result<ValuesAndGradients> {
        let values = self.values(points)?;
        let (points, _) = points.as_chunks::<3>();
        let slope = |&point: &Vector, axis: usize| {
            let at = |offset: f64| {
                let mut moved = point;
                moved[axis] += offset;
                (self.value)(moved)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        };
        let gradients = points
            .iter()
            .flat_map(|point| [0, 1, 2].map(|axis| slope(point, axis)))
            .collect();
        Ok(ValuesAndGradients { values, gradients })
    }
}

/// Values by grid point of [−1, 1]³, as if between the points they were constant.
fn noise(resolution: usize, mut draw: impl FnMut() -> f64) -> (Vec<f64>, impl Fn(Vector) -> f64) {
    let width = resolution + 1;
    let values: Vec<f64> = (0..width.pow(3)).map(|_| draw()).collect();
    let table = values.clone();
    let index = move |x: f64| (0.5 * (x + 1.0) * resolution as f64).round() as usize;
    let value = move |[x, y, z]: Vector| table[(index(x) * width + index(y)) * width + index(z)];
    (values, value)
}

fn distance(a: Vector, b: Vector) -> f64 {
    length(difference(a, b))
}

fn sphere(center: Vector, radius: f64) -> impl Fn(Vector) -> f64 + Sync {
    move |point| distance(point, center) - radius
}

fn torus([x, y, z]: Vector) -> f64 {
    (x.hypot(y) - 0.6).hypot(z) - 0.23
}

/// A plate with the thickness of about one cell of 128, a rod, and a small ball beside them.
fn thin([x, y, z]: Vector) -> f64 {
    let outside = [x.abs() - 0.7, y.abs() - 0.5, (z - 0.013).abs() - 0.008];
    let excess = outside.map(|x| x.max(0.0));
    let plate = length(excess) + outside.into_iter().fold(f64::MIN, f64::max).min(0.0);
    let rod = y.hypot(z - 0.5) - 0.012;
    plate
        .min(rod.max(x.abs() - 0.8))
        .min(sphere([0.3, 0.2, -0.6], 0.02)([x, y, z]))
}

fn dense_mesh(extraction: &Extraction, function: &dyn LevelFunction) -> Mesh {
    let mut values = LatticeValues::new(function, extraction.level);
    let dense = refine::everywhere(&mut values, &extraction.bounds, extraction.resolution).unwrap();
    march::triangulate(&dense).unwrap()
}

fn sparse_mesh(extraction: &Extraction, function: &dyn LevelFunction) -> Mesh {
    let mut values = LatticeValues::new(function, extraction.level);
    let sparse =
        refine::around_surface(&mut values, &extraction.bounds, extraction.resolution).unwrap();
    march::triangulate(&sparse).unwrap()
}

fn assert_closed(mesh: &Mesh) -> Topology {
    let topology = mesh.topology();
    assert!(
        topology.is_closed() && topology.is_manifold(),
        "{topology:?}"
    );
    assert_eq!(topology.degenerate_faces, 0);
    assert_eq!(
        topology.vertices,
        mesh.vertices.len(),
        "vertices without faces"
    );
    topology
}

#[test]
fn a_sphere_is_closed_has_characteristic_2_and_lies_on_the_true_surface() {
    let center = [0.1, -0.05, 0.02];
    let radius = 0.7;
    let mesh = Extraction::of_resolution(48)
        .mesh(&closed(sphere(center, radius)))
        .unwrap();
    let topology = assert_closed(&mesh);
    assert_eq!((topology.euler_characteristic, topology.components), (2, 1));
    let normals = mesh.normals.as_ref().unwrap();
    for (&vertex, &normal) in mesh.vertices.iter().zip(normals) {
        assert!((distance(vertex, center) - radius).abs() < 1e-6);
        let exact: Vector = std::array::from_fn(|axis| (vertex[axis] - center[axis]) / radius);
        assert!(distance(normal, exact) < 1e-6);
    }
    let exact = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
    assert!((mesh.signed_volume() / exact - 1.0).abs() < 3e-3);
}

#[test]
fn a_torus_is_closed_and_has_characteristic_0() {
    let mesh = Extraction::of_resolution(60).mesh(&closed(torus)).unwrap();
    let topology = assert_closed(&mesh);
    assert_eq!((topology.euler_characteristic, topology.components), (0, 1));
    assert!(
        mesh.vertices
            .iter()
            .all(|&vertex| torus(vertex).abs() < 1e-6)
    );
    assert!(mesh.signed_volume() > 0.0);
}

#[test]
fn the_error_of_the_area_falls_with_the_square_of_the_cell() {
    let exact = 4.0 * std::f64::consts::PI * 0.49;
    let error = |resolution: usize| {
        let function = closed(sphere([0.013, 0.007, 0.003], 0.7));
        exact
            - Extraction::of_resolution(resolution)
                .mesh(&function)
                .unwrap()
                .area()
    };
    let errors = [32, 64, 128].map(error);
    for pair in errors.windows(2) {
        let ratio = pair[0] / pair[1];
        assert!((ratio - 4.0).abs() < 0.4, "{errors:?}");
    }
}

#[test]
fn random_signs_give_all_cases_and_closed_manifolds() {
    let resolution = 24;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (values, value) = noise(resolution, || rng.random_range(-1.0..1.0));
    let mut cases = BTreeSet::new();
    // Cells that do not touch the border, whose points count as outside.
    for i in 1..resolution - 1 {
        for j in 1..resolution - 1 {
            for k in 1..resolution - 1 {
                let at = |i: usize, j: usize, k: usize| {
                    (i * (resolution + 1) + j) * (resolution + 1) + k
                };
                let inside =
                    |c: usize| values[at(i + (c & 1), j + (c >> 1 & 1), k + (c >> 2))] < 0.0;
                cases.insert((0..8).fold(0, |case, c| case | usize::from(inside(c)) << c));
            }
        }
    }
    assert_eq!(cases.len(), 256);
    let mesh = Extraction::of_resolution(resolution)
        .mesh(&closed(value))
        .unwrap();
    assert_closed(&mesh);
    assert!(mesh.signed_volume() > 0.0);
    let normals = mesh.normals.unwrap();
    assert!(
        normals
            .iter()
            .all(|&normal| (length(normal) - 1.0).abs() < 1e-12)
    );
}

#[test]
fn values_equal_to_the_level_give_coincident_vertices_and_closed_manifolds() {
    for (seed, lowest) in [(0, -1), (1, -2), (2, -5)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (_, value) = noise(16, || f64::from(rng.random_range(lowest..=1)));
        let mesh = Extraction::of_resolution(16).mesh(&closed(value)).unwrap();
        assert_closed(&mesh);
        assert!(mesh.vertices.iter().flatten().all(|x| x.is_finite()));
    }
}

#[test]
fn spheres_that_nearly_touch_are_closed_wherever_the_grid_lies() {
    for step in 0..40 {
        let gap = f64::from(step - 20) * 4e-3;
        let shift = f64::from(step) * 3.1e-3;
        let centers = [
            [shift, shift, shift],
            [0.5 + shift, 0.4 + shift, 0.3 + shift],
        ];
        let radius = 0.5 * distance(centers[0], centers[1]) - gap;
        let [first, second] = centers.map(|center| sphere(center, radius));
        let both = closed(move |point| first(point).min(second(point)));
        let topology = assert_closed(&Extraction::of_resolution(24).mesh(&both).unwrap());
        assert_eq!(
            topology.euler_characteristic,
            2 * topology.components as i64
        );
    }
}

#[test]
fn the_sparse_surface_is_the_dense_one_bit_for_bit() {
    let functions: [(&str, Box<dyn LevelFunction>); 5] = [
        ("sphere", Box::new(closed(sphere([0.1, 0.0, -0.2], 0.6)))),
        ("torus", Box::new(closed(torus))),
        ("thin", Box::new(closed(thin))),
        ("steep", Box::new(closed(|point| 20.0 * torus(point)))),
        ("capped", Box::new(closed(sphere([0.9, 0.5, 0.0], 0.6)))),
    ];
    for (name, function) in &functions {
        // 65 and 101 do not halve evenly.
        for resolution in [65, 101, 128] {
            let extraction = Extraction::of_resolution(resolution);
            let dense = dense_mesh(&extraction, function.as_ref());
            assert!(dense.faces.len() > 1000, "{name}");
            let sparse = sparse_mesh(&extraction, function.as_ref());
            assert!(sparse == dense, "{name} at {resolution}");
        }
    }
}

#[test]
fn a_thin_tube_that_the_coarse_grids_miss_is_followed_to_its_end() {
    // The tube starts inside the sphere. It is too thin and too steep to be felt at the points of 64 and 128 cells.
    let tube = |[x, y, z]: Vector| {
        let across = (y - 0.0107).hypot(z - 0.0107);
        (across - 0.005).max(x - 0.5).max(-x)
    };
    let base = sphere([0.0; 3], 0.2);
    let function = closed(move |point| base(point).min(200.0 * tube(point)));
    let mesh = Extraction::of_resolution(512).mesh(&function).unwrap();
    let evaluations = function.evaluations.into_inner();
    assert!(evaluations < 513_usize.pow(3) / 8, "{evaluations}");
    let topology = assert_closed(&mesh);
    assert_eq!((topology.euler_characteristic, topology.components), (2, 1));
    let end = mesh
        .vertices
        .iter()
        .map(|vertex| vertex[0])
        .fold(0.0, f64::max);
    assert!((end - 0.5).abs() < 1e-3, "{end}");
}

#[test]
fn a_surface_that_leaves_the_box_is_capped_flat_and_closed() {
    let mesh = Extraction::of_resolution(40)
        .mesh(&closed(sphere([0.5, 0.0, 0.0], 0.8)))
        .unwrap();
    assert_eq!(assert_closed(&mesh).euler_characteristic, 2);
    let cap = |vertex: &Vector| vertex[0] == 1.0;
    let cap_area = mesh.vertices.iter().filter(|vertex| cap(vertex)).count() as f64 * 0.05 * 0.05;
    assert!(
        (cap_area / (std::f64::consts::PI * 0.39) - 1.0).abs() < 0.03,
        "{cap_area}"
    );
    for (vertex, normal) in mesh.vertices.iter().zip(mesh.normals.as_ref().unwrap()) {
        assert!(vertex.iter().all(|x| x.abs() <= 1.0));
        if cap(vertex) {
            assert_eq!(*normal, [1.0, 0.0, 0.0]);
        } else {
            assert!((distance(*vertex, [0.5, 0.0, 0.0]) - 0.8).abs() < 1e-6);
        }
    }
}

#[test]
fn a_box_of_unequal_sides_and_another_level_are_honored() {
    let extraction = Extraction {
        resolution: 90,
        level: 0.25,
        bounds: Bounds {
            low: [-1.0, -2.0, 0.0],
            high: [1.0, 2.0, 3.0],
        },
        component: Component::All,
    };
    let center = [0.0, 0.5, 1.5];
    let mesh = extraction.mesh(&closed(sphere(center, 0.5))).unwrap();
    assert_eq!(assert_closed(&mesh).euler_characteristic, 2);
    for &vertex in &mesh.vertices {
        assert!((distance(vertex, center) - 0.75).abs() < 1e-6);
    }
}

#[test]
fn largest_keeps_the_larger_of_two_spheres() {
    let [small, large] = [sphere([-0.6, 0.0, 0.0], 0.2), sphere([0.4, 0.0, 0.0], 0.4)];
    let both = closed(move |point| small(point).min(large(point)));
    let mut extraction = Extraction::of_resolution(64);
    assert_eq!(extraction.mesh(&both).unwrap().topology().components, 2);
    extraction.component = Component::Largest;
    let mesh = extraction.mesh(&both).unwrap();
    assert_eq!(assert_closed(&mesh).components, 1);
    for &vertex in &mesh.vertices {
        assert!((distance(vertex, [0.4, 0.0, 0.0]) - 0.4).abs() < 1e-6);
    }
}

#[test]
fn a_function_without_a_surface_is_an_error_that_names_its_range() {
    for (offset, range) in [
        (0.5, "is 0.5000 to 2.2321 in the box x -1.0000 to 1.0000"),
        (-9.0, "is -9.0000 to -7."),
    ] {
        let function = closed(move |point| length(point) + offset);
        let message = Extraction::of_resolution(16)
            .mesh(&function)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(range) && message.contains("trained"),
            "{message}"
        );
    }
    // Below the level at border points only, which count as outside.
    let border = closed(|[x, ..]: Vector| 0.99 - x);
    let message = Extraction::of_resolution(16)
        .mesh(&border)
        .unwrap_err()
        .to_string();
    assert!(message.contains("inside the box"), "{message}");
}

#[test]
fn values_that_are_not_finite_are_an_error_that_names_the_point() {
    for bad in [f64::NAN, f64::INFINITY] {
        let function = closed(move |[x, y, z]: Vector| if x > 0.9 { bad } else { x + y + z });
        let extraction = Extraction::of_resolution(16);
        let message = extraction.mesh(&function).unwrap_err().to_string();
        assert!(message.contains("at [1.0, -1.0, -1.0]"), "{message}");
        assert!(extraction.grid_values(&function, |_| Ok(())).is_err());
    }
}

#[test]
fn settings_out_of_range_are_errors() {
    let function = closed(torus);
    for resolution in [0, 1, 5000] {
        let message = Extraction::of_resolution(resolution)
            .mesh(&function)
            .unwrap_err()
            .to_string();
        assert!(message.contains("resolution"), "{message}");
    }
    let mut flat = Extraction::of_resolution(16);
    flat.bounds.high[1] = -1.0;
    assert!(
        flat.mesh(&function)
            .unwrap_err()
            .to_string()
            .contains("bounds")
    );
    let mut level = Extraction::of_resolution(16);
    level.level = f64::NAN;
    assert!(
        level
            .mesh(&function)
            .unwrap_err()
            .to_string()
            .contains("level")
    );
}

#[test]
fn grid_values_come_with_z_fastest() {
    let mut values = Vec::new();
    let function = closed(|[x, y, z]: Vector| 100.0 * x + 10.0 * y + z);
    // 51³ points are three batches.
    let extraction = Extraction::of_resolution(50);
    extraction
        .grid_values(&function, |piece| {
            values.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    assert_eq!(values.len(), 51 * 51 * 51);
    assert_eq!([values[0], values[50]], [-111.0, -109.0]);
    assert_eq!([values[50 * 51], values[50 * 51 * 51]], [-91.0, 89.0]);
}

#[test]
fn a_sparse_grid_evaluates_a_small_part_of_the_points() {
    let function = closed(sphere([0.0; 3], 0.5));
    Extraction::of_resolution(256).mesh(&function).unwrap();
    let evaluations = function.evaluations.into_inner();
    assert!(evaluations < 257_usize.pow(3) / 8, "{evaluations}");
}

/// Run with `--ignored --nocapture` in a process of its own, whose peak memory it prints.
#[test]
#[ignore = "a measurement, of some seconds"]
fn measure_a_sphere_at_512() {
    let function = closed(sphere([0.01, 0.0, -0.02], 0.9));
    let start = std::time::Instant::now();
    let mesh = Extraction::of_resolution(512).mesh(&function).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!(
        "{} evaluations, {} faces, {:?}, {peak:?}",
        function.evaluations.load(Ordering::Relaxed),
        mesh.faces.len(),
        start.elapsed()
    );
    assert_eq!(mesh.topology().euler_characteristic, 2);
}
