//! The crate as a library: points in memory, both precisions, units, fields in files, and errors.

use std::f64::consts::TAU;

use candle_core::{DType, Device};
use siren_core::Error;
use siren_core::field::{FieldShape, Omega, SirenConfig};
use siren_core::train::{Fit, FitConfig, ScheduleKind, Task};
use siren_shape::config::{
    DistanceLossConfig, NormalSource, ShapeLoss, ShapeObjectiveConfig, ShapeSignalConfig, Start,
};
use siren_shape::objective::NORMALS;
use siren_shape::truth::Truth;
use siren_shape::{Extraction, PointCloud, Shape, ShapeField, Vector};

/// Half axes of the ellipsoid that is fitted, in millimeters.
const HALF_AXES: Vector = [40.0, 30.0, 25.0];
/// Its center: far from the origin, as in surveys.
const CENTER: Vector = [1e6, -2e6, 5e5];

/// Returns `count` points of the ellipsoid with their normals.
fn ellipsoid(count: u32) -> PointCloud {
    let mut cloud = PointCloud::default();
    let mut normals = Vec::new();
    for index in 0..count {
        // A spiral from pole to pole: points of the unit sphere at equal areas.
        let z = 1.0 - (2.0 * f64::from(index) + 1.0) / f64::from(count);
        let (sin, cos) = (2.4 * f64::from(index)).sin_cos();
        let radius = (1.0 - z * z).sqrt();
        let unit = [radius * cos, radius * sin, z];
        cloud
            .points
            .push([0, 1, 2].map(|i| CENTER[i] + HALF_AXES[i] * unit[i]));
        normals.push(unit_vector([0, 1, 2].map(|i| unit[i] / HALF_AXES[i])));
    }
    cloud.normals = Some(normals);
    cloud
}

