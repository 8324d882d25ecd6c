//! The process that has the card open: it answers a line with a [`Request`] by a line of JSON.

use std::collections::BTreeMap;
use std::io::BufRead;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use siren_cuda::{Device, Precision};

use super::matrix::OracleCase;
use super::oracle::{most_single_errors, oracle_cases};
use crate::bare::BareStep;
use crate::case::Case;
use crate::worker::answer;

/// Arguments of the process.
#[derive(Debug, clap::Args)]
pub struct CardWorkerArgs {
    #[arg(long)]
    device: usize,
}

/// Something to be done on the card.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Name and properties.
    Card,
    /// Free memory in bytes.
    FreeBytes,
    /// Seconds of copies of so many bytes.
    Copy {
        /// Bytes of a copy.
        bytes: usize,
        /// Number of copies.
        repeats: usize,
    },
    /// Errors of a case of the oracle.
    Oracle {
        /// Its index in [`oracle_cases`].
        index: usize,
    },
    /// Number of launches of a step of the kernels alone, and the milliseconds of each kernel.
    Launches {
        /// The case.
        case: Case,
        /// Whether products are of operands in one half.
        is_fast: bool,
    },
}

impl CardWorkerArgs {
    /// Answers every line of standard input.
    ///
    /// # Errors
    /// Of the input and output. An error of the card is the answer.
    pub fn run(&self) -> Result<()> {
        let card = Device::open(self.device);
        let cases = oracle_cases();
        for line in std::io::stdin().lock().lines() {
            let request: Request = serde_json::from_str(&line?)?;
            let answered = match &card {
                Ok(card) => respond(card, &cases, &request),
                Err(error) => Ok(json!({"error": error.to_string()})),
            };
            answer(&answered.unwrap_or_else(|error| json!({"error": format!("{error:#}")})))?;
        }
        Ok(())
    }
}

fn respond(card: &Device, cases: &[OracleCase], request: &Request) -> Result<Value> {
    Ok(match request {
        Request::Card => {
            let properties = card.properties()?;
            let [major, minor] = properties.compute_capability;
            let cuda = properties.driver_version;
            json!({
                "name": card.name(),
                "compute_capability": format!("{major}.{minor}"),
                "multiprocessors": properties.multiprocessors,
                "memory_bytes": properties.memory_bytes,
                "cuda_of_driver": format!("{}.{}", cuda / 1000, cuda % 1000 / 10),
            })
        }
        Request::FreeBytes => json!({"free_bytes": card.free_bytes()?}),
        Request::Copy { bytes, repeats } => {
            json!({"seconds": card.copy_seconds(*bytes, *repeats)?})
        }
        Request::Oracle { index } => {
            let case = cases.get(*index).context("no such case of the oracle")?;
            oracle(card, case)?
        }
        Request::Launches { case, is_fast } => {
            let precision = if *is_fast {
                Precision::Fast
            } else {
                Precision::Exact
            };
            launches(&BareStep::new(case, card, precision)?, card)?
        }
    })
}

/// Compares a case with the CPU, and two runs of it with each other.
fn oracle(card: &Device, case: &OracleCase) -> Result<Value> {
    let errors = case.compare(card)?;
    let drawn = case.draw();
    let mut is_repeatable = true;
    for precision in Precision::ALL {
        let [first, second] = [(), ()].map(|()| drawn.on(card, precision));
        is_repeatable &= first?.checksum() == second?.checksum();
    }
    let fault = errors.fault(most_single_errors(case));
    let fault = fault.or_else(|| (!is_repeatable).then(|| "two runs differ".to_owned()));
    Ok(json!({
        "single": errors.single,
        "exact": errors.exact,
        "fast": errors.fast,
        "is_smooth": errors.is_smooth,
        "quotient": errors.quotient(),
        "is_repeatable": is_repeatable,
        "fault": fault,
    }))
}

/// Records the kernels of a step, after one step without records.
fn launches(step: &BareStep, card: &Device) -> Result<Value> {
    step.take()?;
    let (_, times) = card.kernel_times(|| step.take())?;
    let mut kernels: BTreeMap<&str, f64> = BTreeMap::new();
    for time in &times {
        *kernels.entry(time.kernel).or_default() += time.milliseconds;
    }
    Ok(json!({"launches": times.len(), "milliseconds": kernels}))
}
