//! The command line of `cargo xtask`.
//!
//! Commands that start a program (`siren-<kind>`, `siren-sweep`, `siren-bench`) pass their arguments on unchanged. The program defines and
//! checks its own options; only the path of the config, run folder or sweep folder is read here.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::kernels::KernelsArgs;
use crate::package::PackageArgs;
use crate::python::{PythonCheckArgs, WheelArgs};

const EXAMPLES: &str = "\
Examples:
  cargo xtask run configs/image.toml
  cargo xtask resume runs/image
  cargo xtask render runs/image --scale 4 -o large.png
  cargo xtask export runs/image -o image.safetensors
  cargo xtask report runs/image runs/image-2 -o both.html
  cargo xtask sweep configs/sweeps/optimizers.toml
  cargo xtask bench value-256-256
  cargo xtask gpu-check --minutes 25
  cargo xtask torture --minutes 60
  cargo xtask setup
  cargo xtask test
  cargo xtask ci
  cargo xtask kernels --sass
  cargo xtask mpi-check
  cargo xtask package
  cargo xtask wheel --out dist
  cargo xtask python-check --without-torch

`cargo xtask COMMAND --help` explains a command.
Exit status: that of the program started; 1 for an error before that; 2 for a wrong command line.";

const RUN_HELP: &str = "\
CONFIG is a TOML file with a top-level `kind`. It stands directly after `run`. All options after it belong to the program of that kind, \
`siren-<kind>`, and are passed on unchanged. `--device cuda:N` needs the NVIDIA driver.

Examples:
  cargo xtask run configs/image.toml
  cargo xtask run configs/image.toml --set train.steps=2000 --set seed=7 --out runs/image-seed-7
  cargo xtask run configs/image.toml --device cuda:0
  cargo xtask run configs/image.toml --help      builds the program and lists all its options";

const RESUME_HELP: &str = "\
RUN is a run folder, as written by `cargo xtask run`. It stands directly after `resume`. All options after it belong to the program of the \
run's kind, `siren-<kind>`, and are passed on unchanged.

Examples:
  cargo xtask resume runs/image
  cargo xtask resume runs/image --threads 2
  cargo xtask resume runs/image --help      builds the program and lists all its options";

const RENDER_HELP: &str = "\
RUN is a run folder, as written by `cargo xtask run`. It stands directly after `render`. All options after it belong to the program of the \
run's kind, `siren-<kind>`, and are passed on unchanged. They depend on the kind: a picture has a size and a quantity, a sound a rate, a shape a resolution.

Examples:
  cargo xtask render runs/image --scale 4 -o large.png
  cargo xtask render runs/image --size 1080x1920 --quantity gradient -o gradient.png
  cargo xtask render runs/audio --rate 48000 -o sound.wav
  cargo xtask render runs/video --fps 60 -o slow.mp4
  cargo xtask render runs/hyper --picture face.png --context 100 --scale 8 -o guess.png
  cargo xtask render runs/image --help      builds the program and lists all options of its kind";

const EXPORT_HELP: &str = "\
RUN is a run folder, as written by `cargo xtask run`. It stands directly after `export`. All options after it belong to the program of the \
run's kind, `siren-<kind>`, and are passed on unchanged.

Examples:
  cargo xtask export runs/image -o image.safetensors
  cargo xtask export runs/image -o image.html           one page that evaluates the field in a browser
  cargo xtask export runs/image --half -o image.html    half as large
  cargo xtask export runs/shape -o shape.onnx
  cargo xtask export runs/image --help      builds the program and lists all its options";

const REPORT_HELP: &str = "\
RUN is a run folder, as written by `cargo xtask run`, or several ones; or SWEEP is a sweep folder, as written by `cargo xtask sweep`. The first folder \
stands directly after `report`. All options after it belong to the program of its kind, `siren-<kind>`, and are passed on unchanged.

Examples:
  cargo xtask report runs/image
  cargo xtask report runs/image runs/image-2 -o both.html
  cargo xtask report runs/optimizers
  cargo xtask report runs/image --help      builds the program and lists all its options";

const SWEEP_HELP: &str = "\
CONFIG is an experiment with a `[sweep]` table. It stands directly after `sweep`. All options after it belong to `siren-sweep run` and are \
passed on unchanged.

Examples:
  cargo xtask sweep configs/sweeps/optimizers.toml --list
  cargo xtask sweep configs/sweeps/optimizers.toml --jobs 4 --out runs/again
  cargo xtask sweep configs/sweeps/optimizers.toml --set train.steps=100
  cargo xtask sweep configs/sweeps/optimizers.toml --on slurm --time 1:00:00 --threads 4
  cargo xtask sweep configs/sweeps/optimizers.toml --help      builds the programs and lists all options";

