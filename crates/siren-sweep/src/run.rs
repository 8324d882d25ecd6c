//! `siren-sweep run`: starts a sweep where the user asks for it, and writes its tables and plots.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use siren_core::file::quoted;
use siren_run::program::{
    EXIT_STATUS, Interrupt, command_name, command_of_all_kinds, print_note, print_result,
};

use crate::check::unfinished_members;
use crate::display::Display;
use crate::folder::SweepFolder;
use crate::manifest::Assignment;
use crate::member::{Member, expand};
use crate::program::{Program, Programs};
use crate::queue::{Load, Queue, SweepOutcome};
use crate::slurm::{self, Follower, SlurmArgs, Submitter, own_path};
use crate::spec::{Choice, SweepFile};
use crate::write_tables;

/// Arguments of `run CONFIG`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A config with a `[sweep]` table.
    config: PathBuf,
    /// The sweep folder. Default: `runs/<name of the config>`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of runs at a time, at most one per core; each run gets an equal share of the cores as threads. Default: one per core.
    #[arg(long, value_name = "N", conflicts_with = "on")]
    jobs: Option<NonZeroUsize>,
    /// Override one key of every run, with precedence over the axes. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// List the runs and their settings, and start none.
    #[arg(long)]
    list: bool,
    /// Where the runs are started. Default: on this computer.
    #[arg(long, value_name = "WHERE", value_enum)]
    on: Option<SweepPlace>,
    #[command(flatten)]
    slurm: SlurmArgs,
}

/// Where runs are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SweepPlace {
    /// On a Slurm cluster, by `sbatch`. The sweep's folder and the programs must be on a file system that the compute nodes share.
    Slurm,
    /// By any other scheduler: a list of the unfinished runs is written, and the command that starts one of them is printed.
    Elsewhere,
}

/// A sweep whose members were all checked, in a folder that is locked.
struct CheckedSweep<'a> {
    file: &'a SweepFile,
    /// Text of the config.
    text: &'a str,
    folder: &'a SweepFolder,
    program: &'a Program,
    members: &'a [Member],
    unfinished: &'a [Assignment],
}

impl CheckedSweep<'_> {
    fn display(&self) -> Result<Display<'_>> {
        let finished = self.members.len() - self.unfinished.len();
        let metric = &self.file.sweep.table.metrics[0];
        Display::new(self.members.len(), finished, metric)
    }
}

impl RunArgs {
    /// Starts the sweep and follows it to its end.
    ///
    /// # Errors
    /// If a config is invalid, the folder belongs to another sweep or is in use, a file cannot be written, or Slurm refuses.
    pub fn start(&self, programs: Programs) -> Result<ExitCode> {
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
        let mut lock = folder.lock()?;
        match self.on {
            Some(SweepPlace::Slurm) => slurm::check()?,
            Some(SweepPlace::Elsewhere) | None => slurm::check_idle(&folder)?,
        }
        let program = Program::of_kind(programs, &file.kind, &self.config, &self.set)?;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = self.jobs.map_or(cores, NonZeroUsize::get).min(cores);
        let unfinished = unfinished_members(&members, &folder, &program, jobs)?;
        folder.prepare(&text)?;
        if lock.is_none() {
            lock = folder.lock()?;
        }
        let checked = CheckedSweep {
            file: &file,
            text: &text,
            folder: &folder,
            program: &program,
            members: &members,
            unfinished: &unfinished,
        };
        let load = Load {
            jobs,
            threads: (cores / jobs).max(1),
        };
        let outcome = match self.on {
            None => {
                let stop = Interrupt::install().token();
                let queue = Queue::new(&program, load, checked.display()?, stop);
                Some(queue.run(&unfinished)?)
            }
            Some(SweepPlace::Slurm) => self.run_on_slurm(&checked)?,
            Some(SweepPlace::Elsewhere) => self.hand_over(&checked)?,
        };
        let code = match outcome {
            Some(outcome) => self.report(&outcome, &checked, &axes)?,
            None => ExitCode::SUCCESS,
        };
        drop(lock);
        Ok(code)
    }

