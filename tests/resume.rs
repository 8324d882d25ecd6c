//! A run that was killed, interrupted or repeated gives the same bytes as an undisturbed run.

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::Rng;
use siren_core::signal::Stream;
use support::desk::{Desk, Files};
use support::program::{Ended, program};

/// A config that uses every source of random numbers: a random mask, random pixels, and a prior at random coordinates.
const CONFIG: &str = "
kind = 'image'
[signal]
size = 48
observed = { fraction = 0.5 }
sampling = { subset = { points = 300 } }
[objective]
prior = { total_variation = 1e-3 }
prior_points = 100
[field]
hidden_features = 32
hidden_layers = 2
[train]
steps = 200
optimizer.muon = {}
[run]
evaluate_every = 10
checkpoint_every = 7
";
/// Small runs of the other kinds: the kind, and TOML text of the tables that only this kind has.
const OTHER_KINDS: [(&str, &str); 11] = [
    (
        "audio",
        "[signal]\nlength = 0.1\nsampling = { subset = { points = 300 } }",
    ),
    (
        "image",
        "[signal]\nsize = 24\nsampling = { share = 0.5 }\n[field.mosaic]\ntile = 6\noverlap = 2\n[train.optimizer.muon]",
    ),
    (
        "audio",
        "[signal]\nlength = 0.1\n[field.mosaic]\ntile = 100\noverlap = 10",
    ),
    (
        "video",
        "[signal]\nsize = 16\nlength = 0.5\nsampling = { share = 0.2 }\n[field.mosaic]\ntile = [3, 8, 8]\noverlap = 2",
    ),
    (
        "hyper",
        "[signal]\nsize = 8\npictures = 12\nbatch = 5\ncontext = [3, 20]\n[model]\nencoder_features = 16\nhyper_features = 16",
    ),
    ("poisson", "[signal]\nsize = 24\n[train.optimizer.muon]"),
    (
        "shape",
        "[signal]\nsamples = 500\nsurface_points = 100\nvolume_points = 150\nresolution = 16\nnormals = 'none'\n[objective]\nloss = 'digs'\n[objective.start.sphere]\nsteps = 10",
    ),
    (
        "video",
        "[signal]\nsize = 16\nlength = 0.5\nsampling = { subset = { points = 300 } }",
    ),
    (
        "wave",
        "[objective]\npoints = 150\nsource_points = 30\n[train.optimizer.gauss_newton]\nmomentum = 0.5",
    ),
    (
        "wave",
        "[objective]\nequation = 'wave'\npoints = 150\nsource_points = 50\n[train.optimizer.gauss_newton]",
    ),
    (
        "wave",
        "[objective]\npoints = 300\nsource_points = 60\nhold_points = 0\n[train.optimizer.lbfgs]",
    ),
];
const KILLED_RUNS: u32 = 20;
const LAST: &str = "checkpoints/last.safetensors";
const BEST: &str = "checkpoints/best.safetensors";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("small.toml", CONFIG);
    desk
}

/// Reads the files of a run that must be reproduced byte for byte: all but those that contain times.
fn results(desk: &Desk, run: &str) -> Files {
    let contains_times = |name: &str| {
        [
            "timing.csv",
            "summary.toml",
            "provenance.toml",
            "report.html",
        ]
        .contains(&name)
            || name.starts_with("events.")
    };
    let mut files = desk.files(run);
    files.retain(|name, _| !contains_times(name));
    for name in [LAST, BEST, "metrics.csv", "evaluation.csv"] {
        assert!(files.contains_key(name), "{run} has no {name}");
    }
    files
}

#[track_caller]
fn assert_same(found: &Files, expected: &Files, run: &str) {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{run}");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{run}: {name} differs");
    }
}

