//! One session of a run: from its start, or from its last checkpoint, to its last step or until it is stopped.

mod launch;
mod records;
mod reopen;

use std::time::Instant;

use siren_core::Result;
use siren_core::file::write_atomically;
use siren_core::signal::KeptMetadata;
use siren_core::train::{Model, StepReport, Task, Trainer};

use self::records::Records;
use crate::domain::{ConfigOf, Domain};
use crate::folder::{
    Best, CheckpointChoice, FinalTables, RunFolder, State, Summary, save_checkpoint,
};
use crate::hooks::Hooks;
use crate::machine::Machine;

pub use self::launch::{Checked, check, resume, start};
pub use self::reopen::{Restored, export_run, restore, restore_model};

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken, and artifacts and summary were written.
    Finished {
        /// Final metrics beside the expected ones, as text for the user.
        summary: String,
    },
    /// All steps had been taken before, so nothing was done.
    AlreadyFinished {
        /// Steps taken.
        steps: u64,
    },
    /// The run was stopped by its token. [`resume`] continues it.
    Interrupted {
        /// Steps taken, all of which are saved.
        step: u64,
    },
}

/// A run in progress.
struct Session<'a, 'h, D: Domain> {
    domain: &'a D,
    config: &'a ConfigOf<D>,
    machine: &'a Machine,
    folder: &'a RunFolder,
    trainer: Trainer<<D as Task>::Model>,
    state: State,
    hooks: Hooks<'h>,
}

impl<D: Domain> Session<'_, '_, D> {
    /// Trains from the trainer's present step to the last step, then writes artifacts and summary.
    fn run(mut self, constraints: &[<<D as Task>::Model as Model>::Constraint]) -> Result<Outcome> {
        let steps = self.config.train.steps;
        let first = self.trainer.step_count();
        for note in self.domain.notes() {
            self.hooks.observer.note(note);
        }
        self.note_missing_files(first);
        let mut records = Records::open(self.folder, first, self.state.tables)?;
        self.hooks.observer.started(&self.config.name, first, steps);
        while self.trainer.step_count() < steps {
            let start = Instant::now();
            let report = self.trainer.step(constraints)?;
            records.seconds += start.elapsed().as_secs_f64();
            records.push_step(&report)?;
            self.hooks.observer.stepped(report.step, report.loss);
            let is_last = report.step == steps;
            if is_last || report.step.is_multiple_of(self.config.run.evaluate_every) {
                self.evaluate(&mut records, &report)?;
            }
            let is_stopped = self.hooks.stop.is_stopped() && !is_last;
            let is_due = report.step.is_multiple_of(self.config.run.checkpoint_every);
            if is_stopped || is_last || is_due {
                // A checkpoint must not be newer than the rows on disk: a resumed run truncates tables, but cannot add rows.
                records.sync()?;
                self.save(CheckpointChoice::Last, &records)?;
            }
            if is_stopped {
                self.hooks.observer.finished();
                return Ok(Outcome::Interrupted { step: report.step });
            }
        }
        self.hooks.observer.finished();
        self.finish(records)
    }

    /// Notes the tables that are missing in the folder of a resumed run. They begin again at its first step.
    fn note_missing_files(&mut self, first: u64) {
        let folder = self.folder;
        for path in [folder.metrics(), folder.timing(), folder.evaluation()] {
            if first > 0 && !path.exists() {
                let (path, step) = (path.display(), first + 1);
                let text = format!("note: {path} is missing; the new file begins at step {step}");
                self.hooks.observer.note(&text);
            }
        }
    }

    /// Evaluates the model, records the metrics, and saves the checkpoint if it is the best so far.
    fn evaluate(&mut self, records: &mut Records, report: &StepReport) -> Result<()> {
        let metrics = self.domain.evaluate(self.trainer.model())?;
        records.push_evaluation(report.step, &metrics)?;
        let headline = metrics
            .iter()
            .find(|measured| measured.metric.name == D::HEADLINE.name);
        let value = headline.map_or(f64::NAN, |measured| measured.value);
        let observer = &mut self.hooks.observer;
        observer.evaluated(report.step, report.loss, &D::HEADLINE, value);
        self.state.set_metrics(&metrics);
        let best = self.state.best.map_or(f64::NAN, |best| best.value);
        if D::HEADLINE.is_better(value, best) {
            self.state.best = Some(Best {
                step: report.step,
                value,
            });
            self.save(CheckpointChoice::Best, records)?;
        }
        Ok(())
    }

    fn save(&self, choice: CheckpointChoice, records: &Records) -> Result<()> {
        let metadata = self.domain.metadata(self.trainer.model())?;
        let mut state = self.state.clone();
        state.tables = Some(records.tables());
        state.metadata = Some(KeptMetadata::new(&metadata)?);
        save_checkpoint(&self.folder.checkpoint(choice), &self.trainer, &state)
    }

    /// Writes artifacts and summary. The summary is written last: a folder with a summary is that of a finished run.
    fn finish(self, mut records: Records) -> Result<Outcome> {
        let artifacts = self.folder.artifacts();
        let model = self.trainer.model();
        for note in self.domain.write_artifacts(model, &artifacts)? {
            self.hooks.observer.note(&note);
        }
        let steps = self.trainer.step_count();
        records.push_pictures(steps, &artifacts)?;
        let summary = Summary {
            steps,
            parameters: self.trainer.model().parameters().len(),
            seconds: records.seconds,
            seconds_per_step: records.seconds / steps as f64,
            threads: self.machine.threads,
            best: self.state.best,
            tables: FinalTables {
                tables: records.tables(),
                timing: records.timing(),
            },
            ..Summary::new(&self.state.metrics, &self.config.expect)
        };
        write_atomically(&self.folder.summary(), summary.to_toml()?.as_bytes())?;
        Ok(Outcome::Finished {
            summary: summary.to_text(),
        })
    }
}