fn dot(a: Vector, b: Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn unit_vector(v: Vector) -> Vector {
    let norm = dot(v, v).sqrt();
    v.map(|x| x / norm)
}

/// Returns `a + t b`.
fn along(a: Vector, b: Vector, t: f64) -> Vector {
    [0, 1, 2].map(|i| a[i] + t * b[i])
}

fn signal() -> ShapeSignalConfig {
    ShapeSignalConfig {
        surface_points: 300,
        volume_points: 300,
        resolution: 32,
        ..ShapeSignalConfig::default()
    }
}

fn config(steps: u64) -> FitConfig {
    let mut config = FitConfig::default();
    config.field.hidden_features = 32.into();
    config.field.hidden_layers = 2;
    config.field.first_omega_0 = Omega::Given(5.0);
    config.field.hidden_omega_0 = 5.0;
    config.train.steps = steps;
    config.train.learning_rate = 2e-3;
    config.train.schedule = ScheduleKind::Cosine;
    config.train.clip_norm = Some(1.0);
    config
}

/// Returns the paper's loss, and a start that takes no time.
fn objective() -> ShapeObjectiveConfig {
    ShapeObjectiveConfig {
        start: Start::Random,
        ..ShapeObjectiveConfig::default()
    }
}

/// Makes the fitting problem of 1000 points of the ellipsoid.
fn shape(signal: &ShapeSignalConfig) -> Shape {
    Shape::new(ellipsoid(1000), None, signal, &objective(), 0).unwrap()
}

fn fitted(shape: &Shape, steps: u64, dtype: DType) -> ShapeField {
    let mut fit = Fit::on(shape, &config(steps), dtype, &Device::Cpu).unwrap();
    fit.run().unwrap();
    shape.field(fit.into_model()).unwrap()
}

/// Asserts facts of the ellipsoid about a field, in millimeters.
fn assert_is_ellipsoid(field: &ShapeField) {
    let cloud = ellipsoid(100);
    let normals = cloud.normals.unwrap();
    for distance in [-4.0, 0.0, 4.0] {
        let pairs = cloud.points.iter().zip(&normals);
        let positions: Vec<Vector> = pairs.map(|(p, n)| along(*p, *n, distance)).collect();
        for found in field.signed_distances(&positions).unwrap() {
            assert!((found - distance).abs() < 1.0, "{found} mm, not {distance}");
        }
    }
    let gradients = field.gradients(&cloud.points).unwrap();
    for (gradient, normal) in gradients.into_iter().zip(&normals) {
        let cosine = dot(unit_vector(gradient), *normal);
        assert!(cosine > 0.98, "{gradient:?} {normal:?}: {cosine}");
        let norm = dot(gradient, gradient).sqrt();
        assert!((norm - 1.0).abs() < 0.15, "{norm}");
    }
}

#[test]
fn points_in_memory_become_a_closed_mesh_in_their_unit_and_place_in_both_precisions() {
    let folder = tempfile::tempdir().unwrap();
    for dtype in [DType::F32, DType::F64] {
        let shape = shape(&signal());
        let field = fitted(&shape, 400, dtype);
        assert_eq!(field.siren().parameters().dtype(), dtype);
        assert_is_ellipsoid(&field);

        let mesh = field.mesh(&Extraction::of_resolution(48)).unwrap();
        let topology = mesh.topology();
        assert!(
            topology.is_closed() && topology.is_manifold(),
            "{topology:?}"
        );
        assert_eq!((topology.components, topology.euler_characteristic), (1, 2));
        let bounds = mesh.bounds();
        for (axis, half) in HALF_AXES.into_iter().enumerate() {
            let extent = bounds.extents()[axis];
            assert!((extent - 2.0 * half).abs() < 2.0, "{dtype:?}: {extent} mm");
            let offset = bounds.center()[axis] - CENTER[axis];
            assert!(offset.abs() < 1.0, "{dtype:?}: {offset} mm off");
        }
        // Vertices lie on the zero of the field, in f32 to the rounding of coordinates.
        let bound = if dtype == DType::F32 { 1e-3 } else { 1e-6 };
        for distance in field.signed_distances(&mesh.vertices).unwrap() {
            assert!(distance.abs() < bound, "{dtype:?}: {distance} mm");
        }

        let path = folder.path().join("field.safetensors");
        field.save(&path).unwrap();
        let again = ShapeField::open(&path).unwrap();
        assert_eq!(again.frame(), field.frame());
        assert_eq!(
            again.signed_distances(&mesh.vertices).unwrap(),
            field.signed_distances(&mesh.vertices).unwrap()
        );
        assert_eq!(again.mesh(&Extraction::of_resolution(48)).unwrap(), mesh);
    }
}

#[test]
fn a_fit_is_scored_against_the_points_or_against_a_mesh() {
    let points_alone = shape(&signal());
    let mut fit = Fit::new(&points_alone, &config(400)).unwrap();
    fit.run().unwrap();
    let score = |shape: &Shape, name: &str| {
        let metrics = shape.evaluate(fit.model()).unwrap();
        let found = metrics.iter().find(|score| score.metric.name == name);
        found.map(|score| score.value)
    };
    let held_out = score(&points_alone, "held_out_percent").unwrap();
    assert!(held_out < 0.5, "{held_out} %");
    assert_eq!(score(&points_alone, "components"), Some(1.0));
    // Points alone have no inside.
    assert_eq!(score(&points_alone, "iou"), None);

    let field = points_alone.field(fit.model().snapshot().unwrap()).unwrap();
    let mesh = field.mesh(&Extraction::of_resolution(32)).unwrap();
    let truth = Some(Truth::of_mesh(mesh).unwrap());
    let known = Shape::new(ellipsoid(1000), truth, &signal(), &objective(), 0).unwrap();
    for (name, least) in [("iou", 0.99), ("signed_normal_consistency", 0.99)] {
        let value = score(&known, name).unwrap();
        assert!((least..=1.0).contains(&value), "{name} {value}");
    }
    let distance = score(&known, "near_distance_error").unwrap();
    assert!(distance < 0.03, "{distance}");
}

#[test]
fn gradients_are_the_limit_of_central_differences_with_an_error_of_second_order() {
    let shape = shape(&signal());
    let field = fitted(&shape, 50, DType::F64);
    let positions: Vec<Vector> = (0..20)
        .map(|index| {
            let (sin, cos) = (TAU * f64::from(index) / 20.0).sin_cos();
            along(
                CENTER,
                [cos, sin, 0.3 * cos - 0.5 * sin],
                5.0 + f64::from(index),
            )
        })
        .collect();
    let gradients = field.gradients(&positions).unwrap();
    let largest_error = |h: f64| -> f64 {
        let mut largest = 0.0_f64;
        for axis in 0..3 {
            let moved = |by: f64| {
                let mut direction = [0.0; 3];
                direction[axis] = 1.0;
                let moved: Vec<Vector> =
                    positions.iter().map(|p| along(*p, direction, by)).collect();
                field.signed_distances(&moved).unwrap()
            };
            for ((up, down), gradient) in moved(h).iter().zip(moved(-h)).zip(&gradients) {
                largest = largest.max(((up - down) / (2.0 * h) - gradient[axis]).abs());
            }
        }
        largest
    };
    let errors = [1.0, 0.5, 0.25].map(largest_error);
    for pair in errors.windows(2) {
        let ratio = pair[0] / pair[1];
        assert!((3.8..4.2).contains(&ratio), "{errors:?}");
    }
    assert!(errors[2] > 0.0 && errors[2] < 1e-3, "{errors:?}");
}

#[test]
fn a_fit_without_normals_gives_none_to_its_loss() {
    for normals in [NormalSource::Given, NormalSource::None] {
        let has_normals = normals == NormalSource::Given;
        let shape = shape(&ShapeSignalConfig {
            normals,
            ..signal()
        });
        let constraints = shape.constraints(DType::F32, &Device::Cpu).unwrap();
        let sample = constraints[0].sampler.draw(0).unwrap();
        assert_eq!(sample.column(NORMALS).is_ok(), has_normals);
        let report = Fit::new(&shape, &config(1)).unwrap().step().unwrap();
        let has_term = report.terms.iter().any(|term| term.name == "normal");
        assert_eq!(has_term, has_normals, "{:?}", report.terms);
    }
}

#[test]
fn estimated_normals_are_those_of_the_surface() {
    let signal = ShapeSignalConfig {
        normals: NormalSource::Estimate,
        held_out: 0.0,
        ..signal()
    };
    let without = PointCloud {
        normals: None,
        ..ellipsoid(1000)
    };
    let shape = Shape::new(without, None, &signal, &objective(), 0).unwrap();
    let estimated = shape.fitted().normals.as_ref().unwrap();
    for (estimated, normal) in estimated.iter().zip(ellipsoid(1000).normals.unwrap()) {
        assert!(dot(*estimated, normal) > 0.98, "{estimated:?} {normal:?}");
    }
}

/// Returns the error that points with these normals and this loss cause.
fn error(points: PointCloud, loss: ShapeLoss, normals: NormalSource) -> Error {
    let signal = ShapeSignalConfig {
        normals,
        ..signal()
    };
    let objective = ShapeObjectiveConfig {
        loss,
        ..objective()
    };
    Shape::new(points, None, &signal, &objective, 0)
        .err()
        .unwrap()
}

fn assert_key(error: &Error, expected: &str, said: &str) {
    assert!(
        matches!(error, Error::InvalidValue { key, .. } if key == expected),
        "{error:?}"
    );
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn normals_that_are_missing_or_mixed_are_errors_that_name_the_cure() {
    let siren = ShapeLoss::default;
    let without = || PointCloud {
        normals: None,
        ..ellipsoid(1000)
    };
    let missing = error(without(), siren(), NormalSource::Given);
    assert_key(&missing, "signal.normals", "\"estimate\" or \"none\"");

    let mut mixed = ellipsoid(1000);
    let normals = mixed.normals.iter_mut().flatten();
    for normal in normals.step_by(2) {
        *normal = normal.map(|x| -x);
    }
    let mixed = error(mixed, siren(), NormalSource::Given);
    assert_key(
        &mixed,
        "signal.normals",
        "point against those of their neighbors",
    );

    let distance = ShapeLoss::Distance(DistanceLossConfig::default());
    let unsigned = error(without(), distance, NormalSource::None);
    assert_key(&unsigned, "objective.loss", "has no sign");
}

#[test]
fn points_that_make_no_surface_are_errors() {
    let given = |points: PointCloud| error(points, ShapeLoss::default(), NormalSource::Given);
    let same = PointCloud {
        points: vec![CENTER; 1000],
        ..ellipsoid(1000)
    };
    let same = given(same).to_string();
    assert!(same.contains("different"), "{same}");
    let mut broken = ellipsoid(1000);
    broken.points[7][1] = f64::NAN;
    let broken = given(broken);
    assert!(
        matches!(broken, Error::NotFinite { point: 7, .. }),
        "{broken:?}"
    );
    let mut short = ellipsoid(1000);
    short.normals.as_mut().unwrap().truncate(999);
    let short = given(short);
    assert!(matches!(short, Error::Shape { .. }), "{short:?}");
}

#[test]
fn a_field_of_a_picture_is_no_field_of_a_shape() {
    let picture = SirenConfig::default()
        .init_seeded(FieldShape::new(2, 3), 0)
        .unwrap();
    let error = ShapeField::new(picture, shape(&signal()).frame()).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error:?}");
    assert!(
        error.to_string().contains("3 coordinates and 1 channel"),
        "{error}"
    );
}
