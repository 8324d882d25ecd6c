//! The kernels against the reference implementation in double precision: every activation, order, encoding and class of widths.

mod common;

use common::{Case, Sizes, gradient_error, jet_error, plan};
use siren_cuda::{Device, Precision};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order, Trace, Waves};

/// Largest errors that were seen.
#[derive(Default)]
struct Largest {
    exact: [f64; 2],
    fast: [f64; 2],
    /// Largest quotient of the exact error and that of the CPU in single precision.
    quotient: f64,
}

const ACTIVATIONS: [Pointwise; 13] = [
    Pointwise::Linear,
    Pointwise::Sine { omega: 30.0 },
    Pointwise::Finer { omega: 5.0 },
    Pointwise::HyperbolicSine { omega: 5.0 },
    Pointwise::Gabor {
        omega: 10.0,
        scale: 5.0,
    },
    Pointwise::Sinc { omega: 5.0 },
    Pointwise::Gaussian { scale: 2.0 },
    Pointwise::Silu,
    Pointwise::Relu,
    Pointwise::Tanh,
    Pointwise::Sigmoid,
    Pointwise::Softplus,
    Pointwise::Exponential {
        scale: 1.0507,
        alpha: 1.6733,
    },
];

fn encodings(dims: usize) -> Vec<Features> {
    let frequencies = (0..9).map(|i| {
        (0..dims)
            .map(|j| 3.0 * ((5 * i + 3 * j) as f64).sin())
            .collect()
    });
    vec![
        Features::Identity,
        Features::nerf(dims, 3),
        Features::Sinusoids {
            include_input: false,
            waves: Waves {
                angular_frequencies: frequencies.collect(),
                interleaved: false,
            },
        },
        Features::Rbf {
            centers: 37,
            first_center: 0,
            first_sigma: 37 * dims,
        },
    ]
}

fn orders(dims: usize) -> Vec<Order> {
    let mut matrix = vec![0.0; dims * dims];
    matrix[0] = -1.5;
    if dims > 1 {
        (matrix[1], matrix[dims]) = (0.75, 0.75);
    }
    let traces = [Trace::laplacian(dims), Trace::new(dims, &matrix).unwrap()];
    vec![
        Order::Value,
        Order::Gradient,
        Order::laplacian(dims),
        Order::hessian(dims),
        Order::Traces(traces.into()),
    ]
}

/// Checks one case in both precisions.
fn check(case: &Case, device: &Device, largest: &mut Largest, name: &str) {
    let expected = case.on_cpu::<f64>();
    let components = case.order.components(case.plan.in_features);
    let errors = |found: &common::Outcome| {
        [
            jet_error(found, &expected, components),
            gradient_error(found, &expected),
        ]
    };
    let single = errors(&case.on_cpu::<f32>());
    let exact = errors(&case.on(device, Precision::Exact));
    let fast = errors(&case.on(device, Precision::Fast));
    for i in 0..2 {
        let quotient = exact[i] / single[i].max(1e-6);
        largest.quotient = largest.quotient.max(quotient);
        largest.exact[i] = largest.exact[i].max(exact[i]);
        largest.fast[i] = largest.fast[i].max(fast[i]);
        if !(quotient < 4.0 && fast[i] < 2e-2) {
            println!("{name}: exact {exact:?}, CPU in single precision {single:?}, fast {fast:?}");
        }
    }
}

#[test]
fn every_activation_order_and_encoding_is_as_accurate_as_single_precision_on_the_cpu() {
    common::under_stand_in_driver(&[], matrix);
}

fn matrix() {
    let device = Device::open(0).unwrap();
    let mut largest = Largest::default();
    let t = std::time::Instant::now();
    let mut seed = 0;
    for dims in [2] {
        for (f, features) in encodings(dims).into_iter().enumerate() {
            for (o, order) in orders(dims).into_iter().enumerate() {
                for (a, pointwise) in ACTIVATIONS.into_iter().enumerate() {
                    seed += 1;
                    let width = [5, 32, 33, 64, 70, 16][(a + o + f) % 6];
                    let sizes = Sizes {
                        dims,
                        width,
                        hidden: 1,
                        channels: 1 + seed % 3,
                        points: 64 + seed % 7,
                        fields: 1 + seed % 2,
                    };
                    let case = Case::draw(
                        sizes,
                        plan(sizes, features.clone(), pointwise),
                        order.clone(),
                        seed as u64,
                    );
                    check(
                        &case,
                        &device,
                        &mut largest,
                        &format!("{sizes:?} features {f} order {o} {pointwise:?}"),
                    );
                }
            }
        }
    }
    println!(
        "exact {:?}, fast {:?}, quotient {:.1}, {:?}",
        largest.exact,
        largest.fast,
        largest.quotient,
        t.elapsed()
    );
}
