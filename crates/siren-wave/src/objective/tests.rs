//! Exact solutions have no residual, and gradients of the losses are the limits of central differences.

use candle_core::{DType, Device, Tensor};
use num_complex::Complex64;
use siren_core::field::{FieldShape, Siren, SirenConfig};
use siren_core::objective::{Constraint, Objective};
use siren_core::signal::{Sample, Stream, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};

use super::*;
use crate::Point;
use crate::config::{ShotChoice, UnknownMedium};
use crate::pml::Pml;
use crate::reference::hankel::HankelField;
use crate::source::PointSource;

const WAVENUMBER: f64 = 20.0;
/// Frequency of the sines of which [`field_with`] makes a field.
const SINES: f64 = 3.0;

/// A complex function and its derivatives at one point.
struct Derivatives {
    value: Complex64,
    first: [Complex64; 2],
    second: [Complex64; 2],
}

fn tensor(rows: &[f64], width: usize) -> Tensor {
    Tensor::from_slice(rows, (rows.len() / width, width), &Device::Cpu).unwrap()
}

fn sample(points: &[Point], columns: &[(&'static str, Tensor)]) -> Sample {
    let mut sample = Sample::new(tensor(points.as_flattened(), 2)).unwrap();
    for (name, column) in columns {
        sample = sample.with_column(*name, column.clone()).unwrap();
    }
    sample
}

fn zeros(points: usize, width: usize) -> Tensor {
    tensor(&vec![0.0; points * width], width)
}

fn trainer(field: Siren) -> Trainer {
    Trainer::new(field, &TrainConfig::default()).unwrap()
}

fn constraint(sample: &Sample, law: impl Objective + 'static) -> [Constraint; 1] {
    let sampler = WholeSampler::new(sample.clone());
    [Constraint::new("points", sampler, law)]
}

/// Makes a field of one layer of sines with given derivatives at a point `p`: in each coordinate `s = x − p`, it is
/// `u_x sin(κs)/κ − u_xx cos(κs)/κ²`, and a constant makes up for the value.
fn field_with(at: &Derivatives, point: Point) -> Siren {
    let cosines: Complex64 = at.second.iter().sum::<Complex64>() / -SINES.powi(2);
    let constant = at.value - cosines;
    // The units sin(κ s_x), sin(κ s_y), cos(κ s_x), cos(κ s_y).
    let factors = [
        at.first[0] / SINES,
        at.first[1] / SINES,
        at.second[0] / -SINES.powi(2),
        at.second[1] / -SINES.powi(2),
    ];
    let quarter = std::f64::consts::FRAC_PI_2;
    let phases = [0, 1, 2, 3].map(|unit| {
        let start = if unit < 2 { 0.0 } else { quarter };
        start - SINES * point[unit % 2]
    });
    let parts = [|z: Complex64| z.re, |z: Complex64| z.im];
    let last: Vec<f64> = parts.iter().flat_map(|&part| factors.map(part)).collect();
    let vector = |values: &[f64]| Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap();
    let find = |name: &str| {
        Some(match name {
            "net.net.0.0.weight" => tensor(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], 2),
            "net.net.0.0.bias" => vector(&phases.map(|phase| phase / SINES)),
            "net.net.1.0.weight" => tensor(&last, 4),
            "net.net.1.0.bias" => vector(&parts.map(|part| part(constant))),
            _ => return None,
        })
    };
    let config = SirenConfig {
        hidden_features: 4.into(),
        hidden_layers: 0,
        first_omega_0: SINES.into(),
        ..SirenConfig::default()
    };
    let field = config.load(FieldShape::new(2, 2), find, DType::F64, &Device::Cpu);
    field.unwrap()
}

/// Returns `|residual| / (k² |u|)` of [`Helmholtz`] for a field with the given derivatives at a point.
fn relative_residual(
    at: &Derivatives,
    point: Point,
    region: Region,
    columns: &[(&'static str, Tensor)],
) -> f64 {
    let mut all = vec![(MEDIUM, tensor(&[1.0], 1)), (OFFSET, zeros(1, 2))];
    if columns.iter().all(|(name, _)| *name != REMAINDER) {
        all.push((REMAINDER, zeros(1, 2)));
    }
    all.extend_from_slice(columns);
    let scale = WAVENUMBER.powi(2) * at.value.norm();
    let law = Helmholtz::new("equation", region, WAVENUMBER, scale, ResidualNorm::Mse);
    let trainer = trainer(field_with(at, point));
    let loss = trainer.loss_and_gradient(&constraint(&sample(&[point], &all), law));
    loss.unwrap().value.sqrt()
}

/// The wave `e^{−ik(X cos θ + Y sin θ)}` in the stretched coordinates `X = ∫ e_x dx` and `Y = ∫ e_y dy`.
fn stretched_wave(pml: &Pml, point: Point, angle: f64) -> Derivatives {
    let along = [angle.cos(), angle.sin()].map(|part| Complex64::new(0.0, -WAVENUMBER * part));
    let phase: Complex64 = (0..2)
        .map(|axis| along[axis] * pml.stretched_coordinate(point[axis]))
        .sum();
    let value = phase.exp();
    let slope = |axis: usize| along[axis] * pml.stretch(point[axis]);
    let bend = |axis: usize| along[axis] * pml.stretch_derivative(point[axis]);
    Derivatives {
        value,
        first: [0, 1].map(|axis| slope(axis) * value),
        second: [0, 1].map(|axis| (slope(axis).powi(2) + bend(axis)) * value),
    }
}

#[test]
fn stretched_plane_waves_have_no_residual_in_the_layers_their_corners_and_between_them() {
    for pml in [
        Pml::default(),
        Pml {
            width: 0.5,
            strength: 5.0,
        },
    ] {
        // In the layer of x, in that of y, in two corners, at the inner edge, and in the interior.
        for (point, angle) in [
            ([0.9, 0.1], 0.0),
            ([-0.97, 0.2], 0.4),
            ([0.3, -0.88], 1.3),
            ([0.9, 0.95], 0.7),
            ([-0.83, 0.8], 2.1),
            ([0.75, -0.2], 0.3),
            ([0.1, 0.2], 0.9),
        ] {
            let wave = stretched_wave(&pml, point, angle);
            let stretch = (
                STRETCH,
                tensor(stretches(&pml, &[point]).as_flattened(), 10),
            );
            let error = relative_residual(&wave, point, Region::Layer, &[stretch]);
            assert!(error < 1e-12, "{pml:?} {point:?}: {error:e}");
        }
    }
}

#[test]
fn a_plane_wave_has_the_residual_of_the_layer_s_coefficients() {
    let (pml, point, wave) = (Pml::default(), [0.93, -0.87], [12.0, -16.0]);
    let ik = wave.map(|k| Complex64::new(0.0, -k));
    let value = (ik[0] * point[0] + ik[1] * point[1]).exp();
    let derivatives = Derivatives {
        value,
        first: ik.map(|ik| ik * value),
        second: ik.map(|ik| ik * ik * value),
    };
    let at = pml.at(point);
    let sum = at.second[0] * ik[0].powi(2) + at.second[1] * ik[1].powi(2);
    let sum = sum + at.first[0] * ik[0] + at.first[1] * ik[1];
    let expected = (sum + at.zeroth * WAVENUMBER.powi(2)).norm() / WAVENUMBER.powi(2);
    assert!(expected > 0.1, "{expected}");
    let stretch = (
        STRETCH,
        tensor(stretches(&pml, &[point]).as_flattened(), 10),
    );
    let found = relative_residual(&derivatives, point, Region::Layer, &[stretch]);
    assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    // Outside the layers it solves the equation, as |k| = 20.
    let found = relative_residual(&derivatives, point, Region::Interior, &[]);
    assert!(found < 1e-12, "{found:e}");
}

#[test]
fn the_field_of_a_point_source_has_no_residual_and_in_its_source_that_of_the_source() {
    let source = PointSource::at([0.1, -0.2]);
    let exact = HankelField::new(source, WAVENUMBER).unwrap();
    for (distance, bound) in [(0.02, 2e-5), (0.1, 1e-6), (0.4, 1e-6)] {
        let point = [0.1 + 0.8 * distance, -0.2 + 0.6 * distance];
        let h = 2e-3 * distance;
        let at = |x: f64, y: f64| exact.value([point[0] + x * h, point[1] + y * h]);
        // Central differences of fourth order.
        let second = |x: f64, y: f64| {
            let near = 16.0 * (at(x, y) + at(-x, -y)) - 30.0 * at(0.0, 0.0);
            (near - at(2.0 * x, 2.0 * y) - at(-2.0 * x, -2.0 * y)) / (12.0 * h * h)
        };
        let derivatives = Derivatives {
            value: exact.value(point),
            first: [Complex64::ZERO; 2],
            second: [second(1.0, 0.0), second(0.0, 1.0)],
        };
        let f = source.value(point);
        assert_eq!(f != Complex64::ZERO, distance < 0.05);
        let remainder = (REMAINDER, tensor(&[-f.re, -f.im], 2));
        let found = relative_residual(&derivatives, point, Region::Interior, &[remainder]);
        assert!(found < bound, "{distance}: {found:e}");
    }
}

/// Returns a field of random parameters.
fn random_field(channels: usize) -> Siren {
    let config = SirenConfig {
        hidden_features: 12.into(),
        hidden_layers: 1,
        first_omega_0: 5.0.into(),
        hidden_omega_0: 5.0,
        ..SirenConfig::default()
    };
    let mut rng = Stream::PARAMETERS.rng(3, 0);
    let shape = FieldShape::new(2, channels);
    config
        .init(shape, &mut rng, DType::F64, &Device::Cpu)
        .unwrap()
}

/// Returns values that look random, `(points, width)`.
fn wiggles(points: usize, width: usize) -> Tensor {
    let values: Vec<f64> = (0..points * width)
        .map(|i| (2.3 * i as f64 + 0.4).sin())
        .collect();
    tensor(&values, width)
}

/// Asserts that the directional derivative of a loss is the limit of central differences, with an error that falls as h².
fn assert_gradient(name: &str, channels: usize, sample: &Sample, law: impl Objective + 'static) {
    let trainer = trainer(random_field(channels));
    let constraints = constraint(sample, law);
    let start = trainer.model().parameters().flat().unwrap();
    let direction: Vec<f64> = (0..start.elem_count())
        .map(|i| (0.7 * i as f64).cos())
        .collect();
    let direction = tensor(&direction, 1).squeeze(1).unwrap();
    let gradient = trainer
        .loss_and_gradient(&constraints)
        .unwrap()
        .gradient
        .tensor()
        .unwrap();
    let products = (gradient * &direction).unwrap();
    let slope: f64 = products.sum_all().unwrap().to_scalar().unwrap();
    let central = |h: f64| {
        let at = |h: f64| {
            let moved = (&start + (&direction * h).unwrap()).unwrap();
            trainer.model().parameters().set(&moved).unwrap();
            trainer.loss_and_gradient(&constraints).unwrap().value
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    let [coarse, fine] = [2e-4, 1e-4].map(|h| (central(h) / slope - 1.0).abs());
    assert!(fine < 1e-2, "{name}, {slope}: {coarse:e} {fine:e}");
    assert!(
        (coarse / fine / 4.0 - 1.0).abs() < 0.05,
        "{name}: {coarse:e} {fine:e}"
    );
}

/// Points of the interior, and points of the layers and their corners.
const INTERIOR: [Point; 4] = [[0.1, 0.2], [-0.4, 0.3], [0.5, -0.6], [-0.2, -0.7]];
const LAYER: [Point; 4] = [[0.9, 0.2], [-0.4, 0.97], [0.85, -0.86], [-0.99, -0.8]];

#[test]
fn gradients_of_the_equation_are_those_of_central_differences_in_the_interior_and_in_the_layer() {
    let pml = Pml::default();
    let medium = tensor(&[1.0, 0.25, 0.6, 1.7], 1);
    let columns = [
        (MEDIUM, medium),
        (OFFSET, wiggles(4, 4)),
        (REMAINDER, (wiggles(4, 4) * 30.0).unwrap()),
    ];
    let law = |region| Helmholtz::new("equation", region, 7.0, 49.0, ResidualNorm::Mse);
    // Two sources.
    assert_gradient(
        "interior",
        4,
        &sample(&INTERIOR, &columns),
        law(Region::Interior),
    );
    let stretch = tensor(stretches(&pml, &LAYER).as_flattened(), 10);
    let layer = sample(&LAYER, &columns)
        .with_column(STRETCH, stretch)
        .unwrap();
    assert_gradient("layer", 4, &layer, law(Region::Layer));
}

#[test]
fn gradients_of_the_inverse_problem_are_those_of_central_differences_for_every_choice() {
    let law = |region: Region, unknown, shots| InverseHelmholtz {
        name: "equation",
        order: region.order(),
        wavenumber: 7.0,
        scale: 49.0,
        norm: ResidualNorm::Mse,
        unknown,
        shots,
        forward_steps: 0,
    };
    let columns = [
        (OFFSET, wiggles(4, 4)),
        (REMAINDER, (wiggles(4, 4) * 30.0).unwrap()),
        (UNKNOWN, tensor(&[1.0, 1.0, 0.0, 1.0], 1)),
    ];
    let interior = sample(&INTERIOR, &columns);
    let one = interior.clone();
    let weights = tensor(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], 2);
    let one = one.with_column(SHOTS, weights).unwrap();
    let (channel, closed) = (UnknownMedium::Channel, UnknownMedium::ClosedForm);
    let in_interior = |unknown, shots| law(Region::Interior, unknown, shots);
    assert_gradient("one", 5, &one, in_interior(channel, ShotChoice::One));
    assert_gradient("all", 5, &interior, in_interior(channel, ShotChoice::All));
    assert_gradient("closed", 4, &interior, in_interior(closed, ShotChoice::All));
    let stretch = tensor(stretches(&Pml::default(), &LAYER).as_flattened(), 10);
    let layer = sample(&LAYER, &columns)
        .with_column(STRETCH, stretch)
        .unwrap();
    let in_layer = |unknown| law(Region::Layer, unknown, ShotChoice::All);
    assert_gradient("unknown in the layer", 5, &layer, in_layer(channel));
    assert_gradient("closed in the layer", 4, &layer, in_layer(closed));
    let known = sample(&LAYER, &columns[..2]);
    let stretch = tensor(stretches(&Pml::default(), &LAYER).as_flattened(), 10);
    let known = known.with_column(STRETCH, stretch).unwrap();
    assert_gradient("known in the layer", 5, &known, in_layer(channel));
}

#[test]
fn gradients_of_the_difference_from_recorded_data_are_those_of_central_differences() {
    let data = sample(&INTERIOR, &[(RECORDED, wiggles(4, 4))]);
    let law = RecordedError {
        scale: 0.3,
        norm: ResidualNorm::Mse,
    };
    assert_gradient("data", 5, &data, law);
}

#[test]
fn the_medium_in_closed_form_is_the_one_for_which_all_shots_satisfy_the_equation() {
    // Two plane waves in a medium of m = 0.49: k √m = 14.
    let (m, point) = (0.49, [0.2, -0.3]);
    let waves = [[14.0, 0.0], [0.0, -14.0]].map(|k: [f64; 2]| {
        let ik = k.map(|k| Complex64::new(0.0, -k));
        let value = (ik[0] * point[0] + ik[1] * point[1]).exp();
        Derivatives {
            value,
            first: ik.map(|ik| ik * value),
            second: ik.map(|ik| ik * ik * value),
        }
    });
    // The fields are offsets: Δw is the remainder.
    let parts = |values: [Complex64; 2]| values.map(|z| [z.re, z.im]).concat();
    let offset = parts([waves[0].value, waves[1].value]);
    let laplacian = |wave: &Derivatives| wave.second[0] + wave.second[1];
    let remainder = parts([laplacian(&waves[0]), laplacian(&waves[1])]);
    let nothing = random_field(4);
    let zero = nothing.parameters().flat().unwrap().zeros_like().unwrap();
    nothing.parameters().set(&zero).unwrap();
    let trainer = trainer(nothing);
    let residual = |unknown: f64| {
        let columns = [
            (OFFSET, tensor(&offset, 4)),
            (REMAINDER, tensor(&remainder, 4)),
            (UNKNOWN, tensor(&[unknown], 1)),
        ];
        let law = InverseHelmholtz {
            name: "equation",
            order: Region::Interior.order(),
            wavenumber: WAVENUMBER,
            scale: WAVENUMBER.powi(2),
            norm: ResidualNorm::Mse,
            unknown: UnknownMedium::ClosedForm,
            shots: ShotChoice::All,
            forward_steps: 0,
        };
        let loss = trainer.loss_and_gradient(&constraint(&sample(&[point], &columns), law));
        loss.unwrap().value.sqrt()
    };
    assert!(residual(1.0) < 1e-12, "{:e}", residual(1.0));
    // Each of the two waves has the residual 1 − m where the medium is known to be 1.
    let expected = (1.0 - m) * std::f64::consts::SQRT_2;
    assert!(
        (residual(0.0) - expected).abs() < 1e-12,
        "{}",
        residual(0.0)
    );
}
