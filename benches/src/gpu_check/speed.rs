//! Phase 2: steps on the card, in turn with PyTorch, beside what the card can do.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::worker::Request;
use super::{Check, Findings};
use crate::case::{Case, Kind};
use crate::contest::{self, CaseOutcome, Entrant, LOSS_TOLERANCE, Settings, Start};
use crate::dialog::Dialog;
use crate::report::Spread;

/// The entrant with which others are compared.
pub const REFERENCE: &str = "siren, exact";
/// Longest time of a case with all its entrants.
const CASE_LIMIT: Duration = Duration::from_mins(4);
/// Longest time of any other measurement.
const MEASUREMENT_LIMIT: Duration = Duration::from_secs(90);
/// Largest relative difference of the first loss in arithmetic of 11 bits, as in fast mode and in TF32.
const COARSE_TOLERANCE: f64 = 0.05;
/// A step on the CPU that takes longer, estimated at 20 GFLOP/s a thread, is left out.
const MOST_CPU_SECONDS: f64 = 3.0;
/// Bytes of a copy: more than the cache of any card.
const COPY_BYTES: usize = 256 << 20;

/// Times all cases, as far as the time goes.
pub fn run(check: &Check, findings: &mut Findings) -> Result<Value> {
    let ceilings = ceilings(check, findings)?;
    let cases = cases(check);
    let mut timed = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if check.left().is_zero() {
            let names: Vec<&str> = cases[index..]
                .iter()
                .map(|case| case.name.as_str())
                .collect();
            findings.skip(&format!("no time for {}", names.join(", ")));
            break;
        }
        // What was timed before stays.
        let outcome = match contest::run(case, &settings(check, case)?, |_| ()) {
            Ok(outcome) => outcome,
            Err(error) if check.left().is_zero() => {
                findings.skip(&format!("no time for {}: {error:#}", case.name));
                continue;
            }
            Err(error) => {
                findings.fail(&format!("{}: {error:#}", case.name));
                continue;
            }
        };
        report_absences(check, &outcome, findings);
        let mut row = rows(&outcome);
        row["kernels"] = kernels(check, case, findings)?;
        timed.push(row);
    }
    Ok(json!({"ceilings": ceilings, "cases": timed}))
}

/// Returns the cases, the most important first.
fn cases(check: &Check) -> Vec<Case> {
    let kinds = [Kind::Value, Kind::Laplacian, Kind::Gradient, Kind::Render];
    if check.rehearse {
        return kinds.map(|kind| Case::square(kind, 16, 8, 1)).into();
    }
    let mut cases = Vec::new();
    for width in [256, 64, 1024, 128] {
        for kind in kinds {
            // PyTorch keeps the jets of all points.
            let is_large = width == 1024 && matches!(kind, Kind::Laplacian | Kind::Gradient);
            let side = if is_large { 128 } else { 256 };
            cases.push(Case::square(kind, width, side, 1));
        }
    }
    cases
}

fn settings(check: &Check, case: &Case) -> Result<Settings> {
    let threads = std::thread::available_parallelism()?.get();
    let limit = CASE_LIMIT.min(check.left());
    Ok(Settings {
        entrants: entrants(check, case, threads),
        python: check.python.clone().unwrap_or_default(),
        threads,
        repeats: if check.rehearse { 2 } else { 9 },
        simd: None,
        peers: check.root.join("benches/peers"),
        deadline: Some(Instant::now() + limit),
        start: Start::Together,
    })
}

/// Returns the CPU, this project's engines on the card, and PyTorch if there is an interpreter. The first loss of the first is what the others are
/// compared with.
fn entrants(check: &Check, case: &Case, threads: usize) -> Vec<Entrant> {
    let device = check.device_name();
    let entrant = |name: &str, engine: &str, arithmetic: &str, loss_tolerance| Entrant {
        name: name.to_owned(),
        arithmetic: (!arithmetic.is_empty()).then(|| arithmetic.to_owned()),
        loss_tolerance,
        ..Entrant::new(engine, &device)
    };
    let mut entrants = Vec::new();
    if case.operations() / (20e9 * threads as f64) < MOST_CPU_SECONDS {
        let name = "siren, CPU".to_owned();
        entrants.push(Entrant {
            name,
            ..Entrant::new("fused", "cpu")
        });
    }
    entrants.extend([
        entrant(REFERENCE, "fused", "", LOSS_TOLERANCE),
        entrant("siren, fast", "fused", "fast", COARSE_TOLERANCE),
        entrant("kernels alone, exact", "bare", "", LOSS_TOLERANCE),
        entrant("kernels alone, fast", "bare", "fast", COARSE_TOLERANCE),
    ]);
    if check.python.is_some() {
        for (engine, name) in [
            ("torch_eager", "PyTorch"),
            ("torch_compile", "torch.compile"),
        ] {
            entrants.extend([
                entrant(&format!("{name}, f32"), engine, "", LOSS_TOLERANCE),
                entrant(&format!("{name}, TF32"), engine, "tf32", COARSE_TOLERANCE),
                entrant(&format!("{name}, bf16"), engine, "bf16", f64::INFINITY),
            ]);
        }
    }
    entrants
}

