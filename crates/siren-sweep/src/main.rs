//! `siren-sweep`: runs every combination of the settings in a config's `[sweep]` table and compares the results.

#![forbid(unsafe_code)]

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
use siren_core::file::{quoted, write_atomically};
use siren_run::Record;
use siren_run::program::{
    EXIT_STATUS, Interrupt, command_name, exit, print_note, print_result, wrapper_command,
};

use folder::SweepFolder;
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
    /// Start or resume every run that is not finished, then write the tables and plots.
    Run(RunArgs),
    /// Write the tables and plots again, from the runs that are finished.
    Table(TableArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// A config with a `[sweep]` table.
    config: PathBuf,
    /// The sweep folder. Default: `runs/<name of the config>`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of runs at a time, at most one per core; each run gets an equal share of the cores as threads. Default: one per core.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Override one key of every run, with precedence over the axes. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// List the runs and their settings, and start none.
    #[arg(long)]
    list: bool,
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
    };
    exit(outcome.map_err(|error| format!("{error:#}")))
}

impl RunArgs {
    fn start(&self) -> Result<ExitCode> {
        let (file, text) = SweepFile::read(&self.config)?;
        let axes = file.sweep.choices()?;
        let members = expand(&axes);
        if self.list {
            for member in &members {
                print_result(format_args!(
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
        folder.check_members(&members)?;
        let program = Program::of_kind(&file.kind, &self.config, &self.set)?;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = self.jobs.map_or(cores, NonZeroUsize::get).min(cores);
        let unfinished = unfinished_members(&members, &folder, &program, jobs)?;
        folder.prepare(&text)?;
        let queue = Queue {
            stop: Interrupt::install().token(),
            program: &program,
            folder: &folder,
            jobs,
            threads: (cores / jobs).max(1),
            metric: &file.sweep.table.metrics[0],
        };
        let outcome = queue.run(&unfinished, members.len() - unfinished.len())?;
        write_tables(&file, &axes, &members, &folder)?;
        for (name, log) in &outcome.failed {
            print_note(format_args!("\nerror: {name}:\n{log}"));
        }
        if outcome.interrupted {
            print_result(format_args!(
                "interrupted; continue with: {}",
                self.command()
            ));
            return Ok(ExitCode::from(EXIT_STATUS));
        }
        Ok(ExitCode::from(u8::from(!outcome.failed.is_empty())))
    }
}

impl RunArgs {
    /// Returns the command that continues this sweep, for a shell: the same config with the same options.
    fn command(&self) -> String {
        let program = match wrapper_command() {
            Some(wrapper) => format!("{wrapper} sweep"),
            None => format!("{} run", command_name()),
        };
        let mut words = vec![program, quoted(&self.config)];
        if let Some(out) = &self.out {
            words.extend(["--out".to_owned(), quoted(out)]);
        }
        if let Some(jobs) = self.jobs {
            words.extend(["--jobs".to_owned(), jobs.to_string()]);
        }
        for assignment in &self.set {
            let (key, value) = assignment.split_once('=').unwrap_or((assignment, ""));
            let value = quoted(Path::new(value));
            words.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        words.join(" ")
    }
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

/// Checks every member and returns those that are not finished.
///
/// The check covers a member's config, its signal, and the config of its run folder if there is one. Members are checked on `jobs` threads.
///
/// # Errors
/// If a config or a signal is invalid, if a run folder cannot be read, or if a run was started with another config.
fn unfinished_members<'a>(
    members: &'a [Member],
    folder: &SweepFolder,
    program: &Program,
    jobs: usize,
) -> Result<Vec<&'a Member>> {
    let members_per_thread = members.len().div_ceil(jobs).max(1);
    let configs = std::thread::scope(|scope| {
        let check_all = |members: &'a [Member]| {
            let check = |member| {
                program
                    .check(member)
                    .with_context(|| format!("run `{}`", member.name))
            };
            members.iter().map(check).collect::<Result<Vec<String>>>()
        };
        let threads: Vec<_> = members
            .chunks(members_per_thread)
            .map(|members| scope.spawn(move || check_all(members)))
            .collect();
        let configs = threads.into_iter().map(|thread| match thread.join() {
            Ok(configs) => configs,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        configs.collect::<Result<Vec<_>>>()
    })?;
    let mut unfinished = Vec::new();
    for (member, config) in members.iter().zip(configs.concat()) {
        let run = folder.run(member);
        if !run.exists() {
            unfinished.push(member);
            continue;
        }
        let record = Record::read(&run)?;
        if record.config.trim() != config.trim() {
            bail!(
                "{} was started with another config than this sweep asks for: choose another folder with `--out`, or delete that run",
                run.display()
            );
        }
        if !record.is_finished() {
            unfinished.push(member);
        }
    }
    Ok(unfinished)
}

/// Writes the tables and plots of the finished runs, and prints the table.
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
    print_result(table::FORMATS[0].1(&results));
    print_result(format_args!(
        "tables and plots in {}",
        folder.path().display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_of_an_interrupted_sweep_repeats_its_options() {
        let command = |words: &[&str]| {
            let words = ["siren-sweep", "run"].iter().chain(words);
            let Command::Run(args) = Cli::parse_from(words).command else {
                panic!("`run` is parsed as another subcommand");
            };
            let command = args.command();
            let start = command.find("s.toml").unwrap();
            command[start..].to_owned()
        };
        assert_eq!(command(&["s.toml"]), "s.toml");
        let words = [
            "--set",
            "seed=7",
            "s.toml",
            "--jobs",
            "2",
            "--set",
            "signal.path=my photo.png",
            "--out",
            "my runs",
        ];
        let expected =
            "s.toml --out 'my runs' --jobs 2 --set seed=7 --set signal.path='my photo.png'";
        assert_eq!(command(&words), expected);
    }
}
