//! Tests under the stand-in for the driver.

use std::process::Command;
use std::{env, thread};

/// Set in a process that runs under the stand-in.
const INSIDE: &str = "SIREN_CUDA_TEST_INSIDE";

/// Settings of the stand-in: environment variables with their values.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// Runs the body of the calling test in a process of its own in which `libcuda.so.1` is the stand-in driver, and fails if it fails.
pub fn under_stand_in_driver(settings: Settings<'_>, body: impl FnOnce()) {
    let _ = outputs_under_stand_in_drivers(&[settings], body);
}

/// Runs the body of the calling test in one process for each of the settings, and returns what each wrote in lines that begin with `> `.
///
/// The loader reads `LD_LIBRARY_PATH` when a process starts, so this one cannot load the stand-in.
pub fn outputs_under_stand_in_drivers(
    settings: &[Settings<'_>],
    body: impl FnOnce(),
) -> Vec<Vec<String>> {
    if env::var_os(INSIDE).is_some() {
        body();
        return Vec::new();
    }
    let folder = tempfile::tempdir().unwrap();
    siren_ptx::driver::library_folder(folder.path()).unwrap();
    let run = |settings: &Settings<'_>| {
        let output = Command::new(env::current_exe().unwrap())
            .args([thread::current().name().unwrap(), "--exact", "--nocapture"])
            .env("LD_LIBRARY_PATH", folder.path())
            .env(INSIDE, "1")
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stdout}{stderr}");
        assert!(stdout.contains("1 passed"), "{stdout}{stderr}");
        let lines = stdout.lines().filter_map(|line| line.strip_prefix("> "));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        for line in &lines {
            println!("{line}");
        }
        lines
    };
    settings.iter().map(run).collect()
}
