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
use crate::error::Result;
use crate::kernels::{Precision, PtxFile};
use crate::loss::SquareTargets;
use crate::narrow::{Kernels, bits_of};
use crate::networks::{NetworkCase, Sizes, outputs_under_stand_in_drivers, plan};
use crate::optimizer::tests::step_everything;

/// The mutant that a process is to run: the number of a barrier, or the name of a change.
const MUTANT: &str = "SIREN_CUDA_TEST_MUTANT";

/// The networks of the mutants.
const NETWORK: PtxFile = PtxFile::Network(Precision::Exact);

/// Uses every kernel of a file and every path through them, with its PTX changed, and prints the first error, or `no fault`.
fn run(file: PtxFile, ptx: String) {
    let mut files = PtxFile::ALL.map(|file| Cow::Borrowed(file.ptx()));
    files[file.index()] = Cow::Owned(ptx);
    let device = Device::open_with(0, files).unwrap();
    let result = match file {
        PtxFile::Network(_) => run_networks(&device),
        PtxFile::Training => step_everything(&device).map(|_| ()),
    };
    match result {
        Ok(()) => println!("> no fault"),
        Err(error) => println!("> {error}"),
    }
}

fn run_networks(device: &Device) -> Result<()> {
    let rbf = Features::Rbf {
        centers: 70,
        first_center: 0,
        first_sigma: 210,
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
            // Two passes of the gradient of features.
            dims: 3,
            width: 80,
            hidden: 1,
            channels: 3,
            points: 150,
            fields: 2,
        };
        let plan = plan(sizes, features, pointwise);
        let case = NetworkCase::draw(sizes, plan, order, 5);
        for kernels in [Kernels::of(&case.plan), Kernels::Layers] {
            bits_of(&case, device, Precision::Exact, kernels)?;
        }
        take_square_error(&case, device)?;
    }
    Ok(())
}

/// Computes the squared errors of a case with targets for every component, and the gradient.
fn take_square_error(case: &NetworkCase, device: &Device) -> Result<()> {
    let fields = device.fields(&case.plan, &case.params, Precision::Exact)?;
    let components = case.order.components(case.plan.in_features);
    let targets = SquareTargets {
        targets: &device.array(&case.d_jets)?,
        first: 0,
        count: components,
        factors: &vec![1.0; components],
    };
    let coords = device.array(&case.coords)?;
    let mut gradient = fields.gradient()?;
    fields.square_error(&coords, &case.order, &targets, &mut gradient)?;
    gradient.read().map(drop)
}

