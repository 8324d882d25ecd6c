//! Runs that several ranks share, as threads of one process.

use std::fs;
use std::path::Path;

use siren_core::Result;
use siren_core::ranks::{Ranks, links};
use siren_core::train::StopToken;
use siren_run::{Hooks, Machine, Outcome, RunFolder, RunObserver, Silent, resume, start};

use crate::Workplace;
use crate::sine::Sine;

/// Files of a run folder that do not depend on the machine.
pub const FILES: [&str; 5] = [
    "config.toml",
    "metrics.csv",
    "evaluation.csv",
    "checkpoints/last.safetensors",
    "checkpoints/best.safetensors",
];

/// Stops the run of one rank after a step.
struct StopRank {
    step: Option<u64>,
    stop: StopToken,
}

impl RunObserver for StopRank {
    fn stepped(&mut self, step: u64, _loss: f64) {
        if Some(step) == self.step {
            self.stop.stop();
        }
    }
}

pub type Ended = Result<(RunFolder, Outcome)>;

/// Runs a function on every rank with its machine, and returns the results in order.
pub fn on_ranks(count: usize, run: impl Fn(&Machine) -> Ended + Sync) -> Vec<Ended> {
    let run = &run;
    std::thread::scope(|scope| {
        let ranks = links(count).into_iter().map(Ranks::new);
        let threads = ranks
            .map(|own| scope.spawn(move || run(&Machine::among("cpu", Some(1), &own).unwrap())));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

impl Workplace {
    /// Starts a run on some ranks in a new folder `out`. Rank `stopping.0` stops it after step `stopping.1`.
    fn start_on(&self, count: usize, out: &str, stopping: Option<(usize, u64)>) -> Vec<Ended> {
        let overrides = ["signal.points=4000".to_owned()];
        on_ranks(count, |machine| {
            let stop = StopToken::new();
            let own = stopping.filter(|(rank, _)| *rank == machine.ranks.rank());
            let mut observer = StopRank {
                step: own.map(|(_, step)| step),
                stop: stop.clone(),
            };
            let hooks = Hooks {
                observer: &mut observer,
                stop,
            };
            let (config, out) = (self.path("sine.toml"), self.path(out));
            start::<Sine>(&config, &overrides, Some(&out), machine, hooks)
        })
    }

    fn resume_on(&self, count: usize, out: &str) -> Vec<Ended> {
        on_ranks(count, |machine| {
            let hooks = Hooks {
                observer: &mut Silent,
                stop: StopToken::new(),
            };
            resume::<Sine>(&self.path(out), machine, hooks)
        })
    }
}

#[track_caller]
fn assert_same_files(found: &Path, expected: &Path) {
    for file in FILES {
        let read = |folder: &Path| fs::read(folder.join(file)).unwrap();
        assert!(
            read(found) == read(expected),
            "{file} of {}",
            found.display()
        );
    }
}

#[test]
fn a_run_folder_is_the_same_for_any_number_of_ranks() {
    let workplace = Workplace::new();
    let alone = workplace.start_on(1, "1", None).remove(0).unwrap().0;
    for count in [2, 3, 4, 5, 16] {
        let out = count.to_string();
        let ended = workplace.start_on(count, &out, None);
        for outcome in &ended {
            let (_, outcome) = outcome.as_ref().unwrap();
            let Outcome::Finished { summary } = outcome else {
                panic!("{outcome:?}");
            };
            assert!(
                summary.contains(&format!("{count} ranks of 1 threads")),
                "{summary}"
            );
        }
        assert_same_files(&workplace.path(&out), alone.path());
    }
}

#[test]
fn a_stop_on_any_rank_stops_all_after_the_same_step_and_another_number_of_ranks_goes_on() {
    let workplace = Workplace::new();
    workplace.start_on(1, "whole", None).remove(0).unwrap();
    for (stopping, next) in [(0, 3), (1, 1), (2, 2)] {
        let out = format!("rank-{stopping}");
        let ended = workplace.start_on(3, &out, Some((stopping, 7)));
        for outcome in ended {
            assert_eq!(outcome.unwrap().1, Outcome::Interrupted { step: 7 });
        }
        for outcome in workplace.resume_on(next, &out) {
            assert!(matches!(outcome.unwrap().1, Outcome::Finished { .. }));
        }
        assert_same_files(&workplace.path(&out), &workplace.path("whole"));
    }
    for outcome in workplace.resume_on(2, "rank-0") {
        assert_eq!(outcome.unwrap().1, Outcome::AlreadyFinished { steps: 20 });
    }
}

#[test]
fn an_error_of_rank_0_is_told_on_all_ranks_and_a_folder_that_exists_is_kept() {
    let workplace = Workplace::new();
    workplace.start_on(2, "run", None);
    let before = fs::read(workplace.path("run/metrics.csv")).unwrap();
    for error in workplace.start_on(2, "run", None) {
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("rank 0 of 2: ") && error.contains("exists already"),
            "{error}"
        );
    }
    assert_eq!(fs::read(workplace.path("run/metrics.csv")).unwrap(), before);
}

#[test]
fn a_table_that_rank_0_cannot_write_ends_all_ranks() {
    let workplace = Workplace::new();
    workplace.start_on(2, "run", Some((0, 7)));
    let metrics = workplace.path("run/metrics.csv");
    fs::remove_file(&metrics).unwrap();
    fs::create_dir(&metrics).unwrap();
    for error in workplace.resume_on(2, "run") {
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("rank 0 of 2: ") && error.contains("metrics.csv"),
            "{error}"
        );
    }
}

#[test]
fn ranks_with_different_configs_do_not_start() {
    let workplace = Workplace::new();
    let config = workplace.path("sine.toml");
    let other = workplace.path("other.toml");
    let text = fs::read_to_string(&config).unwrap().replace("16", "17");
    fs::write(&other, text).unwrap();
    let ended = on_ranks(3, |machine| {
        let config = if machine.ranks.rank() == 2 {
            &other
        } else {
            &config
        };
        let hooks = Hooks {
            observer: &mut Silent,
            stop: StopToken::new(),
        };
        start::<Sine>(config, &[], Some(&workplace.path("run")), machine, hooks)
    });
    for error in ended {
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("rank 2 of 3: has another config"),
            "{error}"
        );
    }
    assert!(!workplace.path("run").exists());
}

#[test]
fn several_ranks_are_refused_another_device_than_the_cpu() {
    let errors = std::thread::scope(|scope| {
        let ranks = links(2).into_iter().map(Ranks::new);
        let threads = ranks.map(|own| scope.spawn(move || Machine::among("cuda:0", None, &own)));
        let threads: Vec<_> = threads.collect();
        let errors = threads
            .into_iter()
            .map(|one| one.join().unwrap().unwrap_err());
        errors.map(|error| error.to_string()).collect::<Vec<_>>()
    });
    for error in errors {
        assert!(
            error.starts_with("`--device` is cuda:0, expected cpu"),
            "{error}"
        );
    }
}
