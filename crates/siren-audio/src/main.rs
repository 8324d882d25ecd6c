//! `siren-audio`: fit sounds, resume, render, export.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use siren_audio::Audio;
use siren_audio::render::render;
use siren_core::run::cli::{CheckArgs, ExportArgs, ResumeArgs, RunArgs, exit};
use siren_core::run::{Machine, Which, console, restore};

/// Fits sounds by sinusoidal fields, and plays fitted ones at any rate.
#[derive(Debug, Parser)]
#[command(name = "siren-audio", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fit the sound that a config names; everything is kept in a new run folder.
    Run(RunArgs),
    /// Print a config with every default filled in, if it and its signal are good; nothing is written.
    Check(CheckArgs),
    /// Continue a run that was stopped; it ends as if it never had been.
    Resume(ResumeArgs),
    /// Write a run's field as a WAV file at any rate.
    Render(RenderArgs),
    /// Write a run's parameters under the names of the authors' checkpoints.
    Export(ExportArgs),
}

#[derive(Args, Debug)]
struct RenderArgs {
    /// A run folder, such as runs/audio.
    run: PathBuf,
    /// Samples a second of every channel. Default: the fitted sound's own.
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,
    /// Which parameters. Default: the best there are.
    #[arg(long, value_enum)]
    checkpoint: Option<Which>,
    /// Threads that share the work; the sound does not depend on it. Default: all cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The sound to write, 32-bit floats; it is written piece by piece, so it may be long.
    #[arg(short, long, value_name = "FILE.wav")]
    output: PathBuf,
}

impl RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let machine = Machine::new("cpu", self.threads)?;
        let run = restore::<Audio>(&self.run, self.checkpoint, &machine.device)?;
        let timeline = run.domain.timeline(self.rate)?;
        machine.install(|| render(&run.domain, &run.field, &timeline, &self.output))?;
        console::result(format_args!(
            "wrote {} ({} frames at {} Hz)",
            self.output.display(),
            timeline.frames(),
            timeline.rate()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => args.execute::<Audio>().map_err(Into::into),
        Command::Check(args) => args.execute::<Audio>().map_err(Into::into),
        Command::Resume(args) => args.execute::<Audio>().map_err(Into::into),
        Command::Render(args) => args.execute(),
        Command::Export(args) => args.execute::<Audio>().map_err(Into::into),
    };
    exit(done)
}
