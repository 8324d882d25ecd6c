//! `siren-audio`: fit sounds, resume, render, export.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use siren_audio::Audio;
use siren_audio::render::render;
use siren_core::run::cli::{FittedArgs, SharedCommand, exit};
use siren_core::run::console;

/// Fits sounds by sinusoidal fields, and plays fitted ones at any rate.
#[derive(Debug, Parser)]
#[command(name = "siren-audio", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Shared(SharedCommand),
    /// Write a run's field as a WAV file at any rate.
    Render(RenderArgs),
}

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Samples a second of every channel, 32-bit floats. Default: the fitted sound's own.
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,
}

impl RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Audio>()?;
        let output = &self.fitted.output;
        let timeline = run.domain.timeline(self.rate)?;
        machine.install(|| render(&run.domain, &run.model, &timeline, output))?;
        console::result(format_args!(
            "wrote {} ({} frames at {} Hz)",
            output.display(),
            timeline.frames(),
            timeline.rate()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Shared(command) => command.execute::<Audio>().map_err(Into::into),
        Command::Render(args) => args.execute(),
    };
    exit(done)
}
