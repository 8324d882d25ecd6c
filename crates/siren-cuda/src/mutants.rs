//! Faults that are planted in the kernels, each of which must be found. They show that the tests under the stand-in driver could find such
//! faults if the kernels had them.

#![allow(
    clippy::print_stdout,
    reason = "the process that runs a mutant reports to the test that started it"
)]

use std::borrow::Cow;
use std::env;

use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order};

use crate::device::Device;
use crate::kernels::Precision;
use crate::narrow::{Kernels, bits_of};
use crate::networks::{NetworkCase, Sizes, outputs_under_stand_in_drivers, plan};

/// The mutant that a process is to run: the number of a barrier, or the name of a change.
const MUTANT: &str = "SIREN_CUDA_TEST_MUTANT";

/// Runs networks that use every kernel and every path through them, with its PTX changed, and prints the first error, or `no fault`.
fn run(ptx: String) {
    let device = Device::open_with(0, [Cow::Owned(ptx), Cow::Borrowed("")]).unwrap();
    let rbf = Features::Rbf {
        centers: 70,
        first_center: 0,
        first_sigma: 140,
    };
    let sine = Pointwise::Sine { omega: 20.0 };
    let cases = [
        (Features::Identity, Order::Gradient, sine),
        (Features::Identity, Order::Value, sine),
        (Features::Identity, Order::Value, Pointwise::Tanh),
        (rbf, Order::Gradient, sine),
    ];
    for (features, order, pointwise) in cases {
        let sizes = Sizes {
            dims: 2,
            width: 80,
            hidden: 1,
            channels: 3,
            points: 150,
            fields: 2,
        };
        let plan = plan(sizes, features, pointwise);
        let case = NetworkCase::draw(sizes, plan, order, 5);
        for kernels in [Kernels::of(&case.plan), Kernels::Layers] {
            if let Err(error) = bits_of(&case, &device, Precision::Exact, kernels) {
                println!("> {error}");
                return;
            }
        }
    }
    println!("> no fault");
}

/// Returns the PTX with the lines of these indices changed.
fn with_lines(indices: &[usize], change: impl Fn(&str) -> String) -> String {
    let lines = Precision::Exact.ptx().lines().enumerate();
    let lines = lines.map(|(index, line)| {
        if indices.contains(&index) {
            change(line)
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Returns the indices of the lines that contain `text` in the kernel `kernel`.
fn lines_of(kernel: &str, text: &str) -> Vec<usize> {
    let mut inside = String::new();
    let mut found = Vec::new();
    for (index, line) in Precision::Exact.ptx().lines().enumerate() {
        if let Some((_, name)) = line.split_once(".entry ") {
            name.trim_end_matches('(').clone_into(&mut inside);
        }
        if inside == kernel && line.contains(text) {
            found.push(index);
        }
    }
    found
}

/// Runs each mutant in a process of its own, and returns its faults as the stand-in reported them.
fn faults(mutants: &[String], ptx_of: impl Fn(&str) -> String) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let reports: Vec<String> = (0..mutants.len())
        .map(|index| folder.path().join(index.to_string()).display().to_string())
        .collect();
    // In another order a fault may be found elsewhere first.
    let order = ("SIREN_PTX_ORDER", "forward");
    let settings: Vec<[(&str, &str); 3]> = mutants
        .iter()
        .zip(&reports)
        .map(|(mutant, report)| {
            [
                (MUTANT, mutant.as_str()),
                ("SIREN_PTX_REPORT", report),
                order,
            ]
        })
        .collect();
    let settings: Vec<_> = settings.iter().map(<[_; 3]>::as_slice).collect();
    let outputs = outputs_under_stand_in_drivers(&settings, || {
        run(ptx_of(&env::var(MUTANT).unwrap()));
    });
    let fault = |(output, report): (&Vec<String>, &String)| {
        if output[0] == "no fault" {
            return "no fault".to_owned();
        }
        let report = std::fs::read_to_string(report).unwrap_or_default();
        let fault = report.lines().find(|line| line.starts_with("{\"fault\""));
        fault.unwrap_or("no report").to_owned()
    };
    outputs.iter().zip(&reports).map(fault).collect()
}

#[test]
fn the_unchanged_kernels_have_no_fault() {
    let found = faults(&["none".to_owned()], |_| Precision::Exact.ptx().to_owned());
    assert!(found.iter().all(|fault| fault == "no fault"), "{found:?}");
}

#[test]
fn a_barrier_that_is_left_out_is_found_as_a_race() {
    let barriers: Vec<usize> = [
        "layer_forward",
        "features_forward",
        "layer_backward",
        "narrow_forward",
        "narrow_backward",
        "weight_gradient",
        "features_gradient",
    ]
    .iter()
    .flat_map(|kernel| lines_of(kernel, "bar.sync"))
    .collect();
    assert!(barriers.len() >= 35, "{barriers:?}");
    let mutants: Vec<String> = barriers.iter().map(usize::to_string).collect();
    let found = faults(&mutants, |line| {
        with_lines(&[line.parse().unwrap()], |_| String::new())
    });
    for (line, fault) in barriers.iter().zip(&found) {
        assert!(
            fault.contains("race in shared memory") || fault.contains("nobody has written"),
            "without the barrier of line {}: {fault}",
            line + 1
        );
    }
}

#[test]
fn changed_indices_are_found() {
    // Kernel, instruction, what stands in its place, and the fault.
    let changes = [
        (
            "weight_gradient",
            "%ctaid.y;",
            "%ctaid.z;",
            "race in global memory",
        ),
        (
            "weight_gradient",
            "%ctaid.x;",
            "%nctaid.x;",
            "race in global memory",
        ),
        (
            "layer_forward",
            "%ctaid.x;",
            "%nctaid.x;",
            "race in global memory",
        ),
        (
            "narrow_forward",
            "%ctaid.x;",
            "%nctaid.x;",
            "race in global memory",
        ),
        ("narrow_backward", "%tid.x;", "%ntid.x;", "out of bounds"),
        ("scatter", "%ctaid.z;", "%nctaid.z;", "out of bounds"),
        ("reduce", "%ctaid.z;", "%nctaid.z;", "out of bounds"),
        ("pack", "%ctaid.x;", "%nctaid.x;", "nobody has written"),
    ];
    let mutants: Vec<String> = (0..changes.len()).map(|index| index.to_string()).collect();
    let found = faults(&mutants, |index| {
        let (kernel, from, to, _) = changes[index.parse::<usize>().unwrap()];
        let changed = lines_of(kernel, from);
        assert!(!changed.is_empty(), "{kernel}: {from}");
        with_lines(&changed, |line| line.replace(from, to))
    });
    for ((kernel, from, to, expected), fault) in changes.iter().zip(&found) {
        assert!(
            fault.contains(expected),
            "{kernel} with {to} for {from}: {fault}"
        );
    }
}
