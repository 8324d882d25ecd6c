//! The run folder: the only place that knows the names inside one.

use std::fs;
use std::path::{Path, PathBuf};

use siren_core::file::{make_folder, quoted, write_atomically};
use siren_core::{Error, Result};

const CONFIG: &str = "config.toml";
const PROVENANCE: &str = "provenance.toml";
const METRICS: &str = "metrics.csv";
const TIMING: &str = "timing.csv";
const EVALUATION: &str = "evaluation.csv";
const SUMMARY: &str = "summary.toml";
const ARTIFACTS: &str = "artifacts";
const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = ".lock";
const EVENTS: &str = "events.out.tfevents";

/// CheckpointChoice checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CheckpointChoice {
    /// The evaluation with the best headline metric.
    Best,
    /// The most recent one, from which a run resumes.
    Last,
}

/// `runs/<name>`, see the workspace's `README.md` for what is inside.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder whole or not at all: it is built under a temporary name beside its place and renamed.
    ///
    /// # Errors
    /// If the path exists (a run is never overwritten), or the disk refuses.
    pub fn create(path: &Path, config: &str, provenance: &str) -> Result<Self> {
        Self::must_not_exist(path)?;
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
        make(&self.path)?;
        make(&self.path.join(ARTIFACTS))?;
        make(&self.path.join(CHECKPOINTS))?;
        write_atomically(&self.config(), config.as_bytes())?;
        write_atomically(&self.provenance(), provenance.as_bytes())
    }

    /// Says so if something is in the way of a new run folder.
    ///
    /// # Errors
    /// If the path exists.
    pub fn must_not_exist(path: &Path) -> Result<()> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        let shown = quoted(path);
        let message = if path.join(CONFIG).is_file() {
            format!(
                "this run exists already: continue it with `resume {shown}`, or choose another folder with `--out`"
            )
        } else {
            "exists already and is not a run folder: choose another one with `--out`".to_owned()
        };
        Err(Error::RunFolder {
            path: path.to_path_buf(),
            message,
        })
    }

    /// An existing run.
    ///
    /// # Errors
    /// If there is no run at that path.
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

    /// Keeps other processes from running here too, until it is dropped; the system frees it after a kill.
    pub(super) fn lock(&self) -> Result<fs::File> {
        let path = self.path.join(LOCK);
        let file = fs::File::create(&path).map_err(Error::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(Error::RunFolder {
                path: self.path.clone(),
                message: "is in use by another process: wait for it, or stop it".to_owned(),
            }),
            Err(fs::TryLockError::Error(source)) => Err(Error::io("lock", &path)(source)),
        }
    }

    /// Deletes everything; what cannot be deleted stays.
    pub(super) fn remove(&self) {
        // Best effort: this runs while another error is on its way to the user, which must not be hidden.
        let _ = fs::remove_dir_all(&self.path);
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who computed it, when, and from which config.
    #[must_use]
    pub fn provenance(&self) -> PathBuf {
        self.path.join(PROVENANCE)
    }

    /// The resolved config.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// One row a step: loss and terms.
    #[must_use]
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// One row a step: seconds of training so far.
    #[must_use]
    pub fn timing(&self) -> PathBuf {
        self.path.join(TIMING)
    }

    /// One row an evaluation.
    #[must_use]
    pub fn evaluation(&self) -> PathBuf {
        self.path.join(EVALUATION)
    }

    /// What the run reached, beside what its config expects.
    #[must_use]
    pub fn summary(&self) -> PathBuf {
        self.path.join(SUMMARY)
    }

    /// Pictures and other results.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.path.join(ARTIFACTS)
    }

    /// Parameters and optimizer state.
    #[must_use]
    pub fn checkpoint(&self, which: CheckpointChoice) -> PathBuf {
        let name = match which {
            CheckpointChoice::Best => "best.safetensors",
            CheckpointChoice::Last => "last.safetensors",
        };
        self.path.join(CHECKPOINTS).join(name)
    }

    /// The checkpoint that stands for the run: the chosen one, or the best there is.
    ///
    /// # Errors
    /// If the run has no such checkpoint.
    pub fn chosen_checkpoint(&self, which: Option<CheckpointChoice>) -> Result<PathBuf> {
        let best = self.checkpoint(CheckpointChoice::Best);
        let path = match which {
            Some(which) => self.checkpoint(which),
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

    /// A folder beside this one in which nothing is yet, for a run that goes on from here.
    pub(super) fn successor(&self) -> PathBuf {
        let path = match self.path.file_name() {
            Some(_) => self.path.clone(),
            // `.` has no name of its own.
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

    /// A new TensorBoard file that sorts after those that are there.
    pub(super) fn next_events(&self, unix_seconds: u64) -> Result<PathBuf> {
        let existing = self.events()?.len();
        Ok(self
            .path
            .join(format!("{EVENTS}.{unix_seconds:010}.{existing:04}")))
    }

    /// TensorBoard files of all sessions.
    pub(super) fn events(&self) -> Result<Vec<PathBuf>> {
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
