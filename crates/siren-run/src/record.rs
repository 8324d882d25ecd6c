//! What a run left, read back for tables and curves.

use std::collections::BTreeMap;
use std::path::Path;

use siren_core::file::read_text;
use siren_core::{Error, Result};

use crate::folder::RunFolder;

/// A run as it stands on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its resolved config.
    pub config: String,
    /// Its evaluations, in order.
    pub curve: Vec<Evaluation>,
    /// What its summary says at top level (`parameters`, `seconds`, `seconds_per_step`, …); `None` while it is not finished.
    pub summary: Option<BTreeMap<String, f64>>,
}

/// One row of `evaluation.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Steps taken.
    pub step: u64,
    /// Of training so far, over all sessions; `None` if `timing.csv` does not say.
    pub seconds: Option<f64>,
    /// By name.
    pub metrics: BTreeMap<String, f64>,
}

impl Record {
    /// Reads a run folder, whether the run is finished or not.
    ///
    /// # Errors
    /// If there is no run, or a file cannot be read.
    pub fn read(run: &Path) -> Result<Self> {
        let folder = RunFolder::open(run)?;
        let seconds = read_rows(&folder.timing())?;
        let at = |step: u64| {
            let row = seconds.iter().find(|(s, _)| *s == step)?;
            row.1.get("seconds").copied()
        };
        let rows = read_rows(&folder.evaluation())?.into_iter();
        let curve = rows.map(|(step, metrics)| Evaluation {
            step,
            seconds: at(step),
            metrics,
        });
        Ok(Self {
            config: read_text(&folder.config())?,
            curve: curve.collect(),
            summary: read_summary(&folder.summary())?,
        })
    }

    /// Whether the run took all its steps.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.summary.is_some()
    }

    /// A metric at the last evaluation, or a number of the summary.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<f64> {
        let evaluated = self.curve.last().and_then(|row| row.metrics.get(name));
        let summary = self.summary.as_ref().and_then(|summary| summary.get(name));
        evaluated.or(summary).copied()
    }

    /// The best value of a metric over all evaluations, or a number of the summary. NaN is never best.
    #[must_use]
    pub fn best(&self, name: &str, lower_is_better: bool) -> Option<f64> {
        let values = self
            .curve
            .iter()
            .filter_map(|row| row.metrics.get(name).copied());
        let values = values.filter(|value| !value.is_nan());
        let best = if lower_is_better {
            values.min_by(f64::total_cmp)
        } else {
            values.max_by(f64::total_cmp)
        };
        best.or_else(|| self.last(name))
    }
}

/// The rows of a table whose first column is `step`; none if the file is not there. A row that is cut short is left out.
fn read_rows(path: &Path) -> Result<Vec<(u64, BTreeMap<String, f64>)>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = read_text(path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let row = |line: &str| {
        let values: Vec<&str> = line.split(',').collect();
        if values.len() != names.len() {
            return None;
        }
        let step = values[0].parse().ok()?;
        let pairs = names.iter().zip(&values).skip(1);
        let pairs = pairs.map(|(name, value)| Some(((*name).to_owned(), value.parse().ok()?)));
        Some((step, pairs.collect::<Option<_>>()?))
    };
    Ok(lines.filter_map(row).collect())
}

fn read_summary(path: &Path) -> Result<Option<BTreeMap<String, f64>>> {
    if !path.exists() {
        return Ok(None);
    }
    let table: toml::Table = read_text(path)?.parse().map_err(|error| Error::Config {
        origin: path.display().to_string(),
        message: format!("{error}"),
    })?;
    let number = |value: &toml::Value| match value {
        toml::Value::Float(number) => Some(*number),
        toml::Value::Integer(number) => Some(*number as f64),
        _ => None,
    };
    let numbers = table
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), number(value)?)));
    Ok(Some(numbers.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_back_as_far_as_it_got() {
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
        assert_eq!(record.best("psnr_db", false), Some(20.0));
        write(
            &run.summary(),
            "steps = 30\nseconds = 1.5\n[metrics]\npsnr_db = 19.5\n",
        );
        let record = Record::read(run.path()).unwrap();
        assert_eq!(record.last("steps"), Some(30.0));
        assert_eq!(record.best("seconds", true), Some(1.5));
    }
}
