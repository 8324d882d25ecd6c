//! The files of a run that grow with every step or evaluation: three tables and a TensorBoard file.

use std::path::Path;
use std::time::SystemTime;

use siren_core::file::read_text;
use siren_core::metrics::Metrics;
use siren_core::train::StepReport;
use siren_core::{Error, Result};

use crate::folder::tensorboard::EventWriter;
use crate::folder::{
    Column, Continuation, Rows, RunFolder, TableDigest, Tables, damaged, last_value,
};

/// Largest picture in the TensorBoard file, because viewers read the whole file.
const MAX_PICTURE_BYTES: u64 = 8 << 20;
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Signature, chunk length and type, width, height.
const PNG_HEADER_BYTES: usize = 24;

/// The growing files of a run, open for appending.
pub(super) struct Records {
    metrics: Rows,
    timing: Rows,
    evaluation: Rows,
    events: EventWriter,
    /// Seconds of training, over all sessions.
    pub(super) seconds: f64,
}

/// Returns the seconds since the Unix epoch.
fn wall_seconds() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0.0, |duration| duration.as_secs_f64())
}

impl Records {
    /// Opens the files of a run that continues after `step`. Rows of later steps are removed; at step 0, so are all TensorBoard files. `tables`
    /// are those of the checkpoint.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if a table was damaged since the checkpoint; [`Error::Io`].
    pub(super) fn open(folder: &RunFolder, step: u64, tables: Option<Tables>) -> Result<Self> {
        let after = Continuation::After(step);
        let (metrics, evaluation) = match tables {
            Some(tables) if step > 0 => (
                Continuation::Digest(tables.metrics, step),
                Continuation::Digest(tables.evaluation, step),
            ),
            // An older checkpoint does not know its tables. Not every step has an evaluation.
            _ => (after, Continuation::UpTo(step)),
        };
        let metrics = Rows::open(&folder.metrics(), metrics)?;
        let timing = Rows::open(&folder.timing(), after)?;
        let evaluation = Rows::open(&folder.evaluation(), evaluation)?;
        let seconds = match last_value(&folder.timing(), "seconds") {
            Some(seconds) => seconds,
            None if step == 0 || timing.is_empty() => 0.0,
            None => return Err(damaged(&folder.timing(), after)),
        };
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
            metrics,
            timing,
            evaluation,
            events,
            seconds,
        })
    }

    /// Appends loss, terms, learning rate, gradient norm and seconds of a step.
    pub(super) fn push_step(&mut self, report: &StepReport) -> Result<()> {
        let column = |name, value| Column { name, value };
        let mut columns = vec![column("loss", report.loss)];
        let terms = report.terms.iter();
        columns.extend(terms.map(|term| column(&term.name, term.mean)));
        columns.push(column("learning_rate", report.learning_rate));
        columns.push(column("gradient_norm", report.gradient_norm));
        self.metrics.push(report.step, &columns)?;
        self.timing
            .push(report.step, &[column("seconds", self.seconds)])?;
        self.push_scalars("train", report.step, &columns)
    }

    /// Appends the metrics of an evaluation.
    pub(super) fn push_evaluation(&mut self, step: u64, metrics: &Metrics) -> Result<()> {
        let columns = metrics.iter().map(|measured| Column {
            name: &measured.metric.name,
            value: measured.value,
        });
        let columns: Vec<_> = columns.collect();
        self.evaluation.push(step, &columns)?;
        self.push_scalars("evaluation", step, &columns)
    }

    fn push_scalars(&mut self, group: &str, step: u64, columns: &[Column<'_>]) -> Result<()> {
        let wall = wall_seconds();
        for Column { name, value } in columns {
            let tag = format!("{group}/{name}");
            self.events.scalar(wall, step, &tag, *value as f32)?;
        }
        Ok(())
    }

    /// Appends every PNG file of the artifacts to the TensorBoard file, except files that are too large or no pictures.
    pub(super) fn push_pictures(&mut self, step: u64, folder: &Path) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
        let mut paths: Vec<_> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
        paths.sort();
        for path in paths.iter().filter(|path| is_small_png(path)) {
            let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
            if !bytes.starts_with(PNG_SIGNATURE) || bytes.len() < PNG_HEADER_BYTES {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            self.events.image_png(wall_seconds(), step, &name, &bytes)?;
        }
        self.events.flush()
    }

    /// Returns lengths and checksums of the tables that do not hold times.
    pub(super) fn tables(&self) -> Tables {
        Tables {
            metrics: self.metrics.digest(),
            evaluation: self.evaluation.digest(),
        }
    }

    /// Returns length and checksum of the table of times.
    pub(super) fn timing(&self) -> TableDigest {
        self.timing.digest()
    }

    /// Writes all rows so far to the disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.metrics.sync()?;
        self.timing.sync()?;
        self.evaluation.sync()?;
        self.events.flush()
    }
}

/// Returns whether a path is a `.png` file of at most [`MAX_PICTURE_BYTES`].
fn is_small_png(path: &Path) -> bool {
    let metadata = std::fs::metadata(path);
    path.extension().is_some_and(|extension| extension == "png")
        && metadata.is_ok_and(|file| file.is_file() && file.len() <= MAX_PICTURE_BYTES)
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
            "no picture, but longer than a PNG header",
        )
        .unwrap();
        std::fs::write(artifacts.join("short.png"), PNG_SIGNATURE).unwrap();
        std::fs::create_dir(artifacts.join("folder.png")).unwrap();
        let huge = File::create(artifacts.join("huge.png")).unwrap();
        huge.set_len(MAX_PICTURE_BYTES + 1).unwrap();
        let mut records = Records::open(&run, 0, None).unwrap();
        records.events.flush().unwrap();
        let size = |run: &RunFolder| std::fs::metadata(&run.events().unwrap()[0]).unwrap().len();
        let before = size(&run);
        records.push_pictures(1, &artifacts).unwrap();
        assert_eq!(size(&run), before);
    }
}
