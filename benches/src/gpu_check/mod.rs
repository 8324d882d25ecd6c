//! `siren-bench gpu-check`: what an NVIDIA card computes, how fast, and whether whole runs on it end as on the CPU.
//!
//! Everything that touches the card runs in a process of its own: a fault of a kernel ends that process, and the check goes on.

#[path = "../../../crates/siren-cuda/tests/networks/cases.rs"]
pub mod cases;
#[path = "../../../crates/siren-cuda/tests/networks/matrix.rs"]
mod matrix;

mod findings;
mod oracle;
mod report;
mod runs;
mod speed;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::dialog::Dialog;
use findings::Findings;
use worker::Request;

pub use worker::CardWorkerArgs;

const EXAMPLES: &str = "\
Examples:
  siren-bench gpu-check                            card 0, 25 minutes
  siren-bench gpu-check --python python3           beside PyTorch
  siren-bench gpu-check --minutes 5 --device 1     the second card, in a hurry
  siren-bench gpu-check --phase speed --minutes 5  speed alone
  siren-bench gpu-check --rehearse                 tiny sizes: whether the check itself works

Without Cargo: copy the programs siren-bench, siren-image and siren-poisson to one folder, and the folders configs/ and benches/peers/ to the current one.";

/// Share of the time that has passed when a phase must end.
const SHARES: [(&str, f64); 3] = [("oracle", 0.2), ("speed", 0.65), ("runs", 1.0)];

/// Arguments of `gpu-check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GpuCheckArgs {
    /// Minutes that the check may take, about.
    #[arg(long, value_name = "N", default_value_t = 25.0)]
    minutes: f64,
    /// Number of the card, counted from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    device: usize,
    /// A Python interpreter with PyTorch for this card [default: no comparison with PyTorch].
    #[arg(long, value_name = "PATH")]
    python: Option<String>,
    /// The folder for gpu-check.json and gpu-check.md, and for the runs. Existing files are replaced.
    #[arg(long, value_name = "DIR", default_value = "gpu-check")]
    out: PathBuf,
    /// The folder with configs/ and benches/peers/ [default: the current folder if it has configs/, else that of the sources].
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The folder with siren-image and siren-poisson [default: that of this program].
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Only one of the phases, which has all the time [default: all of them].
    #[arg(long, value_name = "PHASE", value_parser = SHARES.map(|(phase, _)| phase))]
    phase: Option<String>,
    /// Use tiny sizes, to see that the check works.
    #[arg(long)]
    rehearse: bool,
}

/// What all phases need.
struct Check {
    device: usize,
    python: Option<String>,
    out: PathBuf,
    root: PathBuf,
    programs: PathBuf,
    rehearse: bool,
    /// When the present phase must end.
    deadline: Instant,
}

impl GpuCheckArgs {
    /// Runs all phases, and writes the report after each.
    pub fn run(&self) -> Result<ExitCode> {
        if !(self.minutes > 0.0 && self.minutes < 1e4) {
            bail!("--minutes: expected more than 0, got {}", self.minutes);
        }
        let start = Instant::now();
        let mut check = self.check()?;
        let mut report = report::new(&check, self.minutes)?;
        let mut findings = Findings::default();
        for (phase, share) in SHARES {
            let share = match &self.phase {
                Some(only) if only != phase => continue,
                Some(_) => 1.0,
                None => share,
            };
            let begun = Instant::now();
            check.deadline = start + Duration::from_secs_f64(share * 60.0 * self.minutes);
            findings.begin(phase);
            eprintln!("{phase}: until {:.1} minutes", share * self.minutes);
            let outcome = match phase {
                "oracle" => oracle::run(&check, &mut findings),
                "speed" => speed::run(&check, &mut findings),
                _ => runs::run(&check, &mut findings),
            };
            report[phase] = outcome.unwrap_or_else(|error| {
                findings.fail(&format!("{error:#}"));
                Value::Null
            });
            report["seconds"][phase] = json!(begun.elapsed().as_secs_f64());
            report["failures"] = json!(findings.failures);
            report["skipped"] = json!(findings.skipped);
            report::write(&check.out, &report)?;
        }
        print!("{}", report::markdown(&report));
        Ok(ExitCode::from(u8::from(findings.is_wrong())))
    }

    /// Finds the folders, and opens the card once.
    fn check(&self) -> Result<Check> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = match &self.root {
            Some(root) => root.clone(),
            None if Path::new("configs").is_dir() => PathBuf::from("."),
            None => sources,
        };
        let program = std::env::current_exe()?;
        let beside = program.parent().unwrap_or(Path::new(".")).to_owned();
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        Ok(Check {
            device: self.device,
            python: self.python.clone(),
            out: self.out.clone(),
            root,
            programs: self.programs.clone().unwrap_or(beside),
            rehearse: self.rehearse,
            deadline: Instant::now(),
        })
    }
}

impl Check {
    /// Returns the time left for the phase.
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Returns the device's name in options, `cuda:N`.
    fn device_name(&self) -> String {
        format!("cuda:{}", self.device)
    }

    /// Starts a process that answers requests about the card.
    fn card_worker(&self) -> Result<CardWorker> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["card-worker", "--device", &self.device.to_string()]);
        Ok(CardWorker(Dialog::start(&mut command)?))
    }
}

/// A process with the card open.
struct CardWorker(Dialog);

impl CardWorker {
    /// Requests something and waits for the answer, until `limit` has passed.
    ///
    /// # Errors
    /// What the process reports as its error; that it ended, or took too long. In both cases the process is of no further use.
    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Value> {
        self.0.deadline = Some(Instant::now() + limit);
        let answer = self.0.ask(&serde_json::to_string(request)?)?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(answer),
        }
    }
}
