//! The programs of Slurm that a sweep calls: `sbatch`, `squeue` and `scontrol`. None of them needs accounting.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

/// Slurm's default for the largest number of tasks in an array.
const DEFAULT_ARRAY_SIZE: usize = 1001;
/// What `squeue` prints of a task: number of the array's job, number of the task, state, reason of waiting, name of the job.
const TASK_FORMAT: &str = "%F|%K|%T|%r|%j";
/// Variables that would replace what the script says; users set them for their own jobs.
const SCRIPT_VARIABLES: [&str; 4] = [
    "SBATCH_ARRAY_INX",
    "SBATCH_JOB_NAME",
    "SBATCH_OUTPUT",
    "SBATCH_SIGNAL",
];

/// A task in the queue of Slurm, pending or running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedTask {
    /// Number of the array's job.
    pub job: String,
    /// Name of the job.
    pub name: String,
    /// Number of the task in its array.
    pub task: usize,
    /// State, such as `RUNNING` or `PENDING`.
    pub state: String,
    /// Why a pending task waits, such as `Priority`.
    pub reason: String,
}

impl QueuedTask {
    /// Returns whether the task has started.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == "RUNNING"
    }

    /// Reads a line of `squeue`; `None` if it is of another form, such as a warning.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.trim().splitn(5, '|');
        let mut part = || parts.next();
        let (job, task) = (part()?.to_owned(), part()?.parse().ok()?);
        let (state, reason) = (part()?.to_owned(), part()?.to_owned());
        let name = part()?.to_owned();
        Some(Self {
            job,
            name,
            task,
            state,
            reason,
        })
    }
}

/// Runs a program of Slurm and returns its standard output.
///
/// # Errors
/// If the program is not on this computer or refuses, with its own message.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!(
            "`{program}` is not on this computer: start the sweep on a login node of a Slurm cluster, or without `--on slurm`"
        ),
        _ => anyhow!("cannot start `{program}`: {error}"),
    })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{program}` refused ({}): {}",
            output.status,
            message.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Checks that jobs can be submitted from this computer.
///
/// # Errors
/// If there is no `sbatch`.
pub fn check() -> Result<()> {
    output(Command::new("sbatch").arg("--version")).map(|_| ())
}

/// Submits a script and returns the number of the job. `options` precede the script on the command line.
///
/// # Errors
/// If Slurm refuses, with its message.
pub fn submit(options: &[String], script: &Path) -> Result<String> {
    let mut command = Command::new("sbatch");
    for variable in SCRIPT_VARIABLES {
        command.env_remove(variable);
    }
    let output = output(command.arg("--parsable").args(options).arg(script))?;
    parse_job(&output).with_context(|| {
        format!(
            "`sbatch --parsable` printed {:?}, expected the number of a job",
            output.trim()
        )
    })
}

/// Reads the number of a job from the output of `sbatch --parsable`, `NUMBER` or `NUMBER;CLUSTER`. Remarks of the site may precede it.
fn parse_job(output: &str) -> Option<String> {
    let last = output.lines().rfind(|line| !line.trim().is_empty())?;
    let number = last.trim().split(';').next()?;
    number.parse::<u64>().ok()?;
    Some(number.to_owned())
}

/// Returns the tasks in the queue that belong to jobs with these names.
///
/// # Errors
/// If the queue cannot be read now, as while Slurm's controller starts.
pub fn queued(names: &[&str]) -> Result<Vec<QueuedTask>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = Command::new("squeue");
    command
        .args(["--noheader", "--array"])
        .arg(format!("--name={}", names.join(",")))
        .arg(format!("--format={TASK_FORMAT}"));
    let output = output(&mut command)?;
    Ok(output.lines().filter_map(QueuedTask::parse).collect())
}

/// Returns the largest number of tasks in an array, or Slurm's default if `scontrol` does not tell.
#[must_use]
pub fn largest_array() -> usize {
    let config = output(Command::new("scontrol").args(["show", "config"]));
    let size = config.ok().and_then(|config| parse_array_size(&config));
    // The largest number of a task is one less than `MaxArraySize`.
    size.unwrap_or(DEFAULT_ARRAY_SIZE).max(1)
}

/// Reads `MaxArraySize` from the output of `scontrol show config`.
fn parse_array_size(config: &str) -> Option<usize> {
    let line = config
        .lines()
        .find_map(|line| line.trim().strip_prefix("MaxArraySize"))?;
    line.trim_start().strip_prefix('=')?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_queue_names_job_task_state_reason_and_name() {
        let task = QueuedTask::parse("12|3|PENDING|Resources|siren-optimizers-1a2b3c4d-001");
        let expected = QueuedTask {
            job: "12".to_owned(),
            name: "siren-optimizers-1a2b3c4d-001".to_owned(),
            task: 3,
            state: "PENDING".to_owned(),
            reason: "Resources".to_owned(),
        };
        assert_eq!(task, Some(expected));
        let running = QueuedTask::parse("12|4|RUNNING|None|s").unwrap();
        assert!(running.is_running());
        for line in [
            "",
            "12|N/A|RUNNING|None|not an array",
            "slurm_load_jobs error: Unable to contact slurm controller",
            "12|3|PENDING",
        ] {
            assert_eq!(QueuedTask::parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_number_of_a_job_is_found_beside_a_cluster_and_after_remarks() {
        assert_eq!(parse_job("12\n").as_deref(), Some("12"));
        assert_eq!(parse_job("12;main\n").as_deref(), Some("12"));
        assert_eq!(parse_job("welcome\n12\n\n").as_deref(), Some("12"));
        assert_eq!(parse_job("Submitted batch job 12\n"), None);
        assert_eq!(parse_job(""), None);
    }

    #[test]
    fn the_largest_array_is_read_from_the_clusters_config() {
        let config = "MaxArraySize            = 10001\nMaxBatchRequeue         = 5\n";
        assert_eq!(parse_array_size(config), Some(10001));
        assert_eq!(parse_array_size("MaxJobCount = 3\n"), None);
    }
}
