//! Builds the programs under test, once per test program, and checks how they exit.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// Builds the executable `siren-<kind>` in the profile of the running test, unless it is up to date, and returns its path.
pub fn program(kind: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(kind) {
        return path.clone();
    }
    let package = format!("siren-{kind}");
    // The path of the running test is …/target/release/deps/resume-0123456789abcdef.
    let test = std::env::current_exe().unwrap();
    let profile_folder = test.ancestors().nth(2).unwrap();
    let profile = match profile_folder.file_name().and_then(OsStr::to_str).unwrap() {
        "debug" => "test",
        other => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--profile", profile, "-p", &package])
        .args(features(kind))
        .arg("--target-dir")
        .arg(profile_folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "`cargo build -p {package}` failed");
    let path = profile_folder
        .join(package)
        .with_extension(std::env::consts::EXE_EXTENSION);
    built.insert(kind.to_owned(), path.clone());
    path
}

/// Returns the Cargo options that give the program the same features as the running tests.
fn features(kind: &str) -> &'static [&'static str] {
    if cfg!(feature = "ffmpeg") && kind == "video" {
        &["--features", "ffmpeg"]
    } else {
        &[]
    }
}

/// Exit code and output of a program that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// Panics with the output unless the exit code is 0.
    #[track_caller]
    pub fn assert_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Panics unless the program exited with code 1 or 2 and an error message that contains each of `words`.
    ///
    /// `case` names the tested case in the panic message.
    #[track_caller]
    pub fn assert_refused(&self, case: &str, words: &[&str]) {
        let stderr = &self.stderr;
        assert!(
            matches!(self.code, Some(1 | 2)),
            "{case}: exit code {:?}, expected 1 or 2\n{stderr}",
            self.code
        );
        assert!(
            stderr.contains("error: ") && !stderr.contains("panicked"),
            "{case}: expected an error message without a panic, found\n{stderr}"
        );
        for word in words {
            assert!(
                stderr.contains(word),
                "{case}: expected `{word}` in\n{stderr}"
            );
        }
    }
}
