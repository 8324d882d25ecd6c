//! Runs that were submitted together, and the files that say so.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use siren_core::file::write_atomically;

use super::SlurmArgs;
use super::client::{self, QueuedTask};
use super::script::Array;
use crate::folder::{JobFolder, SweepFolder, absolute};
use crate::manifest::{Assignment, Manifest};
use crate::program::Program;

/// An array job of Slurm.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ArrayJob {
    /// Name of the job. No other job of this user has it.
    pub name: String,
    /// Number of the job; `None` between the writing of this file and the answer of `sbatch`.
    pub id: Option<String>,
    /// Whether all tasks have left the queue and were reported.
    pub is_over: bool,
}

/// Runs that were submitted together.
#[derive(Clone, Debug)]
pub struct Submission {
    pub folder: JobFolder,
    pub manifest: Manifest,
    pub job: ArrayJob,
}

impl Submission {
    /// Reads the submissions of a sweep that are not over, in the order of their numbers.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn open_ones(folder: &SweepFolder) -> Result<Vec<Self>> {
        let mut open = Vec::new();
        for folder in folder.job_folders()? {
            let path = folder.job();
            // Runs that were handed to another scheduler have no such file.
            if !path.exists() {
                continue;
            }
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let job: ArrayJob = toml::from_str(&text)
                .with_context(|| format!("{} does not name a job", path.display()))?;
            if !job.is_over {
                let manifest = Manifest::read(&folder.manifest())?;
                open.push(Self {
                    folder,
                    manifest,
                    job,
                });
            }
        }
        Ok(open)
    }

    /// Returns whether a task in the queue belongs to this submission. A name alone identifies a job whose number was not written down,
    /// because the sweep was killed just then.
    #[must_use]
    pub fn owns(&self, task: &QueuedTask) -> bool {
        task.name == self.job.name && self.job.id.as_ref().is_none_or(|id| *id == task.job)
    }

    /// Returns the number of the job, or else its name.
    #[must_use]
    pub fn job_label(&self) -> &str {
        self.job.id.as_deref().unwrap_or(&self.job.name)
    }

    /// Notes that all tasks have left the queue and were reported.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn close(&mut self) -> Result<()> {
        self.job.is_over = true;
        self.write_job()
    }

    fn write_job(&self) -> Result<()> {
        let text = toml::to_string(&self.job).context("cannot format a job")?;
        Ok(write_atomically(&self.folder.job(), text.as_bytes())?)
    }
}

/// Returns the names of the jobs of submissions.
#[must_use]
pub fn names<'a>(submissions: impl IntoIterator<Item = &'a Submission>) -> Vec<&'a str> {
    submissions
        .into_iter()
        .map(|submission| submission.job.name.as_str())
        .collect()
}

/// Returns the numbers of the jobs of submissions, for a command line.
#[must_use]
pub fn job_labels<'a>(submissions: impl IntoIterator<Item = &'a Submission>) -> String {
    let labels: BTreeSet<&str> = submissions.into_iter().map(Submission::job_label).collect();
    labels.into_iter().collect::<Vec<_>>().join(" ")
}

/// Writes manifests and hands them to a scheduler.
#[derive(Clone, Copy, Debug)]
pub struct Submitter<'a> {
    /// Name of the sweep.
    pub name: &'a str,
    /// Text of its config.
    pub config: &'a str,
    pub folder: &'a SweepFolder,
    pub program: &'a Program,
    pub options: &'a SlurmArgs,
}

impl Submitter<'_> {
    /// Writes the manifest of some runs into a new folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_manifest(&self, runs: &[Assignment]) -> Result<(JobFolder, Manifest)> {
        let folder = self.folder.create_job_folder()?;
        let with_absolute_paths = |run: &Assignment| -> Result<Assignment> {
            Ok(Assignment {
                run: absolute(&run.run)?,
                log: absolute(&run.log)?,
                ..run.clone()
            })
        };
        let manifest = Manifest {
            threads: self.options.threads(),
            program: self.program.with_config(&folder.config()),
            runs: runs
                .iter()
                .map(with_absolute_paths)
                .collect::<Result<_>>()?,
        };
        write_atomically(&folder.config(), self.config.as_bytes())?;
        manifest.write(&folder.manifest())?;
        Ok((folder, manifest))
    }

    /// Submits runs, in several arrays if there are more of them than one array may have.
    ///
    /// # Errors
    /// If a file cannot be written, or Slurm refuses. What was submitted before goes on, and a later call finds it.
    pub fn submit(&self, runs: &[Assignment]) -> Result<Vec<Submission>> {
        let most = if runs.len() > 1 {
            client::largest_array()
        } else {
            1
        };
        runs.chunks(most)
            .map(|runs| self.submit_array(runs))
            .collect()
    }

    fn submit_array(&self, runs: &[Assignment]) -> Result<Submission> {
        let (folder, manifest) = self.write_manifest(runs)?;
        let array = Array {
            name: &self.job_name(&folder),
            tasks: runs.len(),
            limit: self.options.array_limit(),
            threads: manifest.threads,
        };
        let script = array.script(&own_path()?, &folder);
        write_atomically(&folder.script(), script.as_bytes())?;
        let mut submission = Submission {
            job: ArrayJob {
                name: array.name.to_owned(),
                id: None,
                is_over: false,
            },
            folder,
            manifest,
        };
        submission.write_job()?;
        match client::submit(&self.options.words(), &submission.folder.script()) {
            Ok(id) => submission.job.id = Some(id),
            Err(error) => {
                submission.close()?;
                return Err(error);
            }
        }
        submission.write_job()?;
        Ok(submission)
    }

    /// Returns a name that no other job has: the sweep's, with a checksum of its folder and the time, and the number of the submission.
    fn job_name(&self, folder: &JobFolder) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let origin = format!("{} {now:?}", folder.manifest().display());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name: String = self
            .name
            .chars()
            .map(|c| if is_plain(c) { c } else { '-' })
            .collect();
        format!(
            "siren-{name}-{:08x}-{:03}",
            crc32c::crc32c(origin.as_bytes()),
            folder.number
        )
    }
}

/// Returns the path of this program, which every compute node runs.
///
/// # Errors
/// If the system does not tell.
pub fn own_path() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of this executable")
}
