//! The project's command line, `cargo xtask …`. It depends on neither candle nor any domain crate, so it compiles in seconds.
//!
//! It reads the `kind` of a config or run folder and has Cargo build and start the program of that kind's crate, so fitting a picture
//! never compiles code that only clips need. It also runs the project's own checks.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program: its output is for the terminal"
)]

mod browser;
mod checks;
mod cli;
#[cfg(test)]
mod documents;
mod ffmpeg;
mod kernels;
mod kind;
mod launch;
mod mpi_check;
mod package;
mod python;
mod slurm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use cli::{Cli, Command, PassedArgs};
use kind::Kind;
use launch::Launch;

fn main() -> ExitCode {
    let command = Cli::parse_line(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match run(&command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    let root = workspace_root();
    let kind_of_config = |args: &PassedArgs| Kind::of_config(args.path(), &root);
    let kind_of_run = |args: &PassedArgs| Kind::of_run(args.path(), &root);
    match command {
        Command::Setup(args) => {
            let code = ffmpeg::setup();
            if args.slurm {
                slurm::setup()?;
            }
            if args.browser {
                browser::setup()?;
            }
            code
        }
        Command::SlurmCheck => slurm::check(&root),
        Command::Test(args) => checks::test(&root, &args.cargo_args),
        Command::Reference => checks::reference(&root),
        Command::Ci => checks::ci(&root),
        Command::MpiCheck => mpi_check::run(&root),
        Command::Wheel(args) => python::wheel(&root, args),
        Command::PythonCheck(args) => python::check(&root, args),
        Command::Kernels(args) => kernels::run(&root, args),
        Command::Package(args) => package::run(&root, args),
        Command::Program(command) => Launch::of(command, kind_of_config, kind_of_run)?.start(&root),
    }
}

/// Returns the folder of the workspace manifest. This package lies directly in it.
fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
