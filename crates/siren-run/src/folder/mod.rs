//! The run folder and the files in it. This file alone knows their names; the other modules of the folder know one format each.

mod checkpoint;
mod columns;
mod pickle;
mod pth;
mod record;
mod rows;
mod summary;
pub mod tensorboard;
mod upgrade;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use siren_core::file::{make_folder, quoted, read_text, remove_folder, try_lock, write_atomically};
use siren_core::train::Budget;
use siren_core::{Error, Result};

pub(crate) use self::checkpoint::{Best, Checkpoint, State, save_checkpoint};
pub(crate) use self::columns::NamedColumns;
pub use self::record::{EvaluationRow, Record, StepRow};
pub(crate) use self::record::{number, read_summary_table};
pub(crate) use self::rows::{Column, Continuation, Rows, TableDigest, Tables, damaged, last_value};
pub(crate) use self::summary::{
    FinalTables, Summary, TilesAtRest, check_created_config, is_of_config, parse_summary,
    provenance, recorded_budget,
};
pub(crate) use self::upgrade::upgrade_config;
pub use self::weights::{Weights, export};

const CONFIG: &str = "config.toml";
const PROVENANCE: &str = "provenance.toml";
const METRICS: &str = "metrics.csv";
const TIMING: &str = "timing.csv";
const EVALUATION: &str = "evaluation.csv";
const SUMMARY: &str = "summary.toml";
const REPORT: &str = "report.html";
const ARTIFACTS: &str = "artifacts";
const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = ".lock";
const LOCK_ATTEMPTS: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
const EVENTS: &str = "events.out.tfevents";

/// One of the two checkpoints of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CheckpointChoice {
    /// The checkpoint of the evaluation with the best headline metric.
    Best,
    /// The most recent checkpoint, from which a run resumes.
    Last,
}

