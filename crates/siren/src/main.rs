//! `siren`: one program that fits, renders, compares and exports signals of every kind.
//!
//! The kind of a config or run folder decides which domain's subcommands read the rest of the command line.

#![forbid(unsafe_code)]

mod command;
mod configs;
mod generate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use siren_core::{Error, Result};
use siren_run::kind_of;
use siren_run::program::{Program, exit};
use siren_sweep::{Programs, SweepCommand, TableArgs, is_sweep};

use command::{NAME, Own, PATH_ARGS, PROGRAMS, SWEEP};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some((subcommand, path)) = path_of_kind(&args) {
        // Of the subcommands of a kind, a sweep has `report` alone, which is made with its tables.
        if subcommand == "report" && is_sweep(&path) {
            return SweepCommand::Table(TableArgs::new(path)).execute(Programs::InThisOne);
        }
        return match program_for(&path) {
            Ok(program) => program.execute(&program.command(NAME).get_matches_from(args)),
            Err(error) => exit(Err(error)),
        };
    }
    let matches = command::all().get_matches_from(args);
    match matches.subcommand() {
        Some((name, of_sweep)) if SWEEP.iter().any(|(own, _)| *own == name) => {
            sweep(name, of_sweep)
        }
        _ => match Own::from_arg_matches(&matches) {
            Ok(own) => exit(own.execute()),
            Err(error) => error.exit(),
        },
    }
}

/// Returns subcommand and config or run folder of a command line that belongs to a kind, if it is complete enough to have one.
fn path_of_kind(args: &[OsString]) -> Option<(&'static str, PathBuf)> {
    // Options are read as those of any kind here, and as those of the kind afterwards, whose help may be asked for.
    let command = command::all().disable_help_flag(true).ignore_errors(true);
    let matches = command.try_get_matches_from(args).ok()?;
    let (subcommand, matches) = matches.subcommand()?;
    let (name, path) = PATH_ARGS.iter().find(|(name, _)| *name == subcommand)?;
    Some((name, matches.try_get_one::<PathBuf>(path).ok()??.clone()))
}

/// Returns the program for a config or run folder.
fn program_for(path: &std::path::Path) -> Result<Program> {
    let kind = kind_of(path)?;
    let found = PROGRAMS.iter().find(|program| program.kind() == kind);
    found.copied().ok_or_else(|| {
        let known = PROGRAMS.map(|program| program.kind()).join(", ");
        Error::signal(
            path,
            format!("is of the kind {kind:?}, expected one of {known}"),
        )
    })
}

/// Executes a subcommand of sweeps, whose name is another one in `siren-sweep`.
fn sweep(name: &str, matches: &clap::ArgMatches) -> ExitCode {
    match command::sweep_from(name, matches) {
        Ok(command) => SweepCommand::execute(&command, Programs::InThisOne),
        Err(error) => error.exit(),
    }
}
