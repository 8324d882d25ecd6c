//! The subcommands that the programs of all domains share, with all their options and help texts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use siren_core::file::quoted;
use siren_core::ranks::Ranks;
use siren_core::{Error, Result};
use siren_export::{Format, WeightPrecision};

use super::command::command_name;
use super::console;
use super::interrupt::{EXIT_STATUS, Interrupt};
use super::launcher;
use super::progress::Progress;
use crate::{
    CheckpointChoice, ConfigOf, Domain, Hooks, Machine, Outcome, Restored, RunFolder, Silent,
    check, export_run, report_on, restore, restore_model, resume, start,
};

/// Subcommands of every domain's program.
#[derive(Debug, Subcommand)]
pub enum SharedCommand {
    /// Fit the signal that a config names, and write the results to a new run folder.
    ///
    /// Processes that `mpirun -n N` or `srun` starts together compute one run, if the program was built with the feature `mpi`. Fields have the
    /// same parameters, bit for bit, for any N. The first process writes the run folder.
    Run(RunArgs),
    /// Check a config and its signal, and print the config with every default filled in. No file is written.
    Check(CheckArgs),
    /// Continue a run that was stopped, from its last checkpoint to the end that its config states.
    ///
    /// The run ends with the same parameters, bit for bit, as one that was never stopped, if the device is the same; on another one they
    /// agree to rounding. For a finished run, the paths of its results are printed. Another number of processes of MPI may continue the run.
    Resume(ResumeArgs),
    /// Write the field of a run for other programs: its parameters, a web page that draws it, a shader, an ONNX graph or a C header.
    ///
    /// The extension of the file selects the format. `.safetensors`: the parameters, under the names of the authors' checkpoints
    /// (`net.net.0.0.weight`, …). `.html`: one page that evaluates the field at every pixel, by WebGPU or WebGL 2. `.glsl`: a function for
    /// shaders, ready for Shadertoy, of a field of at most 16,384 constants. `.onnx`: a graph with the outputs `value` and `gradient`. `.h`: the
    /// functions `field` and `field_gradient` in C99. A mosaic (`field.mosaic`) is a field like any other in all of them.
    Export(ExportArgs),
    /// Write the page of a run, or of several runs side by side, whatever their kinds: one HTML file with everything in it, which opens from disk.
    ///
    /// A finished run has such a page in its folder. Runs may be in progress.
    Report(ReportArgs),
}

impl SharedCommand {
    /// Runs the selected subcommand for domain `D` and returns the process exit code.
    ///
    /// # Errors
    /// Those of the subcommand.
    pub fn execute<D: Domain>(&self) -> Result<ExitCode> {
        match self {
            Self::Run(args) => args.execute::<D>(),
            Self::Check(args) => args.execute::<D>(),
            Self::Resume(args) => args.execute::<D>(),
            Self::Export(args) => args.execute::<D>(),
            Self::Report(args) => args.execute(),
        }
    }
}

/// Arguments of every `render`: the run, the checkpoint, the machine and the output file.
#[derive(Args, Debug)]
pub struct FittedArgs {
    /// The run folder, such as runs/image. Nothing in it is changed.
    run: PathBuf,
    /// Checkpoint with the parameters [default: best, or last in a run without evaluations].
    #[arg(long, value_enum)]
    checkpoint: Option<CheckpointChoice>,
    #[command(flatten)]
    machine: MachineArgs,
    /// The file to write. Its extension selects the format. An existing file is replaced. Large results are written in parts, in constant memory.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

impl FittedArgs {
    /// Restores the run and returns it with the machine to render on.
    ///
    /// The file of the signal is not read, unless an older program wrote the checkpoint.
    ///
    /// # Errors
    /// As [`restore`].
    pub fn restore<D: Domain>(&self) -> Result<(Machine, Restored<D>)> {
        let machine = self.machine.machine()?;
        let run = restore::<D>(&self.run, self.checkpoint, &machine.engine)?;
        Ok((machine, run))
    }

    /// Restores the model of the run and returns the machine to render on, the config and the model. The file of the signal is not read.
    ///
    /// # Errors
    /// As [`restore_model`].
    pub fn restore_model<D: Domain>(&self) -> Result<(Machine, ConfigOf<D>, D::Model)> {
        let machine = self.machine.machine()?;
        let (config, model) = restore_model::<D>(&self.run, self.checkpoint, &machine.engine)?;
        Ok((machine, config, model))
    }
}

/// Options of the device and the number of threads.
#[derive(Args, Debug)]
pub struct MachineArgs {
    /// Device that computes the network: `cpu`, or `cuda:N` for NVIDIA device N, counted from 0. It needs the NVIDIA driver and nothing else.
    /// Results of two devices agree to rounding, not bit for bit.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
    /// Number of CPU threads, of each process if several share a run, 1 to 1024. The result does not depend on it [default: all cores; the
    /// processes on a computer share them].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl MachineArgs {
    fn machine(&self) -> Result<Machine> {
        Machine::new(&self.device, self.threads)
    }

