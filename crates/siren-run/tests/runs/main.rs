//! Runs by the library: observers, stop tokens, resuming and exporting, with a domain of this test.

mod budget;
mod ranks;
mod report;
mod rest;
mod sine;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

use candle_core::{Device, Tensor};
use siren_core::field::{FieldEngine, Order, Siren};
use siren_core::metrics::Metric;
use siren_core::train::StopToken;
use siren_run::portable::WeightPrecision::Single;
use siren_run::{
    CheckpointChoice, Hooks, Machine, Outcome, Recorded, RunFolder, RunObserver, Silent,
    export_run, restore, restore_model, resume, start,
};
use tempfile::TempDir;

use sine::Sine;

const CONFIG: &str = "\
kind = \"sine\"
[field]
hidden_features = 16
hidden_layers = 1
[train]
steps = 20
[run]
evaluate_every = 4
checkpoint_every = 5
";

/// Steps of a run that takes longer than a test.
const ENDLESS: u64 = 10_000_000;

/// A temporary folder with a config file.
struct Workplace(TempDir);

impl Workplace {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sine.toml"), CONFIG).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the config with `steps` steps in a new folder `out`.
    fn start(&self, out: &str, steps: u64, hooks: Hooks<'_>) -> (RunFolder, Outcome) {
        let overrides = [format!("train.steps={steps}")];
        let config = self.path("sine.toml");
        let out = self.path(out);
        start::<Sine>(&config, &overrides, Some(&out), &machine(1), hooks).unwrap()
    }

    fn resume(&self, out: &str, hooks: Hooks<'_>) -> (RunFolder, Outcome) {
        resume::<Sine>(&self.path(out), &machine(2), hooks).unwrap()
    }
}

fn machine(threads: usize) -> Machine {
    Machine::new("cpu", Some(threads)).unwrap()
}

fn hooks(observer: &mut dyn RunObserver) -> Hooks<'_> {
    Hooks {
        observer,
        stop: StopToken::new(),
    }
}

/// Stops a run after a step.
struct StopAfter {
    step: u64,
    stop: StopToken,
}

impl RunObserver for StopAfter {
    fn stepped(&mut self, step: u64, _loss: f64) {
        if step == self.step {
            self.stop.stop();
        }
    }
}

/// Stops the run in `out` after `step` of `steps` steps.
fn stop_after(workplace: &Workplace, out: &str, step: u64, steps: u64) -> Outcome {
    let stop = StopToken::new();
    let mut observer = StopAfter {
        step,
        stop: stop.clone(),
    };
    let hooks = Hooks {
        observer: &mut observer,
        stop,
    };
    workplace.start(out, steps, hooks).1
}

/// Sends a message after each step.
struct Reporter(Sender<u64>);

impl RunObserver for Reporter {
    fn stepped(&mut self, step: u64, _loss: f64) {
        // The test stops listening after the first step.
        let _ = self.0.send(step);
    }
}

#[test]
fn stopping_one_of_two_runs_leaves_the_other_to_its_end() {
    let workplace = Workplace::new();
    let (stop, other_stop) = (StopToken::new(), StopToken::new());
    let (sender, stepped) = channel();
    let (other_sender, other_stepped) = channel();
    let run = |out: &'static str, steps, sender, stop: &StopToken| {
        let stop = stop.clone();
        let workplace = &workplace;
        move || {
            let mut observer = Reporter(sender);
            let hooks = Hooks {
                observer: &mut observer,
                stop,
            };
            workplace.start(out, steps, hooks).1
        }
    };
    std::thread::scope(|scope| {
        let stopped = scope.spawn(run("stopped", ENDLESS, sender, &stop));
        let other = scope.spawn(run("other", 500, other_sender, &other_stop));
        // Both runs are in progress.
        stepped.recv().unwrap();
        other_stepped.recv().unwrap();
        stop.stop();
        let stopped = stopped.join().unwrap();
        assert!(
            matches!(stopped, Outcome::Interrupted { .. }),
            "{stopped:?}"
        );
        let other = other.join().unwrap();
        assert!(matches!(other, Outcome::Finished { .. }), "{other:?}");
        assert_eq!(other_stepped.iter().last(), Some(500));
    });
    assert!(!other_stop.is_stopped());
}

#[test]
fn the_host_can_install_its_own_signal_handler_after_a_run() {
    let workplace = Workplace::new();
    stop_after(&workplace, "run", 3, 20);
    workplace.resume("run", hooks(&mut Silent));
    // A second handler in one process is an error.
    ctrlc::set_handler(|| {}).unwrap();
}

/// Records its callbacks as texts.
#[derive(Default)]
struct Recorder(Vec<String>);

impl RunObserver for Recorder {
    fn started(&mut self, name: &str, step: u64, steps: u64) {
        self.0.push(format!("started {name} {step}/{steps}"));
    }

    fn stepped(&mut self, step: u64, loss: f64) {
        assert!(loss > 0.0);
        self.0.push(format!("stepped {step}"));
    }

    fn evaluated(&mut self, step: u64, _loss: f64, metric: &Metric, value: f64) {
        assert!(value.is_finite());
        self.0.push(format!("evaluated {step} {}", metric.name));
    }