/// Returns the PTX of a file with the lines of these indices changed.
fn with_lines(file: PtxFile, indices: &[usize], change: impl Fn(&str) -> String) -> String {
    let lines = file.ptx().lines().enumerate();
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
fn lines_of(file: PtxFile, kernel: &str, text: &str) -> Vec<usize> {
    let mut inside = String::new();
    let mut found = Vec::new();
    for (index, line) in file.ptx().lines().enumerate() {
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
fn faults(file: PtxFile, mutants: &[String], ptx_of: impl Fn(&str) -> String) -> Vec<String> {
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
        run(file, ptx_of(&env::var(MUTANT).unwrap()));
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
    for file in [NETWORK, PtxFile::Training] {
        let found = faults(file, &["none".to_owned()], |_| file.ptx().to_owned());
        assert!(found.iter().all(|fault| fault == "no fault"), "{found:?}");
    }
}

/// Leaves out each barrier of some kernels of a file, of which there are at least `least`.
fn leave_out_barriers(file: PtxFile, kernels: &[&str], least: usize) {
    let barriers = kernels
        .iter()
        .flat_map(|kernel| lines_of(file, kernel, "bar.sync"));
    let barriers: Vec<usize> = barriers.collect();
    assert!(barriers.len() >= least, "{barriers:?}");
    let mutants: Vec<String> = barriers.iter().map(usize::to_string).collect();
    let found = faults(file, &mutants, |line| {
        with_lines(file, &[line.parse().unwrap()], |_| String::new())
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
fn a_barrier_of_a_network_that_is_left_out_is_found_as_a_race() {
    let kernels = [
        "layer_forward",
        "features_forward",
        "layer_backward",
        "narrow_forward",
        "narrow_backward",
        "weight_gradient",
        "features_gradient",
        "square_error",
    ];
    leave_out_barriers(NETWORK, &kernels, 41);
}

#[test]
fn a_barrier_of_an_optimizer_that_is_left_out_is_found_as_a_race() {
    let file = PtxFile::Training;
    let kernels: Vec<&str> = file.kernels().iter().map(|kernel| kernel.name()).collect();
    leave_out_barriers(file, &kernels, 6);
}

/// What is changed in a kernel, and the fault as which it is found.
struct IndexMutant {
    kernel: &'static str,
    from: &'static str,
    to: &'static str,
    fault: &'static str,
}

/// `kernel` with `to` for `from`.
fn planted(
    kernel: &'static str,
    from: &'static str,
    to: &'static str,
    fault: &'static str,
) -> IndexMutant {
    IndexMutant {
        kernel,
        from,
        to,
        fault,
    }
}

/// Plants each change in a file, and checks the faults.
fn change_indices(file: PtxFile, changes: &[IndexMutant]) {
    let mutants: Vec<String> = (0..changes.len()).map(|index| index.to_string()).collect();
    let found = faults(file, &mutants, |index| {
        let change = &changes[index.parse::<usize>().unwrap()];
        let changed = lines_of(file, change.kernel, change.from);
        assert!(!changed.is_empty(), "{}: {}", change.kernel, change.from);
        with_lines(file, &changed, |line| line.replace(change.from, change.to))
    });
    for (change, found) in changes.iter().zip(&found) {
        let IndexMutant {
            kernel,
            from,
            to,
            fault,
        } = change;
        assert!(
            found.contains(fault),
            "{kernel} with {to} for {from}: {found}"
        );
    }
}

#[test]
fn changed_indices_of_networks_are_found() {
    let changes = [
        planted(
            "weight_gradient",
            "%ctaid.y;",
            "%ctaid.z;",
            "race in global memory",
        ),
        planted(
            "weight_gradient",
            "%ctaid.x;",
            "%nctaid.x;",
            "race in global memory",
        ),
        planted(
            "layer_forward",
            "%ctaid.y;",
            "%nctaid.y;",
            "race in global memory",
        ),
        planted(
            "narrow_forward",
            "%ctaid.y;",
            "%nctaid.y;",
            "race in global memory",
        ),
        planted("narrow_backward", "%tid.x;", "%ntid.x;", "out of bounds"),
        planted("scatter", "%ctaid.z;", "%nctaid.z;", "out of bounds"),
        planted("reduce", "%ctaid.z;", "%nctaid.z;", "out of bounds"),
        planted("pack", "%ctaid.x;", "%nctaid.x;", "nobody has written"),
    ];
    change_indices(NETWORK, &changes);
}

#[test]
fn changed_indices_of_optimizers_are_found() {
    let changes = [
        planted("sum_of_squares", "%ctaid.x;", "%nctaid.x;", "out of bounds"),
        planted("gather", "%ctaid.x;", "%nctaid.x;", "nobody has written"),
        planted("adam_update", "%ctaid.y;", "%nctaid.y;", "out of bounds"),
        planted("muon_momentum", "%ctaid.z;", "%nctaid.z;", "out of bounds"),
        planted("muon_gram", "%ctaid.x;", "%nctaid.x;", "nobody has written"),
        planted(
            "muon_multiply",
            "%ctaid.y;",
            "%ctaid.x;",
            "race in global memory",
        ),
        planted("muon_update", "%ctaid.z;", "%nctaid.z;", "out of bounds"),
    ];
    change_indices(PtxFile::Training, &changes);
}