/// The folder of a run, such as `runs/image`: config, provenance, tables of metrics, checkpoints, artifacts and summary.
///
/// [`start`](crate::start) creates it. The methods return paths; a file exists only once the run has written it.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates the folder with the texts of its config and its provenance, completely or not at all: it is built under a temporary name in
    /// the same parent folder and renamed.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the path exists (a run is never overwritten); [`Error::Io`] if a file cannot be written.
    pub fn create(path: &Path, config: &str, provenance: &str) -> Result<Self> {
        Self::check_available(path)?;
        make_folder(path, |staged| {
            let staged = Self {
                path: staged.to_path_buf(),
            };
            staged.fill(config, provenance)
        })?;
        Ok(Self {
            path: path.to_path_buf(),
        })
    }

    fn fill(&self, config: &str, provenance: &str) -> Result<()> {
        let make = |path: &Path| fs::create_dir(path).map_err(Error::io("create the folder", path));
        make(&self.path.join(ARTIFACTS))?;
        make(&self.path.join(CHECKPOINTS))?;
        write_atomically(&self.config(), config.as_bytes())?;
        write_atomically(&self.provenance(), provenance.as_bytes())
    }

    /// Checks that a new run folder can be created at a path.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the path exists.
    pub fn check_available(path: &Path) -> Result<()> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        let message = if path.join(CONFIG).is_file() {
            format!(
                "this run exists already: continue it with `resume {}`, or choose another folder with `--out`",
                quoted(path)
            )
        } else {
            "exists already and is not a run folder: choose another folder with `--out`".to_owned()
        };
        Err(Error::RunFolder {
            path: path.to_path_buf(),
            message,
        })
    }

    /// Returns the time budget that was given in place of `train.steps`.
    pub(crate) fn budget(&self) -> Option<Budget> {
        let provenance = read_text(&self.provenance()).ok()?;
        recorded_budget(&provenance.parse().ok()?)
    }

    /// Refers to a folder that this process does not create: it may not exist, now or ever.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
        }
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is no run at that path.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self {
            path: path.to_path_buf(),
        };
        if folder.config().is_file() {
            return Ok(folder);
        }
        let message = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                format!("is not a run folder: there is no `{CONFIG}` in it")
            }
            Ok(_) => "is a file, expected a run folder such as runs/image".to_owned(),
            Err(_) => "does not exist, expected a run folder such as runs/image".to_owned(),
        };
        Err(Error::RunFolder {
            path: folder.path,
            message,
        })
    }

    /// Locks the folder against other runs in it until the returned file is dropped. The system releases the lock of a killed process.
    pub(crate) fn lock(&self) -> Result<fs::File> {
        let path = self.path.join(LOCK);
        for _ in 0..LOCK_ATTEMPTS {
            if let Some(lock) = try_lock(&path)? {
                return Ok(lock);
            }
            // Whoever asks `is_in_use` holds the lock for a moment.
            std::thread::sleep(LOCK_PAUSE);
        }
        Err(Error::RunFolder {
            path: self.path.clone(),
            message: "is in use by another run: wait until it ends, or stop it".to_owned(),
        })
    }

    /// Returns whether a process is training in the folder.
    ///
    /// # Errors
    /// [`Error::Io`] if the lock file cannot be opened, or the file system has no locks.
    pub fn is_in_use(&self) -> Result<bool> {
        Ok(try_lock(&self.path.join(LOCK))?.is_none())
    }

    /// Deletes the folder as far as possible.
    pub(crate) fn remove(&self) {
        remove_folder(&self.path);
    }

    /// Returns the path of the folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of `provenance.toml`: version, commit, start time, device and checksum of the config.
    #[must_use]
    pub fn provenance(&self) -> PathBuf {
        self.path.join(PROVENANCE)
    }

    /// Returns the path of `config.toml`, the resolved config.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// Returns the path of `metrics.csv`: loss, terms, learning rate and gradient norm of every step.
    #[must_use]
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// Returns the path of `timing.csv`: seconds of training up to every step.
    #[must_use]
    pub fn timing(&self) -> PathBuf {
        self.path.join(TIMING)
    }

    /// Returns the path of `evaluation.csv`: the metrics of every evaluation.
    #[must_use]
    pub fn evaluation(&self) -> PathBuf {
        self.path.join(EVALUATION)
    }

    /// Returns the path of `summary.toml`, which a finished run has: final metrics beside the expected ones.
    #[must_use]
    pub fn summary(&self) -> PathBuf {
        self.path.join(SUMMARY)
    }

    /// Returns the path of `report.html`, the page of the run.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.path.join(REPORT)
    }

    /// Returns the path of the folder of pictures, sounds, clips and meshes that a finished run writes.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.path.join(ARTIFACTS)
    }

    /// Returns the path of a checkpoint: parameters, optimizer state and training state.
    #[must_use]
    pub fn checkpoint(&self, choice: CheckpointChoice) -> PathBuf {
        let name = match choice {
            CheckpointChoice::Best => "best.safetensors",
            CheckpointChoice::Last => "last.safetensors",
        };
        self.path.join(CHECKPOINTS).join(name)
    }

    /// Returns the path of an existing checkpoint: by default the best one, or the last one in a run without evaluations.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the run has no such checkpoint.
    pub fn chosen_checkpoint(&self, choice: Option<CheckpointChoice>) -> Result<PathBuf> {
        let best = self.checkpoint(CheckpointChoice::Best);
        let path = match choice {
            Some(choice) => self.checkpoint(choice),
            None if best.exists() => best,
            None => self.checkpoint(CheckpointChoice::Last),
        };
        if path.exists() {
            return Ok(path);
        }
        Err(Error::RunFolder {
            path: self.path.clone(),
            message: format!(
                "has no checkpoint yet: continue it with `resume {}`",
                quoted(&self.path)
            ),
        })
    }

    /// Returns an unused path in the same parent folder, for a new run that starts from the parameters of this one.
    pub(crate) fn successor(&self) -> PathBuf {
        let path = match self.path.file_name() {
            Some(_) => self.path.clone(),
            // A path such as `.` has no file name.
            None => fs::canonicalize(&self.path).unwrap_or_else(|_| PathBuf::from("run")),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let numbered = |number: u32| path.with_file_name(format!("{name}-{number}"));
        let mut number = 2;
        while fs::symlink_metadata(numbered(number)).is_ok() {
            number += 1;
        }
        numbered(number)
    }

    /// Returns the path of a new TensorBoard file that sorts after the existing ones.
    pub(crate) fn next_events(&self, unix_seconds: u64) -> Result<PathBuf> {
        // After a power failure, an earlier file than the last may be missing.
        let mut number = self.events()?.len();
        loop {
            let name = format!("{EVENTS}.{unix_seconds:010}.{number:04}");
            let path = self.path.join(name);
            if fs::symlink_metadata(&path).is_err() {
                return Ok(path);
            }
            number += 1;
        }
    }

    /// Returns the paths of the TensorBoard files of all sessions.
    pub(crate) fn events(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.path).map_err(Error::io("list", &self.path))?;
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        Ok(paths
            .filter(|path| {
                path.file_name()
                    .is_some_and(|n| n.to_string_lossy().starts_with(EVENTS))
            })
            .collect())
    }
}
