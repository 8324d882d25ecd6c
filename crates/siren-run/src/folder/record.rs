//! Reader of a run folder's metrics, for tables and plots.

use std::collections::BTreeMap;
use std::path::Path;

use siren_core::file::{quoted, read_text};
use siren_core::metrics::Better;
use siren_core::{Error, Result};

use super::columns::NamedColumns;
use super::{FinalTables, RunFolder, parse_summary};

/// Config, evaluations and summary of a run, finished or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Text of the resolved config.
    pub config: String,
    /// `train.seconds`, if the run was given a time budget, from which the `train.steps` of the resolved config were computed.
    pub seconds: Option<f64>,
    /// Evaluations, in order.
    pub curve: Vec<EvaluationRow>,
    /// Numbers at the top level of the summary (`parameters`, `seconds`, `seconds_per_step`, …); `None` while the run is not finished.
    pub summary: Option<BTreeMap<String, f64>>,
}

/// One row of `metrics.csv`: a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    /// Steps taken, this one included.
    pub step: u64,
    /// Loss, terms, learning rate and gradient norm by name. A term that has ended is absent.
    pub values: BTreeMap<String, f64>,
}

/// One row of `evaluation.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationRow {
    /// Steps taken.
    pub step: u64,
    /// Seconds of training so far, over all sessions; `None` if `timing.csv` lacks the step.
    pub seconds: Option<f64>,
    /// Metrics by name.
    pub metrics: BTreeMap<String, f64>,
}

impl Record {
    /// Reads the folder of a run. The run may be in progress.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is no run at that path; [`Error::Io`] or [`Error::Config`] if a file cannot be read.
    pub fn read(run: &Path) -> Result<Self> {
        let folder = RunFolder::open(run)?;
        let summary = read_summary(&folder)?;
        let timing = NamedColumns::read(&folder.timing())?;
        let seconds = timing.values("seconds").unwrap_or_default();
        let seconds: BTreeMap<u64, f64> = timing
            .steps
            .iter()
            .copied()
            .zip(seconds.iter().copied())
            .collect();
        let evaluation = NamedColumns::read(&folder.evaluation())?;
        let rows = evaluation.steps.iter().enumerate();
        let curve = rows.map(|(row, &step)| EvaluationRow {
            step,
            seconds: seconds.get(&step).copied(),
            metrics: evaluation
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.values[row]))
                .collect(),
        });
        Ok(Self {
            config: read_text(&folder.config())?,
            seconds: folder.budget().map(|budget| budget.seconds),
            curve: curve.collect(),
            summary,
        })
    }

    /// Reads the steps of a run, in order. The run may be in progress.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is no run at that path; [`Error::Io`] if the table cannot be read.
    pub fn read_steps(run: &Path) -> Result<Vec<StepRow>> {
        let table = NamedColumns::read(&RunFolder::open(run)?.metrics())?;
        let rows = table.steps.iter().enumerate();
        let row = |(row, &step): (usize, &u64)| {
            let values = table
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.values[row]));
            // The cell of a term that has ended is empty; every number in it is finite.
            let values = values.filter(|(_, value)| !value.is_nan()).collect();
            StepRow { step, values }
        };
        Ok(rows.map(row).collect())
    }

    /// Returns whether the run is of a config that [`check`](crate::check) returned as `config`.
    #[must_use]
    pub fn is_of(&self, config: &str) -> bool {
        let (Some(seconds), Ok(mut own)) = (self.seconds, self.config.parse::<toml::Table>())
        else {
            return self.config.trim() == config.trim();
        };
        if let Some(toml::Value::Table(train)) = own.get_mut("train") {
            train.remove("steps");
            train.insert("seconds".to_owned(), seconds.into());
        }
        config.parse() == Ok(own)
    }

    /// Returns whether the run took all its steps and wrote its summary.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.summary.is_some()
    }

    /// Returns a metric of the last evaluation, or else a number of the summary.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<f64> {
        let evaluated = self.curve.last().and_then(|row| row.metrics.get(name));
        let summary = self.summary.as_ref().and_then(|summary| summary.get(name));
        evaluated.or(summary).copied()
    }

    /// Returns the best value of a metric over all evaluations, or else a number of the summary. NaN is never the best value.
    #[must_use]
    pub fn best(&self, name: &str, better: Better) -> Option<f64> {
        let values = self
            .curve
            .iter()
            .filter_map(|row| row.metrics.get(name).copied());
        let values = values.filter(|value| !value.is_nan());
        let best = match better {
            Better::Lower => values.min_by(f64::total_cmp),
            Better::Higher => values.max_by(f64::total_cmp),
        };
        best.or_else(|| self.last(name))
    }
}

