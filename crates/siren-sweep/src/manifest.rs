//! Runs that are started elsewhere: by a scheduler, on another computer with the same files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use siren_core::file::write_atomically;

use crate::program::Program;

/// One run: its settings, its folder, and the file for its output.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Assignment {
    /// Name of the member.
    pub name: String,
    /// Overrides `key=value` of the member.
    pub overrides: Vec<String>,
    /// The run folder.
    pub run: PathBuf,
    /// The file for standard output and standard error.
    pub log: PathBuf,
    /// CRC-32C of the config with every default filled in. A sweep whose settings differ does not follow this run.
    pub checksum: u32,
}

/// The runs that are handed to a scheduler together, with all that is needed to start each of them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Manifest {
    /// Threads of each run.
    pub threads: usize,
    /// The program of all runs.
    pub program: Program,
    /// The runs. The task with the number I is the I-th of them, counted from 0.
    pub runs: Vec<Assignment>,
}

impl Manifest {
    /// Writes the manifest as TOML.
    ///
    /// # Errors
    /// If a path is not UTF-8, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).with_context(|| {
            format!("cannot write {}: paths must be valid UTF-8", path.display())
        })?;
        Ok(write_atomically(path, text.as_bytes())?)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// If the file cannot be read or is not a manifest.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the manifest {}", path.display()))?;
        toml::from_str(&text)
            .with_context(|| format!("{} is not a manifest of a sweep", path.display()))
    }

    /// Returns the run of a task.
    ///
    /// # Errors
    /// If there are fewer runs.
    pub fn assignment(&self, task: usize) -> Result<&Assignment> {
        match self.runs.get(task) {
            Some(assignment) => Ok(assignment),
            None => bail!(
                "found the task {task}, expected one of 0 to {}",
                self.runs.len().saturating_sub(1)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.toml");
        let assignment = |name: &str| Assignment {
            name: name.to_owned(),
            overrides: vec![
                "field.activation=\"relu\"".to_owned(),
                "signal.path=\"a 'b' \\\\ c\"".to_owned(),
            ],
            run: format!("/s/runs/{name}").into(),
            log: format!("/s/logs/{name}.txt").into(),
            checksum: u32::MAX,
        };
        let manifest = Manifest {
            threads: 2,
            program: Program::at("/bin/siren-image", "s.toml", "/home"),
            runs: vec![assignment("a"), assignment("猫")],
        };
        manifest.write(&path).unwrap();
        let read = Manifest::read(&path).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.assignment(1).unwrap().name, "猫");
        let error = read.assignment(2).unwrap_err().to_string();
        assert_eq!(error, "found the task 2, expected one of 0 to 1");
        std::fs::write(&path, "threads = 1\n").unwrap();
        let error = Manifest::read(&path).unwrap_err().to_string();
        assert!(error.contains("is not a manifest"), "{error}");
    }
}