const TABLE_HELP: &str = "\
SWEEP is a sweep folder, as written by `cargo xtask sweep`. It stands directly after `table`.

Examples:
  cargo xtask table runs/optimizers
  cargo xtask table runs/optimizers --help      builds the program and lists all its options";

const BENCH_HELP: &str = "\
All arguments belong to `siren-bench run` and are passed on unchanged.

Examples:
  cargo xtask bench                            the usual cases
  cargo xtask bench value laplacian-256        all cases whose names begin so
  cargo xtask bench value-256-256 --peers      beside PyTorch and JAX
  cargo xtask bench shape --peers              signed distance functions
  cargo xtask bench helmholtz --peers          the Helmholtz equation at the authors' size
  cargo xtask bench -- --help                  builds the program and lists all its options";

const GPU_CHECK_HELP: &str = "\
All arguments belong to `siren-bench gpu-check` and are passed on unchanged.

Examples:
  cargo xtask gpu-check                        card 0, 25 minutes
  cargo xtask gpu-check --python python3       beside PyTorch
  cargo xtask gpu-check -- --help              builds the program and lists all its options";

const TORTURE_HELP: &str = "\
All arguments belong to `siren-torture run` and are passed on unchanged.

Examples:
  cargo xtask torture --minutes 60             every kind of run and of fault
  cargo xtask torture --kind sweep --seed 7    other trials, of sweeps alone
  cargo xtask torture --trial 123456           one trial again, whose folder is kept
  cargo xtask torture -- --help                builds the programs and lists all options";

/// Fits, resumes, renders and exports implicit neural representations, and checks this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Program(ProgramCommand),

    /// Install FFmpeg's development libraries, which clips of most formats need: by apt-get, dnf or Homebrew, as root or by sudo.
    ///
    /// Everything else works without them. If they are installed already, nothing is changed.
    Setup(SetupArgs),

    /// Run all tests of the workspace, in the release profile that runs use too.
    Test(TestArgs),

    /// Write docs/reference/ anew from the config structs of the code.
    ///
    /// `cargo xtask test` compares the pages with the code, and fails if they differ.
    Reference,

    /// Start a Slurm of one node on this machine, run a sweep on it while tasks are canceled and killed, and compare the table with that of a
    /// local sweep. Everything is in a temporary folder and ends with the check.
    SlurmCheck,

    /// Run every check in order (format, dependencies, lint, documentation, tests, the Python package if Python is installed, Slurm if it is installed) until one fails.
    ///
    /// The dependency check needs cargo-deny (`cargo install --locked cargo-deny`). A summary lists the outcome of each check and its time
    /// in seconds.
    Ci,

    /// Check runs that MPI shares among processes: the same bytes for 1 to 4 ranks, a killed rank, a stopped one, a hypernetwork.
    ///
    /// Builds the programs of pictures, of derivatives and of sets of pictures with the feature `mpi`, which needs Open MPI with its development
    /// files and libclang. Takes a minute on one computer, beside the compilation.
    MpiCheck,

    /// Build the program `siren`, which holds every kind, and pack it with completions, manual pages and configs, for people without Cargo.
    ///
    /// The archive is for this kind of machine; the program links to nothing but the system's C library.
    Package(PackageArgs),
    /// Build the wheel of the Python package, for every Python from 3.10 on this system.
    ///
    /// Needs Python, and maturin, which is downloaded to the target folder unless it is installed.
    Wheel(WheelArgs),

    /// Build the wheel, install it with NumPy and PyTorch in a fresh virtual environment, and run its tests and its notebook there.
    ///
    /// Downloads 3 GB from Python's package index, and needs 6 GB of disk until the tests have passed; `--without-torch` needs little of both.
    PythonCheck(PythonCheckArgs),

    /// Compile the CUDA kernels, compare their PTX with the files checked in, and list what they need on each card.
    ///
    /// Needs neither a card nor a driver. Python's pip downloads NVIDIA's compiler to the target folder, once. The command fails if PTX differs
    /// from the files checked in, and if a kernel spills registers or has a stack frame on one of the cards.
    Kernels(KernelsArgs),
}