/// Returns the numbers at the top level of a summary, or `None` if the file does not exist. The tables are those of the summary.
fn read_summary(folder: &RunFolder) -> Result<Option<BTreeMap<String, f64>>> {
    let Some(table) = read_summary_table(folder)? else {
        return Ok(None);
    };
    let numbers = table
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), number(value)?)));
    Ok(Some(numbers.collect()))
}

/// Returns a number of a summary or config, written with or without a point.
pub(crate) fn number(value: &toml::Value) -> Option<f64> {
    match value {
        toml::Value::Float(number) => Some(*number),
        toml::Value::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

/// Returns the summary, or `None` if the file does not exist. The tables of the folder are those of the summary.
///
/// # Errors
/// [`Error::RunFolder`] if the summary or a table was changed or damaged; [`Error::Io`].
pub(crate) fn read_summary_table(folder: &RunFolder) -> Result<Option<toml::Table>> {
    let path = folder.summary();
    if !path.exists() {
        return Ok(None);
    }
    let table = parse_summary(&read_text(&path)?).ok_or_else(|| Error::RunFolder {
        path: path.clone(),
        message: format!(
            "was changed or damaged since the run ended: delete it, and let `resume {}` write it again",
            quoted(folder.path())
        ),
    })?;
    if let Some(tables) = table.get("tables")
        && let Ok(tables) = tables.clone().try_into::<FinalTables>()
    {
        tables.check(folder)?;
    }
    Ok(Some(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_progress_has_its_complete_rows_and_a_finished_run_its_summary() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run"), "kind = \"image\"\n", "").unwrap();
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        write(&run.evaluation(), "step,psnr_db\n10,20\n20,NaN\n30,19.5\n4");
        write(&run.timing(), "step,seconds\n10,0.5\n20,1\n");
        let record = Record::read(run.path()).unwrap();
        assert!(!record.is_finished());
        assert_eq!(record.curve.len(), 3);
        assert_eq!(record.curve[0].seconds, Some(0.5));
        assert_eq!(record.curve[2].seconds, None);
        assert_eq!(record.last("psnr_db"), Some(19.5));
        assert_eq!(record.best("psnr_db", Better::Higher), Some(20.0));
        write(
            &run.summary(),
            "steps = 30\nseconds = 1.5\n[metrics]\npsnr_db = 19.5\n",
        );
        let record = Record::read(run.path()).unwrap();
        assert_eq!(record.last("steps"), Some(30.0));
        assert_eq!(record.best("seconds", Better::Lower), Some(1.5));
    }

    #[test]
    fn steps_are_read_without_the_cells_of_terms_that_have_ended() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run"), "kind = \"image\"\n", "").unwrap();
        assert!(Record::read_steps(run.path()).unwrap().is_empty());
        std::fs::write(
            run.metrics(),
            "step,loss,prior\n1,0.5,0.25\n2,0.125,\n3,0.0,",
        )
        .unwrap();
        let steps = Record::read_steps(run.path()).unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].values["prior"].to_bits(), 0.25_f64.to_bits());
        assert_eq!(steps[1].step, 2);
        assert_eq!(steps[1].values.len(), 1);
    }
}
