//! The one loop: step, record, evaluate, keep.

use std::path::Path;
use std::time::{Instant, SystemTime};

use siren_core::file::{read_text, write_atomically};
use siren_core::metrics::Metrics;
use siren_core::signal::KeptMetadata;
use siren_core::train::{Model, StepReport, Task, Trainer};
use siren_core::{Error, Result};

use crate::checkpoint::{self, Best, State};
use crate::domain::{ConfigOf, Domain};
use crate::folder::{CheckpointChoice, RunFolder};
use crate::hooks::Hooks;
use crate::launch::Outcome;
use crate::machine::Machine;
use crate::rows::{Rows, last_value};
use crate::summary::Summary;
use crate::tensorboard::EventWriter;

/// Pictures beyond this stay out of the TensorBoard file, which viewers read whole.
const MAX_PICTURE_BYTES: u64 = 8 << 20;
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Signature, chunk length and type, width, height.
const PNG_HEADER_BYTES: usize = 24;

/// A run in progress.
pub(super) struct Session<'a, 'h, D: Domain> {
    pub(super) domain: &'a D,
    pub(super) config: &'a ConfigOf<D>,
    pub(super) machine: &'a Machine,
    pub(super) folder: &'a RunFolder,
    pub(super) trainer: Trainer<<D as Task>::Model>,
    pub(super) state: State,
    pub(super) hooks: Hooks<'h>,
}

/// The files that grow.
struct Records {
    metrics: Rows,
    timing: Rows,
    evaluation: Rows,
    events: EventWriter,
    /// Seconds of training, over all sessions.
    seconds: f64,
}

fn wall_seconds() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0.0, |duration| duration.as_secs_f64())
}

impl Records {
    /// Cut back to `step`.
    fn open(folder: &RunFolder, step: u64) -> Result<Self> {
        if step == 0 {
            for path in folder.events()? {
                std::fs::remove_file(&path).map_err(Error::io("delete", &path))?;
            }
        }
        let wall = wall_seconds();
        let mut events = EventWriter::create(&folder.next_events(wall as u64)?, wall)?;
        events.session_start(wall, if step == 0 { 0 } else { step + 1 })?;
        let config = read_text(&folder.config())?;
        events.text(wall, step, "config", &format!("```toml\n{config}```"))?;
        Ok(Self {
            metrics: Rows::open(&folder.metrics(), step)?,
            timing: Rows::open(&folder.timing(), step)?,
            evaluation: Rows::open(&folder.evaluation(), step)?,
            events,
            seconds: last_value(&folder.timing(), "seconds").unwrap_or(0.0),
        })
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        let mut columns = vec![("loss", report.loss)];
        columns.extend(
            report
                .terms
                .iter()
                .map(|term| (term.name.as_str(), term.mean)),
        );
        columns.push(("learning_rate", report.learning_rate));
        columns.push(("gradient_norm", report.gradient_norm));
        self.metrics.push(report.step, &columns)?;
        self.timing
            .push(report.step, &[("seconds", self.seconds)])?;
        self.scalars("train", report.step, &columns)
    }

    fn evaluated(&mut self, step: u64, metrics: &Metrics) -> Result<()> {
        let columns: Vec<_> = metrics
            .iter()
            .map(|measured| (measured.metric.name.as_ref(), measured.value))
            .collect();
        self.evaluation.push(step, &columns)?;
        self.scalars("evaluation", step, &columns)
    }

    fn scalars(&mut self, group: &str, step: u64, columns: &[(&str, f64)]) -> Result<()> {
        let wall = wall_seconds();
        for (name, value) in columns {
            self.events
                .scalar(wall, step, &format!("{group}/{name}"), *value as f32)?;
        }
        Ok(())
    }

    /// Every PNG of the artifacts, for TensorBoard; what it could not show well stays out.
    fn pictures(&mut self, step: u64, folder: &Path) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
        let mut paths: Vec<_> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
        paths.sort();
        for path in paths.iter().filter(|path| is_shown(path)) {
            let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
            if !bytes.starts_with(PNG_SIGNATURE) || bytes.len() < PNG_HEADER_BYTES {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            self.events.image_png(wall_seconds(), step, &name, &bytes)?;
        }
        self.events.flush()
    }

    fn sync(&mut self) -> Result<()> {
        self.metrics.sync()?;
        self.timing.sync()?;
        self.evaluation.sync()?;
        self.events.flush()
    }
}