/// Adds the engines without complete measurements to the findings. One of this project that fails, with time left, is wrong.
fn report_absences(check: &Check, outcome: &CaseOutcome, findings: &mut Findings) {
    for engine in &outcome.engines {
        let Some(missing) = &engine.missing else {
            continue;
        };
        let what = format!("{}, {}: {missing}", outcome.case.name, engine.engine);
        let is_ours = engine.engine.starts_with("siren") || engine.engine.starts_with("kernels");
        if !engine.failed || check.left().is_zero() {
            findings.skip(&what);
        } else if is_ours {
            findings.fail(&what);
        } else {
            findings.note(&what);
        }
    }
}

/// Returns the medians of a case.
fn rows(outcome: &CaseOutcome) -> Value {
    let median = |name: &str| {
        let engine = outcome.engines.iter().find(|e| e.engine == name)?;
        Some(Spread::of(&engine.seconds)?.median)
    };
    let reference = median(REFERENCE);
    let rows = outcome.engines.iter().map(|engine| {
        let spread = Spread::of(&engine.seconds);
        let median = spread.map(|spread| spread.median);
        json!({
            "engine": engine.engine,
            "version": engine.version,
            "seconds": spread,
            "gflops": median.map(|seconds| outcome.case.operations() / seconds / 1e9),
            "times_ours": median.zip(reference).map(|(seconds, ours)| seconds / ours),
            "first_loss": engine.first_loss,
            "missing": engine.missing,
        })
    });
    json!({
        "case": outcome.case.name,
        "points": outcome.case.points,
        "operations": outcome.case.operations(),
        "engines": rows.collect::<Vec<_>>(),
    })
}

/// Measures launches and the time of each kernel in a step of both precisions.
fn kernels(check: &Check, case: &Case, findings: &mut Findings) -> Result<Value> {
    let mut measured = json!({});
    for (name, is_fast) in [("exact", false), ("fast", true)] {
        let case = case.clone();
        let request = Request::Launches { case, is_fast };
        // A process for each, so that a fault in one precision leaves the other.
        match check.card_worker()?.ask(&request, MEASUREMENT_LIMIT) {
            Ok(answer) => measured[name] = answer,
            Err(error) => findings.note(&format!("kernels of a step: {error:#}")),
        }
    }
    Ok(measured)
}

/// Measures the rate of copies, and with PyTorch that of products of matrices.
fn ceilings(check: &Check, findings: &mut Findings) -> Result<Value> {
    let bytes = if check.rehearse { 1 << 20 } else { COPY_BYTES };
    let repeats = if check.rehearse { 3 } else { 20 };
    let request = Request::Copy { bytes, repeats };
    let copied = check.card_worker()?.ask(&request, MEASUREMENT_LIMIT);
    let rate = copied.and_then(|answer| {
        let seconds = answer["seconds"].as_array().context("no seconds")?;
        let seconds: Vec<f64> = seconds.iter().filter_map(Value::as_f64).collect();
        let median = Spread::of(&seconds).context("no seconds")?.median;
        // Read once and written once.
        Ok(2.0 * bytes as f64 / median / 1e9)
    });
    let rate = rate.inspect_err(|error| findings.note(&format!("copies: {error:#}")));
    let mut ceilings = json!({"copy_gigabytes_per_second": rate.ok()});
    let Some(python) = &check.python else {
        findings.skip("products of matrices, and comparisons with PyTorch: no --python");
        return Ok(ceilings);
    };
    let script = check.root.join("benches/peers/torch_ceilings.py");
    let mut command = Command::new(python);
    command.arg(script).args(["--device", &check.device_name()]);
    let measured = Dialog::start(&mut command).and_then(|mut dialog| {
        dialog.deadline = Some(Instant::now() + MEASUREMENT_LIMIT);
        dialog.answer()
    });
    match measured {
        Ok(measured) => ceilings["torch"] = measured,
        Err(error) => findings.note(&format!("products of matrices: {error:#}")),
    }
    Ok(ceilings)
}
