//! What the runs of a sweep reached, averaged over all axes that the table does not show.

use anyhow::Result;
use siren_core::run::Record;

use crate::folder::SweepFolder;
use crate::member::Member;
use crate::spec::{At, Choice, Spec};

/// A row, a column and a metric of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub row: usize,
    pub column: usize,
    pub metric: usize,
}

/// Mean and standard deviation of what the runs of a place reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub mean: f64,
    /// Of the sample (n − 1); 0 for one run.
    pub deviation: f64,
    pub runs: usize,
}

impl Cell {
    /// `None` for no run.
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
pub struct Finished {
    pub choices: Vec<usize>,
    pub record: Record,
}

/// A sweep with what its runs left.
pub struct Results<'a> {
    pub spec: &'a Spec,
    pub axes: &'a [Vec<Choice>],
    pub finished: Vec<Finished>,
    /// How many runs there will be.
    pub members: usize,
}

impl<'a> Results<'a> {
    /// Reads every run that is finished.
    ///
    /// # Errors
    /// If a finished run cannot be read.
    pub fn read(
        spec: &'a Spec,
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
                finished.push(Finished {
                    choices: member.choices.clone(),
                    record,
                });
            }
        }
        Ok(Self {
            spec,
            axes,
            finished,
            members: members.len(),
        })
    }

    /// The names of an axis of the table; one nameless choice if the table has no such axis.
    fn names(&self, axis: Option<&String>) -> Vec<String> {
        match axis.and_then(|axis| self.spec.position(axis)) {
            Some(at) => self.axes[at]
                .iter()
                .map(|choice| choice.name.clone())
                .collect(),
            None => vec![String::new()],
        }
    }

    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        self.names(Some(&self.spec.table.rows))
    }

    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.names(self.spec.table.columns.as_ref())
    }

    /// The finished runs of a row and a column.
    pub fn runs(&self, row: usize, column: usize) -> impl Iterator<Item = &Record> {
        let table = &self.spec.table;
        let wanted = [(Some(&table.rows), row), (table.columns.as_ref(), column)];
        let wanted = wanted.map(|(axis, choice)| Some((self.spec.position(axis?)?, choice)));
        let fits = move |finished: &&Finished| {
            wanted
                .iter()
                .flatten()
                .all(|&(axis, choice)| finished.choices[axis] == choice)
        };
        self.finished
            .iter()
            .filter(fits)
            .map(|finished| &finished.record)
    }

    #[must_use]
    pub fn cell(&self, place: Place) -> Option<Cell> {
        let metric = &self.spec.table.metrics[place.metric];
        let value = |record: &Record| match self.spec.table.at {
            At::Last => record.last(metric),
            At::Best => record.best(metric, self.lower_is_better(place.metric)),
        };
        let values: Vec<f64> = self
            .runs(place.row, place.column)
            .filter_map(value)
            .collect();
        Cell::of(&values)
    }

    fn lower_is_better(&self, metric: usize) -> bool {
        self.spec
            .table
            .lower_is_better
            .contains(&self.spec.table.metrics[metric])
    }

    /// Whether a place holds the best mean of its column and metric.
    #[must_use]
    pub fn is_best(&self, place: Place) -> bool {
        let sign = if self.lower_is_better(place.metric) {
            -1.0
        } else {
            1.0
        };
        let score = |row| {
            self.cell(Place { row, ..place })
                .map(|cell| sign * cell.mean)
        };
        let Some(own) = score(place.row) else {
            return false;
        };
        self.rows().len() > 1
            && (0..self.rows().len())
                .filter_map(score)
                .all(|other| other <= own)
    }

    /// What others published for a place, and where.
    #[must_use]
    pub fn published(&self, place: Place) -> Option<(f64, &str)> {
        let (rows, columns) = (self.rows(), self.columns());
        let metrics = &self.spec.table.metrics;
        let fits = |published: &&crate::spec::Published| {
            published.row == rows[place.row]
                && published.column.as_deref().unwrap_or_default() == columns[place.column]
                && published.metric.as_ref().unwrap_or(&metrics[0]) == &metrics[place.metric]
        };
        let found = self.spec.published.iter().find(fits)?;
        Some((found.value, &found.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_the_mean_and_the_samples_standard_deviation() {
        let cell = Cell::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((cell.mean - 2.5).abs() < 1e-12);
        assert!((cell.deviation - 1.290_994_448_735_805_6).abs() < 1e-12);
        assert!(Cell::of(&[7.0]).unwrap().deviation == 0.0 && Cell::of(&[]).is_none());
    }
}
