//! The project's command line, `cargo xtask …`: thin, so that it is there in seconds.
//!
//! It reads the `kind` of a config or run folder, has Cargo build and start the executable of that kind's crate
//! (so that fitting a picture never compiles what only video needs), and runs the project's own checks.

mod checks;
mod cli;
#[cfg(test)]
mod documents;
mod ffmpeg;
mod kind;
mod launch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};
use kind::Kind;
use launch::Launch;

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    let root = workspace_root();
    let of_config = |config: &Path| Kind::of_config(config, &root);
    let of_run = |run: &Path| Kind::of_run(run, &root);
    match command {
        Command::Run(args) => Launch::run(&of_config(&args.config)?, args).start(&root),
        Command::Resume(args) => Launch::resume(&of_run(&args.run)?, args).start(&root),
        Command::Render(args) => Launch::render(&of_run(&args.run)?, args).start(&root),
        Command::Export(args) => Launch::export(&of_run(&args.run)?, args).start(&root),
        Command::Sweep(args) => Launch::sweep(&of_config(&args.config)?, args).start(&root),
        Command::Table(args) => Launch::table(args).start(&root),
        Command::Bench(args) => Launch::bench(args).start(&root),
        Command::Setup => ffmpeg::setup(),
        Command::Test(args) => checks::test(&root, &args.cargo_args),
        Command::Reference => checks::reference(&root),
        Command::Ci => checks::ci(&root),
    }
}

/// The folder of the workspace manifest: this package lies directly in it.
fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
