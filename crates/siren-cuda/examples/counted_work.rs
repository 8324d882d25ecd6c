//! Counts what the kernels of one training step do, in the interpreter: instructions, matrix products, accesses of shared memory with their
//! bank conflicts, bytes and sectors of global memory.
//!
//! ```text
//! cargo run --release -p siren-cuda --example counted_work -- 256 value exact
//! ```
//!
//! The arguments are the width, `value` or `laplacian`, and `exact` or `fast`. The network is 2 → width × 4 → 1 with sines, at 512 points;
//! counts are per point.

#![allow(clippy::print_stdout, reason = "a program prints")]

#[path = "../tests/networks/mod.rs"]
mod networks;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;
use std::{env, fs};

use networks::{NetworkCase, Sizes, plan};
use siren_cuda::{Device, Precision};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order};

const POINTS: usize = 512;

/// Returns the number behind a key of a line of JSON.
fn number(line: &str, key: &str) -> f64 {
    let rest = line.split(&format!("\"{key}\":")).nth(1).unwrap_or("0");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0.0)
}

fn step(width: usize, order: &str, precision: &str) {
    let order = match order {
        "laplacian" => Order::laplacian(2),
        _ => Order::Value,
    };
    let precision = match precision {
        "fast" => Precision::Fast,
        _ => Precision::Exact,
    };
    let sizes = Sizes {
        dims: 2,
        width,
        hidden: 3,
        channels: 1,
        points: POINTS,
        fields: 1,
    };
    let plan = plan(sizes, Features::Identity, Pointwise::Sine { omega: 30.0 });
    let case = NetworkCase::draw(sizes, plan, order, 1);
    case.on(&Device::open(0).unwrap(), precision).unwrap();
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [width, order, precision] = arguments.as_slice() else {
        return Err("expected three arguments: width, value or laplacian, exact or fast".into());
    };
    if env::var_os("SIREN_PTX_REPORT").is_some() {
        step(width.parse()?, order, precision);
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
        let name = line.split('"').nth(3).unwrap_or_default().to_owned();
        let counts = kernels.entry(name).or_insert_with(|| vec![0.0; keys.len()]);
        for (count, key) in counts.iter_mut().zip(keys) {
            *count += number(line, key);
        }
    }
    println!("| kernel | {} |", keys.join(" | ").replace('_', " "));
    println!("|---|{}", "---|".repeat(keys.len()));
    for (name, counts) in kernels {
        let counts: Vec<String> = counts
            .iter()
            .map(|count| format!("{:.1}", count / POINTS as f64))
            .collect();
        println!("| {name} | {} |", counts.join(" | "));
    }
    Ok(())
}
