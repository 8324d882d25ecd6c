//! `siren-sweep`: runs every combination of the settings in a config's `[sweep]` table and compares the results.

#![forbid(unsafe_code)]

mod check;
mod display;
mod ending;
mod folder;
mod manifest;
mod member;
mod names;
mod plot;
mod program;
mod queue;
mod report;
mod results;
mod run;
mod slurm;
mod spec;
mod table;
mod task;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use siren_core::file::write_atomically;
use siren_run::program::{exit, print_result};

use folder::SweepFolder;
use member::{Member, expand};
use results::Results;
use run::RunArgs;
use spec::{Choice, SweepFile};
use task::MemberArgs;

const RUN_EXAMPLES: &str = "\
Examples:
  siren-sweep run configs/sweeps/optimizers.toml
  siren-sweep run configs/sweeps/optimizers.toml --list
  siren-sweep run configs/sweeps/optimizers.toml --jobs 4 --out runs/again
  siren-sweep run configs/sweeps/optimizers.toml --on slurm --time 1:00:00 --threads 4";

/// Runs every combination of the settings of a config's `[sweep]` table, and compares them.
#[derive(Debug, Parser)]
#[command(name = "siren-sweep", version, mut_subcommand("run", |run| run.after_help(RUN_EXAMPLES)))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start or resume every run that is not finished, then write the tables, the plots and a page of all.
    Run(RunArgs),
    /// Write the tables, the plots and the page again, from the runs that are finished.
    Table(TableArgs),
    /// Start or resume one run of a manifest, as a task of a scheduler, and exit with its status.
    #[command(hide = true)]
    Member(MemberArgs),
}

#[derive(Debug, Args)]
struct TableArgs {
    /// A sweep folder, such as `runs/optimizers`.
    sweep: PathBuf,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => run.start(),
        Command::Table(table) => table.write(),
        Command::Member(member) => member.start(),
    };
    exit(outcome.map_err(|error| format!("{error:#}")))
}

impl TableArgs {
    fn write(&self) -> Result<ExitCode> {
        let folder = SweepFolder::at(&self.sweep);
        let config = folder.config();
        if !config.is_file() {
            bail!(
                "{} is not a sweep folder: it has no {}; expected a folder that a sweep wrote, such as runs/optimizers",
                self.sweep.display(),
                config.file_name().unwrap_or_default().display()
            );
        }
        let (file, _) = SweepFile::read(&config)?;
        let axes = file.sweep.choices()?;
        write_tables(&file, &axes, &expand(&axes), &folder)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the tables and plots of the finished runs and the page of all runs, and prints the table.
fn write_tables(
    file: &SweepFile,
    axes: &[Vec<Choice>],
    members: &[Member],
    folder: &SweepFolder,
) -> Result<()> {
    let results = Results::read(&file.sweep, axes, members, folder)?;
    for (extension, format) in table::FORMATS {
        write_atomically(&folder.table(extension), format(&results).as_bytes())?;
    }
    plot::draw(&results, folder)?;
    report::write(&results, members, folder)?;
    print_result(table::FORMATS[0].1(&results));
    print_result(format_args!(
        "tables and plots in {}, all of it on one page in {}",
        folder.path().display(),
        folder.report().display()
    ));
    Ok(())
}
