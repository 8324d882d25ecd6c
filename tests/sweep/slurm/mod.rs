//! Sweeps on Slurm: a stand-in that is everywhere, and a real one where it is installed.

mod cluster;
mod real;
mod stand_in;

use std::process::{Command, Stdio};

use crate::killed::{run_folders, signal, wait_until};
use crate::support::desk::Desk;
use crate::support::program::Ended;
use crate::{AXES, EXPERIMENT, TABLE, assert_same_tables, run, sweep};
use stand_in::StandIn;

/// Writes a sweep of 12 short runs and fits it on this computer, into the folder `local`.
fn desk_with_local_sweep() -> Desk {
    let desk = Desk::new();
    desk.write("s.toml", format!("{EXPERIMENT}{AXES}{TABLE}"));
    run(&desk, "run s.toml --out local").assert_success();
    desk
}

fn end(mut command: Command) -> Ended {
    command.output().unwrap().into()
}

#[test]
fn a_sweep_that_was_left_in_the_queue_is_followed_later_and_gives_the_table_of_a_local_one() {
    let desk = desk_with_local_sweep();
    let cluster = StandIn::on(&desk);
    cluster.set("hold", "");
    let options = "--out out --partition fast --time 1:00:00 --sbatch-arg --mem=2G --no-wait";
    let left = end(cluster.sweep(options)).assert_success();
    for words in [
        "--on slurm --partition=fast --time=1:00:00 --sbatch-arg='--mem=2G'",
        "scancel 101",
    ] {
        assert!(left.stdout.contains(words), "{words}: {left:#?}");
    }
    let again = end(cluster.sweep(options)).assert_success();
    assert_eq!(again.stdout, left.stdout);
    cluster.unset("hold");
    let followed = end(cluster.sweep("--out out")).assert_success();
    assert!(followed.stdout.contains("12 of 12 runs"), "{followed:#?}");
    assert_same_tables(&desk, "out", "local");
    let submissions = cluster.submissions();
    assert_eq!(submissions.len(), 1, "{submissions:?}");
    let expected = "--parsable --partition=fast --time=1:00:00 --mem=2G ";
    assert!(submissions[0].starts_with(expected), "{submissions:?}");
}

#[test]
fn killed_tasks_are_submitted_again_and_continue() {
    let desk = Desk::new();
    let long = EXPERIMENT.replace("steps = 60", "steps = 4000");
    let axes = AXES.replace("[0, 1, 2, 3]", "[0, 1]");
    desk.write("s.toml", format!("{long}{axes}{TABLE}"));
    run(&desk, "run s.toml --out local").assert_success();
    let cluster = StandIn::on(&desk);
    cluster.set("kill.0", "");
    cluster.set("kill.4", "");
    let mut command = cluster.sweep("--out out");
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("a run has started", || {
        !run_folders(&desk, "out").is_empty()
    });
    // The controller does not answer once.
    cluster.set("deaf", "");
    let ended = Ended::from(child.wait_with_output().unwrap()).assert_success();
    assert_same_tables(&desk, "out", "local");
    let again = ended.stderr.matches("it is submitted again").count();
    assert_eq!(again, 2, "{ended:#?}");
    let words = "Unable to contact slurm controller";
    assert!(ended.stderr.contains(words), "{ended:#?}");
}

#[test]
fn a_task_that_is_killed_again_and_again_is_reported_and_the_others_finish() {
    let desk = Desk::new();
    let axes = "[[sweep.axes]]\nname = \"steps\"\nkey = \"train.steps\"\nvalues = [1000000, 20]\n";
    let table = TABLE.replace("\"method\"", "\"steps\"");
    desk.write("s.toml", format!("{EXPERIMENT}{axes}{table}"));
    let cluster = StandIn::on(&desk);
    // The long run is the first task, also of every later array.
    cluster.set("kill.0", "always");
    let ended = end(cluster.sweep("--out out"));
    ended.assert_refused("a killed run", &["1000000", "was stopped 4 times"]);
    assert!(ended.stdout.contains("1 of 2 runs"), "{ended:#?}");
    assert_eq!(cluster.submissions().len(), 4);
}

#[test]
fn a_run_that_fails_is_reported_with_its_log_and_is_not_submitted_again() {
    let desk = Desk::new();
    let axes =
        "[[sweep.axes]]\nname = \"rate\"\nkey = \"train.learning_rate\"\nvalues = [1e38, 1e-4]\n";
    let table = TABLE.replace("\"method\"", "\"rate\"");
    desk.write("s.toml", format!("{EXPERIMENT}{axes}{table}"));
    let cluster = StandIn::on(&desk);
    let ended = end(cluster.sweep("--out out"));
    ended.assert_refused("a diverging run", &["finite"]);
    assert!(ended.stdout.contains("1 of 2 runs"), "{ended:#?}");
    assert_eq!(cluster.submissions().len(), 1);
    // Another call tries again. One that finds the failure of an earlier call reports it instead.
    end(cluster.sweep("--out out --no-wait")).assert_success();
    assert_eq!(cluster.submissions().len(), 2);
    wait_until("the run has failed again", || {
        desk.path("out/jobs/002/endings/0.toml").exists()
    });
    let ended = end(cluster.sweep("--out out"));
    ended.assert_refused("a diverging run, followed later", &["finite"]);
    assert_eq!(cluster.submissions().len(), 2);
}

