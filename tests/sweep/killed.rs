//! A killed sweep ends its runs, each at a checkpoint, and is continued by the same command.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::Rng;
use siren_core::signal::Stream;
use siren_run::RunFolder;

use crate::support::desk::Desk;
use crate::support::program::Ended;
use crate::{AXES, EXPERIMENT, TABLE, assert_same_tables, run, sweep};

/// Longest time that a test waits for a process.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until a condition holds. Panics after a minute.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited a minute until {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Returns the folders of the runs that a sweep has started.
pub fn run_folders(desk: &Desk, sweep: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(desk.path(sweep).join("runs")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap();
        name.to_string_lossy().starts_with('.')
    };
    paths.filter(|path| !is_hidden(path)).collect()
}

/// Returns whether a process trains in a run folder.
pub fn is_in_use(run: &Path) -> bool {
    RunFolder::open(run).unwrap().is_in_use().unwrap()
}

/// Returns whether a run took a step.
pub fn has_stepped(run: &Path) -> bool {
    let rows = std::fs::read_to_string(run.join("metrics.csv")).unwrap_or_default();
    rows.lines().count() > 1
}

pub fn has_checkpoint(run: &Path) -> bool {
    run.join("checkpoints/last.safetensors").exists()
}

pub fn signal(name: &str, process: &impl ToString) {
    let mut kill = Command::new("kill");
    kill.args([format!("-{name}"), "--".to_owned(), process.to_string()]);
    assert!(kill.stderr(Stdio::null()).status().unwrap().success());
}

pub fn start_quietly(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Writes the config of a sweep of 6 runs that take about a second each, and save no checkpoint of their own before the last step.
fn write_long_sweep(desk: &Desk) {
    let long = EXPERIMENT
        .replace("steps = 60", "steps = 3000")
        .replace("evaluate_every = 20", "evaluate_every = 3000")
        .replace("checkpoint_every = 10", "checkpoint_every = 100000");
    let axes = AXES.replace("[0, 1, 2, 3]", "[0, 1]");
    desk.write("s.toml", format!("{long}{axes}{TABLE}"));
}

/// Kills the process of a sweep, and returns how many of its runs stopped at a checkpoint. Panics if one goes on, or has none.
fn runs_stopped_by_killing(desk: &Desk, out: &str, mut child: Child) -> usize {
    wait_until("two runs have taken a step", || {
        let runs = run_folders(desk, out);
        runs.iter().filter(|run| has_stepped(run)).count() >= 2
    });
    signal("KILL", &child.id());
    child.wait().unwrap();
    let runs = run_folders(desk, out);
    wait_until("no run of the killed sweep is left", || {
        !runs.iter().any(|run| is_in_use(run))
    });
    let later = run_folders(desk, out);
    assert_eq!(later.len(), runs.len(), "runs have started after the sweep");
    for run in &runs {
        assert!(has_checkpoint(run), "{} has no checkpoint", run.display());
    }
    let is_finished = |run: &&PathBuf| run.join("summary.toml").exists();
    runs.len() - runs.iter().filter(is_finished).count()
}

#[test]
fn a_killed_sweep_ends_its_runs_at_checkpoints_and_a_second_start_finishes_them() {
    let desk = Desk::new();
    write_long_sweep(&desk);
    run(&desk, "run s.toml --out undisturbed --jobs 2").assert_success();
    let child = start_quietly(sweep(&desk, "run s.toml --out killed --jobs 2"));
    assert!(runs_stopped_by_killing(&desk, "killed", child) > 0);
    // The second sweep is killed too; the third one begins while its runs are stopping.
    let mut second = start_quietly(sweep(&desk, "run s.toml --out killed --jobs 2"));
    sleep(Duration::from_millis(800));
    signal("KILL", &second.id());
    second.wait().unwrap();
    run(&desk, "run s.toml --out killed --jobs 2").assert_success();
    assert_same_tables(&desk, "killed", "undisturbed");
}

#[cfg_attr(
    debug_assertions,
    ignore = "`cargo xtask` builds in the release profile"
)]
#[test]
fn killing_the_command_that_the_user_typed_ends_the_runs() {
    let desk = Desk::new();
    write_long_sweep(&desk);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "xtask", "--manifest-path"]);
    command
        .arg(manifest)
        .args(["--", "sweep", "s.toml", "--out", "out"]);
    // Cargo builds the programs where those of the tests are.
    let test = std::env::current_exe().unwrap();
    command.env("CARGO_TARGET_DIR", test.ancestors().nth(3).unwrap());
    command.current_dir(desk.path(""));
    let child = start_quietly(command);
    assert!(runs_stopped_by_killing(&desk, "out", child) > 0);
}

