//! The Python package: builds its wheel, and tests the wheel in a fresh virtual environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::checks::{Step, exit_code};
use crate::kernels::output_of;

/// The folder of the package in the workspace.
const PACKAGE: &str = "crates/siren-python";
/// What the tests need besides the wheel: PyTorch, and what runs the notebook.
const TEST_PACKAGES: [&str; 5] = [
    "pytest",
    "torch>=2.5",
    "nbclient",
    "ipykernel",
    "matplotlib",
];
/// The same without PyTorch.
const SMALL_TEST_PACKAGES: [&str; 1] = ["pytest"];

#[derive(Args, Debug)]
pub struct WheelArgs {
    /// Folder to which the wheel is written.
    #[arg(long, value_name = "DIR", default_value = "target/wheels")]
    pub out: PathBuf,
}

#[derive(Args, Debug)]
pub struct PythonCheckArgs {
    /// Leave out PyTorch and the notebook: seconds instead of minutes, and megabytes instead of gigabytes.
    #[arg(long)]
    pub without_torch: bool,
}

/// Builds the wheel, and prints its path.
///
/// # Errors
/// If there is no Python, maturin can be neither found nor installed, or the build fails.
pub fn wheel(root: &Path, args: &WheelArgs) -> Result<ExitCode> {
    let built = build(root)?;
    let out = root.join(&args.out);
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let wheel = out.join(built.file_name().unwrap_or_default());
    fs::copy(&built, &wheel).with_context(|| format!("cannot write {}", wheel.display()))?;
    println!("{}", wheel.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the wheel, installs it in a fresh virtual environment, and runs the tests of the package there.
///
/// # Errors
/// As [`wheel`]; also if an installation fails.
pub fn check(root: &Path, args: &PythonCheckArgs) -> Result<ExitCode> {
    let wheel = build(root)?;
    let fresh = python_folder(root).join("fresh");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    }
    let python = environment(&fresh)?;
    let packages = if args.without_torch {
        &SMALL_TEST_PACKAGES[..]
    } else {
        &TEST_PACKAGES
    };
    let mut install = pip(&python);
    output_of(install.arg(&wheel).args(packages)).context("cannot install the wheel")?;
    let mut tests = Command::new(&python);
    tests.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    // Not in the folder of the package, whose sources would be imported instead of the wheel.
    let status = tests.current_dir(root.join(PACKAGE).join("tests")).status();
    let status = status.with_context(|| format!("cannot start {}", python.display()))?;
    if status.success() {
        fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    }
    Ok(exit_code(status))
}

/// Returns the check of `ci`.
pub fn step() -> Step {
    Step::new("python", "run --quiet --package xtask -- python-check")
}

/// Returns whether a Python is installed that makes virtual environments.
pub fn is_installed() -> bool {
    python().is_ok()
}

/// Returns the folder of what this module makes.
fn python_folder(root: &Path) -> PathBuf {
    target(root).join("python")
}

/// Returns Cargo's target folder.
fn target(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    }
}

/// Builds the wheel in the target folder and returns its path.
fn build(root: &Path) -> Result<PathBuf> {
    let out = python_folder(root).join("wheels");
    // An older wheel would be found too.
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    let maturin = maturin(root)?;
    let mut build = Command::new(&maturin);
    build.args(["build", "--release", "--locked", "--manifest-path"]);
    build.arg(root.join(PACKAGE).join("Cargo.toml"));
    build.arg("--out").arg(&out);
    // Maturin looks for an interpreter, though the wheel is for all.
    build.arg("--interpreter").arg(python()?);
    let status = build.status();
    let status = status.with_context(|| format!("cannot start {}", maturin.display()))?;
    if !status.success() {
        bail!("`maturin build` failed");
    }
    let entries = fs::read_dir(&out).with_context(|| format!("cannot list {}", out.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let wheel = paths.find(|path| path.extension().is_some_and(|end| end == "whl"));
    wheel.with_context(|| format!("maturin wrote no wheel to {}", out.display()))
}

/// Returns the program maturin: the installed one, or that of an environment in the target folder.
fn maturin(root: &Path) -> Result<PathBuf> {
    let installed = Command::new("maturin").arg("--version").output();
    if installed.is_ok_and(|output| output.status.success()) {
        return Ok("maturin".into());
    }
    let folder = python_folder(root).join("build");
    let program = programs(&folder).join(format!("maturin{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        let python = environment(&folder)?;
        output_of(pip(&python).arg("maturin>=1.9,<2")).context(
            "cannot download maturin from PyPI; go online, or install it so that `maturin --version` works",
        )?;
    }
    Ok(program)
}

/// Returns pip's command to install packages.
fn pip(python: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip
}

/// Makes a virtual environment, unless it is there, and returns its interpreter.
fn environment(folder: &Path) -> Result<PathBuf> {
    let name = format!("python{}", std::env::consts::EXE_SUFFIX);
    let own = programs(folder).join(name);
    if !own.is_file() {
        let mut make = Command::new(python()?);
        output_of(make.args(["-m", "venv"]).arg(folder))?;
    }
    Ok(own)
}

/// Returns the folder of the programs of a virtual environment.
fn programs(folder: &Path) -> PathBuf {
    folder.join(if cfg!(windows) { "Scripts" } else { "bin" })
}

/// Returns the name of a Python that makes virtual environments with pip.
fn python() -> Result<&'static str> {
    let makes_environments = |name: &&str| {
        let output = Command::new(name)
            .args([
                "-c",
                "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)",
            ])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    let mut names = ["python3", "python"].into_iter();
    names.find(makes_environments).context(
        "found no Python 3.10 or newer with the modules venv and ensurepip (Debian: apt-get install python3-venv)",
    )
}