    /// Computes a run on this machine together with the processes that a launcher such as `mpirun` started beside this one. Rank 0 reports how it
    /// ended; all have the same exit status.
    fn run_among_ranks(
        &self,
        stop: &StopArgs,
        run: impl FnOnce(&Machine, Hooks<'_>) -> Result<(RunFolder, Outcome)>,
    ) -> Result<ExitCode> {
        let ranks = launcher::ranks()?;
        let ended = Machine::among(&self.device, self.threads, &ranks)
            .and_then(|machine| stop.with_terminal_hooks(&ranks, |hooks| run(&machine, hooks)));
        match ended {
            Ok((folder, outcome)) => Ok(report(&folder, &outcome, &ranks)),
            Err(error) if ranks.count() == 1 => Err(error),
            // Printed here, before MPI ends: as soon as a rank exits with an error, the launcher kills the others.
            Err(error) if ranks.is_first() => Ok(exit(Err(error))),
            // Rank 0 has the same error.
            Err(_) => Ok(ExitCode::FAILURE),
        }
    }
}

/// Long option of `run` and `resume`, without its dashes: the run stops after its current step when standard input ends.
pub const STOP_AT_EOF: &str = "stop-at-eof";

/// What stops a run besides a signal.
#[derive(Args, Debug)]
struct StopArgs {
    /// Stop after the current step when standard input ends. The program that started this one holds the other end, so the run ends with it.
    #[arg(long = STOP_AT_EOF, hide = true)]
    at_eof: bool,
}

impl StopArgs {
    /// Calls `run` with an observer that shows progress on standard error, and a token that Ctrl-C sets. Ranks other than the first are silent.
    fn with_terminal_hooks<T>(
        &self,
        ranks: &Ranks,
        run: impl FnOnce(Hooks<'_>) -> Result<T>,
    ) -> Result<T> {
        if !ranks.is_first() {
            return run(Hooks {
                observer: &mut Silent,
                stop: Interrupt::install_silently().token(),
            });
        }
        let interrupt = Interrupt::install();
        if self.at_eof {
            interrupt.watch_standard_input();
        }
        let mut progress = Progress::default();
        run(Hooks {
            observer: &mut progress,
            stop: interrupt.token(),
        })
    }
}

/// Arguments of `run CONFIG`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The config, a TOML file with a top-level `kind`. Paths in it are relative to the current folder.
    config: PathBuf,
    /// Override the value of one key, such as `train.steps=2000`. The value is TOML, or else a plain string. May be repeated; the last
    /// override of a key counts.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run folder to create; it must not exist yet [default: runs/NAME for a config NAME.toml].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    stop: StopArgs,
}

impl RunArgs {
    /// Runs the experiment and prints its final metrics.
    ///
    /// # Errors
    /// As [`start`].
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let out = self.out.as_deref();
        self.machine.run_among_ranks(&self.stop, |machine, hooks| {
            start::<D>(&self.config, &self.set, out, machine, hooks)
        })
    }
}

/// Arguments of `check CONFIG`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The config, a TOML file with a top-level `kind`. Paths in it are relative to the current folder.
    config: PathBuf,
    /// Override the value of one key, such as `train.steps=2000`. The value is TOML, or else a plain string. May be repeated; the last
    /// override of a key counts.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl CheckArgs {
    /// Checks the config and its signal, and prints remarks on the signal, and the config with every default filled in.
    ///
    /// # Errors
    /// As [`check`].
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let machine = Machine::new("cpu", None)?;
        let checked = check::<D>(&self.config, &self.set, &machine)?;
        for note in &checked.notes {
            console::print_note(note);
        }
        console::print_result(checked.config.trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

/// Arguments of `resume RUN`.
#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// The run folder, such as runs/image. The run continues in it.
    run: PathBuf,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    stop: StopArgs,
}

impl ResumeArgs {
    /// Continues the run and prints its final metrics.
    ///
    /// # Errors
    /// As [`resume`].
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
        self.machine.run_among_ranks(&self.stop, |machine, hooks| {
            resume::<D>(&self.run, machine, hooks)
        })
    }
}

