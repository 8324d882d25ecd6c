//! `siren-bench`: times the fused field and other engines on the same cases.

mod case;
mod contest;
mod engine;
mod hyper;
mod peak;
mod report;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use case::Case;
use contest::Settings;
use worker::WorkerArgs;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Time cases with several engines.
    Run(RunArgs),
    /// Run one engine, for the process that times it.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    cases: Vec<String>,
    #[arg(long)]
    list: bool,
    #[arg(long)]
    peers: bool,
    #[arg(long, default_value = "python3")]
    python: String,
    #[arg(long)]
    threads: Option<std::num::NonZeroUsize>,
    #[arg(long, default_value = "7")]
    repeats: std::num::NonZeroUsize,
    #[arg(long, value_parser = |name: &str| worker::level(name).map(|_| name.to_owned()))]
    simd: Option<String>,
    #[arg(long, default_value = "cpu")]
    device: String,
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Worker(worker) => worker.run().map(|()| ExitCode::SUCCESS),
        Command::Run(run) => run.start(),
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
        let machine = report::machine(settings.threads, &settings.device);
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
        let mut engines = vec!["fused".to_owned(), "candle".to_owned()];
        if self.peers {
            let all = ["torch_eager", "torch_compile", "jax_jit"];
            engines.extend(all.map(str::to_owned));
        }
        Ok(Settings {
            engines,
            python: self.python.clone(),
            threads: threads.get(),
            repeats: self.repeats.get(),
            simd: self.simd.clone(),
            device: self.device.clone(),
            peers,
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
