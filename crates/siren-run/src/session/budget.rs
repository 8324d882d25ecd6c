//! The number of steps of a run whose config gives a time.

use std::time::Instant;

use siren_core::Result;
use siren_core::field::FieldEngine;
use siren_core::ranks::Ranks;
use siren_core::train::{Budget, Evaluations, Model, Trainer};

use super::launch::initial_model;
use crate::domain::{ConfigOf, Domain};

/// Measures how many steps fit into `train.seconds`, if the config has it.
///
/// The steps are those of the run, taken by a new model that is thrown away. Of several ranks, all must call this function.
pub(super) fn budget<D: Domain>(
    config: &ConfigOf<D>,
    domain: &D,
    constraints: &[<D::Model as Model>::Constraint],
    engine: &FieldEngine,
    ranks: &Ranks,
) -> Result<Option<Budget>> {
    let Some(seconds) = config.train.seconds else {
        return Ok(None);
    };
    let model = initial_model::<D>(config, domain.shape(), engine)?;
    let trainer = Trainer::for_measurement(model, &config.train)?.among(ranks)?;
    let evaluations = Evaluations {
        every: config.run.evaluate_every,
        evaluate: &|model: &D::Model| domain.evaluate(model).map(drop),
    };
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    Budget::measure(trainer, constraints, seconds, Some(&evaluations), &clock).map(Some)
}

/// Returns what the user is told of a time budget.
pub(super) fn note(budget: &Budget) -> String {
    if !budget.is_exceeded() {
        return format!("note: a budget of {budget}");
    }
    let (seconds, step, evaluation) = (
        budget.seconds,
        budget.seconds_per_step,
        budget.seconds_per_evaluation,
    );
    format!(
        "note: a budget of {seconds} s has no room for a step ({step:.3} s) with its evaluation ({evaluation:.3} s): the run takes one step"
    )
}
