//! Results of the finished runs, averaged over all axes that the table does not show.

use anyhow::Result;
use siren_core::metrics::Better;
use siren_run::Record;

use crate::folder::SweepFolder;
use crate::member::Member;
use crate::spec::{Choice, PublishedConfig, ReportedEvaluation, SweepConfig};

/// Indices of a row, a column and a metric of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellIndex {
    pub row: usize,
    pub column: usize,
    pub metric: usize,
}

/// Mean and standard deviation of one metric over the runs of one row and column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub mean: f64,
    /// Standard deviation of the sample, with denominator n − 1; 0 for one run.
    pub deviation: f64,
    /// Number of runs.
    pub runs: usize,
}

impl Cell {
    /// Computes the statistics of a metric's values, one per run; `None` if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = if values.len() > 1 {
            (squares / (n - 1.0)).sqrt()
        } else {
            0.0
        };
        (!values.is_empty()).then_some(Self {
            mean,
            deviation,
            runs: values.len(),
        })
    }
}

/// One finished run.
pub struct FinishedRun {
    /// Index of the choice on each axis.
    pub choices: Vec<usize>,
    pub record: Record,
}

/// The sweep's config and the records of its finished runs.
pub struct Results<'a> {
    pub config: &'a SweepConfig,
    pub axes: &'a [Vec<Choice>],
    pub finished: Vec<FinishedRun>,
    /// Number of runs of the sweep, finished or not.
    pub members: usize,
}

impl<'a> Results<'a> {
    /// Reads the records of all finished runs.
    ///
    /// # Errors
    /// If a run folder exists but cannot be read.
    pub fn read(
        config: &'a SweepConfig,
        axes: &'a [Vec<Choice>],
        members: &[Member],
        folder: &SweepFolder,
    ) -> Result<Self> {
        let mut finished = Vec::new();
        for member in members {
            let run = folder.run(member);
            if !run.exists() {
                continue;
            }
            let record = Record::read(&run)?;
            if record.is_finished() {
                finished.push(FinishedRun {
                    choices: member.choices.clone(),
                    record,
                });
            }
        }
        Ok(Self {
            config,
            axes,
            finished,
            members: members.len(),
        })
    }

    /// Returns the names of an axis's choices; one empty name if the table has no such axis.
    fn names(&self, axis: Option<&String>) -> Vec<String> {
        match axis.and_then(|axis| self.config.position(axis)) {
            Some(position) => self.axes[position]
                .iter()
                .map(|choice| choice.name.clone())
                .collect(),
            None => vec![String::new()],
        }
    }

    /// Returns the names of the rows.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        self.names(Some(&self.config.table.rows))
    }

    /// Returns the names of the columns; one empty name if the table has no axis of columns.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.names(self.config.table.columns.as_ref())
    }

    /// Returns the records of the finished runs of a row and a column.
    pub fn runs(&self, row: usize, column: usize) -> impl Iterator<Item = &Record> {
        let table = &self.config.table;
        let wanted = [(Some(&table.rows), row), (table.columns.as_ref(), column)];
        let wanted = wanted.map(|(axis, choice)| Some((self.config.position(axis?)?, choice)));
        let is_wanted = move |finished: &&FinishedRun| {
            wanted
                .iter()
                .flatten()
                .all(|&(axis, choice)| finished.choices[axis] == choice)
        };
        self.finished
            .iter()
            .filter(is_wanted)
            .map(|finished| &finished.record)
    }

    /// Returns the statistics of a cell; `None` if no run of it is finished or none has the metric.
    #[must_use]
    pub fn cell(&self, index: CellIndex) -> Option<Cell> {
        let metric = &self.config.table.metrics[index.metric];
        let value = |record: &Record| match self.config.table.at {
            ReportedEvaluation::Last => record.last(metric),
            ReportedEvaluation::Best => record.best(metric, self.better(index.metric)),
        };
        let values: Vec<f64> = self
            .runs(index.row, index.column)
            .filter_map(value)
            .collect();
        Cell::of(&values)
    }

    /// Returns which values of a metric are better.
    fn better(&self, metric: usize) -> Better {
        let table = &self.config.table;
        if table.lower_is_better.contains(&table.metrics[metric]) {
            Better::Lower
        } else {
            Better::Higher
        }
    }

    /// Returns whether a cell has the best mean of its column and metric; never if the table has one row.
    #[must_use]
    pub fn is_best(&self, index: CellIndex) -> bool {
        let sign = match self.better(index.metric) {
            Better::Lower => -1.0,
            Better::Higher => 1.0,
        };
        let score = |row| {
            self.cell(CellIndex { row, ..index })
                .map(|cell| sign * cell.mean)
        };
        let Some(own) = score(index.row) else {
            return false;
        };
        self.rows().len() > 1
            && (0..self.rows().len())
                .filter_map(score)
                .all(|other| other <= own)
    }

    /// Returns the published value of a cell and its source.
    #[must_use]
    pub fn published(&self, index: CellIndex) -> Option<(f64, &str)> {
        let (rows, columns) = (self.rows(), self.columns());
        let metrics = &self.config.table.metrics;
        let is_of_cell = |published: &&PublishedConfig| {
            published.row == rows[index.row]
                && published.column.as_deref().unwrap_or_default() == columns[index.column]
                && published.metric.as_ref().unwrap_or(&metrics[0]) == &metrics[index.metric]
        };
        let found = self.config.published.iter().find(is_of_cell)?;
        Some((found.value, &found.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_the_mean_and_the_sample_standard_deviation() {
        let cell = Cell::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((cell.mean - 2.5).abs() < 1e-12);
        assert!((cell.deviation - 1.290_994_448_735_805_6).abs() < 1e-12);
        assert!(Cell::of(&[7.0]).unwrap().deviation == 0.0 && Cell::of(&[]).is_none());
    }
}
