//! `siren-torture`: runs the campaign. `cargo xtask torture` builds the programs and starts it.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program: its output is for the terminal"
)]

use std::process::ExitCode;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cargo xtask torture --minutes 60
  cargo xtask torture --minutes 5 --kind sweep --seed 7
  cargo xtask torture --trial 123456           one trial again, whose folder is kept

Faults: SIGKILL, SIGTERM, SIGINT and SIGHUP (once and twice), SIGSTOP; full, failing, slow and read-only disks and power cuts, which need \
root; limits of memory and of file sizes; a wrong clock, if `faketime` is installed; damaged checkpoints, tables and configs; mutated inputs.

Exit status: 0 if nothing was found, 1 otherwise.";

/// Breaks runs in every way that a machine can, continues them, and compares the results with unbroken runs.
#[derive(Debug, Parser)]
#[command(name = "siren-torture", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run trials for some minutes, or one trial again.
    #[command(after_help = EXAMPLES)]
    Run(RunArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Minutes after which no further trial is started.
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    minutes: f64,
    /// Seed of the seeds of the trials.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Kind of runs: image, audio, video, poisson, shape, wave, hyper, sweep; slurm, for sweeps on a stand-in; mpi, for runs on several processes; input, for mutated input files [default: all].
    #[arg(long, value_name = "K")]
    kind: Option<String>,
    /// Run the trial of this seed alone, with the `--kind` of the campaign that found it, and keep its folder.
    #[arg(long, value_name = "SEED")]
    trial: Option<u64>,
}

fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn run(_args: &RunArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the campaign needs Linux: its disks and limits are those of Linux")
}

#[cfg(target_os = "linux")]
fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use anyhow::{Context, ensure};
    use siren_torture::campaign::{Campaign, Finding, Folders};

    ensure!(
        args.minutes > 0.0 && args.minutes < 1e6,
        "`--minutes` is {}, expected a positive number below a million",
        args.minutes
    );
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::current_exe().context("cannot find the folder of the programs")?;
    let folders = Folders {
        root: package.parent().unwrap_or(package).to_path_buf(),
        programs: program
            .parent()
            .map_or_else(PathBuf::new, Path::to_path_buf),
    };
    let mut campaign = Campaign::new(folders, args.kind.as_deref())?;
    for note in campaign.notes() {
        eprintln!("{note}");
    }
    let kind = args
        .kind
        .as_ref()
        .map_or_else(String::new, |kind| format!(" --kind {kind}"));
    let report = |finding: &Finding| {
        let Finding { seed, plan, found } = finding;
        match found {
            None => eprintln!("trial {seed}: passed: {plan}"),
            Some(found) => println!(
                "trial {seed}: FOUND: {plan}\n{found}\nrepeat it: cargo xtask torture --trial {seed}{kind}\n"
            ),
        }
    };
    if let Some(seed) = args.trial {
        report(&campaign.run_trial(seed)?);
    } else {
        let duration = Duration::from_secs_f64(60.0 * args.minutes);
        campaign.run_for(duration, args.seed, |finding, _| report(finding))?;
        println!("{}", campaign.tally().to_text());
    }
    let is_clean = campaign.tally().findings.is_empty();
    if !is_clean || args.trial.is_some() {
        println!(
            "the folders of the trials are in {}",
            campaign.keep().display()
        );
    }
    Ok(if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
