//! The domain's program, which does the work of every run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::folder::SweepFolder;
use crate::member::Member;

/// `siren-<kind>`, which lies beside this program.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    config: PathBuf,
    /// `key=value` for every run.
    overrides: Vec<String>,
}

impl Program {
    /// The program of a kind, to work on `config`; `overrides` come after those of a member.
    ///
    /// # Errors
    /// If there is none.
    pub fn of_kind(kind: &str, config: &Path, overrides: &[String]) -> Result<Self> {
        let own = std::env::current_exe().context("cannot tell where this program lies")?;
        let name = format!("siren-{kind}{}", std::env::consts::EXE_SUFFIX);
        let path = own.with_file_name(name);
        if !path.is_file() {
            bail!(
                "no program of kind {kind:?} at {}: start sweeps with `cargo xtask sweep`",
                path.display()
            );
        }
        Ok(Self {
            path,
            config: config.to_path_buf(),
            overrides: overrides.to_vec(),
        })
    }

    fn command(&self, verb: &str, member: &Member) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(verb).arg(&self.config).stdin(Stdio::null());
        for one in member.overrides.iter().chain(&self.overrides) {
            command.args(["--set", one]);
        }
        command.args(["--set", &format!("name={}", member.name)]);
        command
    }

    /// The member's config with every default filled in, once it and its signal are known to be good.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, member: &Member) -> Result<String> {
        let output = self
            .command("check", member)
            .output()
            .context("cannot start the domain's program")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if !output.status.success() {
            bail!("{}", text(output.stderr).trim());
        }
        Ok(text(output.stdout))
    }

    /// Starts the member's run, or continues it.
    ///
    /// # Errors
    /// If the program cannot be started.
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
        let copy = file.try_clone().context("cannot share a log")?;
        command
            .args(["--threads", &threads.to_string()])
            .stdout(copy)
            .stderr(file);
        command.spawn().context("cannot start the domain's program")
    }
}