#[test]
fn a_sweep_that_is_asked_to_end_stops_its_runs_though_the_signal_did_not_reach_them() {
    let desk = Desk::new();
    write_long_sweep(&desk);
    let mut command = sweep(&desk, "run s.toml --out out --jobs 2");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("a run has taken a step", || {
        run_folders(&desk, "out").iter().any(|run| has_stepped(run))
    });
    signal("TERM", &child.id());
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(ended.stdout.contains("continue with: "), "{ended:#?}");
    for run in run_folders(&desk, "out") {
        assert!(has_checkpoint(&run) && !is_in_use(&run));
    }
}

#[test]
fn a_second_sweep_in_the_same_folder_is_refused_and_the_first_goes_on() {
    let desk = Desk::new();
    write_long_sweep(&desk);
    let line = "run s.toml --out out --jobs 2 --set train.steps=1000";
    let mut first = start_quietly(sweep(&desk, line));
    wait_until("the first run has taken a step", || {
        run_folders(&desk, "out").iter().any(|run| has_stepped(run))
    });
    run(&desk, line).assert_refused(
        "a second sweep",
        &["out is in use by another sweep", "wait until it ends"],
    );
    assert!(first.wait().unwrap().success());
}

#[test]
fn a_run_that_another_process_continues_is_waited_for() {
    let desk = Desk::new();
    write_long_sweep(&desk);
    let child = start_quietly(sweep(&desk, "run s.toml --out out --jobs 1"));
    runs_stopped_by_killing_one(&desk, child);
    let runs = run_folders(&desk, "out");
    let unfinished = runs.iter().find(|run| !run.join("summary.toml").exists());
    let name = unfinished.unwrap().file_name().unwrap().to_str().unwrap();
    let mut other = start_quietly(desk.command(&format!("resume out/runs/{name}")));
    wait_until("the other process has the run", || {
        is_in_use(unfinished.unwrap())
    });
    let ended = run(&desk, "run s.toml --out out --jobs 2").assert_success();
    assert!(ended.stdout.contains("6 of 6 runs"), "{ended:#?}");
    assert!(other.wait().unwrap().success());
}

/// Kills a sweep once its first run has taken a step.
fn runs_stopped_by_killing_one(desk: &Desk, mut child: Child) {
    wait_until("a run has taken a step", || {
        run_folders(desk, "out").iter().any(|run| has_stepped(run))
    });
    signal("KILL", &child.id());
    child.wait().unwrap();
    wait_until("no run of the killed sweep is left", || {
        !run_folders(desk, "out").iter().any(|run| is_in_use(run))
    });
}

/// Starts the sweep in a new process group and kills the group after `delay`. Returns whether the sweep was still running.
fn kill_after(desk: &Desk, delay: Duration) -> bool {
    use std::os::unix::process::CommandExt;

    let mut command = sweep(desk, "run s.toml --out killed");
    command
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    sleep(delay);
    let group = format!("-{}", child.id());
    Command::new("kill")
        .args(["-9", "--", &group])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !child.wait().unwrap().success()
}

#[test]
fn a_sweep_killed_at_random_times_and_started_again_gives_the_same_table() {
    let desk = Desk::new();
    desk.write("s.toml", format!("{EXPERIMENT}{AXES}{TABLE}"));
    let start = Instant::now();
    run(&desk, "run s.toml --out undisturbed").assert_success();
    let duration = start.elapsed();
    let mut rng = Stream::PARAMETERS.rng(7, 0);
    let kills = (0..6).filter(|_| kill_after(&desk, duration.mul_f64(rng.random::<f64>() * 0.3)));
    assert!(kills.count() > 2);
    run(&desk, "run s.toml --out killed").assert_success();
    assert_same_tables(&desk, "killed", "undisturbed");
}
