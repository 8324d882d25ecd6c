//! `siren-image`: fit pictures, resume, render, export.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use siren_core::run::cli::{CheckArgs, ExportArgs, ResumeArgs, RunArgs, exit};
use siren_core::run::{Machine, Which, console, restore};
use siren_image::Image;
use siren_image::render::{Quantity, Size, render};

/// Fits pictures by sinusoidal fields, and draws fitted ones at any size.
#[derive(Debug, Parser)]
#[command(name = "siren-image", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fit the picture that a config names; everything is kept in a new run folder.
    Run(RunArgs),
    /// Print a config with every default filled in, if it and its signal are good; nothing is written.
    Check(CheckArgs),
    /// Continue a run that was stopped; it ends as if it never had been.
    Resume(ResumeArgs),
    /// Draw a run's field, its gradient or its Laplacian at any size.
    Render(RenderArgs),
    /// Write a run's parameters under the names of the authors' checkpoints.
    Export(ExportArgs),
}

#[derive(Args, Debug)]
struct RenderArgs {
    /// A run folder, such as runs/image.
    run: PathBuf,
    /// Height, then width, in pixels: 512x768 is wider than high. Default: the fitted picture's own.
    #[arg(long, value_name = "HxW", conflicts_with = "scale")]
    size: Option<Size>,
    /// The picture's own size times this.
    #[arg(long, value_name = "S")]
    scale: Option<f64>,
    /// What to draw; derivatives are per pixel of the fitted picture.
    #[arg(long, value_enum, default_value_t)]
    quantity: Quantity,
    /// Which parameters. Default: the best there are.
    #[arg(long, value_enum)]
    checkpoint: Option<Which>,
    /// Threads that share the work; the picture does not depend on it. Default: all cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The picture to write; `.png` is written row by row, so it may be huge.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let machine = Machine::new("cpu", self.threads)?;
        let run = restore::<Image>(&self.run, self.checkpoint, &machine.device)?;
        let size = match self.size {
            Some(size) => size,
            None => run.domain.scaled(self.scale.unwrap_or(1.0))?,
        };
        let canvas = run.domain.canvas(size)?;
        machine.install(|| render(&run.field, &canvas, self.quantity, &self.output))?;
        let (path, Size { height, width }) = (self.output.display(), size);
        console::result(format_args!("wrote {path} ({height} × {width})"));
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => args.execute::<Image>().map_err(Into::into),
        Command::Check(args) => args.execute::<Image>().map_err(Into::into),
        Command::Resume(args) => args.execute::<Image>().map_err(Into::into),
        Command::Render(args) => args.execute(),
        Command::Export(args) => args.execute::<Image>().map_err(Into::into),
    };
    exit(done)
}
