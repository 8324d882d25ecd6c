//! The stand-in for Slurm on a desk.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use siren_torture::slurm;

use crate::support::desk::Desk;
use crate::sweep;

/// A cluster of one node with its state in a folder of the desk.
pub struct StandIn<'a> {
    desk: &'a Desk,
}

impl<'a> StandIn<'a> {
    /// Writes the programs of the cluster.
    pub fn on(desk: &'a Desk) -> Self {
        slurm::install(&desk.path("slurm")).unwrap();
        Self { desk }
    }

    fn state(&self, name: &str) -> PathBuf {
        self.desk.path(&format!("slurm/{name}"))
    }

    /// Writes a file of the cluster's state.
    pub fn set(&self, name: &str, text: &str) {
        fs::write(self.state(name), text).unwrap();
    }

    /// Removes a file of the cluster's state.
    pub fn unset(&self, name: &str) {
        fs::remove_file(self.state(name)).unwrap();
    }

    /// Returns the command `siren-sweep run s.toml --on slurm` with further arguments, on a login node of this cluster.
    pub fn sweep(&self, arguments: &str) -> Command {
        self.command(&format!("run s.toml --on slurm {arguments}"))
    }

    /// Returns the command `siren-sweep` with the arguments of `line`, on a login node of this cluster.
    pub fn command(&self, line: &str) -> Command {
        let mut command = sweep(self.desk, line);
        let path = std::env::var("PATH").unwrap();
        command
            .env(
                "PATH",
                format!("{}:{path}", self.state(slurm::PROGRAMS).display()),
            )
            .env("SLURM_STATE", self.state(""));
        command
    }

    /// Returns the arguments of every call of `sbatch` that was not refused.
    pub fn submissions(&self) -> Vec<String> {
        let text = fs::read_to_string(self.state("submitted")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
