//! One session of a run: from its start, or from its last checkpoint, to its last step or until it is stopped.

mod budget;
mod launch;
mod records;
mod reopen;

use std::time::Instant;

use siren_core::Result;
use siren_core::file::write_atomically;
use siren_core::ranks::Ranks;
use siren_core::saved::little_endian;
use siren_core::signal::KeptMetadata;
use siren_core::train::{Model, StepReport, Task, Trainer};

use self::records::Records;
use crate::domain::{ConfigOf, Domain};
use crate::folder::{
    Best, CheckpointChoice, FinalTables, RunFolder, State, Summary, TilesAtRest, save_checkpoint,
};
use crate::hooks::Hooks;
use crate::machine::Machine;
use crate::report::write_own_report;

pub use self::launch::{Checked, check, resume, start};
pub use self::reopen::{Restored, export_run, restore, restore_model};

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken, or all tiles rest, and artifacts and summary were written.
    Finished {
        /// Final metrics beside the expected ones, as text for the user.
        summary: String,
    },
    /// The run had been finished before, so nothing was done.
    AlreadyFinished {
        /// Steps taken.
        steps: u64,
    },
    /// The run was stopped by its token before its folder was created. Nothing was written.
    NotStarted,
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
    /// Trains from the trainer's present step to the last step, or until all tiles rest, then writes artifacts and summary.
    fn run(mut self, constraints: &[<<D as Task>::Model as Model>::Constraint]) -> Result<Outcome> {
        let steps = self.config.train.steps;
        let first = self.trainer.step_count();
        for note in self.domain.notes() {
            self.hooks.observer.note(note);
        }
        // Rank 0 alone writes. All ranks take the same branches, because those end in calls that they make together.
        let mut records = if self.ranks().is_first() {
            self.note_missing_files(first);
            Some(Records::open(self.folder, first, self.state.tables)?)
        } else {
            None
        };
        self.hooks.observer.started(&self.config.name, first, steps);
        let mut resting = 0;
        self.tell_resting(&mut resting);
        while !self.trainer.is_finished() {
            let start = Instant::now();
            let report = self.trainer.step(constraints)?;
            if let Some(records) = &mut records {
                records.seconds += start.elapsed().as_secs_f64();
                records.push_step(&report)?;
            }
            self.hooks.observer.stepped(report.step, report.loss);
            self.tell_resting(&mut resting);
            let is_last = self.trainer.is_finished();
            if is_last || report.step.is_multiple_of(self.config.run.evaluate_every) {
                self.evaluate(records.as_mut(), &report)?;
            }
            let is_stopped = self.ranks().any(self.hooks.stop.is_stopped())? && !is_last;
            let is_due = report.step.is_multiple_of(self.config.run.checkpoint_every);
            if is_stopped || is_last || is_due {
                // A checkpoint must not be newer than the rows on disk: a resumed run truncates tables, but cannot add rows.
                if let Some(records) = &mut records {
                    records.sync()?;
                }
                self.save(CheckpointChoice::Last, records.as_ref())?;
            }
            if is_stopped {
                self.hooks.observer.finished();
                return Ok(Outcome::Interrupted { step: report.step });
            }
        }
        self.hooks.observer.finished();
        let ranks = self.ranks().clone();
        let summary = match records {
            Some(records) => self.finish(records).map(String::into_bytes),
            None => Ok(Vec::new()),
        };
        let summary = ranks.from_first(summary)?;
        Ok(Outcome::Finished {
            summary: String::from_utf8_lossy(&summary).into_owned(),
        })
    }

    /// Tells the observer how many tiles rest, if these are more than `told` before.
    fn tell_resting(&mut self, told: &mut usize) {
        if let Some(resting) = self.trainer.resting_tiles()
            && resting.count() > *told
        {
            *told = resting.count();
            self.hooks.observer.rested(*told, resting.tiles());
        }
    }

    /// Returns the ranks that share the run.
    fn ranks(&self) -> &Ranks {
        &self.machine.ranks
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
    fn evaluate(&mut self, records: Option<&mut Records>, report: &StepReport) -> Result<()> {
        let mut is_best = false;
        let records = match records {
            Some(records) => {
                is_best = self.score(records, report)?;
                Some(&*records)
            }
            None => None,
        };
        if self.ranks().any(is_best)? {
            self.save(CheckpointChoice::Best, records)?;
        }
        Ok(())
    }

    /// Evaluates the model and records the metrics. Returns whether they are the best so far.
    fn score(&mut self, records: &mut Records, report: &StepReport) -> Result<bool> {
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
        let is_best = D::HEADLINE.is_better(value, best);
        if is_best {
            self.state.best = Some(Best {
                step: report.step,
                value,
            });
        }
        Ok(is_best)
    }

    /// Writes a checkpoint on rank 0, which has the records, and to which all ranks give their parts of the optimizer's state.
    fn save(&self, choice: CheckpointChoice, records: Option<&Records>) -> Result<()> {
        must_have_the_same_parameters(&self.trainer, self.ranks())?;
        let Some(records) = records else {
            self.trainer.optimizer_state()?;
            return Ok(());
        };
        let metadata = self.domain.metadata(self.trainer.model())?;
        let mut state = self.state.clone();
        state.tables = Some(records.tables());
        state.metadata = Some(KeptMetadata::new(&metadata)?);
        save_checkpoint(&self.folder.checkpoint(choice), &self.trainer, &state)
    }

    /// Writes artifacts, summary and report. The summary is written after the artifacts: a folder with a summary is that of a finished run. The
    /// report is made of all other files, and can be made again.
    fn finish(self, mut records: Records) -> Result<String> {
        let artifacts = self.folder.artifacts();
        let model = self.trainer.model();
        let written = self.domain.write_artifacts(model, &artifacts)?;
        for note in &written.notes {
            self.hooks.observer.note(note);
        }
        let steps = self.trainer.step_count();
        records.push_pictures(steps, &artifacts)?;
        let summary = Summary {
            steps,
            parameters: self.trainer.model().parameters().len(),
            seconds: records.seconds,
            seconds_per_step: records.seconds / steps as f64,
            threads: self.machine.threads,
            ranks: self.ranks().count(),
            best: self.state.best,
            tables: FinalTables {
                tables: records.tables(),
                timing: records.timing(),
            },
            budget: self.folder.budget(),
            tiles: self.trainer.resting_tiles().map(|resting| TilesAtRest {
                resting: resting.count(),
                of: resting.tiles(),
            }),
            exhibits: written.exhibits,
            ..Summary::new(&self.state.metrics, &self.config.expect)
        };
        write_atomically(&self.folder.summary(), summary.to_toml()?.as_bytes())?;
        write_own_report(self.folder, self.hooks.observer);
        Ok(summary.to_text())
    }
}

/// Checks that the parameters are the same on all ranks, bit for bit.
fn must_have_the_same_parameters<M: Model>(trainer: &Trainer<M>, ranks: &Ranks) -> Result<()> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let checksum = trainer.model().parameters().flat().and_then(|flat| {
        let bytes = little_endian(&flat)?;
        Ok(crc32c::crc32c(&bytes).to_string())
    });
    ranks.must_share("copy of the parameters", checksum)
}
