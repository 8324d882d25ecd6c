//! Runs with a time budget in place of a number of steps.

use std::fs;

use siren_core::train::StopToken;
use siren_run::{Hooks, Outcome, Record, RunFolder, RunObserver, Silent, check, start};

use crate::ranks::{FILES, on_ranks};
use crate::sine::Sine;
use crate::{StopAfter, Workplace, hooks, machine};

/// A budget of some hundred steps.
const SECONDS: &str = "train.seconds=0.05";
/// Few evaluations, since each may write a checkpoint, which takes longer than a step.
const SELDOM: &str = "run.evaluate_every=100";

/// Collects the notes of a run.
#[derive(Default)]
struct Notes(Vec<String>);

impl RunObserver for Notes {
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

impl Workplace {
    /// Runs the config with these overrides in a new folder `out`. A new text of the file takes the place of its own.
    fn run(&self, out: &str, overrides: &[&str], hooks: Hooks<'_>) -> Result<RunFolder, String> {
        let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
        let (config, out) = (self.path("sine.toml"), self.path(out));
        let started = start::<Sine>(&config, &overrides, Some(&out), &machine(1), hooks);
        started
            .map(|(folder, _)| folder)
            .map_err(|error| error.to_string())
    }

    /// Replaces `steps = 20` in the file.
    fn write(&self, text: &str) {
        let config = crate::CONFIG.replace("steps = 20", text);
        fs::write(self.path("sine.toml"), config).unwrap();
    }

    fn steps(&self, out: &str) -> u64 {
        let config = fs::read_to_string(self.path(out).join("config.toml")).unwrap();
        let config: toml::Table = config.parse().unwrap();
        assert!(config["train"].get("seconds").is_none(), "{config}");
        config["train"]["steps"].as_integer().unwrap() as u64
    }

