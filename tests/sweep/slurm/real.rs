//! A sweep on a Slurm that is started for it.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::cluster::SlurmCluster;
use crate::killed::{has_stepped, signal, wait_until};
use crate::support::desk::Desk;
use crate::support::program::Ended;
use crate::{AXES, EXPERIMENT, TABLE, assert_same_tables, run, sweep};

/// Returns the command `siren-sweep run s.toml --on slurm` in the cluster, with further arguments.
fn slurm_sweep(cluster: &SlurmCluster, desk: &Desk, arguments: &str) -> Command {
    let line = format!("run s.toml --out out --on slurm --time 10 {arguments}");
    let mut command = sweep(desk, line.trim_end());
    command.env("SLURM_CONF", cluster.config());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Returns the process id of the program that trains in a run folder.
fn process_of(run: &str) -> Option<String> {
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let mut words = words.split(|&byte| byte == 0);
        let is_program = words
            .next()
            .is_some_and(|program| program.ends_with(b"siren-image"));
        if is_program && words.any(|word| word.ends_with(run.as_bytes())) {
            return Some(path.file_name()?.to_str()?.to_owned());
        }
    }
    None
}

/// Returns the numbers of the running tasks.
fn running_tasks(cluster: &SlurmCluster) -> Vec<usize> {
    let tasks = cluster.output(
        "squeue",
        &["--noheader", "--array", "--states=RUNNING", "--format=%K"],
    );
    tasks.lines().map(|task| task.parse().unwrap()).collect()
}

#[ignore = "needs Slurm: `cargo xtask slurm-check` runs it"]
#[test]
fn a_disturbed_sweep_on_slurm_gives_the_table_of_a_local_one() {
    let desk = Desk::new();
    let long = EXPERIMENT
        .replace("steps = 60", "steps = 12000")
        .replace("_every = 20", "_every = 1000")
        .replace("_every = 10\n", "_every = 1000\n");
    desk.write("s.toml", format!("{long}{AXES}{TABLE}"));
    let start = Instant::now();
    run(&desk, "run s.toml --out local").assert_success();
    println!("local sweep: {:.1} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let mut cluster = SlurmCluster::start();
    println!("Slurm started: {:.1} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let left = slurm_sweep(&cluster, &desk, "--no-wait").output().unwrap();
    let left = Ended::from(left).assert_success();
    assert!(left.stderr.contains(": 12 runs"), "{left:#?}");
    let (_, job) = left.stdout.trim().rsplit_once("scancel ").unwrap();
    let sweep = slurm_sweep(&cluster, &desk, "").spawn().unwrap();
    let names = run(&desk, "run s.toml --list").assert_success().stdout;
    let name = |task: usize| {
        let line = names.lines().nth(task).unwrap();
        line.split_once("  ").unwrap().0.to_owned()
    };
    let has_started = |task: usize| {
        let folder = desk.path(&format!("out/runs/{}", name(task)));
        has_stepped(&folder)
    };
    // A running task is canceled, and one that waits.
    let mut canceled = None;
    wait_until("a task runs", || {
        let running = running_tasks(&cluster).into_iter();
        canceled = running.into_iter().find(|&task| has_started(task));
        canceled.is_some()
    });
    let canceled = canceled.unwrap();
    for task in [canceled, 11] {
        cluster.output("scancel", &[&format!("{job}_{task}")]);
    }
    // Another run is killed.
    let mut killed = None;
    wait_until("another task runs", || {
        let mut running = running_tasks(&cluster).into_iter();
        let other = running.find(|&task| task > canceled && has_started(task));
        killed = other.and_then(|task| process_of(&format!("out/runs/{}", name(task))));
        killed.is_some()
    });
    signal("KILL", &killed.unwrap());
    cluster.restart_node();
    let ended = Ended::from(sweep.wait_with_output().unwrap());
    println!("Slurm sweep: {:.1} s", start.elapsed().as_secs_f64());
    println!("{}{}", ended.stderr, ended.stdout);
    let ended = ended.assert_success();
    // Those three alone were submitted again; the sweep may have found the canceled ones before or after it began to follow.
    let submissions = ended.stderr.lines().filter_map(|line| {
        let (_, runs) = line.strip_prefix("submitted job ")?.split_once(": ")?;
        runs.split(' ').next()?.parse::<u32>().ok()
    });
    assert_eq!(submissions.sum::<u32>(), 3, "{ended:#?}");
    assert!(ended.stdout.contains("12 of 12 runs"), "{ended:#?}");
    assert_same_tables(&desk, "out", "local");
}