fn spawn(desk: &Desk, line: &str) -> Child {
    let mut command = desk.command(line);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Returns the command line that continues a run: `resume` if its folder exists, else `run`.
fn continuing_line(desk: &Desk, run: &str) -> String {
    if desk.path(run).exists() {
        format!("resume {run}")
    } else {
        format!("run small.toml --out {run}")
    }
}

/// Waits until a running program has written a file. Panics if the program exits before.
fn wait_for(path: &Path, child: &mut Child) {
    while !path.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the program ended before it wrote {}",
            path.display()
        );
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_run_killed_at_any_moment_and_resumed_gives_the_bytes_of_an_undisturbed_run() {
    let desk = desk();
    // The time of the first run includes building the program, so a second run is timed.
    desk.run("run small.toml --out undisturbed")
        .assert_success();
    let start = Instant::now();
    desk.run("run small.toml --out measured").assert_success();
    let duration = start.elapsed();
    let expected = results(&desk, "undisturbed");
    let mut rng = Stream::PARAMETERS.rng(20, 0);
    let mut cut_short = 0;
    for round in 0..KILLED_RUNS {
        let run = format!("killed_{round}");
        // Early moments are more critical, so the moments are squares of uniform numbers, which are dense near 0.
        let moment = ((f64::from(round) + rng.random::<f64>()) / f64::from(KILLED_RUNS)).powi(2);
        let mut moments = vec![moment];
        if round % 3 == 0 {
            moments.push(rng.random());
        }
        for moment in moments {
            let mut child = spawn(&desk, &continuing_line(&desk, &run));
            sleep(duration.mul_f64(moment));
            child.kill().unwrap();
            cut_short += u32::from(!child.wait().unwrap().success());
        }
        desk.run(&continuing_line(&desk, &run)).assert_success();
        assert_same(&results(&desk, &run), &expected, &run);
    }
    assert!(
        cut_short > KILLED_RUNS / 4,
        "only {cut_short} runs were still going when killed"
    );
}

/// Kills a run of 120 steps at its first checkpoint, and compares what `resume` makes of it with an undisturbed run.
fn assert_resumes_after_a_kill(kind: &'static str, config: &str) {
    let desk = Desk::of_kind(kind);
    desk.write("small.toml", config);
    desk.run("run small.toml --out undisturbed")
        .assert_success();
    let mut child = spawn(&desk, "run small.toml --out killed");
    wait_for(&desk.path("killed").join(LAST), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let metrics = String::from_utf8(desk.read("killed/metrics.csv")).unwrap();
    assert!(
        metrics.lines().count() < 120,
        "{kind}: the run was already finished when it was killed"
    );
    desk.run("resume killed --threads 1").assert_success();
    let expected = results(&desk, "undisturbed");
    assert_same(&results(&desk, "killed"), &expected, kind);
}

#[test]
fn a_run_of_any_kind_killed_midway_and_resumed_gives_the_bytes_of_an_undisturbed_run() {
    for (kind, signal) in OTHER_KINDS {
        let config = format!(
            "kind = '{kind}'\n{signal}\n[field]\nhidden_features = 16\n[train]\nsteps = 120\n[run]\nevaluate_every = 40\ncheckpoint_every = 7\n"
        );
        assert_resumes_after_a_kill(kind, &config);
    }
}

#[test]
fn a_mosaic_that_started_at_the_mean_killed_midway_and_resumed_gives_the_bytes_of_an_undisturbed_run()
 {
    let config = "
kind = 'image'
[signal]
size = 24
sampling = { share = 0.5 }
[field]
hidden_features = 16
last_bias = 'mean'
mosaic = { tile = 6, overlap = 2 }
[train]
steps = 120
optimizer.muon = {}
[run]
evaluate_every = 40
checkpoint_every = 7
";
    assert_resumes_after_a_kill("image", config);
}

#[test]
fn a_run_in_bfloat16_killed_midway_and_resumed_gives_the_bytes_of_an_undisturbed_run() {
    let config = "
kind = 'image'
[signal]
size = 24
sampling = { subset = { points = 100 } }
[field]
hidden_features = 96
hidden_layers = 1
[train]
steps = 120
precision = 'bf16_emulated'
[run]
evaluate_every = 40
checkpoint_every = 7
";
    assert_resumes_after_a_kill("image", config);
}

#[test]
fn resuming_removes_partially_written_files_and_rows() {
    let desk = desk();
    desk.run("run small.toml --out undisturbed")
        .assert_success();
    let mut child = spawn(&desk, "run small.toml --out killed");
    wait_for(
        &desk.path("killed/checkpoints/last.safetensors"),
        &mut child,
    );
    child.kill().unwrap();
    child.wait().unwrap();
    for name in [LAST, BEST, "summary.toml", "artifacts/value.png"] {
        desk.write(&format!("killed/{name}.tmp"), "partial");
    }
    for name in ["metrics.csv", "timing.csv", "evaluation.csv"] {
        let mut text = desk.read(&format!("killed/{name}"));
        text.extend(b"150,0.25,0.2");
        desk.write(&format!("killed/{name}"), text);
    }
    desk.run("resume killed").assert_success();
    let expected = results(&desk, "undisturbed");
    assert_same(&results(&desk, "killed"), &expected, "killed");
}

#[test]
fn resuming_a_run_without_its_summary_writes_summary_and_artifacts_again() {
    let desk = desk();
    let first = desk.run("run small.toml --out once").assert_success();
    let before = results(&desk, "once");
    // Without these files, the run looks as if it was killed after its last checkpoint.
    std::fs::remove_file(desk.path("once/summary.toml")).unwrap();
    std::fs::remove_file(desk.path("once/artifacts/value.png")).unwrap();
    let again = desk.run("resume once").assert_success();
    assert_same(&results(&desk, "once"), &before, "resumed");
    assert!(desk.path("once/summary.toml").exists());
    assert!(again.stdout.contains("psnr_db") && first.stdout.contains("psnr_db"));
}

#[test]
fn resuming_a_finished_run_changes_nothing_and_prints_how_to_train_further() {
    for (kind, signal) in OTHER_KINDS
        .into_iter()
        .chain([("image", "[signal]\nsize = 12")])
    {
        let desk = Desk::of_kind(kind);
        let config = format!(
            "kind = '{kind}'\n{signal}\n[field]\nhidden_features = 16\n[train]\nsteps = 5\n"
        );
        desk.write("small.toml", config);
        desk.run("run small.toml --out run").assert_success();
        let before = desk.files("run");
        let ended = desk.run("resume run").assert_success();
        assert!(desk.files("run") == before, "{kind}");
        for words in [
            "run is finished",
            "all 5 steps",
            "artifacts in run/artifacts",
        ] {
            assert!(ended.stdout.contains(words), "{ended:#?}");
        }
        assert!(ended.stderr.is_empty() && !ended.stdout.contains("psnr_db"));
        for new in ["run-2", "run-3"] {
            let ended = desk.run("resume run").assert_success();
            let (_, advice) = ended.stdout.split_once(&format!("siren-{kind} ")).unwrap();
            desk.run(advice.trim()).assert_success();
            assert!(desk.path(new).join("summary.toml").exists());
        }
    }
}

#[test]
fn a_config_with_spaces_and_umlauts_in_its_name_gives_a_run_that_can_be_resumed() {
    let desk = desk();
    for (file, run) in [("my picture", "my-picture"), ("Größe (1)", "Gr--e--1-")] {
        desk.write(&format!("{file}.toml"), CONFIG);
        let mut command = Command::new(program("image"));
        command.args(["run", &format!("{file}.toml"), "--set", "train.steps=2"]);
        let ended = command.current_dir(desk.path("")).output().unwrap();
        Ended::from(ended).assert_success();
        desk.run(&format!("resume runs/{run}")).assert_success();
    }
}

#[test]
fn the_number_of_threads_does_not_change_results_and_the_seed_does() {
    let desk = desk();
    desk.run("run small.toml --out run").assert_success();
    let expected = results(&desk, "run");
    for threads in [1, 2, 3, 5] {
        let run = format!("threads_{threads}");
        let line = format!("run small.toml --out {run} --threads {threads}");
        desk.run(&line).assert_success();
        assert_same(&results(&desk, &run), &expected, &run);
    }
    desk.run("run small.toml --out other --set seed=1")
        .assert_success();
    let other = results(&desk, "other");
    for name in ["metrics.csv", "evaluation.csv", "artifacts/observed.png"] {
        assert!(
            other[name] != expected[name],
            "{name} does not depend on the seed"
        );
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_its_last_step_and_prints_how_to_resume() {
    let desk = desk();
    desk.run("run small.toml --out undisturbed")
        .assert_success();
    let expected = results(&desk, "undisturbed");
    for signal in ["INT", "TERM"] {
        let run = format!("stopped_{signal}");
        let mut command = desk.command(&format!("run small.toml --out {run}"));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&desk.path(&run).join(BEST), &mut child);
        let mut kill = Command::new("kill");
        kill.args([format!("-{signal}"), child.id().to_string()]);
        assert!(kill.status().unwrap().success());
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(130), "{ended:#?}");
        let advice = format!("continue with: siren-image resume {run}");
        assert!(ended.stdout.contains(&advice), "{ended:#?}");
        assert!(desk.path(&run).join(LAST).exists());
        let metrics = String::from_utf8(desk.read(&format!("{run}/metrics.csv"))).unwrap();
        let last_row = metrics.lines().last().unwrap().split(',').next().unwrap();
        let step = format!("stopped at step {last_row};");
        assert!(ended.stdout.contains(&step), "{step} {ended:#?}");
        desk.run(&format!("resume {run}")).assert_success();
        assert_same(&results(&desk, &run), &expected, &run);
    }
}

#[cfg(unix)]
#[test]
fn an_unfinished_folder_of_a_killed_process_is_replaced() {
    let desk = desk();
    // The name of an unfinished run folder contains the process id, which `exec` keeps.
    let script = "mkdir .run.$$ && touch .run.$$/old && exec \"$0\" run small.toml --out run";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program("image"));
    let ended = shell.current_dir(desk.path("")).output().unwrap();
    Ended::from(ended).assert_success();
    assert!(!desk.path("run/old").exists());
    results(&desk, "run");
}
