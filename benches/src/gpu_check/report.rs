//! The report, as JSON and as Markdown.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Check;
use super::matrix::MOST_SINGLE_ERRORS;
use super::oracle::{MOST_SINGLE_ERRORS_WIDE, NARROW};
use super::runs::MOST_DIFFERENCE_DB;
use super::speed::REFERENCE;
use super::worker::Request;
use crate::report;

/// Longest time until the card is open.
const OPENING_LIMIT: std::time::Duration = std::time::Duration::from_mins(1);

/// Returns a report about the card and the machine alone.
///
/// # Errors
/// If the card cannot be opened.
pub fn new(check: &Check, minutes: f64) -> Result<Value> {
    let card = check.card_worker()?.ask(&Request::Card, OPENING_LIMIT)?;
    let threads = std::thread::available_parallelism()?.get();
    Ok(json!({
        "card": card,
        "machine": report::machine(threads, &check.device_name()),
        "minutes": minutes,
        "is_rehearsal": check.rehearse,
        "seconds": {},
    }))
}

/// Writes both files.
pub fn write(out: &Path, report: &Value) -> Result<()> {
    let json = format!("{report:#}\n");
    for (name, text) in [("gpu-check.json", json), ("gpu-check.md", markdown(report))] {
        let path = out.join(name);
        let written = std::fs::write(&path, text);
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Formats a report for the results of this project.
pub fn markdown(report: &Value) -> String {
    let mut out = head(report);
    for (title, phase, section) in [
        ("Accuracy", "oracle", oracle as fn(&Value) -> String),
        ("Speed", "speed", speed),
        ("Runs", "runs", runs),
    ] {
        let _ = writeln!(out, "\n### {title}\n");
        match &report[phase] {
            Value::Null => out += "Not done.\n",
            found => out += &section(found),
        }
    }
    out + &findings(report)
}

/// Returns the text of a value without quotes; empty for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Formats a number; empty for null.
fn number(value: &Value, factor: f64, digits: usize) -> String {
    let found = value.as_f64();
    found.map_or_else(String::new, |found| format!("{:.digits$}", factor * found))
}

fn head(report: &Value) -> String {
    let (card, machine) = (&report["card"], &report["machine"]);
    let mut out = String::new();
    if report["is_rehearsal"] == true {
        out += "**A rehearsal with tiny sizes: its times say nothing.**\n\n";
    }
    let commit = machine["commit"].as_str().unwrap_or("unknown");
    let _ = writeln!(
        out,
        "Card: {}, compute capability {}, {} multiprocessors, {} GiB; the driver supports CUDA {} (nvidia-smi: {}). Host: {}, {} threads. Date: {}. \
         Commit: {commit}.",
        text(&card["name"]),
        text(&card["compute_capability"]),
        text(&card["multiprocessors"]),
        number(&card["memory_bytes"], 1.0 / f64::from(1 << 30), 1),
        text(&card["cuda_of_driver"]),
        machine["card"].as_str().unwrap_or("not there"),
        text(&machine["cpu"]),
        text(&machine["threads"]),
        text(&machine["date"]),
    );
    out
}

fn oracle(found: &Value) -> String {
    let mut out = format!(
        "{} of {} networks (activations × orders × encodings × widths) against the CPU in double precision: {} with too large errors, no answer, or \
         two runs that differ. Largest errors, of jets relative to their largest component and of gradients relative to their norm; fast mode \
         without activations whose slope jumps:\n\n| | jets | gradients |\n|---|---|---|\n",
        found["compared"], found["cases"], found["faults"]
    );
    let largest = &found["largest"];
    for (name, key) in [
        ("CPU, single precision", "single"),
        ("card, exact", "exact"),
        ("card, fast", "fast"),
    ] {
        let error = |i: usize| {
            largest[key][i]
                .as_f64()
                .map_or_else(String::new, |e| format!("{e:.1e}"))
        };
        let _ = writeln!(out, "| {name} | {} | {} |", error(0), error(1));
    }
    let _ = writeln!(
        out,
        "\nThe largest quotient of an error in exact mode and that of single precision, which counts from 1e-6, is {}; {MOST_SINGLE_ERRORS} is \
         allowed, and {MOST_SINGLE_ERRORS_WIDE} beyond {NARROW} features.",
        number(&largest["quotient"], 1.0, 2)
    );
    out
}

fn speed(found: &Value) -> String {
    let ceilings = &found["ceilings"];
    let mut out = format!(
        "Copies on the card: {} GB/s, read and written.",
        number(&ceilings["copy_gigabytes_per_second"], 1.0, 1)
    );
    let teraflops = &ceilings["torch"]["teraflops"];
    if let Some(arithmetics) = teraflops.as_object() {
        let _ = write!(
            out,
            " PyTorch {}, products, TFLOP/s:",
            text(&ceilings["torch"]["version"])
        );
        for (arithmetic, shapes) in arithmetics {
            let shapes = shapes.as_object().into_iter().flatten();
            let rates = shapes.map(|(shape, rate)| format!("{} ({shape})", number(rate, 1.0, 1)));
            let rates: Vec<String> = rates.collect();
            let _ = write!(out, " {arithmetic} {};", rates.join(", "));
        }
    }
    let most = teraflops["f16"]["8192"].as_f64();
    let _ = writeln!(
        out,
        "\n\nMedians of steps in turn; times ours is the time divided by that of *{REFERENCE}*, and the share that of the f16 product of 8192 × 8192 \
         matrices. *Kernels alone* are without optimizer and tensors.\n\n| step | engine | ms (least to most) | times ours | GFLOP/s | share |\n\
         |---|---|---|---|---|---|"
    );
    let cases = found["cases"].as_array().into_iter().flatten();
    for case in cases.clone() {
        for engine in case["engines"].as_array().into_iter().flatten() {
            let name = format!("| {} | {} |", text(&case["case"]), text(&engine["engine"]));
            if !engine["missing"].is_null() {
                let _ = writeln!(out, "{name} {} | | | |", text(&engine["missing"]));
                continue;
            }
            let spread = &engine["seconds"];
            let milliseconds = |key: &str| number(&spread[key], 1e3, 3);
            let share = engine["gflops"].as_f64().zip(most);
            let share = share.map(|(gflops, most)| format!("{:.1} %", gflops / most / 10.0));
            let _ = writeln!(
                out,
                "{name} {} ({} to {}) | {} | {} | {} |",
                milliseconds("median"),
                milliseconds("min"),
                milliseconds("max"),
                number(&engine["times_ours"], 1.0, 2),
                number(&engine["gflops"], 1.0, 1),
                share.unwrap_or_default()
            );
        }
    }
    out + "\nKernels of a step, by the driver's events:\n\n" + &kernels(cases)
}

/// Formats launches and the time of each kernel.
fn kernels<'a>(cases: impl Iterator<Item = &'a Value>) -> String {
    let mut out =
        "| step | precision | launches | milliseconds of each kernel |\n|---|---|---|---|\n"
            .to_owned();
    for case in cases {
        for (precision, measured) in case["kernels"].as_object().into_iter().flatten() {
            let kernels = measured["milliseconds"].as_object().into_iter().flatten();
            let kernels =
                kernels.map(|(kernel, time)| format!("{kernel} {}", number(time, 1.0, 3)));
            let kernels: Vec<String> = kernels.collect();
            let (name, launches) = (text(&case["case"]), &measured["launches"]);
            let kernels = kernels.join(", ");
            let _ = writeln!(out, "| {name} | {precision} | {launches} | {kernels} |");
        }
    }
    out
}

fn runs(found: &Value) -> String {
    let mut out = "| run | device | PSNR, dB | seconds of training | seconds in all | memory, MiB | memory of the card, MiB |\n\
                   |---|---|---|---|---|---|---|\n"
        .to_owned();
    for run in found.as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            text(&run["run"]),
            text(&run["device"]),
            number(&run["psnr_db"], 1.0, 3),
            number(&run["seconds_of_training"], 1.0, 2),
            number(&run["seconds"], 1.0, 2),
            number(&run["peak_memory_mib"], 1.0, 0),
            number(&run["card_memory_mib"], 1.0, 0),
        );
    }
    let _ = writeln!(
        out,
        "\n*Resumed* was killed half-way on the card and resumed there, and must have the bytes of *exact*; *moved* was resumed on the CPU, and its row \
         counts the seconds of the rest. PSNR of *exact* and *moved* must be within {MOST_DIFFERENCE_DB} dB of that on the CPU."
    );
    out
}

fn findings(report: &Value) -> String {
    let mut out = String::new();
    let failures = report["failures"].as_array().into_iter().flatten();
    let failures: Vec<String> = failures
        .map(|failure| {
            let (phase, what) = (text(&failure["phase"]), text(&failure["what"]));
            let wrong = if failure["is_wrong"] == true {
                "**wrong** "
            } else {
                ""
            };
            format!("* {wrong}{phase}: {what}\n")
        })
        .collect();
    let skipped = report["skipped"].as_array().into_iter().flatten();
    let skipped: Vec<String> = skipped.map(|what| format!("* {}\n", text(what))).collect();
    for (title, lines) in [("Failures", failures), ("Left out", skipped)] {
        let lines = if lines.is_empty() {
            "None.\n".to_owned()
        } else {
            lines.concat()
        };
        let _ = write!(out, "\n### {title}\n\n{lines}");
    }
    out
}
