//! The programs under test, built once a test program, and how they end.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// The executable `siren-<kind>`, built in the profile of the running test; Cargo has nothing to do if it is fresh.
pub fn program(kind: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(kind) {
        return path.clone();
    }
    let package = format!("siren-{kind}");
    // …/target/release/deps/resume-0123456789abcdef
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
    assert!(status.success(), "no program for the kind `{kind}`");
    let path = profile_folder
        .join(package)
        .with_extension(std::env::consts::EXE_EXTENSION);
    built.insert(kind.to_owned(), path.clone());
    path
}

/// As the tests themselves were built.
fn features(kind: &str) -> &'static [&'static str] {
    if cfg!(feature = "ffmpeg") && kind == "video" {
        &["--features", "ffmpeg"]
    } else {
        &[]
    }
}

/// A program that has ended, and what it said.
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
    /// Panics with what was said unless the program did what it was told.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Panics unless the program refused in an orderly way and said each of `words`.
    #[track_caller]
    pub fn refused(&self, what: &str, words: &[&str]) {
        let stderr = &self.stderr;
        assert!(
            matches!(self.code, Some(1 | 2)),
            "{what}: ended with {:?}, expected 1 or 2\n{stderr}",
            self.code
        );
        assert!(
            stderr.contains("error: ") && !stderr.contains("panicked"),
            "{what}:\n{stderr}"
        );
        for word in words {
            assert!(
                stderr.contains(word),
                "{what}: expected `{word}` in\n{stderr}"
            );
        }
    }
}
