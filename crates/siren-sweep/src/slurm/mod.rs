//! Sweeps on a Slurm cluster: the runs are the tasks of array jobs.
//!
//! A submission is a folder with a manifest, a script and the number of its job. Each task runs `siren-sweep member MANIFEST TASK`, which leaves
//! behind how it ended. The sweep follows the queue and these files, so that it needs no accounting, and can be left and taken up again.

mod client;
mod follow;
mod script;
mod submission;

use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use clap::Args;

pub use self::client::check;
pub use self::follow::Follower;
use self::submission::{Submission, job_labels, names};
pub use self::submission::{Submitter, own_path};
use crate::folder::SweepFolder;

/// Options of a sweep on a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of --on slurm")]
pub struct SlurmArgs {
    /// The partition of the jobs. Default: the cluster's.
    #[arg(long, value_name = "P", requires = "on")]
    partition: Option<String>,
    /// Time limit of each run, as `sbatch` reads it, such as 4:00:00. A run that reaches it saves a checkpoint and is submitted again.
    #[arg(long, value_name = "T", requires = "on")]
    time: Option<String>,
    /// Most runs of one job at a time.
    #[arg(long, value_name = "N", requires = "on")]
    array_limit: Option<NonZeroUsize>,
    /// Threads of each run; as many CPUs are reserved for it. Default: 1.
    #[arg(long, value_name = "N", requires = "on")]
    threads: Option<NonZeroUsize>,
    /// A further argument for `sbatch`, such as `--mem=2G`. May be repeated.
    #[arg(
        long = "sbatch-arg",
        value_name = "ARG",
        requires = "on",
        allow_hyphen_values = true
    )]
    sbatch_args: Vec<String>,
    /// Submit the runs and return. The same command without this option follows them later.
    #[arg(long, requires = "on")]
    pub no_wait: bool,
}

impl SlurmArgs {
    fn threads(&self) -> usize {
        self.threads.map_or(1, NonZeroUsize::get)
    }

    fn array_limit(&self) -> Option<usize> {
        self.array_limit.map(NonZeroUsize::get)
    }

    /// Returns the arguments of `sbatch`.
    fn words(&self) -> Vec<String> {
        let options = [("partition", &self.partition), ("time", &self.time)];
        let options = options.into_iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(format!("--{name}={value}"))
        });
        options.chain(self.sbatch_args.iter().cloned()).collect()
    }

    /// Returns these options as words of a command line of `siren-sweep run`, without `--no-wait`.
    #[must_use]
    pub fn command_words(&self) -> Vec<String> {
        let numbers = [("array-limit", self.array_limit), ("threads", self.threads)];
        let texts = [("partition", &self.partition), ("time", &self.time)]
            .into_iter()
            .map(|(name, value)| (name, value.clone()));
        let numbers = numbers.map(|(name, value)| (name, value.map(|n| n.to_string())));
        let arguments = self.sbatch_args.iter().cloned();
        texts
            .chain(numbers)
            .chain(arguments.map(|argument| ("sbatch-arg", Some(argument))))
            .filter_map(|(name, value)| Some(format!("--{name}={}", shell_word(&value?))))
            .collect()
    }
}

/// Returns a value in a form that can be pasted into a shell.
fn shell_word(value: &str) -> String {
    siren_core::file::quoted(std::path::Path::new(value))
}

/// Checks that no run of a sweep is in the queue of Slurm, so that it may go on elsewhere.
///
/// # Errors
/// If one is, or if jobs were submitted and Slurm cannot be asked.
pub fn check_idle(folder: &SweepFolder) -> Result<()> {
    let mut open = Submission::open_ones(folder)?;
    if open.is_empty() {
        return Ok(());
    }
    let path = folder.path().display();
    let jobs = job_labels(&open);
    let tasks = match client::queued(&names(&open)) {
        Ok(tasks) => tasks,
        Err(error) => bail!(
            "{path} was submitted to Slurm as {jobs}, and it is not known whether that has ended ({error:#}): \
             continue with `--on slurm`, or, if it has, delete {path}/jobs"
        ),
    };
    open.retain(|submission| tasks.iter().any(|task| submission.owns(task)));
    if open.is_empty() {
        return Ok(());
    }
    let jobs = job_labels(&open);
    bail!(
        "{path} is in use by jobs in the queue of Slurm: follow them with `--on slurm`, or cancel them with `scancel {jobs}`"
    )
}
