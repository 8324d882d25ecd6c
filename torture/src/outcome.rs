//! What a trial may lead to: the results of an unbroken run, or a refusal that a user understands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::launched::Launch;
use crate::process::{End, Ended};

/// Exit status of a program that was told to stop.
const INTERRUPTED: i32 = 130;
/// Exit status of the loader of the system where a program's libraries do not load.
const NOT_LOADED: i32 = 127;
/// Files that hold times, wherever they lie in a folder.
const TIMED: [&str; 4] = ["timing.csv", "provenance.toml", "report.html", ".lock"];
/// Folders of a sweep whose files hold times.
const TIMED_FOLDERS: [&str; 3] = ["logs", "plots", "jobs"];
/// Keys of `summary.toml` that hold times, and what computed the run.
const TIMED_KEYS: [&str; 6] = [
    "checksum",
    "seconds",
    "seconds_per_step",
    "peak_memory_mib",
    "threads",
    "ranks",
];

/// The files of a run or a sweep that must not depend on what happened to it, by their path in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results(BTreeMap<PathBuf, Vec<u8>>);

impl Results {
    /// Reads the folder of a finished run or sweep.
    ///
    /// # Errors
    /// If a file cannot be read, a summary is no TOML, or a temporary file is left.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(folder, Path::new(""), &mut files)?;
        Ok(Self(files))
    }

    /// Checks that all files are those of another run.
    ///
    /// # Errors
    /// With the files that differ, are missing or are too many.
    pub fn check_same(&self, expected: &Self) -> Result<()> {
        let mut differences = Vec::new();
        for (path, bytes) in &expected.0 {
            match self.0.get(path) {
                None => differences.push(format!("{} is missing", path.display())),
                Some(found) if found != bytes => {
                    differences.push(format!("{} differs", path.display()));
                }
                Some(_) => {}
            }
        }
        let added = self.0.keys().filter(|path| !expected.0.contains_key(*path));
        differences.extend(added.map(|path| format!("{} is new", path.display())));
        ensure!(
            differences.is_empty(),
            "the results are not those of an unbroken run: {}",
            differences.join(", ")
        );
        Ok(())
    }
}

/// Adds the files of `folder`, whose path in the results is `inner`.
fn collect(folder: &Path, inner: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, inner) = (entry.path(), inner.join(&name));
        ensure!(
            Path::new(&name)
                .extension()
                .is_none_or(|last| last != "tmp"),
            "the temporary file {} is left",
            path.display()
        );
        ensure!(
            !name.starts_with('.') || name == ".lock",
            "the temporary folder {} is left",
            path.display()
        );
        if path.is_dir() {
            if !TIMED_FOLDERS.contains(&name.as_str()) {
                collect(&path, &inner, files)?;
            }
            continue;
        }
        if TIMED.contains(&name.as_str()) || name.starts_with("events.out") {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let bytes = if name == "summary.toml" {
            timeless(&bytes).with_context(|| path.display().to_string())?
        } else {
            bytes
        };
        files.insert(inner, bytes);
    }
    Ok(())
}

/// Returns the text of a summary without times.
fn timeless(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut table: toml::Table = std::str::from_utf8(bytes)?.parse()?;
    for key in TIMED_KEYS {
        table.remove(key);
    }
    if let Some(toml::Value::Table(tables)) = table.get_mut("tables") {
        tables.remove("timing");
    }
    ensure!(table.contains_key("metrics"), "a summary without metrics");
    Ok(toml::to_string(&table)?.into_bytes())
}

/// Checks that nothing but `expected` lies in a folder.
///
/// # Errors
/// With the first other entry.
pub fn check_nothing_else(folder: &Path, expected: &[&str]) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(
            expected.contains(&name.as_str()),
            "{} is left",
            folder.join(&name).display()
        );
    }
    Ok(())
}

/// How a program may end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// It may refuse, with a clear message.
    pub refusal: bool,
    /// It may stop after the present step.
    pub interruption: bool,
    /// Signals that may end it.
    pub signals: &'static [i32],
    /// The allocator may end it, and the loader of the system may refuse to start it: neither is the program's own.
    pub out_of_memory: bool,
    /// What the status is of: `mpirun` has its own for a rank that a signal ended.
    pub launch: Launch,
}

/// What a program did that ended as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ended with success.
    Finished,
    /// It refused to go on.
    Refused,
    /// It was stopped or killed.
    Stopped,
}

/// Judges the end of a program.
///
/// # Errors
/// If it is not allowed: a hang, a panic, an abort, an exit status or a message that tells the user nothing.
pub fn judge(ended: &Ended, allowed: Allowed) -> Result<Verdict> {
    let output = || {
        format!(
            "standard output:\n{}\nstandard error:\n{}",
            ended.stdout, ended.stderr
        )
    };
    ensure!(
        !ended.stderr.contains("panicked at") && !ended.stdout.contains("panicked at"),
        "a panic; {}",
        output()
    );
    match ended.end {
        End::Exited(0) => Ok(Verdict::Finished),
        End::Exited(1 | 2) if allowed.refusal => {
            check_message(&ended.stderr).with_context(output)?;
            Ok(Verdict::Refused)
        }
        End::Exited(INTERRUPTED) if allowed.interruption => Ok(Verdict::Stopped),
        End::Killed(signal) if allowed.signals.contains(&signal) => Ok(Verdict::Stopped),
        // A launcher whose ranks were struck has statuses of its own. That of Open MPI 4.1 also crashes if two signals reach it while it starts, and waits
        // for ever if a rank is killed before all have met, which is before any of them writes a word.
        ref end if is_launchers_own(end, ended, allowed) => Ok(Verdict::Stopped),
        End::Killed(6)
            if allowed.out_of_memory && ended.stderr.contains("memory allocation of") =>
        {
            Ok(Verdict::Stopped)
        }
        // Libraries such as FFmpeg's are mapped before the program's first line.
        End::Exited(NOT_LOADED)
            if allowed.out_of_memory
                && ended
                    .stderr
                    .contains("error while loading shared libraries") =>
        {
            Ok(Verdict::Refused)
        }
        ref end => bail!("an end that is not allowed, {end:?}; {}", output()),
    }
}

