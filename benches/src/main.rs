//! `siren-bench`: times the fused field and other engines on the same cases.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program: its output is for the terminal"
)]

mod bare;
mod case;
mod contest;
mod dialog;
mod engine;
mod gpu_check;
mod helmholtz;
mod hyper;
mod inputs;
mod peak;
mod report;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use case::Case;
use contest::{Entrant, Settings, Start};
use gpu_check::{CardWorkerArgs, GpuCheckArgs};
use worker::WorkerArgs;

const EXAMPLES: &str = "\
Examples:
  siren-bench run                            the usual cases
  siren-bench run value laplacian-256        all cases whose names begin so
  siren-bench run value-256-256 --peers      beside PyTorch and JAX
  siren-bench run value-512-256 --bf16       with operands of products in bfloat16 as well
  siren-bench run shape --peers              signed distance functions
  siren-bench run helmholtz --peers          the Helmholtz equation at the authors' size
  siren-bench run value-256-256 --simd avx2 --threads 1

Names are QUANTITY-WIDTH-SIDE: `value-256-512` is a training step on the values of all 512 x 512 points with a network of width 256. \
`shape-256-128` is one on the loss of signed distance functions, half of the 128 x 128 points on a surface and half around it. \
`helmholtz-256-230` is one on the Helmholtz equation with an absorbing layer. `gauss-newton-64-f64` is a second-order step on 1,500 points \
of it in double precision, without other engines. \
`hyper-set` and `hyper-conv` train a hypernetwork, beside eager PyTorch alone. Peers need Python with \
`pip install -r benches/peers/requirements.txt`.";

/// Times training steps of the field beside other engines.
#[derive(Debug, Parser)]
#[command(name = "siren-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Time steps of the field beside other engines, and write a table of the medians.
    ///
    /// Engines: `fused` (this project's field, on the CPU or on an NVIDIA device), `candle` (the same network from candle's operations) and, with `--peers`, PyTorch (eager
    /// and compiled) and JAX. Each engine runs in a process of its own, which also reports its peak memory. The engines take one step each
    /// in turn, with a measurement of the processor's peak in every round. Operations are counted from the shapes, so GFLOP/s and the
    /// share of the peak count only operations that the step requires. An engine fails if the loss of its first step is not that of the
    /// others.
    Run(RunArgs),
    /// Check an NVIDIA card: the accuracy of every kind of network on it, speed beside PyTorch, and whole runs. Writes a report.
    ///
    /// Needs the NVIDIA driver alone. A phase for which the time is short is cut short, and the report names what was left out. The exit status is 1 if
    /// results on the card were wrong or missing; slow ones are no failure.
    GpuCheck(GpuCheckArgs),
    /// Answer requests about a card, on request of `gpu-check`.
    #[command(hide = true)]
    CardWorker(CardWorkerArgs),
    /// Run one engine in this process, on request of `run`.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct RunArgs {
    /// Names of cases, or their beginnings up to a `-` [default: a selection that takes some minutes].
    cases: Vec<String>,
    /// Print the names of all cases and exit.
    #[arg(long)]
    list: bool,
    /// Also time PyTorch and JAX.
    #[arg(long)]
    peers: bool,
    /// Also time the fused engine with `train.precision = "bf16"`, in the training steps on values.
    #[arg(long)]
    bf16: bool,
    /// The Python interpreter for PyTorch and JAX.
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: String,
    /// Number of CPU threads of every engine, at least 1 [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Timed steps of each engine and case, at least 1; one or two untimed steps come before them.
    #[arg(long, value_name = "N", default_value = "7")]
    repeats: std::num::NonZeroUsize,
    /// SIMD level of the fused engine: `scalar`, `avx2`, `avx512` or `neon` [default: the widest of this processor].
    #[arg(long, value_name = "LEVEL", value_parser = |name: &str| worker::level(name).map(|_| name.to_owned()))]
    simd: Option<String>,
    /// Device: `cpu`, or `cuda:N` for NVIDIA device N. JAX, hypernetworks and, without the feature `candle-cuda`, candle are timed on the CPU only.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// The folder for bench.json and bench.md. Existing files are replaced.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Worker(worker) => worker.run().map(|()| ExitCode::SUCCESS),
        Command::CardWorker(worker) => worker.run().map(|()| ExitCode::SUCCESS),
        Command::Run(run) => run.start(),
        Command::GpuCheck(check) => check.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

impl RunArgs {
    fn start(&self) -> Result<ExitCode> {
        let names = |cases: &[Case]| {
            let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            names.join("\n")
        };
        if self.list {
            println!("{}", names(&Case::all()));
            return Ok(ExitCode::SUCCESS);
        }
        let cases = match Case::select(&self.cases) {
            Ok(cases) => cases,
            Err(name) => {
                eprintln!(
                    "error: no case begins with `{name}`; the cases are:\n{}",
                    names(&Case::all())
                );
                return Ok(ExitCode::from(2));
            }
        };
        let settings = self.settings()?;
        let bar = ProgressBar::new((cases.len() * settings.repeats) as u64);
        let style = "{wide_bar} {pos}/{len} rounds, {eta} left  {msg}";
        bar.set_style(ProgressStyle::with_template(style)?);
        let machine = report::machine(settings.threads, &self.device);
        let mut outcomes = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            bar.set_message(case.name.clone());
            let first = index * settings.repeats;
            let progress = |round: usize| bar.set_position((first + round) as u64);
            outcomes.push(contest::run(case, &settings, progress)?);
            // Written after every case, so that an interruption does not lose the cases before it.
            self.write("bench.md", &report::markdown(&machine, &outcomes))?;
            let json = report::json(&machine, &outcomes);
            self.write("bench.json", &format!("{json:#}\n"))?;
        }
        bar.finish_and_clear();
        print!("{}", report::markdown(&machine, &outcomes));
        let mut engines = outcomes.iter().flat_map(|outcome| &outcome.engines);
        Ok(ExitCode::from(u8::from(
            engines.any(|engine| engine.failed),
        )))
    }

    /// Returns the settings of all engines.
    fn settings(&self) -> Result<Settings> {
        let threads = match self.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism()?,
        };
        let peers = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut engines = vec!["fused", "candle"];
        if self.peers {
            engines.extend(["torch_eager", "torch_compile", "jax_jit"]);
        }
        let entrants = engines
            .iter()
            .map(|engine| Entrant::new(engine, &self.device));
        let mut entrants: Vec<Entrant> = entrants.collect();
        if self.bf16 {
            entrants.insert(1, Entrant::fused_bf16());
        }
        Ok(Settings {
            entrants,
            python: self.python.clone(),
            threads: threads.get(),
            repeats: self.repeats.get(),
            simd: self.simd.clone(),
            peers,
            deadline: None,
            start: Start::InTurn,
        })
    }

    /// Writes a file into the output folder.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.out.join(name);
        std::fs::create_dir_all(&self.out)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
