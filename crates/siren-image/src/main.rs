//! `siren-image`: fit pictures, resume, render, export.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use siren_core::run::cli::{FittedArgs, SharedCommand, exit};
use siren_core::run::console;
use siren_image::Image;
use siren_picture::draw::render;
use siren_picture::{Quantity, Size};

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

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Height, then width, in pixels: 512x768 is wider than high. Default: the fitted picture's own.
    #[arg(long, value_name = "HxW", conflicts_with = "scale")]
    size: Option<Size>,
    /// The picture's own size times this.
    #[arg(long, value_name = "S")]
    scale: Option<f64>,
    /// What to draw; derivatives are per pixel of the fitted picture.
    #[arg(long, value_enum, default_value_t)]
    quantity: Quantity,
}

impl RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Image>()?;
        let output = &self.fitted.output;
        let own = run.domain.canvas();
        let size = match self.size {
            Some(size) => size,
            None => own.scaled(self.scale.unwrap_or(1.0))?,
        };
        let canvas = own.at(size)?;
        machine.install(|| render(&run.field, &canvas, self.quantity, output))?;
        let (path, Size { height, width }) = (output.display(), size);
        console::result(format_args!("wrote {path} ({height} × {width})"));
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Shared(command) => command.execute::<Image>().map_err(Into::into),
        Command::Render(args) => args.execute(),
    };
    exit(done)
}
