//! Devices and what is wrong with them, as a user sees it.

mod networks;

use networks::{NetworkCase, Sizes, outputs_under_stand_in_drivers, plan, under_stand_in_driver};
use siren_cuda::{Device, Precision, SquareTargets};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order};

fn small_case() -> NetworkCase {
    let sizes = Sizes {
        dims: 2,
        width: 32,
        hidden: 0,
        channels: 1,
        points: 100,
        fields: 1,
    };
    let plan = plan(sizes, Features::Identity, Pointwise::Tanh);
    NetworkCase::draw(sizes, plan, Order::Value, 1)
}

/// Returns the message of the first error of a small network on device `index` of a stand-in with each of the settings; nothing in the
/// processes that run under a stand-in.
fn messages(settings: &[networks::Settings<'_>], index: usize) -> Vec<String> {
    let outputs = outputs_under_stand_in_drivers(settings, || {
        let run = || small_case().on(&Device::open(index)?, Precision::Exact);
        match run() {
            Ok(_) => println!("> no error"),
            Err(error) => println!("> {error}"),
        }
    });
    for output in &outputs {
        assert_eq!(output.len(), 1, "one message of each process: {outputs:?}");
    }
    outputs.concat()
}

#[test]
fn a_device_that_does_not_exist_is_named_with_the_number_of_those_that_do() {
    for message in messages(&[&[]], 3) {
        assert_eq!(
            message,
            "no CUDA device 3: the driver knows 1, counted from 0"
        );
    }
}

#[test]
fn memory_that_runs_out_is_an_error_that_says_for_what() {
    for message in messages(&[&[("SIREN_PTX_MEMORY", "20000")]], 0) {
        let expected = "out of memory on the CUDA device: ";
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn every_card_and_the_drivers_of_cuda_11_run_the_kernels() {
    let settings: [networks::Settings<'_>; 5] = [
        &[("SIREN_PTX_CARD", "sm_80"), ("SIREN_PTX_DRIVER", "11000")],
        &[("SIREN_PTX_CARD", "sm_86")],
        &[("SIREN_PTX_CARD", "sm_89")],
        &[("SIREN_PTX_CARD", "sm_90")],
        &[("SIREN_PTX_CARD", "sm_120")],
    ];
    for (message, settings) in messages(&settings, 0).iter().zip(settings) {
        assert_eq!(message, "no error", "{settings:?}");
    }
}

#[test]
fn arguments_of_wrong_lengths_are_errors_and_no_points_are_none() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let case = small_case();
        let refused = device.fields(&case.plan, &case.params[1..], Precision::Exact);
        let expected = "parameters of a batch of fields: expected a multiple of 129, got 128";
        assert_eq!(refused.err().unwrap().to_string(), expected);
        let fields = device
            .fields(&case.plan, &case.params, Precision::Exact)
            .unwrap();
        let refused = fields.jets(&case.coords[1..], &Order::Value);
        let expected = "coordinates: expected a multiple of 1 fields x 2, got 199";
        assert_eq!(refused.unwrap_err().to_string(), expected);
        let (jets, tape) = fields.forward(&[], &Order::Value).unwrap();
        assert!(jets.is_empty());
        let mut gradient = fields.gradient().unwrap();
        fields.backward(&tape, &[], &mut gradient).unwrap();
        assert!(gradient.read().unwrap().iter().all(|&x| x == 0.0));
        assert_eq!((device.index(), fields.count()), (0, 1));
        assert!(!device.name().is_empty());
    });
}

#[test]
fn gradients_of_several_passes_add_up() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let case = small_case();
        let fields = device
            .fields(&case.plan, &case.params, Precision::Exact)
            .unwrap();
        let mut sum = fields.gradient().unwrap();
        for _ in 0..2 {
            let (_, tape) = fields.forward(&case.coords, &case.order).unwrap();
            fields.backward(&tape, &case.d_jets, &mut sum).unwrap();
        }
        let once = case.on(&device, Precision::Exact).unwrap().gradient;
        for (twice, once) in sum.read().unwrap().iter().zip(once) {
            assert!((f64::from(*twice) - 2.0 * once).abs() <= 1e-6 * once.abs().max(1.0));
        }
    });
}

#[test]
fn the_square_error_on_the_device_has_the_sums_and_the_gradient_of_the_one_from_its_jets() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let sizes = Sizes {
            dims: 2,
            width: 40,
            hidden: 0,
            channels: 3,
            points: 150,
            fields: 2,
        };
        let plan = plan(sizes, Features::Identity, Pointwise::Sine { omega: 10.0 });
        let case = NetworkCase::draw(sizes, plan, Order::laplacian(2), 1);
        let fields = device
            .fields(&case.plan, &case.params, Precision::Exact)
            .unwrap();
        // Targets of the gradient and the Laplacian: components 1 to 3 of 4.
        let rows = sizes.fields * sizes.points * sizes.channels;
        let targets: Vec<f32> = (0..3 * rows).map(|i| (i as f32).sin()).collect();
        let factors = [5.0, 0.5, 0.25, 0.125];
        let (jets, tape) = fields.forward(&case.coords, &case.order).unwrap();
        let mut d_jets = vec![0.0; jets.len()];
        let mut expected_sums = [0.0; 4];
        for (index, (&jet, d_jet)) in jets.iter().zip(&mut d_jets).enumerate() {
            let (row, component) = (index / 4, index % 4);
            if component > 0 {
                let error = jet - targets[row * 3 + component - 1];
                *d_jet = 2.0 * factors[component] * error;
                expected_sums[component] += f64::from(error).powi(2);
            }
        }
        let mut expected = fields.gradient().unwrap();
        fields.backward(&tape, &d_jets, &mut expected).unwrap();
        let mut gradient = fields.gradient().unwrap();
        let sums = fields.square_error(
            &device.array(&case.coords).unwrap(),
            &case.order,
            &SquareTargets {
                targets: &device.array(&targets).unwrap(),
                first: 1,
                count: 3,
                factors: &factors,
            },
            &mut gradient,
        );
        for (sum, expected) in sums.unwrap().iter().zip(expected_sums) {
            assert!((sum - expected).abs() <= 1e-6 * expected);
        }
        assert_eq!(gradient.read().unwrap(), expected.read().unwrap());
    });
}

#[test]
fn a_card_has_properties_and_every_kernel_of_a_step_a_time() {
    under_stand_in_driver(&[("SIREN_PTX_CARD", "sm_89")], || {
        let device = Device::open(0).unwrap();
        let card = device.properties().unwrap();
        assert_eq!(
            (card.compute_capability, card.driver_version),
            ([8, 9], 13000)
        );
        assert!(card.multiprocessors > 0);
        assert!(device.free_bytes().unwrap() <= card.memory_bytes);
        let seconds = device.copy_seconds(4096, 3).unwrap();
        assert_eq!(seconds.iter().filter(|&&s| s >= 0.0).count(), 3);
        let case = small_case();
        let (found, times) = device
            .kernel_times(|| case.on(&device, Precision::Exact))
            .unwrap();
        let started = |kernel: &str| times.iter().filter(|time| time.kernel == kernel).count();
        assert_eq!(found.jets.len(), 100);
        assert_eq!((started("narrow_forward"), started("reduce")), (1, 1));
        assert!(times.iter().all(|time| time.milliseconds >= 0.0));
        let ((), times) = device.kernel_times(|| Ok(())).unwrap();
        assert_eq!(times.len(), 0);
    });
}