    fn same_files(&self, one: &str, other: &str) {
        for file in FILES {
            let read = |out: &str| fs::read(self.path(out).join(file)).unwrap();
            assert!(read(one) == read(other), "{file} differs");
        }
    }
}

#[test]
fn a_run_by_seconds_is_that_of_its_number_of_steps_also_when_resumed() {
    let workplace = Workplace::new();
    let stop = StopToken::new();
    let mut observer = StopAfter {
        step: 3,
        stop: stop.clone(),
    };
    let stopping = Hooks {
        observer: &mut observer,
        stop,
    };
    let sets = [SECONDS, SELDOM, "run.checkpoint_every=100"];
    workplace.run("budget", &sets, stopping).unwrap();
    let steps = workplace.steps("budget");
    assert!(steps > 10, "{steps} steps");
    let (_, outcome) = workplace.resume("budget", hooks(&mut Silent));
    let Outcome::Finished { summary } = outcome else {
        panic!("{outcome:?}");
    };
    let line = format!("budget 0.05 s: {steps} step");
    assert!(summary.contains(&line), "{summary}");
    let same = format!("train.steps={steps}");
    let by_steps = [&same, sets[1], sets[2]];
    workplace
        .run("steps", &by_steps, hooks(&mut Silent))
        .unwrap();
    workplace.same_files("budget", "steps");
    // A sweep recognizes the run by the config that it was started with.
    let read = |out: &str| Record::read(&workplace.path(out)).unwrap();
    let (by_seconds, by_steps) = (read("budget"), read("steps"));
    assert_eq!((by_seconds.seconds, by_steps.seconds), (Some(0.05), None));
    for (length, is_by_seconds, is_by_steps) in [
        (SECONDS, true, false),
        ("train.seconds=7", false, false),
        (&same, false, true),
    ] {
        let sets = [length, sets[1], sets[2]].map(str::to_owned);
        let checked = check::<Sine>(&workplace.path("sine.toml"), &sets, &machine(1)).unwrap();
        let found = [
            by_seconds.is_of(&checked.config),
            by_steps.is_of(&checked.config),
        ];
        assert_eq!(found, [is_by_seconds, is_by_steps], "{length}");
    }
}

#[test]
fn a_budget_below_a_step_is_one_step_and_a_notice() {
    let workplace = Workplace::new();
    let mut notes = Notes::default();
    workplace
        .run("short", &["train.seconds=1e-9"], hooks(&mut notes))
        .unwrap();
    assert_eq!(workplace.steps("short"), 1);
    let text = "note: a budget of 0.000000001 s has no room for a step";
    assert!(notes.0[0].starts_with(text), "{:?}", notes.0);
    assert!(
        notes.0[0].ends_with("the run takes one step"),
        "{:?}",
        notes.0
    );
}

#[test]
fn all_ranks_take_as_many_steps_as_the_first_one_measured() {
    let workplace = Workplace::new();
    let ended = on_ranks(3, |machine| {
        let (config, out) = (workplace.path("sine.toml"), workplace.path("ranks"));
        let sets = [SECONDS.to_owned(), SELDOM.to_owned()];
        start::<Sine>(&config, &sets, Some(&out), machine, hooks(&mut Silent))
    });
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    let steps = workplace.steps("ranks");
    let sets = [&format!("train.steps={steps}"), SELDOM];
    workplace.run("alone", &sets, hooks(&mut Silent)).unwrap();
    workplace.same_files("ranks", "alone");
}

#[test]
fn of_steps_and_seconds_a_file_has_one_and_the_last_override_counts() {
    let workplace = Workplace::new();
    workplace.write("steps = 20\nseconds = 3");
    let message = workplace.run("both", &[], hooks(&mut Silent)).unwrap_err();
    let expected = "sine.toml:7:11: `train.steps` and `train.seconds` are both given, expected one of them: remove `train.steps` for a time budget, \
                    or `train.seconds` for a number of steps";
    assert!(message.contains(expected), "{message}");
    assert!(!workplace.path("both").exists());

    workplace.write("seconds = 1e6");
    let silent = &mut Silent;
    workplace
        .run("replaced", &["train.steps=2"], hooks(silent))
        .unwrap();
    assert_eq!(workplace.steps("replaced"), 2);
    let last = ["train.steps=2", "train.seconds=9", "train.steps=3"];
    workplace.run("last", &last, hooks(silent)).unwrap();
    assert_eq!(workplace.steps("last"), 3);
    let table = ["train={ steps = 2, seconds = 3 }"];
    let message = workplace.run("table", &table, hooks(silent)).unwrap_err();
    assert!(message.starts_with("--set train={ steps = 2"), "{message}");
    assert!(message.contains("are both given"), "{message}");
}

#[test]
fn a_budget_that_is_no_time_is_refused_with_its_place() {
    let workplace = Workplace::new();
    for (value, expected) in [
        (
            "0",
            "`train.seconds` is 0, expected a number of seconds above 0",
        ),
        ("-2.5", "`train.seconds` is -2.5, expected"),
        ("nan", "`train.seconds` is NaN, expected"),
        ("inf", "`train.seconds` is inf, expected"),
        ("4e7", "at most a year"),
        ("\"a minute\"", "expected a number"),
    ] {
        workplace.write(&format!("seconds = {value}"));
        let message = workplace.run("run", &[], hooks(&mut Silent)).unwrap_err();
        assert!(message.contains("sine.toml:6:"), "{message}");
        assert!(message.contains(expected), "{message}");
        let set = format!("train.seconds={value}");
        let message = workplace
            .run("run", &[&set], hooks(&mut Silent))
            .unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    workplace.write("seconds = 0.01\nwarmup_steps = 100000000");
    let message = workplace.run("run", &[], hooks(&mut Silent)).unwrap_err();
    let expected =
        "`train.warmup_steps` is 100000000, expected less than the number of steps, which is ";
    assert!(message.contains("sine.toml:7:"), "{message}");
    assert!(message.contains(expected), "{message}");
    assert!(!workplace.path("run").exists());
}
