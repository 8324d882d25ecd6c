//! The command line that every domain's program shares; `cargo xtask` builds and calls these.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches as _, Subcommand};

use super::folder::{RunFolder, Which};
use super::launch::{Outcome, check, resume, start};
use super::machine::Machine;
use super::reopen::{Restored, restore, restore_model};
use super::{ConfigOf, Domain, console, export, interrupt};
use crate::error::Result;

/// What every domain's program does.
#[derive(Debug, Subcommand)]
pub enum SharedCommand {
    /// Fit what a config names; everything is kept in a new run folder.
    Run(RunArgs),
    /// Print a config with every default filled in, if it and its signal are good; nothing is written.
    Check(CheckArgs),
    /// Continue a run that was stopped; it ends as if it never had been. Of a finished run, say where its results are.
    Resume(ResumeArgs),
    /// Write a run's parameters under the names of the authors' checkpoints.
    Export(ExportArgs),
}

impl SharedCommand {
    /// Does it.
    ///
    /// # Errors
    /// As each of them.
    pub fn execute<D: Domain>(&self) -> Result<ExitCode> {
        match self {
            Self::Run(args) => args.execute::<D>(),
            Self::Check(args) => args.execute::<D>(),
            Self::Resume(args) => args.execute::<D>(),
            Self::Export(args) => args.execute::<D>(),
        }
    }
}

/// Which run is rendered, with which parameters, and where to.
#[derive(Args, Debug)]
pub struct FittedArgs {
    /// A run folder, such as runs/image.
    run: PathBuf,
    /// Which parameters. Default: the best there are.
    #[arg(long, value_enum)]
    checkpoint: Option<Which>,
    /// Threads that share the work; the result does not depend on it. Default: all cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The file to write; it is written piece by piece, so it may be huge.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

impl FittedArgs {
    /// The machine to render on, and the run. The signal may be gone, unless an older program wrote the checkpoint.
    ///
    /// # Errors
    /// As [`restore`].
    pub fn restore<D: Domain>(&self) -> Result<(Machine, Restored<D>)> {
        let machine = Machine::new("cpu", self.threads)?;
        let run = restore::<D>(&self.run, self.checkpoint, &machine.device)?;
        Ok((machine, run))
    }

    /// The machine to render on, the run's config, and its model; the signal may be gone.
    ///
    /// # Errors
    /// As [`restore_model`].
    pub fn restore_model<D: Domain>(&self) -> Result<(Machine, ConfigOf<D>, D::Model)> {
        let machine = Machine::new("cpu", self.threads)?;
        let (config, model) = restore_model::<D>(&self.run, self.checkpoint, &machine.device)?;
        Ok((machine, config, model))
    }
}

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
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
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
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
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
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
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
    /// As [`restore_model`] and [`export`].
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let device = candle_core::Device::Cpu;
        let (config, model) = restore_model::<D>(&self.run, self.checkpoint, &device)?;
        export(&model, &config.field, &self.output)?;
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
        Outcome::AlreadyFinished { steps } => {
            console::result(format_args!(
                "{path} is finished: all {steps} steps are taken, and nothing was done"
            ));
            let (artifacts, config) = (folder.artifacts(), folder.config());
            let artifacts = artifacts.display();
            console::result(format_args!("results in {path}, artifacts in {artifacts}"));
            console::result(format_args!(
                "to train on from its parameters: cargo xtask run {} --out {} --set run.start_from={}",
                console::quoted(&config),
                console::quoted(&folder.successor()),
                console::quoted(folder.path()),
            ));
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

/// A domain's own command: how a fitted run is rendered.
pub trait Render<D: Domain>: Args {
    /// Renders, and says what was written.
    ///
    /// # Errors
    /// If the run cannot be restored, an option is out of range, or the file cannot be written.
    fn execute(&self) -> Result<ExitCode>;
}

/// What the program of a domain is called and says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// `siren-<kind>`.
    pub name: &'static str,
    /// What it does.
    pub program: &'static str,
    /// What its `render` does.
    pub render: &'static str,
}

#[derive(Subcommand)]
enum Command<R: Args> {
    #[command(flatten)]
    Shared(SharedCommand),
    Render(R),
}

/// The whole `main` of a domain's program.
#[must_use]
pub fn main<D: Domain, R: Render<D>>(about: About) -> ExitCode {
    let command = clap::Command::new(about.name)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true);
    // Commands that are shared say what they are about in the program's place.
    let command = Command::<R>::augment_subcommands(command)
        .about(about.program)
        .mut_subcommand("render", |render| render.about(about.render));
    let matches = command.get_matches();
    let done = Command::<R>::from_arg_matches(&matches);
    exit(match done.unwrap_or_else(|error| error.exit()) {
        Command::Shared(command) => command.execute::<D>(),
        Command::Render(command) => command.execute(),
    })
}

/// What `main` returns: the exit status of a command, or its error on standard error and status 1.
pub fn exit<E: std::fmt::Display>(done: std::result::Result<ExitCode, E>) -> ExitCode {
    done.unwrap_or_else(|error| {
        console::note(format_args!("error: {error}"));
        ExitCode::FAILURE
    })
}
