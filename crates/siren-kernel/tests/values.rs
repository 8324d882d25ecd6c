//! Passes over values, whose first and last layers and sines are computed in their own ways, against double precision.

use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan, Preactivations, Workspace};
use siren_kernel::{Level, Pointwise, Real};

/// Widths below, at and between whole vectors of every level, and one that is computed without blocks.
const WIDTHS: [usize; 7] = [1, 16, 24, 33, 48, 64, 130];
/// More than a tile, and no multiple of a block.
const POINTS: usize = 101;

fn plan(dims: usize, width: usize, channels: usize, hidden: Pointwise) -> Plan {
    Plan::dense(dims, &[width, width, channels], hidden)
}

/// Returns numbers between `-most` and `most` that are equal in both precisions.
fn numbers<T: Real>(count: usize, most: f64) -> Vec<T> {
    let number = |i: usize| f64::from((most * (1.7 * (i + 1) as f64).sin()) as f32);
    (0..count).map(|i| T::of(number(i))).collect()
}

/// Values and gradient of a network, in double precision.
#[derive(Debug, PartialEq)]
struct Results {
    values: Vec<f64>,
    gradient: Vec<f64>,
}

/// How activations come to the backward pass.
#[derive(Clone, Copy)]
enum Tape {
    Saved,
    Restored,
}

fn run<T: Real>(plan: &Plan, level: Level, scale: f64, tape: Tape) -> Results {
    let params: Vec<T> = numbers(plan.parameters, scale);
    let coords: Vec<T> = numbers(POINTS * plan.in_features, 1.0);
    let packed = Packed::new(level, plan, &params);
    let chunk = Chunk {
        plan,
        order: &Order::Value,
        coords: &coords,
        params: &params,
        packed: &packed,
        level,
    };
    let mut workspace = Workspace::default();
    let mut values = vec![T::of(0.0); POINTS * plan.out_features];
    match tape {
        Tape::Saved => chunk.forward(&mut values, &mut workspace),
        Tape::Restored => {
            let mut kept = Preactivations::default();
            chunk.evaluate_keeping(&mut values, &mut Workspace::default(), &mut kept);
            chunk.restore(&mut kept, &mut workspace);
        }
    }
    let d_values: Vec<T> = numbers(values.len(), 1.0);
    let mut sum = GradientSum::zero(plan, None);
    chunk.backward(&d_values, &mut workspace, &mut sum);
    let to_double = |numbers: &[T]| numbers.iter().map(|x| x.to_double()).collect();
    Results {
        values: to_double(&values),
        gradient: to_double(sum.flat(plan)),
    }
}

/// Returns the largest difference of two vectors in units of the largest element of the second.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max) / largest
}

#[test]
fn values_and_gradients_agree_with_double_precision_at_every_level() {
    for width in WIDTHS {
        for (dims, channels) in [(1, 1), (2, 3), (3, 4), (5, 2), (2, 5)] {
            for pointwise in [Pointwise::Sine { omega: 3.0 }, Pointwise::Tanh] {
                let plan = plan(dims, width, channels, pointwise);
                // Phases of a few turns: their rounding is a multiple of their size.
                let scale = 0.5_f64.min(2.0 / (width as f64).sqrt());
                let exact = run::<f64>(&plan, Level::Scalar, scale, Tape::Saved);
                for level in Level::available() {
                    let found = run::<f32>(&plan, level, scale, Tape::Saved);
                    let errors = [
                        difference(&found.values, &exact.values),
                        difference(&found.gradient, &exact.gradient),
                    ];
                    assert!(
                        errors.iter().all(|&error| error < 3e-5),
                        "{level} {dims} {width} {channels} {pointwise:?}: {errors:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn restored_activations_are_those_of_the_forward_pass() {
    for width in WIDTHS {
        for pointwise in [Pointwise::Sine { omega: 3.0 }, Pointwise::Tanh] {
            let plan = plan(2, width, 3, pointwise);
            for level in Level::available() {
                let saved = run::<f32>(&plan, level, 0.5, Tape::Saved);
                assert_eq!(saved, run::<f32>(&plan, level, 0.5, Tape::Restored));
            }
            let saved = run::<f64>(&plan, Level::Scalar, 0.5, Tape::Saved);
            let restored = run::<f64>(&plan, Level::Scalar, 0.5, Tape::Restored);
            assert_eq!(saved, restored);
        }
    }
}

/// A network of one sine whose phase is `omega · x` at one point.
fn sine(level: Level, omega: f64, x: f32) -> [f64; 2] {
    let plan = plan(1, 1, 1, Pointwise::Sine { omega });
    // The second layer and the last are of weight 0: only the first layer's sine is seen, through the gradient of the second.
    let params = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let packed = Packed::new(level, &plan, &params);
    let chunk = Chunk {
        plan: &plan,
        order: &Order::Value,
        coords: &[x],
        params: &params,
        packed: &packed,
        level,
    };
    let mut workspace = Workspace::default();
    let mut sum = GradientSum::zero(&plan, None);
    chunk.forward(&mut [0.0], &mut workspace);
    chunk.backward(&[1.0], &mut workspace, &mut sum);
    // d/dw₂ of sin(ω w₂ sin(ω x)) at w₂ = 0 is ω sin(ω x); d/db₂ is ω.
    let flat = sum.flat(&plan);
    [f64::from(flat[2]) / omega, f64::from(flat[3]) / omega]
}

#[test]
fn sines_are_accurate_to_three_units_in_the_last_place_of_one() {
    // ω = π: the phase in half turns is x itself, so that its rounding is no part of the error.
    let omega = std::f64::consts::PI;
    for level in Level::available() {
        for i in -4000..4000 {
            let x = (i as f32) * 0.001_7;
            let exact = (omega * f64::from(x)).sin();
            let [found, one] = sine(level, omega, x);
            assert!(
                (found - exact).abs() < 3.6e-7,
                "{level} {x}: {found} {exact}"
            );
            assert!((one - 1.0).abs() < 3.6e-7, "{level}: {one}");
        }
    }
}

#[test]
fn sines_of_large_and_infinite_phases_are_those_of_double_precision() {
    let omega = std::f64::consts::PI;
    for level in Level::available() {
        for x in [
            3_000_000_f32 + 0.25,
            3_000_000.5,
            4_194_302.5,
            4_194_304.0,
            5_000_000.5,
            1e9,
            -1e12,
        ] {
            let exact = (omega * (f64::from(x) % 2.0)).sin();
            let [found, _] = sine(level, omega, x);
            assert!((found - exact).abs() < 1e-3, "{level} {x}: {found} {exact}");
        }
        for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert!(sine(level, omega, x)[0].is_nan(), "{level} {x}");
        }
    }
}
