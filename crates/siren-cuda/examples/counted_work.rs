//! Counts what the kernels of one training step, or of one step of an optimizer, do in the interpreter: instructions, matrix products, accesses of shared memory with their
//! bank conflicts, bytes and sectors of global memory.
//!
//! ```text
//! cargo run --release -p siren-cuda --example counted_work -- 256 value exact
//! cargo run --release -p siren-cuda --example counted_work -- 256 muon
//! ```
//!
//! The arguments are the width, then `value` or `laplacian` with `exact` or `fast`, or `adam` or `muon`. The network is 2 → width × 4 → 1 with
//! sines, at 512 points. Counts of networks are per point; those of an optimizer are of its kernels, per step.

#![allow(clippy::print_stdout, reason = "a program prints")]

#[path = "../tests/networks/mod.rs"]
mod networks;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;
use std::{env, fs};

use networks::{NetworkCase, Sizes, plan};
use siren_cuda::{AdamMoments, AdamStep, Device, MuonMatrix, MuonMomenta, MuonStep, Precision};
use siren_kernel::Pointwise;
use siren_kernel::network::{Dense, Features, Order};

const POINTS: usize = 512;

/// Returns the number behind a key of a line of JSON.
fn number(line: &str, key: &str) -> f64 {
    let rest = line.split(&format!("\"{key}\":")).nth(1).unwrap_or("0");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0.0)
}

/// Draws the network.
fn case(width: usize, order: Order, points: usize) -> NetworkCase {
    let sizes = Sizes {
        dims: 2,
        width,
        hidden: 3,
        channels: 1,
        points,
        fields: 1,
    };
    let plan = plan(sizes, Features::Identity, Pointwise::Sine { omega: 30.0 });
    NetworkCase::draw(sizes, plan, order, 1)
}

/// Runs a step of a network.
fn step(width: usize, order: &str, precision: &str) {
    let order = match order {
        "laplacian" => Order::laplacian(2),
        _ => Order::Value,
    };
    let precision = match precision {
        "fast" => Precision::Fast,
        _ => Precision::Exact,
    };
    let case = case(width, order, POINTS);
    case.on(&Device::open(0).unwrap(), precision).unwrap();
}

/// Runs a step of Adam on all parameters, or of Muon on the hidden matrices.
fn optimize(width: usize, name: &str) -> siren_cuda::Result<()> {
    let case = case(width, Order::Value, 1);
    let device = Device::open(0)?;
    let parameters = device.array(&case.params)?;
    let fields = device.fields_of(&case.plan, &parameters, Precision::Fast)?;
    let gradient = fields.gradient()?;
    if name == "adam" {
        let group = [(0, case.params.len())].map(|(start, end)| start..end);
        let zeros = vec![0.0; case.params.len()];
        let step = AdamStep {
            factor: 1.0,
            betas: [0.9, 0.999],
            inverse_root: 1.0,
            epsilon: 1e-8,
            rate: 1e-3,
            decay: 0.0,
            rest: 1.0,
        };
        return AdamMoments::new(&device, &group, [&zeros, &zeros])?.step(
            &step,
            &parameters,
            &gradient,
        );
    }
    let layers = &case.plan.layers[1..case.plan.layers.len() - 1];
    let matrix = |layer: &Dense| MuonMatrix {
        first: layer.weight.start,
        rows: layer.fan_out,
        columns: layer.fan_in,
    };
    let matrices: Vec<MuonMatrix> = layers.iter().map(matrix).collect();
    let momenta = vec![vec![0.0; width * width]; matrices.len()];
    let step = MuonStep {
        factor: 1.0,
        momentum: 0.95,
        rate: 1e-2,
        weight_decay: 0.0,
        iterations: 5,
    };
    MuonMomenta::new(&device, &matrices, &momenta)?.step(&step, &parameters, &gradient)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (width, name, precision) = match arguments[..] {
        [width, name @ ("value" | "laplacian"), precision] => (width, name, Some(precision)),
        [width, name @ ("adam" | "muon")] => (width, name, None),
        _ => return Err("expected the width, then `value` or `laplacian` with `exact` or `fast`, or `adam` or `muon`".into()),
    };
    if env::var_os("SIREN_PTX_REPORT").is_some() {
        match precision {
            Some(precision) => step(width.parse()?, name, precision),
            None => optimize(width.parse()?, name)?,
        }
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    siren_ptx::driver::library_folder(folder.path())?;
    let report = folder.path().join("report");
    let status = Command::new(env::current_exe()?)
        .args(&arguments)
        .env("LD_LIBRARY_PATH", folder.path())
        .env("SIREN_PTX_REPORT", &report)
        .status()?;
    if !status.success() {
        return Err("the step failed".into());
    }
    let keys = [
        "instructions",
        "matrix_products",
        "shared_accesses",
        "shared_wavefronts",
        "shared_wavefronts_needed",
        "global_accesses",
        "global_sectors",
        "global_bytes",
    ];
    let mut kernels: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let report = fs::read_to_string(&report)?;
    for line in report
        .lines()
        .filter(|line| line.starts_with("{\"kernel\""))
    {
        let kernel = line.split('"').nth(3).unwrap_or_default().to_owned();
        if precision.is_none() && !kernel.starts_with(name) {
            continue;
        }
        let counts = kernels
            .entry(kernel)
            .or_insert_with(|| vec![0.0; keys.len()]);
        for (count, key) in counts.iter_mut().zip(keys) {
            *count += number(line, key);
        }
    }
    let points = precision.map_or(1, |_| POINTS);
    println!("| kernel | {} |", keys.join(" | ").replace('_', " "));
    println!("|---|{}", "---|".repeat(keys.len()));
    for (name, counts) in kernels {
        let counts: Vec<String> = counts
            .iter()
            .map(|count| format!("{:.1}", count / points as f64))
            .collect();
        println!("| {name} | {} |", counts.join(" | "));
    }
    Ok(())
}