/// Whether an artifact is by its name and size a picture for TensorBoard.
fn is_shown(path: &Path) -> bool {
    let metadata = std::fs::metadata(path);
    path.extension().is_some_and(|extension| extension == "png")
        && metadata.is_ok_and(|file| file.is_file() && file.len() <= MAX_PICTURE_BYTES)
}

impl<D: Domain> Session<'_, '_, D> {
    /// Trains from where the trainer stands to the last step, then writes artifacts and the summary.
    pub(super) fn run(
        mut self,
        constraints: &[<<D as Task>::Model as Model>::Constraint],
    ) -> Result<Outcome> {
        let steps = self.config.train.steps;
        let first = self.trainer.step_count();
        for note in self.domain.notes() {
            self.hooks.observer.note(note);
        }
        self.note_missing_files(first);
        let mut records = Records::open(self.folder, first)?;
        self.hooks.observer.started(&self.config.name, first, steps);
        while self.trainer.step_count() < steps {
            let start = Instant::now();
            let report = self.trainer.step(constraints)?;
            records.seconds += start.elapsed().as_secs_f64();
            records.step(&report)?;
            self.hooks.observer.stepped(report.step, report.loss);
            let last = report.step == steps;
            if last || report.step.is_multiple_of(self.config.run.evaluate_every) {
                self.evaluate(&mut records, &report)?;
            }
            let stop = self.hooks.stop.is_stopped() && !last;
            if stop || last || report.step.is_multiple_of(self.config.run.checkpoint_every) {
                records.sync()?;
                self.save(CheckpointChoice::Last)?;
            }
            if stop {
                self.hooks.observer.finished();
                return Ok(Outcome::Interrupted { step: report.step });
            }
        }
        self.hooks.observer.finished();
        self.finish(records)
    }

    /// Tells of files that a resumed run has lost: they start again at its first step.
    fn note_missing_files(&mut self, first: u64) {
        let folder = self.folder;
        for path in [folder.metrics(), folder.timing(), folder.evaluation()] {
            if first > 0 && !path.exists() {
                let (path, step) = (path.display(), first + 1);
                let text = format!("note: {path} is gone; it starts again at step {step}");
                self.hooks.observer.note(&text);
            }
        }
    }

    fn evaluate(&mut self, records: &mut Records, report: &StepReport) -> Result<()> {
        let metrics = self.domain.evaluate(self.trainer.model())?;
        records.evaluated(report.step, &metrics)?;
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
            self.save(CheckpointChoice::Best)?;
        }
        Ok(())
    }

    fn save(&self, which: CheckpointChoice) -> Result<()> {
        let metadata = self.domain.metadata(self.trainer.model())?;
        let mut state = self.state.clone();
        state.metadata = Some(KeptMetadata::new(&metadata)?);
        checkpoint::save(&self.folder.checkpoint(which), &self.trainer, &state)
    }

    fn finish(self, mut records: Records) -> Result<Outcome> {
        let artifacts = self.folder.artifacts();
        self.domain
            .write_artifacts(self.trainer.model(), &artifacts)?;
        let steps = self.trainer.step_count();
        records.pictures(steps, &artifacts)?;
        let summary = Summary {
            steps,
            parameters: self.trainer.model().parameters().len(),
            seconds: records.seconds,
            seconds_per_step: records.seconds / steps as f64,
            threads: self.machine.threads,
            best: self.state.best,
            ..Summary::new(&self.state.metrics, &self.config.expect)
        };
        write_atomically(&self.folder.summary(), summary.to_toml()?.as_bytes())?;
        Ok(Outcome::Finished {
            summary: summary.to_text(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn artifacts_that_tensorboard_cannot_show_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let run = RunFolder::create(&run, "", "").unwrap();
        let artifacts = run.artifacts();
        std::fs::write(
            artifacts.join("text.png"),
            "no picture, but long enough for one",
        )
        .unwrap();
        std::fs::write(artifacts.join("short.png"), PNG_SIGNATURE).unwrap();
        std::fs::create_dir(artifacts.join("folder.png")).unwrap();
        let huge = File::create(artifacts.join("huge.png")).unwrap();
        huge.set_len(MAX_PICTURE_BYTES + 1).unwrap();
        let mut records = Records::open(&run, 0).unwrap();
        records.events.flush().unwrap();
        let size = |run: &RunFolder| std::fs::metadata(&run.events().unwrap()[0]).unwrap().len();
        let before = size(&run);
        records.pictures(1, &artifacts).unwrap();
        assert_eq!(size(&run), before);
    }
}
