//! The kernels against the reference implementation in double precision: every activation, order, encoding and class of widths.

mod networks;

use networks::matrix::{MOST_SINGLE_ERRORS, OracleCase, every_kind, every_width, narrow, wide};
use networks::{
    NetworkCase, Settings, Sizes, outputs_under_stand_in_drivers, plan, under_stand_in_driver,
};
use siren_cuda::{Device, Precision};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order};

/// Largest errors of jets and gradients.
#[derive(Default, Debug)]
struct Largest {
    exact: [f64; 2],
    fast: [f64; 2],
    /// Largest quotient of the error with two halves and that of the CPU in single precision.
    quotient: f64,
}

/// Compares cases under the stand-in in both precisions, and prints the largest errors.
fn check(settings: Settings<'_>, cases: &[OracleCase]) {
    under_stand_in_driver(settings, || {
        let device = Device::open(0).unwrap();
        let mut largest = Largest::default();
        for case in cases {
            let errors = case.compare(&device).unwrap();
            assert_eq!(errors.fault(MOST_SINGLE_ERRORS), None, "{}", case.name());
            largest.quotient = largest.quotient.max(errors.quotient());
            for i in 0..2 {
                largest.exact[i] = largest.exact[i].max(errors.exact[i]);
                if errors.is_smooth {
                    largest.fast[i] = largest.fast[i].max(errors.fast[i]);
                }
            }
        }
        println!("> {} cases: {largest:?}", cases.len());
    });
}

#[test]
fn every_activation_order_and_encoding_is_as_accurate_as_single_precision_on_the_cpu() {
    check(&[], &every_kind(0));
}

#[test]
fn every_class_of_widths_and_numbers_of_coordinates_is_as_accurate() {
    let settings = [("SIREN_PTX_CARD", "sm_89"), ("SIREN_PTX_ORDER", "backward")];
    check(&settings, &every_width());
}

#[test]
fn narrow_networks_of_every_depth_are_as_accurate() {
    let settings = [("SIREN_PTX_CARD", "sm_86"), ("SIREN_PTX_ORDER", "1")];
    check(&settings, &narrow());
}

#[test]
fn wide_networks_are_as_accurate() {
    check(&[("SIREN_PTX_CARD", "sm_90")], &wide());
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
        let case = NetworkCase::draw(sizes, plan, Order::laplacian(2), 3);
        let found = case.on(&device, Precision::Exact).unwrap();
        println!("> {:016x}", found.checksum());
    });
    for output in outputs.iter().skip(1) {
        assert_eq!((output.len(), output), (1, &outputs[0]));
    }
}
