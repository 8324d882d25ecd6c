//! The kernels against the reference implementation in double precision: every activation, order, encoding and class of widths.

mod cases;

use cases::{
    Case, Outcome, Sizes, gradient_error, jet_error, outputs_under_stand_in_drivers, plan,
    under_stand_in_driver,
};
use siren_cuda::{Device, Precision};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order, Trace, Waves};

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
    let component = |i: usize, j: usize| 3.0 * ((5 * i + 3 * j) as f64).sin();
    let frequency = |i| (0..dims).map(|j| component(i, j)).collect();
    vec![
        Features::Identity,
        Features::nerf(dims, 3),
        Features::Sinusoids {
            include_input: false,
            waves: Waves {
                angular_frequencies: (0..9).map(frequency).collect(),
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

/// Largest errors of jets and gradients.
#[derive(Default, Debug)]
struct Largest {
    exact: [f64; 2],
    fast: [f64; 2],
    /// Largest quotient of the error with two halves and that of the CPU in single precision.
    quotient: f64,
}

impl Largest {
    /// Checks a case in both precisions.
    fn check(&mut self, case: &Case, device: &Device, name: &str) {
        let expected = case.on_cpu::<f64>();
        let components = case.order.components(case.plan.in_features);
        let errors = |found: &Outcome| {
            [
                jet_error(found, &expected, components),
                gradient_error(found, &expected),
            ]
        };
        let single = errors(&case.on_cpu::<f32>());
        let exact = errors(&case.on(device, Precision::Exact));
        let fast = errors(&case.on(device, Precision::Fast));
        // Where an activation or its slope jumps, an input rounded to 11 bits may lie on the other side.
        let is_smooth = case.plan.layers.iter().all(|layer| {
            !matches!(
                layer.pointwise,
                Pointwise::Relu | Pointwise::Exponential { .. } | Pointwise::Finer { .. }
            )
        });
        for i in 0..2 {
            let quotient = exact[i] / single[i].max(1e-6);
            assert!(
                quotient < 4.0,
                "{name}: {exact:?}, on the CPU in single precision {single:?}"
            );
            self.quotient = self.quotient.max(quotient);
            self.exact[i] = self.exact[i].max(exact[i]);
            if is_smooth {
                assert!(fast[i] < 2e-2, "{name}: in fast mode {fast:?}");
                self.fast[i] = self.fast[i].max(fast[i]);
            }
        }
    }
}

#[test]
fn every_activation_order_and_encoding_is_as_accurate_as_single_precision_on_the_cpu() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let mut largest = Largest::default();
        let mut cases = 0;
        for (f, features) in encodings(2).into_iter().enumerate() {
            for (o, order) in orders(2).into_iter().enumerate() {
                for (a, pointwise) in ACTIVATIONS.into_iter().enumerate() {
                    cases += 1;
                    let sizes = Sizes {
                        dims: 2,
                        width: [5, 32, 33, 64, 70, 16][(a + o + f) % 6],
                        hidden: 1,
                        channels: 1 + cases % 3,
                        points: 64 + cases % 7,
                        fields: 1 + cases % 2,
                    };
                    let plan = plan(sizes, features.clone(), pointwise);
                    let case = Case::draw(sizes, plan, order.clone(), cases as u64);
                    let name = format!("{sizes:?}, {features:?}, {order:?}, {pointwise:?}");
                    largest.check(&case, &device, &name);
                }
            }
        }
        println!("> {cases} cases: {largest:?}");
    });
}

#[test]
fn every_class_of_widths_and_numbers_of_coordinates_is_as_accurate() {
    under_stand_in_driver(
        &[("SIREN_PTX_CARD", "sm_89"), ("SIREN_PTX_ORDER", "backward")],
        || {
            let device = Device::open(0).unwrap();
            let mut largest = Largest::default();
            let widths = [1, 2, 31, 63, 65, 96, 127, 128, 129, 192, 200];
            for (index, &width) in widths.iter().enumerate() {
                let dims = 1 + index % 4;
                let sizes = Sizes {
                    dims,
                    width,
                    hidden: index % 4,
                    channels: [1, 3, 65, 7][index % 4],
                    points: [1, 130, 77, 257][index % 4],
                    fields: 1,
                };
                let order = orders(dims).swap_remove(index % 3);
                let features = encodings(dims).swap_remove(index / 4 % 4);
                let plan = plan(sizes, features, Pointwise::Sine { omega: 20.0 });
                let case = Case::draw(sizes, plan, order, 1000 + index as u64);
                largest.check(&case, &device, &format!("{sizes:?}"));
            }
            println!("> {} cases: {largest:?}", widths.len());
        },
    );
}

#[test]
fn wide_networks_are_as_accurate() {
    under_stand_in_driver(&[("SIREN_PTX_CARD", "sm_90")], || {
        let device = Device::open(0).unwrap();
        let mut largest = Largest::default();
        for (width, order) in [(256, Order::laplacian(2)), (1024, Order::Value)] {
            let sizes = Sizes {
                dims: 2,
                width,
                hidden: 1,
                channels: 1,
                points: 64,
                fields: 1,
            };
            let plan = plan(sizes, Features::Identity, Pointwise::Sine { omega: 30.0 });
            largest.check(
                &Case::draw(sizes, plan, order, 7),
                &device,
                &format!("{sizes:?}"),
            );
        }
        println!("> {largest:?}");
    });
}

#[test]
fn every_order_of_blocks_and_warps_gives_the_same_bits() {
    let orders = ["forward", "backward", "1", "2"].map(|order| [("SIREN_PTX_ORDER", order)]);
    let settings: Vec<_> = orders.iter().map(<[_; 1]>::as_slice).collect();
    let outputs = outputs_under_stand_in_drivers(&settings, || {
        let device = Device::open(0).unwrap();
        let sizes = Sizes {
            dims: 2,
            width: 80,
            hidden: 1,
            channels: 2,
            points: 500,
            fields: 2,
        };
        let plan = plan(sizes, Features::nerf(2, 4), Pointwise::Sine { omega: 30.0 });
        let case = Case::draw(sizes, plan, Order::laplacian(2), 3);
        let found = case.on(&device, Precision::Exact);
        let values = found.jets.iter().chain(&found.gradient);
        let checksum = values.fold(0_u64, |sum, value| {
            sum.rotate_left(5).wrapping_add(value.to_bits())
        });
        println!("> {checksum:016x}");
    });
    for output in outputs.iter().skip(1) {
        assert_eq!((output.len(), output), (1, &outputs[0]));
    }
}
