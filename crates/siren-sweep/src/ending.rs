//! How the process of a run ended, and what follows from that.

use std::fmt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use siren_core::file::write_atomically;
use siren_run::RunFolder;
use siren_run::program::EXIT_STATUS;

/// How Rust's standard library begins its advice to a developer, which a user cannot follow.
const DEVELOPER_NOTE: &str = "note: run with `RUST_BACKTRACE=";
/// How it reports that memory ran out.
const OUT_OF_MEMORY: &str = "memory allocation of ";
/// Number of last lines of a failed run's log that are shown.
const SHOWN_LOG_LINES: usize = 20;
/// Signals by which the system reports a fault of the program itself: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE and SIGSEGV on Linux.
const FAULTS: [i32; 6] = [4, 5, 6, 7, 8, 11];

/// How the process of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunEnding {
    /// The run took all its steps.
    Finished,
    /// The program failed with an error of its own, which another start would repeat.
    Failed,
    /// The run was stopped or killed. It continues from its last checkpoint.
    Stopped,
}

impl From<ExitStatus> for RunEnding {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(0) => Self::Finished,
            Some(code) if code == i32::from(EXIT_STATUS) => Self::Stopped,
            Some(_) => Self::Failed,
            None if signal(status).is_some_and(|signal| FAULTS.contains(&signal)) => Self::Failed,
            None => Self::Stopped,
        }
    }
}

/// The file of an ending.
#[derive(Deserialize, Serialize)]
struct EndingFile {
    ending: RunEnding,
}

impl RunEnding {
    /// Writes the ending to a file, for another computer.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        let text = toml::to_string(&EndingFile { ending: self });
        let text = text.context("cannot format the ending of a run")?;
        Ok(write_atomically(path, text.as_bytes())?)
    }

    /// Reads an ending; `None` if the file does not exist, or is of no use.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let file: EndingFile = toml::from_str(&text).ok()?;
        Some(file.ending)
    }
}

/// Returns the exit status of a program that passes on that of its child: 128 plus the number of the signal that ended it, as in a shell.
#[must_use]
pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| signal(status).map(|number| 128 + number));
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// Returns whether a run took all its steps and wrote its summary. Cheaper than reading its record.
#[must_use]
pub fn is_finished(run: &Path) -> bool {
    RunFolder::open(run).is_ok_and(|folder| folder.summary().exists())
}

/// Returns whether another process trains in a run folder, such as one that is about to stop.
///
/// # Errors
/// If the lock of the folder cannot be tried.
pub fn is_in_use(run: &Path) -> Result<bool> {
    match RunFolder::open(run) {
        Ok(folder) => Ok(folder.is_in_use()?),
        Err(_) => Ok(false),
    }
}

/// A run that failed.
#[derive(Debug)]
pub struct FailedRun {
    pub name: String,
    /// What is known of the reason: last lines of its log.
    pub reason: String,
}

impl FailedRun {
    /// Reads the reason from the run's log.
    #[must_use]
    pub fn of(name: &str, log: &Path) -> Self {
        let mut reason = last_lines(log);
        if reason.trim().is_empty() {
            reason = format!(
                "it left no message in {}: the disk may be full or not writable",
                log.display()
            );
        }
        if reason.contains(OUT_OF_MEMORY) {
            reason += "\nthe run needs more memory than it may have: give fewer `--jobs`, or raise its limit";
        }
        Self {
            name: name.to_owned(),
            reason,
        }
    }
}

impl fmt::Display for FailedRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\nerror: {}:\n{}", self.name, self.reason)
    }
}

/// Returns the last lines of a text file, or nothing if it cannot be read.
#[must_use]
pub fn last_lines(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines();
    let lines: Vec<&str> = lines
        .filter(|line| !line.starts_with(DEVELOPER_NOTE))
        .collect();
    lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn signals_stop_a_run_except_those_of_its_own_faults() {
        use std::os::unix::process::ExitStatusExt;

        let ending = |wait_status| RunEnding::from(ExitStatus::from_raw(wait_status));
        assert_eq!(ending(0), RunEnding::Finished);
        for exit_code in [1, 2, 101] {
            assert_eq!(ending(exit_code << 8), RunEnding::Failed);
        }
        assert_eq!(ending(130 << 8), RunEnding::Stopped);
        for signal in [1, 2, 9, 15] {
            assert_eq!(ending(signal), RunEnding::Stopped, "{signal}");
        }
        for fault in [6, 11] {
            assert_eq!(ending(fault), RunEnding::Failed, "{fault}");
        }
    }

    #[test]
    fn a_run_that_ran_out_of_memory_or_left_no_log_is_reported_with_advice_for_a_user() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.txt");
        let text = "step 1\nmemory allocation of 64 bytes failed\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        std::fs::write(&log, text).unwrap();
        let message = FailedRun::of("a", &log).to_string();
        assert!(message.contains("step 1\nmemory allocation of 64 bytes failed\n"));
        assert!(message.contains("fewer `--jobs`"), "{message}");
        assert!(!message.contains("BACKTRACE"), "{message}");
        let silent = folder.path().join("b.txt");
        let message = FailedRun::of("b", &silent).to_string();
        assert!(
            message.contains("no message in") && message.contains("b.txt"),
            "{message}"
        );
    }

    #[test]
    fn an_ending_is_read_as_it_was_written_and_a_partial_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("3.toml");
        assert_eq!(RunEnding::read(&path), None);
        RunEnding::Failed.write(&path).unwrap();
        assert_eq!(RunEnding::read(&path), Some(RunEnding::Failed));
        std::fs::write(&path, "ending = \"fai").unwrap();
        assert_eq!(RunEnding::read(&path), None);
    }
}
