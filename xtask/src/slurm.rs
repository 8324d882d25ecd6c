//! Slurm, which the tests of sweeps on a cluster start for themselves: finds it, installs it, and runs the test that needs it.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::checks::{Step, exit_code, features};
use crate::ffmpeg;

/// The programs that the test starts.
const DAEMONS: [&str; 3] = ["munged", "slurmctld", "slurmd"];
/// Debian and Ubuntu. Other systems have no packages of their own that hold all programs.
const INSTALL: [&str; 2] = [
    "apt-get update",
    "apt-get install -y --no-install-recommends slurm-wlm slurmctld slurmd slurm-client munge",
];
/// The name of the test, which is ignored otherwise.
const TEST: &str = "a_disturbed_sweep_on_slurm_gives_the_table_of_a_local_one";

/// Returns whether a Slurm can be started on this machine.
pub fn is_installed() -> bool {
    let is_present = |name: &&str| {
        let by_path = ffmpeg::succeeds(Command::new("which").arg(name));
        by_path || Path::new("/usr/sbin").join(name).exists()
    };
    DAEMONS.iter().all(is_present)
}

/// Installs Slurm, unless it is installed already.
///
/// # Errors
/// If the system is neither Debian nor Ubuntu, or the installation fails.
pub fn setup() -> Result<()> {
    if is_installed() {
        println!("Slurm is installed already: sweeps on a cluster can be tested");
        return Ok(());
    }
    if !ffmpeg::succeeds(Command::new("apt-get").arg("--version")) {
        bail!(
            "found no apt-get; install these with your own package manager: {}",
            DAEMONS.join(", ")
        );
    }
    ffmpeg::run_as_root(&INSTALL)?;
    println!("installed: sweeps on a cluster can be tested");
    Ok(())
}

/// Returns the check that runs a sweep on a Slurm of its own.
pub fn step(has_ffmpeg: bool) -> Step {
    let features = features(has_ffmpeg);
    let line = format!("test --workspace --release {features} --test sweep {TEST}");
    Step::new("slurm", &format!("{line} -- --ignored --nocapture"))
}

/// Runs a sweep on a Slurm that is started for it.
///
/// # Errors
/// If Slurm is not installed, or Cargo cannot be started.
pub fn check(root: &Path) -> Result<ExitCode> {
    if !is_installed() {
        bail!(
            "Slurm is not installed; on Debian and Ubuntu, `cargo xtask setup --slurm` installs it"
        );
    }
    let (status, duration) = step(ffmpeg::is_installed()).run(root)?;
    let outcome = if status.success() { "passed" } else { "FAILED" };
    println!("{outcome} in {:.1} s", duration.as_secs_f64());
    Ok(exit_code(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_that_needs_slurm_exists() {
        let file = crate::workspace_root().join("tests/sweep/slurm/real.rs");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("fn {TEST}()")));
    }
}
