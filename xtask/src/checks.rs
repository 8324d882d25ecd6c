//! The project's checks: `test` runs the tests, `ci` runs all checks, `reference` writes docs/reference/.

use std::fmt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ffmpeg;
use crate::launch::cargo;
use crate::python;
use crate::slurm;

/// The test of `tests/reference/` that writes the pages of docs/reference/ if `UPDATE_REFERENCE` is set.
const REFERENCE_TEST: &str = "the_reference_agrees_with_the_config_structs";

/// Lints the libraries of the domains without their programs, as another project builds them.
const LINT_LIBRARIES: &str = "clippy --package siren-picture --package siren-image --package siren-audio \
    --package siren-video --package siren-poisson --package siren-shape --package siren-wave --package siren-hyper --lib --no-default-features --release -- -D warnings";

/// The check of dependencies.
const DENY: &str = "deny check licenses bans sources";

/// One named check: a Cargo command, with an optional environment variable.
#[derive(Debug)]
pub struct Step {
    name: &'static str,
    args: Vec<String>,
    env: Option<(&'static str, &'static str)>,
}

impl Step {
    pub fn new(name: &'static str, args: &str) -> Self {
        Self {
            name,
            args: args.split_whitespace().map(str::to_owned).collect(),
            env: None,
        }
    }

    fn command(&self, root: &Path) -> Command {
        let mut command = cargo();
        command.args(&self.args).current_dir(root).envs(self.env);
        command
    }

    /// Runs the check and returns its exit status and duration. Its output goes to the output of this process.
    pub fn run(&self, root: &Path) -> Result<(ExitStatus, Duration)> {
        let start = Instant::now();
        let status = self.command(root).status();
        let status = status.with_context(|| format!("cannot start `{self}`"))?;
        Ok((status, start.elapsed()))
    }
}

/// The command line, as typed in a shell.
impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((key, value)) = self.env {
            write!(out, "{key}=\"{value}\" ")?;
        }
        write!(out, "cargo {}", self.args.join(" "))
    }
}

/// Returns the options that switch on the code and the tests that need FFmpeg, if it is installed.
pub fn features(has_ffmpeg: bool) -> &'static str {
    if has_ffmpeg {
        "--features siren-tests/ffmpeg"
    } else {
        ""
    }
}

fn test_step(extra: &[String], has_ffmpeg: bool) -> Step {
    let line = format!("test --workspace --release {}", features(has_ffmpeg));
    let mut step = Step::new("test", &line);
    step.args.extend_from_slice(extra);
    step
}

/// Returns the checks of `ci`, the cheapest first, since the first failure ends the sequence.
///
/// The steps that compile use the release profile: lints and documentation share their metadata of the dependencies, and
/// the tests share everything else with the runs, so the dependencies are compiled once, in one folder. The linted code
/// is then also the shipped code.
fn ci_steps(has_ffmpeg: bool) -> Vec<Step> {
    let features = features(has_ffmpeg);
    let lint = format!("clippy --workspace --all-targets --release {features} -- -D warnings");
    let document = format!("doc --workspace --no-deps --release {features}");
    vec![
        Step::new("format", "fmt --all --check"),
        Step::new("dependencies", DENY),
        Step::new("lint", &lint),
        Step::new("libraries", LINT_LIBRARIES),
        Step {
            env: Some(("RUSTDOCFLAGS", "-D warnings")),
            ..Step::new("document", &document)
        },
        test_step(&[], has_ffmpeg),
    ]
}

/// Runs the tests of the workspace, and that of a sweep on Slurm if it is installed. `extra` is appended to the arguments of `cargo test`.
pub fn test(root: &Path, extra: &[String]) -> Result<ExitCode> {
    let has_ffmpeg = ffmpeg::is_installed();
    if !has_ffmpeg {
        println!(
            "FFmpeg is not installed, so code that needs it is not tested; `cargo xtask setup` installs it"
        );
    }
    // A selection of tests is no check of the whole.
    if extra.is_empty() {
        if has_cargo_deny(root)? {
            let (status, _) = Step::new("dependencies", DENY).run(root)?;
            if !status.success() {
                return Ok(exit_code(status));
            }
        } else {
            println!(
                "cargo-deny is not installed, so tests/tidy/licenses.rs alone checks licenses and sources; install it with `cargo install --locked cargo-deny`"
            );
        }
    }
    let step = test_step(extra, has_ffmpeg);
    let (status, duration) = step.run(root)?;
    let outcome = if status.success() { "passed" } else { "FAILED" };
    println!("{outcome} in {:.1} s: {step}", duration.as_secs_f64());
    if status.success() && extra.is_empty() && slurm::is_installed() {
        return slurm::check(root);
    }
    Ok(exit_code(status))
}

