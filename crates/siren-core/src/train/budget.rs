//! The number of steps that fit into `train.seconds`.

use serde::{Deserialize, Serialize};

use super::config::MAX_STEPS;
use super::{Model, TrainConfig, Trainer};
use crate::error::{Error, Result};

/// Largest part of the budget that timed steps may take.
const MEASURED_SHARE: f64 = 0.03;
/// Most seconds of timed steps.
const MEASURED_SECONDS: f64 = 1.0;
/// Most timed steps.
const MEASURED_STEPS: usize = 400;
/// Where in the training steps are timed: an objective may end there, and the last tenth has a precision of its own.
const PLACES: [Place; 5] = [
    Place::new(0.0, 0.225),
    Place::new(0.5, 0.225),
    Place::new(0.25, 0.225),
    Place::new(0.75, 0.225),
    Place::new(0.95, 0.1),
];
/// Shortest time of a step, so that a clock that stands still gives a finite number of steps.
const SHORTEST_STEP: f64 = 1e-9;

/// Some steps of a training that take as long as one of them.
struct Place {
    /// Where that step is, as a fraction of the training.
    progress: f64,
    /// Fraction of all steps.
    share: f64,
}

impl Place {
    const fn new(progress: f64, share: f64) -> Self {
        Self { progress, share }
    }
}

/// A time budget with the number of steps that fit into it on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// `train.seconds`: time of steps and evaluations, the measurement included.
    pub seconds: f64,
    /// Number of steps.
    pub steps: u64,
    /// Measured seconds of a step.
    pub seconds_per_step: f64,
    /// Measured seconds of an evaluation, 0 for trainings without evaluations.
    pub seconds_per_evaluation: f64,
    /// Seconds that the measurement took.
    pub seconds_of_measurement: f64,
}

/// The evaluations of a training.
pub struct Evaluations<'a, M> {
    /// Steps between evaluations; the last step has one too.
    pub every: u64,
    /// Evaluates a model.
    pub evaluate: &'a dyn Fn(&M) -> Result<()>,
}

impl Budget {
    /// Times steps of a training [for measurement](Trainer::for_measurement), and computes how many of them fit into `seconds`.
    ///
    /// One step warms up. Then as many steps as fit into 1 s, or 3 % of the budget if that is less, are timed at five places of the
    /// training; the time of a step is the mean of their medians, weighted by the fraction of the steps
    /// that a place stands for. One evaluation is timed, if there are any. All of this is part of
    /// the budget. `clock` returns seconds. Of several ranks, all must call this function; the measurement of rank 0 counts.
    ///
    /// # Errors
    /// As [`Trainer::step`], and those of the evaluation.
    pub fn measure<M: Model>(
        mut trainer: Trainer<M>,
        constraints: &[M::Constraint],
        seconds: f64,
        evaluations: Option<&Evaluations<'_, M>>,
        clock: &dyn Fn() -> f64,
    ) -> Result<Self> {
        let start = clock();
        let seconds_per_step = trainer.time_of_a_step(constraints, seconds, clock)?;
        let evaluate = || -> Result<Vec<u8>> {
            let before = clock();
            if let Some(evaluations) = evaluations
                && trainer.ranks.is_first()
            {
                (evaluations.evaluate)(&trainer.model)?;
            }
            let seconds_per_evaluation = match evaluations {
                Some(_) => clock() - before,
                None => 0.0,
            };
            let measured = [seconds_per_step, seconds_per_evaluation, clock() - start];
            Ok(measured.iter().flat_map(|one| one.to_le_bytes()).collect())
        };
        let bytes = trainer.ranks.from_first(evaluate())?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let measured: Vec<f64> = numbers.iter().map(|one| f64::from_le_bytes(*one)).collect();
        let [step, evaluation, measurement] = measured[..] else {
            unreachable!("three numbers were sent");
        };
        let every = evaluations.map_or(u64::MAX, |evaluations| evaluations.every);
        Ok(Self {
            seconds,
            steps: steps_within(seconds - measurement, step, evaluation, every),
            seconds_per_step: step,
            seconds_per_evaluation: evaluation,
            seconds_of_measurement: measurement,
        })
    }

    /// Returns the config with this number of steps in place of the budget.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the warm-up of the learning rate does not end before the last step.
    pub fn resolve(&self, config: &TrainConfig) -> Result<TrainConfig> {
        if config.warmup_steps >= self.steps {
            let (steps, seconds) = (self.steps, self.seconds);
            let expected = format!(
                "less than the number of steps, which is {steps} in {seconds} s (`train.seconds`)"
            );
            let key = "train.warmup_steps";
            return Err(Error::invalid(key, config.warmup_steps, &expected));
        }
        Ok(TrainConfig {
            steps: self.steps,
            seconds: None,
            ..config.clone()
        })
    }

