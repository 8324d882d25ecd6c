//! Tests under the stand-in for the driver.

use std::process::Command;
use std::{env, thread};

/// Set in the process that runs under the stand-in.
const INSIDE: &str = "SIREN_CUDA_TEST_INSIDE";

/// Runs the body of the calling test in a process of its own in which `libcuda.so.1` is the stand-in driver with these settings, and fails
/// if it fails.
///
/// The loader reads `LD_LIBRARY_PATH` when a process starts, so this one cannot load the stand-in.
pub fn under_stand_in_driver(settings: &[(&str, &str)], body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let folder = tempfile::tempdir().unwrap();
    siren_ptx::driver::library_folder(folder.path()).unwrap();
    let test = thread::current();
    let output = Command::new(env::current_exe().unwrap())
        .args([test.name().unwrap(), "--exact", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .env(INSIDE, "1")
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    print!("{stdout}");
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}{stderr}");
}