/// Arguments of `export RUN -o FILE`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The run folder, such as runs/image. Nothing in it is changed.
    run: PathBuf,
    /// The file to write: .safetensors, .html, .glsl, .onnx or .h. An existing file is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Store the weights of a page in 16 bits, which halves its size.
    #[arg(long)]
    half: bool,
    /// Checkpoint with the parameters [default: best, or last in a run without evaluations].
    #[arg(long, value_enum)]
    checkpoint: Option<CheckpointChoice>,
}

impl ExportArgs {
    /// Writes the field of the run.
    ///
    /// # Errors
    /// As [`export_run`]; also if `--half` is given for another format than a page.
    fn execute<D: Domain>(&self) -> Result<ExitCode> {
        let precision = match (self.half, Format::of(&self.output)) {
            (false, _) => WeightPrecision::Single,
            (true, Some(Format::Page)) => WeightPrecision::Half,
            (true, _) => {
                let expected = "a file named .html with it: other formats hold weights in 32 bits";
                return Err(Error::invalid("--half", quoted(&self.output), expected));
            }
        };
        let notes = export_run::<D>(&self.run, self.checkpoint, precision, &self.output)?;
        console::print_result(format_args!("wrote {}", self.output.display()));
        for note in notes {
            console::print_note(format_args!("note: {note}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Arguments of `report RUN... -o FILE`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// The run folders, such as runs/image.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The file to write. An existing file is replaced [default: report.html in the folder of the run; of several runs, in the current folder].
    #[arg(short, long, value_name = "FILE.html")]
    output: Option<PathBuf>,
}

impl ReportArgs {
    /// Writes the page and prints its path.
    ///
    /// # Errors
    /// As [`report_on`].
    fn execute(&self) -> Result<ExitCode> {
        let runs: Vec<&Path> = self.runs.iter().map(PathBuf::as_path).collect();
        let written = report_on(&runs, self.output.as_deref())?;
        console::print_result(format_args!("wrote {}", written.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints how a run ended, on the first rank, and returns the exit status.
fn report(folder: &RunFolder, outcome: &Outcome, ranks: &Ranks) -> ExitCode {
    if !ranks.is_first() {
        return match outcome {
            Outcome::Interrupted { .. } | Outcome::NotStarted => ExitCode::from(EXIT_STATUS),
            Outcome::Finished { .. } | Outcome::AlreadyFinished { .. } => ExitCode::SUCCESS,
        };
    }
    let command = command_name();
    let path = folder.path().display();
    match outcome {
        Outcome::Finished { summary } => {
            console::print_result(summary);
            print_places(folder);
            ExitCode::SUCCESS
        }
        Outcome::AlreadyFinished { steps } => {
            console::print_result(format_args!(
                "{path} is finished: all {steps} steps were taken before, and nothing was changed"
            ));
            print_places(folder);
            let config = folder.config();
            console::print_result(format_args!(
                "to continue training from its parameters in a new run: {command} run {} --out {} --set run.start_from={}",
                quoted(&config),
                quoted(&folder.successor()),
                quoted(folder.path()),
            ));
            ExitCode::SUCCESS
        }
        Outcome::NotStarted => {
            console::print_result("stopped before the first step; nothing was written");
            ExitCode::from(EXIT_STATUS)
        }
        Outcome::Interrupted { step } => {
            console::print_result(format_args!(
                "stopped at step {step}; continue with: {command} resume {}",
                quoted(folder.path())
            ));
            ExitCode::from(EXIT_STATUS)
        }
    }
}

/// Prints where the results of a finished run are.
fn print_places(folder: &RunFolder) {
    let (path, artifacts, report) = (folder.path(), folder.artifacts(), folder.report());
    let (path, artifacts) = (path.display(), artifacts.display());
    console::print_result(format_args!("results in {path}, artifacts in {artifacts}"));
    if report.is_file() {
        console::print_result(format_args!("open {} in a browser", report.display()));
    }
}

/// Arguments of the subcommand `render` of a domain, which evaluates a fitted model. A [`Program`](super::Program) parses and executes them.
pub trait Render<D: Domain>: Args {
    /// Renders the model, writes the file, and prints the file's path.
    ///
    /// # Errors
    /// If the run cannot be restored, an option is out of range, or the file cannot be written.
    fn execute(&self) -> Result<ExitCode>;
}

/// Converts the result of a command to the exit status of `main`. An error is printed to standard error, and its status is 1.
pub fn exit<E: std::fmt::Display>(result: std::result::Result<ExitCode, E>) -> ExitCode {
    result.unwrap_or_else(|error| {
        console::print_note(format_args!("error: {error}"));
        ExitCode::FAILURE
    })
}
