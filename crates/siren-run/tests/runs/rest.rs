//! Runs of mosaics whose tiles rest.

use std::fs;

use siren_core::train::StopToken;
use siren_run::{Hooks, Outcome, RunObserver, Silent, check, start};

use crate::ranks::FILES;
use crate::sine::Sine;
use crate::{Workplace, hooks, machine};

/// Tiles of 16 points, and a target that all of them reach.
const MOSAIC: &str = "mosaic = { tile = 16, overlap = 4, sides = [64], extents = [1.0] }";
const TRAIN: &str = "steps = 3000\nlearning_rate = 3e-3\nrest_db = 52";
const TILES: usize = 4;

/// Writes down when tiles come to rest, and stops the run after a step.
#[derive(Default)]
struct Resting {
    step: u64,
    /// Steps after which more tiles rested, with their number.
    seen: Vec<(u64, usize)>,
    stop_after: Option<u64>,
    stop: StopToken,
}

impl RunObserver for Resting {
    fn stepped(&mut self, step: u64, _loss: f64) {
        self.step = step;
        if self.stop_after == Some(step) {
            self.stop.stop();
        }
    }

    fn rested(&mut self, resting: usize, tiles: usize) {
        assert_eq!(tiles, TILES);
        self.seen.push((self.step, resting));
    }
}

impl Workplace {
    /// Replaces the config by that of a mosaic.
    fn write_mosaic(&self, train: &str) {
        let config = crate::CONFIG.replace("hidden_layers = 1", MOSAIC);
        let config = config.replace("steps = 20", train);
        fs::write(self.path("sine.toml"), config).unwrap();
    }

    /// Runs the config in a new folder `out`, until after a step if one is given.
    fn run_resting(&self, out: &str, stop_after: Option<u64>) -> (Outcome, Resting) {
        let mut observer = Resting {
            stop_after,
            ..Resting::default()
        };
        let stop = observer.stop.clone();
        let hooks = Hooks {
            observer: &mut observer,
            stop,
        };
        let (config, out) = (self.path("sine.toml"), self.path(out));
        let (_, outcome) = start::<Sine>(&config, &[], Some(&out), &machine(2), hooks).unwrap();
        (outcome, observer)
    }

    fn refusals(&self) -> [String; 2] {
        let config = self.path("sine.toml");
        let checked = check::<Sine>(&config, &[], &machine(1));
        let silent = &mut Silent;
        let out = self.path("refused");
        let started = start::<Sine>(&config, &[], Some(&out), &machine(1), hooks(silent));
        assert!(!out.exists());
        [
            checked.unwrap_err().to_string(),
            started.unwrap_err().to_string(),
        ]
    }
}

#[test]
fn a_run_ends_when_all_tiles_rest_and_is_finished_then() {
    let workplace = Workplace::new();
    workplace.write_mosaic(TRAIN);
    let (outcome, observer) = workplace.run_resting("run", None);
    let Outcome::Finished { summary } = outcome else {
        panic!("{outcome:?}");
    };
    let (steps, resting) = *observer.seen.last().unwrap();
    assert_eq!((steps, resting), (observer.step, TILES));
    assert!(steps < 3000 && steps.is_multiple_of(50), "{steps}");
    assert!(
        summary.starts_with(&format!("{steps} steps in ")),
        "{summary}"
    );
    assert!(summary.contains("all 4 tiles rest"), "{summary}");
    let path = workplace.path("run/summary.toml");
    let table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    assert_eq!(table["steps"].as_integer(), Some(steps as i64));
    assert_eq!(table["tiles"]["resting"].as_integer(), Some(4));

    let page = fs::read_to_string(workplace.path("run/report.html")).unwrap();
    assert!(page.contains("Tiles at rest") && page.contains("4 of 4"));

    let (_, again) = workplace.resume("run", hooks(&mut Silent));
    assert_eq!(again, Outcome::AlreadyFinished { steps });
    fs::remove_file(&path).unwrap();
    let mut observer = Resting::default();
    let (_, written) = workplace.resume("run", hooks(&mut observer));
    assert!(matches!(written, Outcome::Finished { .. }), "{written:?}");
    assert_eq!((observer.step, observer.seen), (0, vec![(0, TILES)]));
    assert!(path.is_file());
}

#[test]
fn a_run_stopped_while_some_tiles_rest_resumes_to_the_bytes_of_an_undisturbed_run() {
    let workplace = Workplace::new();
    workplace.write_mosaic(TRAIN);
    let (_, undisturbed) = workplace.run_resting("undisturbed", None);
    let (first, some) = undisturbed.seen[0];
    assert!(some < TILES, "{:?}", undisturbed.seen);
    // In the middle of the round after that in which the first tile came to rest.
    let (outcome, _) = workplace.run_resting("stopped", Some(first + 23));
    assert_eq!(outcome, Outcome::Interrupted { step: first + 23 });
    let mut observer = Resting::default();
    workplace.resume("stopped", hooks(&mut observer));
    assert_eq!(observer.seen[0], (0, some));
    assert_eq!(observer.seen[1..], undisturbed.seen[1..]);
    for file in FILES {
        let read = |out: &str| fs::read(workplace.path(out).join(file)).unwrap();
        assert!(read("stopped") == read("undisturbed"), "{file} differs");
    }
}

#[test]
fn a_target_that_no_tile_can_have_is_refused_by_checks_and_by_runs_with_its_line() {
    let workplace = Workplace::new();
    let text = crate::CONFIG.replace("steps = 20", "steps = 20\nrest_db = 32");
    fs::write(workplace.path("sine.toml"), text).unwrap();
    for message in workplace.refusals() {
        assert!(message.contains("sine.toml:7:"), "{message}");
        let words = "`train.rest_db` is 32, expected no value without `field.mosaic`";
        assert!(message.contains(words), "{message}");
    }
    for (train, words) in [
        ("steps = 20\nrest_db = 0", "a positive number of decibels"),
        (
            "steps = 20\nrest_db = 32\noptimizer = 'lbfgs'",
            "no value with `gauss_newton`, `lbfgs` or `ssbroyden`",
        ),
    ] {
        workplace.write_mosaic(train);
        for message in workplace.refusals() {
            assert!(message.contains("sine.toml:7:"), "{message}");
            assert!(message.contains("`train.rest_db` is"), "{message}");
            assert!(message.contains(words), "{message}");
        }
    }
}
