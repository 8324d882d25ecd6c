//! The command line that every domain's program shares; `cargo xtask` builds and calls these.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::folder::{RunFolder, Which};
use super::launch::{Outcome, check, restore_field, resume, start};
use super::machine::Machine;
use super::{Domain, console, export, interrupt};
use crate::error::Result;

/// Which device, and how many threads.
#[derive(Args, Debug)]
pub struct MachineArgs {
    /// Where to compute: `cpu`, or `cuda:0` if built with the feature `cuda`.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
    /// Threads that share each step; the result does not depend on it. Default: all cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl MachineArgs {
    fn machine(&self) -> Result<Machine> {
        Machine::new(&self.device, self.threads)
    }
}

/// `run CONFIG`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The experiment, a TOML file.
    config: PathBuf,
    /// Override one key of the config; may be given many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run folder to create. Default: `runs/<name of the config>`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
}

impl RunArgs {
    /// Runs the experiment and prints what it reached.
    ///
    /// # Errors
    /// As [`start`].
    pub fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let machine = self.machine.machine()?;
        let ended = start::<D>(&self.config, &self.set, self.out.as_deref(), &machine)?;
        Ok(report(&ended))
    }
}

/// `check CONFIG`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The experiment, a TOML file.
    config: PathBuf,
    /// Override one key of the config; may be given many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl CheckArgs {
    /// Prints the config with every default filled in, if it and its signal are good.
    ///
    /// # Errors
    /// As [`check`].
    pub fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let machine = Machine::new("cpu", None)?;
        let text = check::<D>(&self.config, &self.set, &machine)?;
        console::result(text.trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

/// `resume RUN`.
#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// A run folder, such as runs/image.
    run: PathBuf,
    #[command(flatten)]
    machine: MachineArgs,
}

impl ResumeArgs {
    /// Continues the run and prints what it reached.
    ///
    /// # Errors
    /// As [`resume`].
    pub fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let machine = self.machine.machine()?;
        Ok(report(&resume::<D>(&self.run, &machine)?))
    }
}

/// `export RUN -o FILE.safetensors`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// A run folder, such as runs/image.
    run: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE.safetensors")]
    output: PathBuf,
    /// Which parameters. Default: the best there are.
    #[arg(long, value_enum)]
    checkpoint: Option<Which>,
}

impl ExportArgs {
    /// Writes the run's parameters under the names of the authors' checkpoints.
    ///
    /// # Errors
    /// As [`restore_field`] and [`export`].
    pub fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let device = candle_core::Device::Cpu;
        let (config, field) = restore_field::<D>(&self.run, self.checkpoint, &device)?;
        export(&field, &config.field, &self.output)?;
        console::result(format_args!("wrote {}", self.output.display()));
        Ok(ExitCode::SUCCESS)
    }
}

fn report((folder, outcome): &(RunFolder, Outcome)) -> ExitCode {
    let path = folder.path().display();
    match outcome {
        Outcome::Finished { summary } => {
            console::result(summary);
            let artifacts = folder.artifacts();
            let artifacts = artifacts.display();
            console::result(format_args!("results in {path}, artifacts in {artifacts}"));
            ExitCode::SUCCESS
        }
        Outcome::Interrupted { step } => {
            console::result(format_args!(
                "stopped at step {step}; continue with: cargo xtask resume {}",
                console::quoted(folder.path())
            ));
            ExitCode::from(interrupt::EXIT_STATUS)
        }
    }
}

/// What `main` returns: the exit status of a command, or its error on standard error and status 1.
pub fn exit<E: std::fmt::Display>(done: std::result::Result<ExitCode, E>) -> ExitCode {
    done.unwrap_or_else(|error| {
        console::note(format_args!("error: {error}"));
        ExitCode::FAILURE
    })
}