/// Returns whether an end is that of `mpirun`, rather than of a rank, after a signal.
fn is_launchers_own(end: &End, ended: &Ended, allowed: Allowed) -> bool {
    let is_struck = matches!(allowed.launch, Launch::Ranks(_)) && !allowed.signals.is_empty();
    is_struck
        && match end {
            End::Exited(status) => *status > 0,
            End::Killed(_) => true,
            End::Hung => ended.stdout.is_empty() && ended.stderr.is_empty(),
        }
}

/// Checks that there is one error message, and that it says more than a word.
fn check_message(stderr: &str) -> Result<()> {
    let errors: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .collect();
    ensure!(
        !errors.is_empty(),
        "an exit status without an error message"
    );
    // A sweep prints the name of a run, and below it the end of its log.
    let message = stderr.split("error:").last().unwrap_or_default();
    ensure!(
        message.trim().len() > 10,
        "an error message that says nothing"
    );
    ensure!(
        !stderr.contains("stack backtrace") && !stderr.contains("RUST_BACKTRACE"),
        "a backtrace in a message for users"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ended(end: End, stderr: &str) -> Ended {
        Ended {
            end,
            stdout: String::new(),
            stderr: stderr.to_owned(),
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn panics_hangs_and_empty_messages_are_findings_whatever_is_allowed() {
        let all = Allowed {
            refusal: true,
            interruption: true,
            signals: &[9],
            out_of_memory: true,
            launch: Launch::Alone,
        };
        for (end, stderr) in [
            (End::Exited(101), "thread 'main' panicked at src/a.rs:1"),
            (
                End::Exited(1),
                "thread 'main' panicked at src/a.rs:1\nerror: something is wrong",
            ),
            (End::Exited(1), ""),
            (End::Exited(1), "error: no"),
            (End::Exited(127), "sh: 1: exec: siren-image: not found"),
            (End::Exited(3), "error: something is wrong"),
            (End::Hung, ""),
            (End::Killed(6), ""),
            (End::Killed(11), ""),
        ] {
            assert!(
                judge(&ended(end.clone(), stderr), all).is_err(),
                "{end:?} {stderr}"
            );
        }
        let refusal = ended(End::Exited(1), "error: a.csv: is damaged, delete it");
        assert_eq!(judge(&refusal, all).unwrap(), Verdict::Refused);
        assert!(judge(&refusal, Allowed::default()).is_err());
    }

    #[test]
    fn a_launcher_may_hang_after_a_signal_if_no_rank_has_written_anything() {
        let struck = Allowed {
            signals: &[9],
            launch: Launch::Ranks(2),
            ..Allowed::default()
        };
        let hung = |stderr| ended(End::Hung, stderr);
        assert_eq!(judge(&hung(""), struck).unwrap(), Verdict::Stopped);
        assert!(judge(&hung("step 3"), struck).is_err());
        let alone = Allowed {
            launch: Launch::Alone,
            ..struck
        };
        assert!(judge(&hung(""), alone).is_err());
        let unstruck = Allowed {
            signals: &[],
            ..struck
        };
        assert!(judge(&hung(""), unstruck).is_err());
    }

    #[test]
    fn the_loader_may_refuse_a_program_under_a_limit_of_memory_alone() {
        let message = "siren-video: error while loading shared libraries: libavcodec.so.61: failed to map segment from shared object";
        let refusal = ended(End::Exited(127), message);
        let little_memory = Allowed {
            refusal: true,
            out_of_memory: true,
            ..Allowed::default()
        };
        assert_eq!(judge(&refusal, little_memory).unwrap(), Verdict::Refused);
        let enough_memory = Allowed {
            out_of_memory: false,
            ..little_memory
        };
        assert!(judge(&refusal, enough_memory).is_err());
    }

    #[test]
    fn a_changed_byte_a_missing_file_and_a_temporary_one_are_differences() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("metrics.csv", "step,loss\n1,0.5\n");
        write("timing.csv", "step,seconds\n1,0.5\n");
        write(
            "summary.toml",
            "seconds = 1.0\nsteps = 1\n[metrics]\na = 1.0\n",
        );
        let expected = Results::read(folder.path()).unwrap();
        write("timing.csv", "step,seconds\n1,0.6\n");
        write(
            "summary.toml",
            "seconds = 2.0\nsteps = 1\n[metrics]\na = 1.0\n",
        );
        let check = || Results::read(folder.path())?.check_same(&expected);
        check().unwrap();
        write("metrics.csv", "step,loss\n1,0.6\n");
        assert!(
            check()
                .unwrap_err()
                .to_string()
                .contains("metrics.csv differs")
        );
        fs::remove_file(folder.path().join("metrics.csv")).unwrap();
        assert!(check().unwrap_err().to_string().contains("is missing"));
        write("a.tmp", "");
        assert!(check().unwrap_err().to_string().contains("a.tmp is left"));
    }
}
