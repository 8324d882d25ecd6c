//! `siren-image`: fit pictures, resume, render, export.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use siren_core::run::cli::{SharedCommand, exit};
use siren_image::Image;
use siren_picture::RenderArgs;

/// Fits pictures by sinusoidal fields, and draws fitted ones at any size.
#[derive(Debug, Parser)]
#[command(name = "siren-image", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Shared(SharedCommand),
    /// Draw a run's field, its gradient or its Laplacian at any size.
    Render(RenderArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Shared(command) => command.execute::<Image>(),
        Command::Render(args) => args.execute::<Image>(),
    };
    exit(done)
}