    fn finished(&mut self) {
        self.0.push("finished".to_owned());
    }

    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

#[test]
fn an_observer_is_called_for_notes_and_every_step_and_evaluation_and_for_notes_on_artifacts() {
    let workplace = Workplace::new();
    let mut recorder = Recorder::default();
    workplace.start("run", 6, hooks(&mut recorder));
    let expected = [
        "note: 64 points",
        "started sine 0/6",
        "stepped 1",
        "stepped 2",
        "stepped 3",
        "stepped 4",
        "evaluated 4 psnr_db",
        "stepped 5",
        "stepped 6",
        "evaluated 6 psnr_db",
        "finished",
        "note: no sound was written",
    ];
    assert_eq!(recorder.0, expected);
    let mut recorder = Recorder::default();
    let (_, outcome) = workplace.resume("run", hooks(&mut recorder));
    assert_eq!(outcome, Outcome::AlreadyFinished { steps: 6 });
    assert!(recorder.0.is_empty(), "{:?}", recorder.0);
}

#[test]
fn a_resumed_run_notes_a_missing_table_and_starts_at_its_checkpoint() {
    let workplace = Workplace::new();
    stop_after(&workplace, "run", 3, 5);
    fs::remove_file(workplace.path("run/timing.csv")).unwrap();
    let mut recorder = Recorder::default();
    workplace.resume("run", hooks(&mut recorder));
    let path = workplace.path("run/timing.csv");
    let missing = format!(
        "note: {} is missing; the new file begins at step 4",
        path.display()
    );
    let expected = [
        "note: 64 points",
        &missing,
        "started sine 3/5",
        "stepped 4",
        "evaluated 4 psnr_db",
        "stepped 5",
        "evaluated 5 psnr_db",
        "finished",
        "note: no sound was written",
    ];
    assert_eq!(recorder.0, expected);
}

#[test]
fn a_stopped_run_resumes_bit_for_bit() {
    let workplace = Workplace::new();
    let (undisturbed, outcome) = workplace.start("undisturbed", 20, hooks(&mut Silent));
    assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
    for step in [1, 7, 19] {
        let out = format!("stopped-{step}");
        let outcome = stop_after(&workplace, &out, step, 20);
        assert_eq!(outcome, Outcome::Interrupted { step });
        let (resumed, outcome) = workplace.resume(&out, hooks(&mut Silent));
        assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
        let files = |run: &RunFolder| -> Vec<Vec<u8>> {
            let checkpoints = [CheckpointChoice::Best, CheckpointChoice::Last];
            let checkpoints = checkpoints.map(|choice| run.checkpoint(choice));
            let tables = [run.metrics(), run.evaluation()];
            let paths = checkpoints.into_iter().chain(tables);
            paths.map(|path| fs::read(path).unwrap()).collect()
        };
        assert!(
            files(&resumed) == files(&undisturbed),
            "the run that was stopped at step {step} has other bytes"
        );
    }
}

#[test]
fn a_run_that_is_stopped_at_its_last_step_is_finished() {
    let workplace = Workplace::new();
    let outcome = stop_after(&workplace, "run", 20, 20);
    assert!(matches!(outcome, Outcome::Finished { .. }), "{outcome:?}");
    assert!(workplace.path("run/artifacts/sine.txt").exists());
}

fn values(field: &Siren) -> Vec<f32> {
    let coords = Tensor::new(&[[-0.9f32], [0.0], [0.3]], &Device::Cpu).unwrap();
    let jet = field.evaluate(&coords, &Order::Value).unwrap();
    let values = jet.value().unwrap().flatten_all().unwrap();
    values.to_vec1().unwrap()
}

#[test]
fn an_exported_field_is_opened_with_its_config_and_gives_the_same_values() {
    let workplace = Workplace::new();
    workplace.start("run", 20, hooks(&mut Silent));
    let last = Some(CheckpointChoice::Last);
    let (config, field) =
        restore_model::<Sine>(&workplace.path("run"), last, &FieldEngine::Cpu).unwrap();
    let path = workplace.path("sine.safetensors");
    export_run::<Sine>(&workplace.path("run"), last, Single, &path).unwrap();
    let (opened, metadata) = Siren::open_with::<<Sine as Recorded>::Metadata>(&path).unwrap();
    assert_eq!(
        metadata,
        restore::<Sine>(&workplace.path("run"), last, &FieldEngine::Cpu)
            .unwrap()
            .metadata
    );
    assert_eq!(opened.network().config(), &config.field);
    assert_eq!(opened.network().shape(), field.network().shape());
    assert_eq!(values(&opened), values(&field));
}

#[test]
fn a_run_that_fails_before_its_first_checkpoint_leaves_no_folder() {
    let workplace = Workplace::new();
    let out = workplace.path("run");
    let config = workplace.path("sine.toml");
    let run = |set: &str| {
        let overrides = [set.to_owned()];
        let mut observer = Silent;
        let hooks = hooks(&mut observer);
        start::<Sine>(&config, &overrides, Some(&out), &machine(1), hooks).unwrap_err()
    };
    let diverged = run("train.learning_rate=1e38").to_string();
    assert!(diverged.contains("finite"), "{diverged}");
    let invalid = run("signal.points=1").to_string();
    assert!(invalid.starts_with("--set signal.points=1: "), "{invalid}");
    assert!(!Path::new(&out).exists());
}