    /// Returns whether not even one step fits.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        let left = self.seconds - self.seconds_of_measurement - self.seconds_per_evaluation;
        left < self.seconds_per_step
    }
}

impl std::fmt::Display for Budget {
    /// Writes `60 s: 1234 steps of 47 ms`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps = match self.steps {
            1 => "1 step".to_owned(),
            steps => format!("{steps} steps"),
        };
        let per_step = 1e3 * self.seconds_per_step;
        let digits = if per_step < 10.0 { 2 } else { 0 };
        write!(f, "{} s: {steps} of {per_step:.digits$} ms", self.seconds)
    }
}

impl<M: Model> Trainer<M> {
    /// Makes a trainer for a measurement: it takes the steps of a config with `train.seconds`, for as long as it is asked to.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn for_measurement(model: M, config: &TrainConfig) -> Result<Self> {
        let config = TrainConfig {
            steps: MAX_STEPS,
            seconds: None,
            ..config.clone()
        };
        let mut trainer = Self::new(model, &config)?;
        // The time of a step is that of a step of all tiles.
        trainer.rest = None;
        Ok(trainer)
    }

    /// Returns the measured seconds of a step on rank 0.
    fn time_of_a_step(
        &mut self,
        constraints: &[M::Constraint],
        seconds: f64,
        clock: &dyn Fn() -> f64,
    ) -> Result<f64> {
        let start = clock();
        self.step(constraints)?;
        let mut last = clock();
        let warm_up = last - start;
        let allowed = (MEASURED_SHARE * seconds).min(MEASURED_SECONDS);
        let mut times = [const { Vec::new() }; PLACES.len()];
        // A budget of one or two steps has none to spare.
        let mut goes_on = warm_up < 0.5 * seconds;
        for index in 0..MEASURED_STEPS {
            if self.ranks.from_first(Ok(vec![u8::from(goes_on)]))? != [1] {
                break;
            }
            let place = index % PLACES.len();
            let progress = PLACES[place].progress;
            self.step = (progress * self.config.steps as f64) as u64 + index as u64;
            match self.step(constraints) {
                // Real trainings begin at the beginning.
                Err(Error::Diverged { .. }) => break,
                report => report?,
            };
            let now = clock();
            times[place].push(now - last);
            last = now;
            let longest = times.iter().flatten().copied().fold(0.0, f64::max);
            goes_on = now - start - warm_up + longest <= allowed;
        }
        let medians = times.iter_mut().zip(&PLACES);
        let medians = medians.filter_map(|(times, place)| Some((median(times)?, place.share)));
        let (sum, shares) = medians.fold((0.0, 0.0), |(sum, shares), (median, share)| {
            (sum + share * median, shares + share)
        });
        Ok(if shares > 0.0 { sum / shares } else { warm_up })
    }
}

/// Returns the median of some times; the lower one of two.
fn median(times: &mut [f64]) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len().saturating_sub(1) / 2).copied()
}

