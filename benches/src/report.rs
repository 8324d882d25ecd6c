//! Reports of the measurements, as JSON and as a Markdown table.

use std::fmt::Write as _;
use std::process::Command;

use serde::Serialize;
use serde_json::{Value, json};
use siren_core::train::Precision;

use crate::contest::{CaseOutcome, EngineOutcome};

/// Median, minimum and maximum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Computes the statistics; `None` for an empty slice.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }
}

/// Describes the machine, the date and the commit.
pub fn machine(threads: usize, device: &str) -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
    let output_of = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let levels: Vec<String> = siren_core::field::Level::available()
        .map(|level| level.to_string())
        .collect();
    let card = output_of(
        "nvidia-smi",
        &["--query-gpu=name,driver_version", "--format=csv,noheader"],
    );
    json!({
        "device": device,
        "card": card.filter(|_| device != "cpu"),
        "cpu": cpu,
        "cores": std::thread::available_parallelism().ok().map(usize::from),
        "threads": threads,
        "simd": levels,
        "system": std::env::consts::OS,
        "date": output_of("date", &["-u", "+%Y-%m-%d"]),
        "commit": std::env::var("SIREN_COMMIT").ok(),
    })
}

/// Formats all measurements as JSON.
pub fn json(machine: &Value, cases: &[CaseOutcome]) -> Value {
    let peak = peak(cases);
    let case_json = |outcome: &CaseOutcome| {
        let rows = outcome.engines.iter().map(|engine| {
            let mut row = json!(engine);
            row["statistics"] = json!(Spread::of(&engine.seconds));
            row["gflops"] = json!(gflops(outcome, engine));
            row["share_of_peak"] = json!(share(outcome, engine, peak));
            row["times_ours"] = json!(ratio(outcome, engine));
            row
        });
        json!({
            "case": outcome.case,
            "parameters": outcome.case.parameters(),
            "operations": outcome.case.operations(),
            "peak_gflops": Spread::of(&outcome.peak_gflops),
            "engines": rows.collect::<Vec<_>>(),
        })
    };
    let cases: Vec<Value> = cases.iter().map(case_json).collect();
    json!({ "machine": machine, "peak_gflops": peak, "cases": cases })
}

/// Returns the GFLOP/s of an engine at its median time.
fn gflops(outcome: &CaseOutcome, engine: &EngineOutcome) -> Option<f64> {
    let seconds = Spread::of(&engine.seconds)?.median;
    Some(outcome.case.operations() / seconds / 1e9)
}

/// Returns the largest peak measured in any round of any case: other load on the machine can only lower a measurement.
fn peak(cases: &[CaseOutcome]) -> Option<f64> {
    let all = cases.iter().flat_map(|outcome| &outcome.peak_gflops);
    all.copied().max_by(f64::total_cmp)
}

/// Returns the engine's share of the processor's peak, from 0 to 1. The peak is that of single precision; half as many numbers of double
/// precision fit into a register.
fn share(outcome: &CaseOutcome, engine: &EngineOutcome, peak: Option<f64>) -> Option<f64> {
    let lanes = match outcome.case.precision {
        Precision::Double => 0.5,
        _ => 1.0,
    };
    Some(gflops(outcome, engine)? / (lanes * peak?))
}

/// Returns the engine's median time divided by that of the fused engine.
fn ratio(outcome: &CaseOutcome, engine: &EngineOutcome) -> Option<f64> {
    let fused = outcome.engines.iter().find(|e| e.engine == "fused")?;
    Some(Spread::of(&engine.seconds)?.median / Spread::of(&fused.seconds)?.median)
}

/// Formats the measurements as a Markdown table.
pub fn markdown(machine: &Value, cases: &[CaseOutcome]) -> String {
    let text = |key: &str| match &machine[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let peak = peak(cases);
    let card = machine["card"].as_str().map(|card| format!("{card}; "));
    let mut out = card.unwrap_or_default();
    let _ = write!(
        out,
        "{}, {} threads, peak {:.0} GFLOP/s, {}; medians (minimum to maximum) of steps that the engines took in turn.\n\n",
        text("cpu"),
        text("threads"),
        peak.unwrap_or(f64::NAN),
        text("date")
    );
    out += "| case | engine | seconds per step | time / fused | GFLOP/s | share of peak | memory, MiB |\n";
    out += "|---|---|---|---|---|---|---|\n";
    for outcome in cases {
        for engine in &outcome.engines {
            let name = &outcome.case.name;
            let Some(Spread { median, min, max }) = Spread::of(&engine.seconds) else {
                let reason = engine.missing.as_deref().unwrap_or("no step was timed");
                let _ = writeln!(out, "| {name} | {} | {reason} | | | | |", engine.engine);
                continue;
            };
            let memory = engine.peak_bytes.map_or_else(String::new, |bytes| {
                format!("{:.0}", bytes as f64 / f64::from(1 << 20))
            });
            let _ = writeln!(
                out,
                "| {name} | {} | {median:.4} ({min:.4} to {max:.4}) | {:.2} | {:.1} | {:.0} % | {memory} |",
                engine.engine,
                ratio(outcome, engine).unwrap_or(f64::NAN),
                gflops(outcome, engine).unwrap_or(f64::NAN),
                100.0 * share(outcome, engine, peak).unwrap_or(f64::NAN),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_steps_is_the_mean_of_the_middle_two() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert!((spread.median - 2.5).abs() < 1e-12);
        assert!((spread.min - 1.0).abs() < 1e-12 && (spread.max - 4.0).abs() < 1e-12);
        assert_eq!(Spread::of(&[]), None);
    }
}
