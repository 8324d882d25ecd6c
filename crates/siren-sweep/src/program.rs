//! The domain's program, which checks, starts and resumes the runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use siren_run::program::STOP_AT_EOF;

use crate::folder::absolute;
use crate::manifest::Assignment;
use crate::member::Member;

/// Where the programs of the kinds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// `siren-<kind>` in the folder of this executable.
    BesideThisOne,
    /// This executable has the subcommands of all kinds.
    InThisOne,
}

/// The program of a kind, and the config that it runs. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Program {
    path: PathBuf,
    config: PathBuf,
    /// The current folder of the runs: paths in a config are relative to it.
    folder: PathBuf,
    /// Overrides `key=value` for every run; they take precedence over those of a member.
    overrides: Vec<String>,
}

impl Program {
    /// Finds the program of a kind. `overrides` take precedence over those of a member.
    ///
    /// # Errors
    /// If there is no such program.
    pub fn of_kind(
        programs: Programs,
        kind: &str,
        config: &Path,
        overrides: &[String],
    ) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find the path of this executable")?;
        let path = match programs {
            Programs::InThisOne => own,
            Programs::BesideThisOne => {
                own.with_file_name(format!("siren-{kind}{}", std::env::consts::EXE_SUFFIX))
            }
        };
        if !path.is_file() {
            bail!(
                "no program of kind {kind:?} at {}: build siren-{kind} into the folder of this program",
                path.display()
            );
        }
        Ok(Self {
            path,
            config: config.to_path_buf(),
            folder: absolute(Path::new("."))?,
            overrides: overrides.to_vec(),
        })
    }

    /// Returns this program with another config file.
    #[must_use]
    pub fn with_config(&self, config: &Path) -> Self {
        Self {
            config: config.to_path_buf(),
            ..self.clone()
        }
    }

    /// Returns the command `siren-<kind> <verb> <config>` with all overrides and the run's name.
    fn command(&self, verb: &str, name: &str, overrides: &[String]) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(verb).arg(&self.config);
        for assignment in overrides.iter().chain(&self.overrides) {
            command.args(["--set", assignment]);
        }
        command.args(["--set", &format!("name={name}")]);
        command.current_dir(&self.folder);
        command
    }

    /// Checks a member's config and signal, and returns the config with every default filled in.
    ///
    /// # Errors
    /// If the config or the signal is invalid (with the message of the program), or if the program cannot be started.
    pub fn check(&self, member: &Member) -> Result<String> {
        let output = self
            .command("check", &member.name, &member.overrides)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if !output.status.success() {
            let message = text(output.stderr);
            // A program that is killed says nothing.
            ensure!(
                !message.trim().is_empty(),
                "{} ended without a message ({}) while it checked the config: start the sweep again",
                self.path.display(),
                output.status
            );
            bail!("{}", message.trim());
        }
        Ok(text(output.stdout))
    }

    /// Starts a run, or resumes it if its folder exists. Output goes to its log.
    ///
    /// The run stops at a checkpoint when the standard input of the returned process is dropped, or when this process ends.
    ///
    /// # Errors
    /// If the log cannot be created or the program cannot be started.
    pub fn start(&self, assignment: &Assignment, threads: usize) -> Result<Child> {
        let Assignment { run, log, .. } = assignment;
        let mut command = if run.exists() {
            let mut command = Command::new(&self.path);
            command.arg("resume").arg(run).current_dir(&self.folder);
            command
        } else {
            let mut command = self.command("run", &assignment.name, &assignment.overrides);
            command.arg("--out").arg(run);
            command
        };
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let second_handle = file
            .try_clone()
            .with_context(|| format!("cannot open {} twice", log.display()))?;
        command
            .args(["--threads", &threads.to_string()])
            .arg(format!("--{STOP_AT_EOF}"))
            .stdin(Stdio::piped())
            .stdout(second_handle)
            .stderr(file);
        command
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))
    }

    /// Returns a program at any path.
    #[cfg(test)]
    pub fn at(path: &str, config: &str, folder: &str) -> Self {
        Self {
            path: path.into(),
            config: config.into(),
            folder: folder.into(),
            overrides: vec!["seed=7".to_owned()],
        }
    }
}
