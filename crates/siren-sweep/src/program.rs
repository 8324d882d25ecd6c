//! The domain's program, which checks, starts and resumes the runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::folder::SweepFolder;
use crate::member::Member;

/// The program `siren-<kind>` in the folder of this executable, and the config that it runs.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    config: PathBuf,
    /// Overrides `key=value` for every run; they take precedence over those of a member.
    overrides: Vec<String>,
}

impl Program {
    /// Finds the program of a kind. `overrides` take precedence over those of a member.
    ///
    /// # Errors
    /// If there is no such program beside this executable.
    pub fn of_kind(kind: &str, config: &Path, overrides: &[String]) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find the path of this executable")?;
        let name = format!("siren-{kind}{}", std::env::consts::EXE_SUFFIX);
        let path = own.with_file_name(name);
        if !path.is_file() {
            bail!(
                "no program of kind {kind:?} at {}: build siren-{kind} into the folder of this program",
                path.display()
            );
        }
        Ok(Self {
            path,
            config: config.to_path_buf(),
            overrides: overrides.to_vec(),
        })
    }

    /// Returns the command `siren-<kind> <verb> <config>` with all overrides and the member's name.
    fn command(&self, verb: &str, member: &Member) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(verb).arg(&self.config).stdin(Stdio::null());
        for assignment in member.overrides.iter().chain(&self.overrides) {
            command.args(["--set", assignment]);
        }
        command.args(["--set", &format!("name={}", member.name)]);
        command
    }

    /// Checks a member's config and signal, and returns the config with every default filled in.
    ///
    /// # Errors
    /// If the config or the signal is invalid (with the message of the program), or if the program cannot be started.
    pub fn check(&self, member: &Member) -> Result<String> {
        let output = self
            .command("check", member)
            .output()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if !output.status.success() {
            bail!("{}", text(output.stderr).trim());
        }
        Ok(text(output.stdout))
    }

    /// Starts a member's run, or resumes it if its folder exists. Output goes to the member's log.
    ///
    /// # Errors
    /// If the log cannot be created or the program cannot be started.
    pub fn start(&self, member: &Member, folder: &SweepFolder, threads: usize) -> Result<Child> {
        let run = folder.run(member);
        let mut command = if run.exists() {
            let mut command = Command::new(&self.path);
            command.arg("resume").arg(&run).stdin(Stdio::null());
            command
        } else {
            let mut command = self.command("run", member);
            command.arg("--out").arg(&run);
            command
        };
        let log = folder.log(member);
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let second_handle = file
            .try_clone()
            .with_context(|| format!("cannot open {} twice", log.display()))?;
        command
            .args(["--threads", &threads.to_string()])
            .stdout(second_handle)
            .stderr(file);
        command
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))
    }
}