/// Commands that start a program.
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// Fit the signal that a config names, and write the results to a new run folder.
    ///
    /// The config's `kind` selects the program (`siren-image`, …). Cargo builds it first, with optimization, unless it is up to date.
    #[command(override_usage = "cargo xtask run CONFIG [OPTIONS]", after_help = RUN_HELP)]
    Run(PassedArgs),

    /// Continue a run that was stopped, from its last checkpoint to the end that its config states.
    ///
    /// The run ends with the same parameters, bit for bit, as one that was never stopped. On another device than before they agree to
    /// rounding.
    #[command(override_usage = "cargo xtask resume RUN [OPTIONS]", after_help = RESUME_HELP)]
    Resume(PassedArgs),

    /// Evaluate the field of a run on a regular grid and write the result to one file.
    ///
    /// The run may be finished or still in progress. Nothing in its folder is changed.
    #[command(override_usage = "cargo xtask render RUN [OPTIONS] -o FILE", after_help = RENDER_HELP)]
    Render(PassedArgs),

    /// Write the field of a run for other programs: safetensors, a web page, GLSL, ONNX or C.
    ///
    /// The extension of the file selects the format: .safetensors, .html, .glsl, .onnx or .h. Nothing in the run folder is changed.
    #[command(override_usage = "cargo xtask export RUN [OPTIONS] -o FILE", after_help = EXPORT_HELP)]
    Export(PassedArgs),

    /// Write the page of a run, of several runs side by side, or of a sweep: one HTML file that opens from disk.
    ///
    /// A finished run and a sweep have their page, `report.html`, in their folder. Runs may be in progress, and of several kinds.
    #[command(override_usage = "cargo xtask report RUN... [-o FILE]\n       cargo xtask report SWEEP", after_help = REPORT_HELP)]
    Report(PassedArgs),

    /// Run every combination of the settings in a config's `[sweep]` table, and compare them in tables and plots.
    ///
    /// Every run is checked before the first one starts. A sweep that was stopped continues with its unfinished runs. A run that fails
    /// is reported at the end and does not stop the others. The runs are processes on this computer, or jobs of a Slurm cluster.
    #[command(override_usage = "cargo xtask sweep CONFIG [OPTIONS]", after_help = SWEEP_HELP)]
    Sweep(PassedArgs),

    /// Write the tables and plots of a sweep again, from the runs that are finished.
    #[command(override_usage = "cargo xtask table SWEEP", after_help = TABLE_HELP)]
    Table(PassedArgs),

    /// Time training steps of the field beside other engines, and write a table of the medians.
    #[command(override_usage = "cargo xtask bench [CASES]... [OPTIONS]", after_help = BENCH_HELP)]
    Bench(PassedArgs),

    /// Check an NVIDIA card: accuracy of every kind of network, speed, and whole runs beside the CPU. Writes a report.
    #[command(override_usage = "cargo xtask gpu-check [OPTIONS]", after_help = GPU_CHECK_HELP)]
    GpuCheck(PassedArgs),

    /// Break runs in every way that a machine can (kills, power cuts, full disks, damaged files), continue them, and compare the results.
    ///
    /// Whatever happens, a run that was continued gives the results of an unbroken one, byte for byte, or the program says what to do. Needs
    /// Linux; disks are mounted, so that root finds more.
    #[command(override_usage = "cargo xtask torture [OPTIONS]", after_help = TORTURE_HELP)]
    Torture(PassedArgs),
}

/// Arguments that are passed on unchanged to the program that a command starts.
#[derive(Args, Debug)]
pub struct PassedArgs {
    // After the first value, every argument is a value, `--help` included. Before it, `--help` is the command's own.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub values: Vec<OsString>,
}

impl PassedArgs {
    /// Returns the first argument: the path of the config, run folder or sweep folder.
    pub fn path(&self) -> &Path {
        self.values.first().map_or_else(|| Path::new(""), Path::new)
    }
}

