//! A run that was killed, interrupted or repeated gives the same bytes as one that was left alone.

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::Rng;
use siren_core::signal::step_rng;
use support::desk::{Desk, Files};
use support::program::{Ended, program};

/// Every source of random numbers is in use: a random mask, random pixels, and a prior at random coordinates.
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
muon = {}
[run]
evaluate_every = 10
checkpoint_every = 7
";
/// Small runs of the other kinds, each with a command that makes the rest of its config.
const OTHERS: [(&str, &str); 4] = [
    (
        "audio",
        "[signal]\nlength = 0.1\nsampling = { subset = { points = 300 } }",
    ),
    (
        "hyper",
        "[signal]\nsize = 8\npictures = 12\nbatch = 5\ncontext = [3, 20]\n[model]\nencoder_features = 16\nhyper_features = 16",
    ),
    ("poisson", "[signal]\nsize = 24\n[train.muon]"),
    (
        "video",
        "[signal]\nsize = 16\nlength = 0.5\nsampling = { subset = { points = 300 } }",
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

/// The files of a run that must be the same to the byte: all but those that tell the time.
fn results(desk: &Desk, run: &str) -> Files {
    let tells_time = |name: &str| {
        ["timing.csv", "summary.toml", "provenance.toml"].contains(&name)
            || name.starts_with("events.")
    };
    let mut files = desk.files(run);
    files.retain(|name, _| !tells_time(name));
    for name in [LAST, BEST, "metrics.csv", "evaluation.csv"] {
        assert!(files.contains_key(name), "{run} has no {name}");
    }
    files
}

#[track_caller]
fn assert_same(found: &Files, expected: &Files, what: &str) {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{what}");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what}: {name} differs");
    }
}

