//! Layout of a sweep folder. No other module names the files inside it.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use siren_core::file::{make_folder, try_lock, write_atomically};
use siren_run::RunFolder;

use crate::member::Member;

const CONFIG: &str = "sweep.toml";
const RUNS: &str = "runs";
const LOGS: &str = "logs";
const TABLE: &str = "table";
const PLOTS: &str = "plots";
const REPORT: &str = "report.html";
const LOCK: &str = ".lock";
const JOBS: &str = "jobs";

/// Folder of one sweep, by default `runs/<name of the sweep>`.
#[derive(Clone, Debug)]
pub struct SweepFolder {
    path: PathBuf,
}

impl SweepFolder {
    /// Refers to the folder at `path`, which need not exist.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
        }
    }

    /// Returns the path of the sweep folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of `sweep.toml`, a copy of the config with which the sweep was last started.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// Returns the path of a member's run folder.
    #[must_use]
    pub fn run(&self, member: &Member) -> PathBuf {
        self.path.join(RUNS).join(&member.name)
    }

    /// Returns the path of the file that holds a member's standard output and standard error.
    #[must_use]
    pub fn log(&self, member: &Member) -> PathBuf {
        self.path.join(LOGS).join(format!("{}.txt", member.name))
    }

    /// Returns the path of the results table in the format with this file extension.
    #[must_use]
    pub fn table(&self, extension: &str) -> PathBuf {
        self.path.join(TABLE).with_extension(extension)
    }

    /// Returns the path of the plot `name`, without its extension `.svg`.
    #[must_use]
    pub fn plot(&self, name: &str) -> PathBuf {
        self.path.join(PLOTS).join(format!("{name}.svg"))
    }

    /// Returns the path of the page of the sweep.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.path.join(REPORT)
    }

    /// Returns the address of a member's own page on the page of the sweep, if it has one.
    #[must_use]
    pub fn page_of(&self, member: &Member) -> Option<String> {
        let page = RunFolder::open(&self.run(member)).ok()?.report();
        let inner = page.strip_prefix(&self.path).ok()?;
        page.is_file().then(|| address(inner))
    }

    /// Returns the address of a member's log on the page of the sweep.
    #[must_use]
    pub fn address_of_log(&self, member: &Member) -> String {
        let log = self.log(member);
        let inner = log.strip_prefix(&self.path).unwrap_or(&log);
        address(inner)
    }

    /// Locks the folder against other sweeps in it until the returned file is dropped; `None` if the folder does not exist yet. The system
    /// releases the lock of a killed process.
    ///
    /// # Errors
    /// If another sweep is in the folder, or the folder cannot be locked.
    pub fn lock(&self) -> Result<Option<File>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let lock = try_lock(&self.path.join(LOCK))?;
        if lock.is_none() {
            bail!(
                "{} is in use by another sweep: wait until it ends, or stop it",
                self.path.display()
            );
        }
        Ok(lock)
    }

    /// Returns the folders of runs that were handed to a scheduler, in the order of their numbers.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn job_folders(&self) -> Result<Vec<JobFolder>> {
        let path = self.path.join(JOBS);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let mut folders = Vec::new();
        let list = || format!("cannot list {}", path.display());
        for entry in std::fs::read_dir(&path).with_context(list)? {
            let path = entry.with_context(list)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Ok(number) = name.parse() {
                folders.push(JobFolder { path, number });
            }
        }
        folders.sort_by_key(|folder| folder.number);
        Ok(folders)
    }

    /// Creates the next folder of runs that are handed to a scheduler. Its path is absolute.
    ///
    /// # Errors
    /// If a folder cannot be created or listed.
    pub fn create_job_folder(&self) -> Result<JobFolder> {
        let last = self.job_folders()?.last().map_or(0, |last| last.number);
        let path = absolute(&self.path)?.join(JOBS);
        let folder = JobFolder {
            path: path.join(format!("{:03}", last + 1)),
            number: last + 1,
        };
        for path in [folder.path.join(OUTPUT), folder.path.join(ENDINGS)] {
            std::fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        Ok(folder)
    }

    /// Checks that the folder does not exist yet, or holds runs of this sweep alone.
    ///
    /// # Errors
    /// If the folder exists but is not a sweep folder, if it holds a run that is not in `members`, or if it cannot be listed.
    pub fn check_members(&self, members: &[Member]) -> Result<()> {
        let path = self.path.display();
        if !self.path.exists() {
            return Ok(());
        }
        if !self.config().is_file() {
            bail!(
                "{path} already exists and is not a sweep folder (it has no {CONFIG}): choose another folder with `--out`"
            );
        }
        let runs = self.path.join(RUNS);
        if !runs.exists() {
            return Ok(());
        }
        let entries =
            std::fs::read_dir(&runs).with_context(|| format!("cannot list {}", runs.display()))?;
        for entry in entries {
            let name = entry
                .with_context(|| format!("cannot list {}", runs.display()))?
                .file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') && !members.iter().any(|member| member.name == name) {
                bail!(
                    "{path} is the folder of another sweep: it holds the run `{name}`, which is not a run of this config; \
                     choose another folder with `--out`, or delete that run"
                );
            }
        }
        Ok(())
    }

    /// Creates the folder, atomically if it does not exist yet, and writes the text of the config into it.
    ///
    /// # Errors
    /// If a folder cannot be created or the config cannot be written.
    pub fn prepare(&self, config: &str) -> Result<()> {
        if self.path.exists() {
            return self.fill(config);
        }
        make_folder(&self.path, |staged| Self::at(staged).fill(config))
    }

    fn fill(&self, config: &str) -> Result<()> {
        for folder in [RUNS, LOGS, PLOTS].map(|name| self.path.join(name)) {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(write_atomically(&self.config(), config.as_bytes())?)
    }
}