/// Runs the test of docs/reference/ so that it writes the pages instead of comparing them.
pub fn reference(root: &Path) -> Result<ExitCode> {
    let features = features(ffmpeg::is_installed());
    let line = format!(
        "test --quiet --release --package siren-tests {features} --test reference {REFERENCE_TEST} -- --exact"
    );
    let step = Step {
        env: Some(("UPDATE_REFERENCE", "1")),
        ..Step::new("reference", &line)
    };
    let (status, _) = step.run(root)?;
    if status.success() {
        println!("wrote docs/reference/");
    }
    Ok(exit_code(status))
}

/// Runs the checks in order until one fails, and prints a summary.
pub fn ci(root: &Path) -> Result<ExitCode> {
    require_cargo_deny(root)?;
    let has_ffmpeg = ffmpeg::is_installed();
    let mut steps = ci_steps(has_ffmpeg);
    if python::is_installed() {
        steps.push(python::step());
    } else {
        println!("no Python 3.10 with venv is installed, so the Python package is not tested");
    }
    if slurm::is_installed() {
        steps.push(slurm::step(has_ffmpeg));
    }
    let mut durations = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for step in &steps {
        println!("==> {}: {step}", step.name);
        let (status, duration) = step.run(root)?;
        durations.push(duration);
        if !status.success() {
            code = exit_code(status);
            break;
        }
    }
    print!("{}", summary(&steps, &durations, code == ExitCode::SUCCESS));
    Ok(code)
}

fn has_cargo_deny(root: &Path) -> Result<bool> {
    let mut probe = Step::new("probe", "deny --version").command(root);
    let status = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    Ok(status.context("cannot start cargo")?.success())
}

fn require_cargo_deny(root: &Path) -> Result<()> {
    if !has_cargo_deny(root)? {
        bail!(
            "the dependency check needs cargo-deny; install it with `cargo install --locked cargo-deny`"
        );
    }
    Ok(())
}

/// Returns one line per step. The first `durations.len()` steps were run; all of them passed, or all but the last if `passed` is false.
fn summary(steps: &[Step], durations: &[Duration], passed: bool) -> String {
    let mut text = String::from("\nci summary\n");
    for (index, step) in steps.iter().enumerate() {
        let is_failure = !passed && index + 1 == durations.len();
        let line = match durations.get(index).map(Duration::as_secs_f64) {
            None => format!("  {:<12}  not run", step.name),
            Some(seconds) if is_failure => {
                format!("  {:<12}  FAILED after {seconds:.1} s: {step}", step.name)
            }
            Some(seconds) => format!("  {:<12}  passed in {seconds:.1} s", step.name),
        };
        text += &line;
        text.push('\n');
    }
    text
}

/// Converts the exit status of a child process. A child that a signal ended has the status 128 plus the signal's number, as in a shell.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_test_arguments_follow_the_fixed_ones() {
        let extra = ["jet".to_owned(), "--".to_owned(), "--nocapture".to_owned()];
        let without = test_step(&extra, false).to_string();
        assert_eq!(
            without,
            "cargo test --workspace --release jet -- --nocapture"
        );
        let with = test_step(&extra, true).to_string();
        assert!(with.ends_with("--features siren-tests/ffmpeg jet -- --nocapture"));
    }

    #[test]
    fn a_steps_environment_is_part_of_its_command_line() {
        let lines: Vec<String> = ci_steps(false).iter().map(Step::to_string).collect();
        assert!(lines.contains(
            &"RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps --release".to_owned()
        ));
    }

    #[test]
    fn the_test_that_writes_the_reference_exists() {
        let file = crate::workspace_root().join("tests/reference/main.rs");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("fn {REFERENCE_TEST}()")));
    }

    #[test]
    fn the_summary_distinguishes_passed_failed_and_not_run_steps() {
        let steps = [
            Step::new("format", "fmt"),
            Step::new("lint", "clippy"),
            Step::new("test", "test"),
        ];
        let durations = [Duration::from_millis(400), Duration::from_secs(2)];
        assert_eq!(
            summary(&steps, &durations, false),
            "\nci summary\n  format        passed in 0.4 s\n  lint          FAILED after 2.0 s: cargo clippy\n  \
             test          not run\n"
        );
        assert!(!summary(&steps, &durations, true).contains("FAILED"));
    }

    #[cfg(unix)]
    #[test]
    fn a_child_ended_by_a_signal_has_status_128_plus_the_signal() {
        use std::os::unix::process::ExitStatusExt;

        assert_eq!(exit_code(ExitStatus::from_raw(9)), ExitCode::from(137));
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), ExitCode::from(3));
    }
}