fn spawn(desk: &Desk, line: &str) -> Child {
    let mut command = desk.command(line);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// `resume` if the run got as far as having a folder, else `run` again.
fn go_on(desk: &Desk, run: &str) -> String {
    if desk.path(run).exists() {
        format!("resume {run}")
    } else {
        format!("run small.toml --out {run}")
    }
}

/// Waits for a file that a running program is about to write.
fn wait_for(path: &Path, child: &mut Child) {
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_run_killed_at_any_moment_ends_as_if_it_never_had_been() {
    let desk = desk();
    // The first run also waits for the program to be built, so it is not the one to measure.
    desk.run("run small.toml --out unbroken").succeeded();
    let start = Instant::now();
    desk.run("run small.toml --out measured").succeeded();
    let duration = start.elapsed();
    let expected = results(&desk, "unbroken");
    let mut rng = step_rng(20, 0, 0);
    let mut cut_short = 0;
    for round in 0..KILLED_RUNS {
        let run = format!("killed_{round}");
        // Early moments are the more delicate ones: squares crowd there.
        let moment = ((f64::from(round) + rng.random::<f64>()) / f64::from(KILLED_RUNS)).powi(2);
        let mut moments = vec![moment];
        if round % 3 == 0 {
            moments.push(rng.random());
        }
        for moment in moments {
            let mut child = spawn(&desk, &go_on(&desk, &run));
            sleep(duration.mul_f64(moment));
            child.kill().unwrap();
            cut_short += u32::from(!child.wait().unwrap().success());
        }
        desk.run(&go_on(&desk, &run)).succeeded();
        assert_same(&results(&desk, &run), &expected, &run);
    }
    assert!(
        cut_short > KILLED_RUNS / 4,
        "only {cut_short} runs were still going when killed"
    );
}

#[test]
fn a_run_of_any_kind_killed_midway_ends_as_if_it_never_had_been() {
    for (kind, signal) in OTHERS {
        let desk = Desk::of_kind(kind);
        let config = format!(
            "kind = '{kind}'\n{signal}\n[field]\nhidden_features = 16\n[train]\nsteps = 120\n[run]\nevaluate_every = 40\ncheckpoint_every = 7\n"
        );
        desk.write("small.toml", config);
        desk.run("run small.toml --out unbroken").succeeded();
        let mut child = spawn(&desk, "run small.toml --out killed");
        wait_for(&desk.path("killed").join(LAST), &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        let metrics = String::from_utf8(desk.read("killed/metrics.csv")).unwrap();
        assert!(metrics.lines().count() < 120, "{kind}: too late to kill it");
        desk.run("resume killed --threads 1").succeeded();
        let expected = results(&desk, "unbroken");
        assert_same(&results(&desk, "killed"), &expected, kind);
    }
}

#[test]
fn files_that_a_kill_left_half_written_are_swept_away() {
    let desk = desk();
    desk.run("run small.toml --out unbroken").succeeded();
    let mut child = spawn(&desk, "run small.toml --out killed");
    wait_for(
        &desk.path("killed/checkpoints/last.safetensors"),
        &mut child,
    );
    child.kill().unwrap();
    child.wait().unwrap();
    for name in [LAST, BEST, "summary.toml", "artifacts/value.png"] {
        desk.write(&format!("killed/{name}.tmp"), "half of");
    }
    for name in ["metrics.csv", "timing.csv", "evaluation.csv"] {
        let mut text = desk.read(&format!("killed/{name}"));
        text.extend(b"150,0.25,0.2");
        desk.write(&format!("killed/{name}"), text);
    }
    desk.run("resume killed").succeeded();
    let expected = results(&desk, "unbroken");
    assert_same(&results(&desk, "killed"), &expected, "killed");
}

#[test]
fn a_finished_run_can_be_resumed_and_stays_as_it_is() {
    let desk = desk();
    let first = desk.run("run small.toml --out once").succeeded();
    let before = results(&desk, "once");
    // As if it had been killed between its last checkpoint and its end.
    std::fs::remove_file(desk.path("once/summary.toml")).unwrap();
    std::fs::remove_file(desk.path("once/artifacts/value.png")).unwrap();
    let again = desk.run("resume once").succeeded();
    assert_same(&results(&desk, "once"), &before, "resumed");
    assert!(desk.path("once/summary.toml").exists());
    assert!(again.stdout.contains("psnr_db") && first.stdout.contains("psnr_db"));
}

#[test]
fn a_run_that_is_finished_says_so_does_nothing_and_tells_how_to_train_on() {
    for (kind, signal) in OTHERS.into_iter().chain([("image", "[signal]\nsize = 12")]) {
        let desk = Desk::of_kind(kind);
        let config = format!(
            "kind = '{kind}'\n{signal}\n[field]\nhidden_features = 16\n[train]\nsteps = 5\n"
        );
        desk.write("small.toml", config);
        desk.run("run small.toml --out run").succeeded();
        let before = desk.files("run");
        let ended = desk.run("resume run").succeeded();
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
            let ended = desk.run("resume run").succeeded();
            let (_, advice) = ended.stdout.split_once("cargo xtask ").unwrap();
            desk.run(advice.trim()).succeeded();
            assert!(desk.path(new).join("summary.toml").exists());
        }
    }
}

#[test]
fn a_config_of_any_file_name_gives_a_run_that_can_be_resumed() {
    let desk = desk();
    for (file, run) in [("my picture", "my-picture"), ("Größe (1)", "Gr--e--1-")] {
        desk.write(&format!("{file}.toml"), CONFIG);
        let mut command = Command::new(program("image"));
        command.args(["run", &format!("{file}.toml"), "--set", "train.steps=2"]);
        let ended = command.current_dir(desk.path("")).output().unwrap();
        Ended::from(ended).succeeded();
        desk.run(&format!("resume runs/{run}")).succeeded();
    }
}

#[test]
fn the_seed_alone_decides_what_a_run_gives() {
    let desk = desk();
    desk.run("run small.toml --out run").succeeded();
    let expected = results(&desk, "run");
    for threads in [1, 2, 3, 5] {
        let run = format!("threads_{threads}");
        let line = format!("run small.toml --out {run} --threads {threads}");
        desk.run(&line).succeeded();
        assert_same(&results(&desk, &run), &expected, &run);
    }
    desk.run("run small.toml --out other --set seed=1")
        .succeeded();
    let other = results(&desk, "other");
    for name in ["metrics.csv", "evaluation.csv", "artifacts/observed.png"] {
        assert!(other[name] != expected[name], "{name} ignores the seed");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_its_last_step_and_tells_how_to_go_on() {
    let desk = desk();
    desk.run("run small.toml --out unbroken").succeeded();
    let expected = results(&desk, "unbroken");
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
        let advice = format!("continue with: cargo xtask resume {run}");
        assert!(ended.stdout.contains(&advice), "{ended:#?}");
        assert!(desk.path(&run).join(LAST).exists());
        let metrics = String::from_utf8(desk.read(&format!("{run}/metrics.csv"))).unwrap();
        let last_row = metrics.lines().last().unwrap().split(',').next().unwrap();
        let step = format!("stopped at step {last_row};");
        assert!(ended.stdout.contains(&step), "{step} {ended:#?}");
        desk.run(&format!("resume {run}")).succeeded();
        assert_same(&results(&desk, &run), &expected, &run);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_left_by_a_kill_while_it_was_made_is_no_obstacle() {
    let desk = desk();
    // `exec` keeps the process number, which names the unfinished folder.
    let script = "mkdir .run.$$ && touch .run.$$/old && exec \"$0\" run small.toml --out run";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program("image"));
    let ended = shell.current_dir(desk.path("")).output().unwrap();
    Ended::from(ended).succeeded();
    assert!(!desk.path("run/old").exists());
    results(&desk, "run");
}
