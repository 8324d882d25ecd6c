//! `siren-hyper`: learn a space of pictures, resume, export.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use siren_core::run::cli::{SharedCommand, exit};
use siren_hyper::Hyper;

/// Learns a space of pictures, each of which is a sinusoidal field that a hypernetwork gives.
#[derive(Debug, Parser)]
#[command(name = "siren-hyper", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Shared(SharedCommand),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Shared(command) => command.execute::<Hyper>(),
    };
    exit(done)
}