const MANIFEST: &str = "manifest.toml";
const SCRIPT: &str = "array.sh";
const JOB: &str = "job.toml";
const OUTPUT: &str = "output";
const ENDINGS: &str = "endings";

/// Folder of runs that were handed to a scheduler together, `jobs/NNN` in the sweep folder. Machines that share only the file system tell
/// each other by its files what is to be done, and how it ended.
#[derive(Clone, Debug)]
pub struct JobFolder {
    path: PathBuf,
    /// Counted from 1, in order of time.
    pub number: u32,
}

impl JobFolder {
    /// Returns the folder that holds a manifest.
    #[must_use]
    pub fn of_manifest(manifest: &Path) -> Self {
        let path = manifest.parent().unwrap_or(Path::new("")).to_path_buf();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self {
            number: name.parse().unwrap_or_default(),
            path,
        }
    }

    /// Returns the path of the list of runs.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.path.join(MANIFEST)
    }

    /// Returns the path of the copy of the config with which these runs start, whatever becomes of the original.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// Returns the path of the script that Slurm runs for each of the runs.
    #[must_use]
    pub fn script(&self) -> PathBuf {
        self.path.join(SCRIPT)
    }

    /// Returns the path of the file that names the job; it exists if the scheduler is Slurm.
    #[must_use]
    pub fn job(&self) -> PathBuf {
        self.path.join(JOB)
    }

    /// Returns the path of what the script of a task printed. Slurm replaces `%a` as a task by the task's number.
    #[must_use]
    pub fn output(&self, task: impl std::fmt::Display) -> PathBuf {
        self.path.join(OUTPUT).join(format!("{task}.txt"))
    }

    /// Returns the path of the file that says how a task ended.
    #[must_use]
    pub fn ending(&self, task: usize) -> PathBuf {
        self.path.join(ENDINGS).join(format!("{task}.toml"))
    }
}

/// Returns an absolute path, on the computer where this is called.
///
/// # Errors
/// If the current folder does not exist.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .with_context(|| format!("cannot find the folder of {}", path.display()))
}

/// Returns the address of a file inside a sweep folder. Names of runs have no character that has a meaning in an address.
fn address(inner: &Path) -> String {
    inner.to_string_lossy().replace('\\', "/")
}
