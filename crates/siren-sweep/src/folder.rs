//! Layout of a sweep folder. No other module names the files inside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use siren_core::file::{make_folder, write_atomically};

use crate::member::Member;

const CONFIG: &str = "sweep.toml";
const RUNS: &str = "runs";
const LOGS: &str = "logs";
const TABLE: &str = "table";
const PLOTS: &str = "plots";

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
