//! `siren-poisson`: fit pictures on their derivatives, resume, render, export.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use siren_core::run::cli::{SharedCommand, exit};
use siren_picture::RenderArgs;
use siren_poisson::Poisson;

/// Recovers pictures from their gradients or Laplacians by sinusoidal fields, and merges pictures by their gradients.
#[derive(Debug, Parser)]
#[command(name = "siren-poisson", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Shared(SharedCommand),
    /// Draw a run's recovered picture, its gradient or its Laplacian at any size.
    Render(RenderArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Shared(command) => command.execute::<Poisson>(),
        Command::Render(args) => args.execute::<Poisson>(),
    };
    exit(done)
}
