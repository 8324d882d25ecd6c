//! `siren-sweep`: every combination of some settings, and the table that compares them.

mod folder;
mod member;
mod names;
mod plot;
mod program;
mod queue;
mod results;
mod spec;
mod table;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use siren_core::run::{Record, cli::exit, console, interrupt};

use folder::{SweepFolder, write};
use member::{Member, expand};
use program::Program;
use queue::Queue;
use results::Results;
use spec::{Choice, SweepFile};

const RUN_EXAMPLES: &str = "\
Examples:
  siren-sweep run configs/sweeps/optimizers.toml
  siren-sweep run configs/sweeps/optimizers.toml --list
  siren-sweep run configs/sweeps/optimizers.toml --jobs 4 --out runs/again";

/// Runs every combination of the settings of a config's `[sweep]` table, and compares them.
#[derive(Debug, Parser)]
#[command(name = "siren-sweep", version, mut_subcommand("run", |run| run.after_help(RUN_EXAMPLES)))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run what is not done yet, then make the tables and plots.
    Run(Run),
    /// Make the tables and plots again from what is there.
    Table(Table),
}

#[derive(Debug, Args)]
struct Run {
    /// A config with a `[sweep]` table.
    config: PathBuf,
    /// The sweep folder. Default: `runs/<name of the config>`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at a time, at most one a core; cores that are left over become threads of a run. Default: one a core.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Override one key of every run, whatever its axes say; may be given many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Only list the runs.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Args)]
struct Table {
    /// A sweep folder, such as `runs/optimizers`.
    sweep: PathBuf,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => run.start(),
        Command::Table(table) => table.make(),
    };
    exit(done.map_err(|error| format!("{error:#}")))
}

impl Run {
    fn start(&self) -> Result<ExitCode> {
        let (file, text) = SweepFile::read(&self.config)?;
        let axes = file.sweep.choices()?;
        let members = expand(&axes);
        if self.list {
            for member in &members {
                console::result(format_args!(
                    "{}  {}",
                    member.name,
                    member.overrides.join("  ")
                ));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| Path::new("runs").join(&file.name));
        let folder = SweepFolder::at(&out);
        folder.must_suit(&members)?;
        let program = Program::of_kind(&file.kind, &self.config, &self.set)?;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = self.jobs.map_or(cores, NonZeroUsize::get).min(cores);
        let waiting = waiting(&members, &folder, &program, jobs)?;
        folder.prepare(&text)?;
        interrupt::install();
        let queue = Queue {
            program: &program,
            folder: &folder,
            jobs,
            threads: (cores / jobs).max(1),
            metric: &file.sweep.table.metrics[0],
        };
        let ended = queue.run(&waiting, members.len() - waiting.len())?;
        make_tables(&file, &axes, &members, &folder)?;
        for (name, log) in &ended.failed {
            console::note(format_args!("\nerror: {name}:\n{log}"));
        }
        if ended.interrupted {
            let config = console::quoted(&self.config);
            console::result(format_args!(
                "stopped; continue with: cargo xtask sweep {config}"
            ));
            return Ok(ExitCode::from(interrupt::EXIT_STATUS));
        }
        Ok(ExitCode::from(u8::from(!ended.failed.is_empty())))
    }
}

impl Table {
    fn make(&self) -> Result<ExitCode> {
        let folder = SweepFolder::at(&self.sweep);
        let config = folder.config();
        if !config.is_file() {
            bail!(
                "{} is not a sweep folder, as `cargo xtask sweep` leaves them",
                self.sweep.display()
            );
        }
        let (file, _) = SweepFile::read(&config)?;
        let axes = file.sweep.choices()?;
        make_tables(&file, &axes, &expand(&axes), &folder)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The members that are not finished, once all are known to be good: config, signal, and the run that is there already.
fn waiting<'a>(
    members: &'a [Member],
    folder: &SweepFolder,
    program: &Program,
    jobs: usize,
) -> Result<Vec<&'a Member>> {
    let share = members.len().div_ceil(jobs).max(1);
    let configs = std::thread::scope(|scope| {
        let check = |members: &'a [Member]| {
            let check = |member| {
                program
                    .check(member)
                    .with_context(|| format!("run `{}`", member.name))
            };
            members.iter().map(check).collect::<Result<Vec<String>>>()
        };
        let parts: Vec<_> = members
            .chunks(share)
            .map(|part| scope.spawn(move || check(part)))
            .collect();
        let done = parts.into_iter().map(|part| match part.join() {
            Ok(configs) => configs,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        done.collect::<Result<Vec<_>>>()
    })?;
    let mut waiting = Vec::new();
    for (member, config) in members.iter().zip(configs.concat()) {
        let run = folder.run(member);
        if !run.exists() {
            waiting.push(member);
            continue;
        }
        let record = Record::read(&run)?;
        if record.config.trim() != config.trim() {
            bail!(
                "{} was started with another config than this sweep's: choose another folder with `--out`, or delete it",
                run.display()
            );
        }
        if !record.is_finished() {
            waiting.push(member);
        }
    }
    Ok(waiting)
}

fn make_tables(
    file: &SweepFile,
    axes: &[Vec<Choice>],
    members: &[Member],
    folder: &SweepFolder,
) -> Result<()> {
    let results = Results::read(&file.sweep, axes, members, folder)?;
    for (extension, format) in table::FORMATS {
        write(&folder.table(extension), &format(&results))?;
    }
    plot::draw(&results, folder)?;
    console::result(table::FORMATS[0].1(&results));
    console::result(format_args!(
        "tables and plots in {}",
        folder.path().display()
    ));
    Ok(())
}
