//! Sweeps: every combination of the settings in a config's `[sweep]` table, run as processes of the program of its kind, and compared.
//!
//! [`SweepCommand`] holds the subcommands, for the executable `siren-sweep` and for one that holds all kinds.

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

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use siren_core::file::write_atomically;
use siren_run::program::{exit, print_result};

use folder::SweepFolder;
use member::{Member, expand};
use results::Results;
use spec::{Choice, SweepFile};

pub use program::Programs;
pub use run::RunArgs;
pub use task::MemberArgs;

/// The subcommands of sweeps.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// Start or resume every run that is not finished, then write the tables, the plots and a page of all.
    Run(RunArgs),
    /// Write the tables, the plots and the page again, from the runs that are finished.
    Table(TableArgs),
    /// Start or resume one run of a manifest, as a task of a scheduler, and exit with its status.
    #[command(hide = true)]
    Member(MemberArgs),
}

/// Arguments of `table SWEEP`.
#[derive(Debug, Args)]
pub struct TableArgs {
    /// A sweep folder, such as `runs/optimizers`.
    sweep: PathBuf,
}

impl SweepCommand {
    /// Executes the subcommand, and returns the exit status of the process. An error is printed.
    #[must_use]
    pub fn execute(&self, programs: Programs) -> ExitCode {
        let outcome = match self {
            Self::Run(run) => run.start(programs),
            Self::Table(table) => table.write(),
            Self::Member(member) => member.start(),
        };
        exit(outcome.map_err(|error| format!("{error:#}")))
    }
}

/// Returns whether a folder is that of a sweep.
#[must_use]
pub fn is_sweep(folder: &Path) -> bool {
    SweepFolder::at(folder).config().is_file()
}

impl TableArgs {
    /// Makes the arguments for a sweep folder.
    #[must_use]
    pub fn new(sweep: PathBuf) -> Self {
        Self { sweep }
    }

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
