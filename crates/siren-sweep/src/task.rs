//! One run of a manifest, as a task of a scheduler: `siren-sweep member MANIFEST TASK`.

use std::path::PathBuf;
use std::process::{Child, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use siren_core::train::StopToken;
use siren_run::program::{EXIT_STATUS, Interrupt, print_note};

use crate::ending::{RunEnding, exit_code, is_in_use};
use crate::folder::JobFolder;
use crate::manifest::{Assignment, Manifest};

/// Time between two polls of the run.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Longest time that another process may need to stop, such as the run of a task that was killed and started again.
const PATIENCE: Duration = Duration::from_mins(2);

/// Arguments of `member MANIFEST TASK`.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The manifest that a sweep wrote.
    manifest: PathBuf,
    /// Number of the run in the manifest, counted from 0.
    task: usize,
}

impl MemberArgs {
    /// Starts or resumes the run, waits until it ends, and returns its exit status. A signal stops the run at a checkpoint.
    ///
    /// # Errors
    /// If the manifest has no such run, or the run cannot be started.
    pub fn start(&self) -> Result<ExitCode> {
        let manifest = Manifest::read(&self.manifest)?;
        let assignment = manifest.assignment(self.task)?;
        let ending = JobFolder::of_manifest(&self.manifest).ending(self.task);
        // Slurm starts a task again after a failure of its node.
        if ending.exists() {
            std::fs::remove_file(&ending)
                .with_context(|| format!("cannot remove {}", ending.display()))?;
        }
        let note = "the run stops after its present step (again to stop at once)";
        let stop = Interrupt::install_with_note(note).token();
        if !wait_until_free(assignment, &stop)? {
            let run = assignment.run.display();
            print_note(format_args!("{run} is in use by another run"));
            RunEnding::Stopped.write(&ending)?;
            return Ok(ExitCode::from(EXIT_STATUS));
        }
        let child = manifest.program.start(assignment, manifest.threads)?;
        let status = wait(child, &stop)?;
        RunEnding::from(status).write(&ending)?;
        print_note(format_args!("run `{}`: {status}", assignment.name));
        Ok(exit_code(status))
    }
}

/// Waits until no other process trains in the run folder, and returns whether that came true before the patience or a signal ended it.
fn wait_until_free(assignment: &Assignment, stop: &StopToken) -> Result<bool> {
    let start = Instant::now();
    while is_in_use(&assignment.run)? {
        if stop.is_stopped() || start.elapsed() > PATIENCE {
            return Ok(false);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(!stop.is_stopped())
}

/// Waits for the process of a run. The end of its standard input stops it once the token is set.
fn wait(mut child: Child, stop: &StopToken) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().context("cannot poll the run")? {
            return Ok(status);
        }
        if stop.is_stopped() {
            drop(child.stdin.take());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