#[test]
fn refusals_of_slurm_are_shown_and_nothing_is_lost() {
    let desk = desk_with_local_sweep();
    let mut command = sweep(&desk, "run s.toml --out out --on slurm");
    command.env("PATH", desk.path("empty"));
    end(command).assert_refused(
        "no Slurm",
        &["`sbatch` is not on this computer", "login node"],
    );
    assert!(!desk.path("out").exists());
    let cluster = StandIn::on(&desk);
    cluster.set(
        "refuse",
        "sbatch: error: invalid partition specified: fats\n",
    );
    end(cluster.sweep("--out out --partition fats")).assert_refused(
        "another partition",
        &["`sbatch` refused", "invalid partition specified: fats"],
    );
    cluster.unset("refuse");
    end(cluster.sweep("--out out")).assert_success();
    assert_same_tables(&desk, "out", "local");
}

#[test]
fn a_sweep_in_the_queue_is_not_started_elsewhere_nor_with_other_settings() {
    let desk = desk_with_local_sweep();
    let cluster = StandIn::on(&desk);
    cluster.set("hold", "");
    end(cluster.sweep("--out out --no-wait")).assert_success();
    end(cluster.command("run s.toml --out out")).assert_refused(
        "a local sweep",
        &["in use by jobs in the queue of Slurm", "scancel 101"],
    );
    run(&desk, "run s.toml --out out")
        .assert_refused("a computer without Slurm", &["--on slurm", "out/jobs"]);
    end(cluster.sweep("--out out --set train.steps=50")).assert_refused(
        "other settings",
        &["job 101", "with other settings", "scancel 101"],
    );
    let mut scancel = Command::new(desk.path("slurm/bin/scancel"));
    scancel.arg("101").env("SLURM_STATE", desk.path("slurm"));
    assert!(scancel.status().unwrap().success());
    cluster.unset("hold");
    end(cluster.command("run s.toml --out out")).assert_success();
    assert_same_tables(&desk, "out", "local");
}

#[test]
fn more_runs_than_an_array_may_have_are_several_arrays() {
    let desk = desk_with_local_sweep();
    let cluster = StandIn::on(&desk);
    cluster.set("largest", "5");
    let ended = end(cluster.sweep("--out out")).assert_success();
    assert_same_tables(&desk, "out", "local");
    for text in ["job 101: 5 runs", "job 102: 5 runs", "job 103: 2 runs"] {
        assert!(ended.stderr.contains(text), "{ended:#?}");
    }
}

#[test]
fn the_jobs_of_an_interrupted_or_killed_sweep_go_on() {
    let desk = desk_with_local_sweep();
    let cluster = StandIn::on(&desk);
    cluster.set("hold", "");
    for name in ["INT", "KILL"] {
        let mut command = cluster.sweep("--out out");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait_until("the runs are submitted", || {
            let job = std::fs::read_to_string(desk.path("out/jobs/001/job.toml"));
            job.is_ok_and(|job| job.contains("101"))
        });
        std::thread::sleep(std::time::Duration::from_millis(700));
        signal(name, &child.id());
        let ended = Ended::from(child.wait_with_output().unwrap());
        if name == "INT" {
            assert_eq!(ended.code, Some(130), "{ended:#?}");
            assert!(ended.stdout.contains("cancel them with: scancel 101"));
        }
    }
    cluster.unset("hold");
    end(cluster.sweep("--out out")).assert_success();
    assert_same_tables(&desk, "out", "local");
    assert_eq!(cluster.submissions().len(), 1);
}

#[test]
fn another_scheduler_starts_each_run_by_one_command() {
    let desk = desk_with_local_sweep();
    let handed = run(&desk, "run s.toml --out out --on elsewhere").assert_success();
    let (_, command) = handed.stdout.trim().split_once("by:\n").unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    let (last, words) = words.split_last().unwrap();
    assert_eq!(*last, "N");
    for task in 0..12 {
        let task = task.to_string();
        let mut member = Command::new(words[0]);
        member.args(&words[1..]).arg(&task).current_dir("/");
        end(member).assert_success();
    }
    let mut member = Command::new(words[0]);
    member.args(&words[1..]).arg("12");
    end(member).assert_refused("one task too many", &["found the task 12", "0 to 11"]);
    sweep(&desk, "table out").output().unwrap();
    assert_same_tables(&desk, "out", "local");
}