#[derive(Args, Debug)]
pub struct SetupArgs {
    /// Also install Slurm, which only the check of sweeps on a cluster needs: by apt-get.
    #[arg(long)]
    pub slurm: bool,
    /// Also install Chromium, which only the tests of exported pages need: by apt-get.
    #[arg(long)]
    pub browser: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cargo xtask test
  cargo xtask test -- gradient                 tests with `gradient` in their name
  cargo xtask test -- --test tidy              the tidy rules alone
  cargo xtask test -- -- --nocapture           with the output of the tests")]
pub struct TestArgs {
    /// Arguments for `cargo test --workspace --release`.
    #[arg(last = true, value_name = "CARGO_TEST_ARGS")]
    pub cargo_args: Vec<String>,
}

impl Cli {
    /// Parses a command line, the program's name included.
    ///
    /// # Errors
    /// Besides clap's own errors: if a command that needs a path does not begin with one.
    pub fn parse_line<W>(words: impl IntoIterator<Item = W>) -> Result<Command, clap::Error>
    where
        W: Into<OsString> + Clone,
    {
        let command = Self::try_parse_from(words)?.command;
        if let Command::Program(program) = &command {
            program.check_path()?;
        }
        Ok(command)
    }
}

impl ProgramCommand {
    /// Checks that the first argument of a command that needs a path is no option.
    fn check_path(&self) -> Result<(), clap::Error> {
        let (name, expected, args) = match self {
            Self::Run(args) => ("run", "a config", args),
            Self::Sweep(args) => ("sweep", "a config", args),
            Self::Resume(args) => ("resume", "a run folder", args),
            Self::Render(args) => ("render", "a run folder", args),
            Self::Export(args) => ("export", "a run folder", args),
            Self::Report(args) => ("report", "a run or sweep folder", args),
            Self::Table(args) => ("table", "a sweep folder", args),
            Self::Bench(_) | Self::GpuCheck(_) | Self::Torture(_) => return Ok(()),
        };
        let found = match args.values.first() {
            None => "nothing".to_owned(),
            Some(first) if first.as_encoded_bytes().starts_with(b"-") => {
                format!("the option `{}`", first.display())
            }
            Some(_) => return Ok(()),
        };
        let message = format!("expected {expected} directly after `{name}`, found {found}");
        let mut cli = Cli::command();
        let command = cli.find_subcommand_mut(name);
        Err(command.map_or_else(
            || clap::Error::raw(ErrorKind::MissingRequiredArgument, &message),
            |command| command.error(ErrorKind::MissingRequiredArgument, &message),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands that start a program, with a path where they need one.
    const STARTING: [&str; 10] = [
        "run a.toml",
        "resume r",
        "render r",
        "export r",
        "report r",
        "sweep a.toml",
        "table s",
        "bench value",
        "gpu-check a",
        "torture a",
    ];

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::parse_line(format!("xtask {line}").split(' '))
    }

    fn passed(line: &str) -> Vec<OsString> {
        use ProgramCommand::{
            Bench, Export, GpuCheck, Render, Report, Resume, Run, Sweep, Table, Torture,
        };
        let Command::Program(command) = parse(line).unwrap() else {
            panic!("`{line}` passes no arguments on");
        };
        match command {
            Run(args) | Resume(args) | Render(args) | Export(args) | Report(args) | Sweep(args)
            | Table(args) | Bench(args) | GpuCheck(args) | Torture(args) => args.values,
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_after_the_path_are_kept_verbatim_and_in_order() {
        for start in STARTING {
            for rest in [
                "",
                " --set a=1 --set b.c=x=y --out=runs/b",
                " -o a.png --scale 0.5",
                " --help",
                " -h",
                " --version",
                " --no-such-option --set",
                " -- --after -- twice",
            ] {
                let line = format!("{start}{rest}");
                let (_, args) = line.split_once(' ').unwrap();
                assert_eq!(passed(&line), args.split(' ').collect::<Vec<_>>(), "{line}");
            }
        }
    }

    #[test]
    fn bench_needs_no_case_and_may_begin_with_an_option() {
        assert!(passed("bench").is_empty());
        assert_eq!(passed("bench --list"), ["--list"]);
        assert_eq!(passed("bench -- --help"), ["--help"]);
    }

    #[test]
    fn help_before_the_path_is_the_commands_own_and_explains_the_rest() {
        for start in STARTING {
            let name = start.split(' ').next().unwrap();
            for flag in ["--help", "-h"] {
                let error = parse(&format!("{name} {flag}")).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{name} {flag}");
                let text = error.to_string();
                for part in [format!("cargo xtask {name} "), "--help ".to_owned()] {
                    assert!(
                        text.contains(&part),
                        "{name} {flag}: no `{part}` in\n{text}"
                    );
                }
            }
        }
        let text = parse("run --help").unwrap_err().to_string();
        for part in [
            "Usage: cargo xtask run CONFIG [OPTIONS]",
            "siren-<kind>",
            "--set train.steps=2000",
            "cargo xtask run configs/image.toml --help",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn a_command_without_its_path_is_refused() {
        for (line, message) in [
            (
                "run",
                "expected a config directly after `run`, found nothing",
            ),
            (
                "run --set a=1 a.toml",
                "expected a config directly after `run`, found the option `--set`",
            ),
            (
                "render -o a.png r",
                "expected a run folder directly after `render`, found the option `-o`",
            ),
            (
                "table",
                "expected a sweep folder directly after `table`, found nothing",
            ),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            let text = error.to_string();
            assert!(text.contains(message), "{line}: {text}");
            assert!(text.contains("Usage: cargo xtask "), "{line}: {text}");
        }
    }

    #[test]
    fn test_arguments_pass_through_with_their_own_separator() {
        let Ok(Command::Test(args)) = parse("test -- jet -- --nocapture") else {
            panic!("arguments after `--` must parse");
        };
        assert_eq!(args.cargo_args, ["jet", "--", "--nocapture"]);
    }
}