    /// Submits the runs and follows them. Returns `None` if they go on by themselves.
    fn run_on_slurm(&self, checked: &CheckedSweep<'_>) -> Result<Option<SweepOutcome>> {
        let mut follower = Follower::start(
            self.submitter(checked),
            checked.display()?,
            checked.unfinished,
        )?;
        if !self.slurm.no_wait {
            let note = "leaving the jobs in the queue (again to leave at once)";
            follower.follow(&Interrupt::install_with_note(note).token())?;
        }
        if !follower.is_done() {
            let (jobs, command) = (follower.jobs(), self.command());
            let outcome = follower.into_outcome();
            print_failures(&outcome);
            print_result(format_args!(
                "the jobs go on; follow them with: {command}\ncancel them with: scancel {jobs}"
            ));
            return Ok(outcome.interrupted.then_some(outcome));
        }
        Ok(Some(follower.into_outcome()))
    }

    /// Writes the list of unfinished runs for another scheduler.
    fn hand_over(&self, checked: &CheckedSweep<'_>) -> Result<Option<SweepOutcome>> {
        if checked.unfinished.is_empty() {
            return Ok(Some(SweepOutcome::default()));
        }
        let (folder, manifest) = self.submitter(checked).write_manifest(checked.unfinished)?;
        let own = own_path()?;
        print_result(format_args!(
            "{} runs are not finished; start run N of them, with N from 0 to {}, by:\n{} member {} N",
            manifest.runs.len(),
            manifest.runs.len() - 1,
            quoted(&own),
            quoted(&folder.manifest()),
        ));
        Ok(None)
    }

    fn submitter<'a>(&'a self, checked: &CheckedSweep<'a>) -> Submitter<'a> {
        Submitter {
            name: &checked.file.name,
            config: checked.text,
            folder: checked.folder,
            program: checked.program,
            options: &self.slurm,
        }
    }

    /// Writes the tables, prints the failures, and returns the exit status.
    fn report(
        &self,
        outcome: &SweepOutcome,
        checked: &CheckedSweep<'_>,
        axes: &[Vec<Choice>],
    ) -> Result<ExitCode> {
        write_tables(checked.file, axes, checked.members, checked.folder)?;
        print_failures(outcome);
        if outcome.interrupted {
            print_result(format_args!(
                "interrupted; continue with: {}",
                self.command()
            ));
            return Ok(ExitCode::from(EXIT_STATUS));
        }
        Ok(ExitCode::from(u8::from(!outcome.failed.is_empty())))
    }

    /// Returns the command that continues this sweep, for a shell: the same config with the same options.
    fn command(&self) -> String {
        let program = match command_of_all_kinds() {
            Some(command) => format!("{command} sweep"),
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
        if self.on == Some(SweepPlace::Slurm) {
            words.push("--on slurm".to_owned());
            words.extend(self.slurm.command_words());
        }
        words.join(" ")
    }
}

fn print_failures(outcome: &SweepOutcome) {
    for failure in &outcome.failed {
        print_note(failure);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    #[test]
    fn the_advice_of_an_interrupted_sweep_repeats_its_options() {
        let command = |words: &[&str]| {
            let words = ["siren-sweep"].iter().chain(words);
            let command = Line::parse_from(words).args.command();
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
        let words = "s.toml --on slurm --no-wait --time 1:00:00 --array-limit 8 --threads 4 \
            --sbatch-arg --mem=2G --sbatch-arg --comment=a&b --partition p";
        let expected = "s.toml --on slurm --partition=p --time=1:00:00 --array-limit=8 --threads=4 \
            --sbatch-arg='--mem=2G' --sbatch-arg='--comment=a&b'";
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(command(&words), expected);
    }

    #[test]
    fn options_of_a_cluster_need_a_cluster() {
        for words in ["--time 5", "--no-wait", "--jobs 2 --on slurm"] {
            let line = format!("siren-sweep s.toml {words}");
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{words}");
        }
    }
}