/// Returns the largest number of steps that, with an evaluation after every `every` of them and after the last one, takes at most `seconds`; at least 1.
fn steps_within(seconds: f64, step: f64, evaluation: f64, every: u64) -> u64 {
    let step = step.max(SHORTEST_STEP);
    let period = step * every as f64 + evaluation;
    let periods = (seconds / period).floor().max(0.0);
    let left = seconds - periods * period - evaluation;
    let last_steps = (left / step).floor().clamp(0.0, every as f64);
    let steps = periods * every as f64 + last_steps;
    // A conversion of floating-point numbers ends at the largest integer.
    (steps as u64).clamp(1, MAX_STEPS)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::field::{FieldShape, Siren, SirenConfig};
    use crate::objective::{Constraint, ValueMse};
    use crate::ranks::{Ranks, links};
    use crate::signal::{Sample, WholeSampler};

    fn constraints() -> [Constraint; 1] {
        let sample = Sample::from_slices(&[0.0, 0.5], 1, &[0.1, 0.2], 1).unwrap();
        [Constraint::new(
            "points",
            WholeSampler::new(sample),
            ValueMse,
        )]
    }

    fn trainer(config: &TrainConfig) -> Trainer<Siren> {
        let field = SirenConfig {
            hidden_features: 4.into(),
            ..SirenConfig::default()
        };
        let field = field.init_seeded(FieldShape::new(1, 1), 0).unwrap();
        Trainer::for_measurement(field, config).unwrap()
    }

    /// Measures with a clock that a step, or an evaluation, sets forward by one of `ticks` seconds; the last one repeats.
    fn measured(seconds: f64, ticks: &[f64], every: Option<u64>) -> Budget {
        let calls = Cell::new(0);
        let clock = || {
            let call: usize = calls.replace(calls.get() + 1);
            // The first two calls are before the first step.
            let ticks = (1..call).map(|tick| ticks[(tick - 1).min(ticks.len() - 1)]);
            ticks.sum()
        };
        let evaluations = every.map(|every| Evaluations {
            every,
            evaluate: &|_: &Siren| Ok(()),
        });
        let trainer = trainer(&TrainConfig::default());
        let evaluations = evaluations.as_ref();
        Budget::measure(trainer, &constraints(), seconds, evaluations, &clock).unwrap()
    }

    #[test]
    fn steps_and_their_evaluations_take_at_most_the_budget() {
        for (seconds, step, evaluation, every, steps) in [
            (10.0, 1.0, 0.0, 4, 10),
            (10.0, 1.0, 0.5, 4, 8),
            (10.5, 1.0, 0.5, 4, 9),
            (9.0, 1.0, 0.5, 4, 8),
            (9.9, 1.0, 1.0, 100, 8),
            (0.5, 1.0, 0.0, 4, 1),
            (-3.0, 1.0, 2.0, 4, 1),
            (10.0, 0.0, 0.0, u64::MAX, MAX_STEPS),
            (1e300, 1.0, 0.0, 1, MAX_STEPS),
        ] {
            assert_eq!(
                steps_within(seconds, step, evaluation, every),
                steps,
                "{seconds} {step}"
            );
        }
    }

    #[test]
    fn the_warm_up_does_not_count_as_the_time_of_a_step() {
        // 3 s of warm-up, then 1 s of steps of 0.125 s.
        let budget = measured(104.0, &[3.0, 0.125], None);
        assert!((budget.seconds_per_step - 0.125).abs() < 1e-12);
        // The measurement ends after 4.25 s: two readings of the clock follow the last step.
        assert_eq!(budget.steps, 798);
        assert!(!budget.is_exceeded());
    }

    #[test]
    fn one_slow_step_is_no_measure_of_the_others() {
        let budget = measured(1000.0, &[0.01, 0.01, 0.01, 0.01, 0.01, 0.2, 0.01], None);
        assert!((budget.seconds_per_step - 0.01).abs() < 1e-9, "{budget}");
    }

    #[test]
    fn steps_of_the_last_tenth_count_for_a_tenth_of_all() {
        // Five steps, one at each place; the last one is slower.
        let budget = measured(6.7, &[0.01, 0.01, 0.01, 0.01, 0.01, 0.11, 0.01], None);
        assert!((budget.seconds_per_step - 0.02).abs() < 1e-9, "{budget}");
    }

    #[test]
    fn a_budget_that_ends_within_the_first_step_is_one_step() {
        let budget = measured(0.5, &[2.0], Some(10));
        assert_eq!(budget.steps, 1);
        assert!(budget.is_exceeded());
        assert_eq!(budget.to_string(), "0.5 s: 1 step of 2000 ms");
    }

    #[test]
    fn a_warm_up_that_does_not_fit_is_refused_with_the_number_of_steps() {
        let budget = measured(8.0, &[1.0], None);
        let config = TrainConfig {
            warmup_steps: 100,
            seconds: Some(8.0),
            ..TrainConfig::default()
        };
        let message = budget.resolve(&config).unwrap_err().to_string();
        let expected = format!(
            "`train.warmup_steps` is 100, expected less than the number of steps, which is {} in 8 s (`train.seconds`)",
            budget.steps
        );
        assert_eq!(message, expected);
        let config = budget.resolve(&TrainConfig {
            warmup_steps: 0,
            ..config
        });
        let config = config.unwrap();
        assert_eq!((config.steps, config.seconds), (budget.steps, None));
    }

    #[test]
    fn all_ranks_take_the_number_of_steps_of_the_first() {
        let steps = std::thread::scope(|scope| {
            let ranks = links(3).into_iter().map(Ranks::new);
            let threads = ranks.map(|own| {
                scope.spawn(move || {
                    let ticks = Cell::new(0);
                    let speed = [0.25, 3.0, 0.01][own.rank()];
                    let clock = || speed * f64::from(ticks.replace(ticks.get() + 1));
                    let trainer = trainer(&TrainConfig::default()).among(&own).unwrap();
                    Budget::measure(trainer, &constraints(), 50.0, None, &clock).unwrap()
                })
            });
            let threads: Vec<_> = threads.collect();
            let budgets = threads.into_iter().map(|one| one.join().unwrap());
            budgets.collect::<Vec<_>>()
        });
        assert!((steps[0].seconds_per_step - 0.25).abs() < 1e-12);
        assert!(steps.iter().all(|one| *one == steps[0]), "{steps:?}");
    }
}
