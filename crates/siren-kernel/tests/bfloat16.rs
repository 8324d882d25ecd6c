//! Passes over values with rounded operands.

use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan, Workspace};
use siren_kernel::{Bfloat16, Level, Pointwise, Real};

/// More than a tile, and odd.
const POINTS: usize = 101;

/// Returns a network of two coordinates with two hidden layers besides the first.
fn plan(width: usize, channels: usize) -> Plan {
    // The phases of single precision are in half turns: with this ω the factor of the weights is 1, and they are rounded as in double precision.
    let omega = std::f64::consts::PI;
    let mut plan = Plan::dense(
        2,
        &[width, width, width, channels],
        Pointwise::Sine { omega },
    );
    plan.layers[2].pointwise = Pointwise::Tanh;
    plan
}

/// Returns uncorrelated numbers between `-most` and `most` that are equal in both precisions.
fn numbers<T: Real>(count: usize, most: f64) -> Vec<T> {
    let fraction = |i: usize| (43_758.545_3 * (12.9898 * (i + 1) as f64).sin()).fract();
    let number = |i: usize| f64::from((most * fraction(i)) as f32);
    (0..count).map(|i| T::of(number(i))).collect()
}

/// Jets, and the gradient of a loss on them.
#[derive(Debug, PartialEq)]
struct Results {
    jets: Vec<f64>,
    gradient: Vec<f64>,
}

fn run<T: Real>(plan: &Plan, order: &Order, level: Level, rounding: Option<Bfloat16>) -> Results {
    let width = plan.layers[0].fan_out as f64;
    let params: Vec<T> = numbers(plan.parameters, 2.0 / width.sqrt());
    let coords: Vec<T> = numbers(POINTS * 2, 1.0);
    let mut packed = Packed::new(level, plan, &params);
    if let Some(arithmetic) = rounding {
        packed = packed.rounded(arithmetic);
    }
    let chunk = Chunk {
        plan,
        order,
        coords: &coords,
        params: &params,
        packed: &packed,
        level,
    };
    let mut workspace = Workspace::default();
    let mut jets = vec![T::of(0.0); POINTS * plan.out_features * order.components(2)];
    chunk.forward(&mut jets, &mut workspace);
    let d_jets: Vec<T> = numbers(jets.len(), 1.0);
    let mut sum = GradientSum::zero(plan, None);
    chunk.backward(&d_jets, &mut workspace, &mut sum);
    let to_double = |numbers: &[T]| numbers.iter().map(|x| x.to_double()).collect();
    Results {
        jets: to_double(&jets),
        gradient: to_double(sum.flat(plan)),
    }
}

/// Returns `‖found − expected‖ / ‖expected‖`.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    let norm = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let mut differences = found.iter().zip(expected).map(|(a, b)| a - b);
    norm(&mut differences) / norm(&mut expected.iter().copied())
}

const ROUNDED: Option<Bfloat16> = Some(Bfloat16::Emulation);

#[test]
fn rounded_passes_agree_with_sums_in_double_precision_of_rounded_operands() {
    for (width, channels) in [(96, 1), (130, 3), (128, 5)] {
        let plan = plan(width, channels);
        let exact = run::<f64>(&plan, &Order::Value, Level::Scalar, None);
        let reference = run::<f64>(&plan, &Order::Value, Level::Scalar, ROUNDED);
        for level in Level::available() {
            let found = run::<f32>(&plan, &Order::Value, level, ROUNDED);
            for (found, reference, exact) in [
                (&found.jets, &reference.jets, &exact.jets),
                (&found.gradient, &reference.gradient, &exact.gradient),
            ] {
                // A sum that differs in its last bits may round to the other neighbor, which few do: up to 1.4e-5 and 2.9e-4 were found.
                let error = difference(found, reference);
                let rounding = difference(found, exact);
                assert!(error < 6e-4, "{level} {width}: {error}");
                assert!(
                    (1e-3..2e-2).contains(&rounding),
                    "{level} {width}: {rounding}"
                );
            }
        }
    }
}

#[test]
fn instructions_and_emulation_give_the_same_network() {
    if !Bfloat16::Instructions.is_available() {
        return;
    }
    for width in [96, 130, 256] {
        let plan = plan(width, 3);
        let level = Level::best();
        let [instructions, emulation] = [Bfloat16::Instructions, Bfloat16::Emulation]
            .map(|arithmetic| run::<f32>(&plan, &Order::Value, level, Some(arithmetic)));
        assert_eq!(instructions, emulation);
    }
}

#[test]
fn narrow_networks_and_derivatives_are_not_rounded() {
    let level = Level::best();
    let narrow = plan(95, 3);
    assert_eq!(
        run::<f32>(&narrow, &Order::Value, level, ROUNDED),
        run::<f32>(&narrow, &Order::Value, level, None)
    );
    let wide = plan(128, 1);
    for order in [Order::Gradient, Order::laplacian(2)] {
        assert_eq!(
            run::<f32>(&wide, &order, level, ROUNDED),
            run::<f32>(&wide, &order, level, None)
        );
    }
}
