//! The sweep folder: the only place that knows the names inside one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use siren_core::run::make_folder;

use crate::member::Member;

const CONFIG: &str = "sweep.toml";
const RUNS: &str = "runs";
const LOGS: &str = "logs";
const TABLE: &str = "table";
const PLOTS: &str = "plots";

/// `runs/<sweep>`.
#[derive(Clone, Debug)]
pub struct SweepFolder {
    path: PathBuf,
}

impl SweepFolder {
    /// The folder at `path`, whether it is there or not.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The config that the sweep was last started with.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// The run folder of a member.
    #[must_use]
    pub fn run(&self, member: &Member) -> PathBuf {
        self.path.join(RUNS).join(&member.name)
    }

    /// What a member printed.
    #[must_use]
    pub fn log(&self, member: &Member) -> PathBuf {
        self.path.join(LOGS).join(format!("{}.txt", member.name))
    }

    /// The table in one of its formats.
    #[must_use]
    pub fn table(&self, extension: &str) -> PathBuf {
        self.path.join(TABLE).with_extension(extension)
    }

    /// A plot.
    #[must_use]
    pub fn plot(&self, name: &str) -> PathBuf {
        self.path.join(PLOTS).join(format!("{name}.svg"))
    }

    /// Says so if the folder holds something else than runs of this sweep.
    ///
    /// # Errors
    /// If it is not a sweep folder, or has runs that are no members.
    pub fn must_suit(&self, members: &[Member]) -> Result<()> {
        let shown = self.path.display();
        if !self.path.exists() {
            return Ok(());
        }
        if !self.config().is_file() {
            bail!(
                "{shown} exists already and is not a sweep folder: choose another one with `--out`"
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
                    "{shown} is the folder of another sweep: it holds the run `{name}`, which this config does not ask for; \
                     choose another folder with `--out`, or delete that run"
                );
            }
        }
        Ok(())
    }

    /// Makes the folder, whole or not at all, and keeps the config in it.
    ///
    /// # Errors
    /// If the disk refuses.
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
        write(&self.config(), config)
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// If the disk refuses.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let staged = path.with_extension("tmp");
    std::fs::write(&staged, text)
        .and_then(|()| std::fs::rename(&staged, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
