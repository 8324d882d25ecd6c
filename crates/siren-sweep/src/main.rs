//! The program `siren-sweep`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use siren_sweep::{Programs, SweepCommand};

const RUN_EXAMPLES: &str = "\
Examples:
  siren-sweep run configs/sweeps/optimizers.toml
  siren-sweep run configs/sweeps/optimizers.toml --list
  siren-sweep run configs/sweeps/optimizers.toml --jobs 4 --out runs/again
  siren-sweep run configs/sweeps/optimizers.toml --on slurm --time 1:00:00 --threads 4";

/// Runs every combination of the settings of a config's `[sweep]` table, and compares them.
#[derive(Debug, Parser)]
#[command(name = "siren-sweep", version, mut_subcommand("run", |run| run.after_help(RUN_EXAMPLES)))]
struct Cli {
    #[command(subcommand)]
    command: SweepCommand,
}

fn main() -> ExitCode {
    Cli::parse().command.execute(Programs::BesideThisOne)
}
