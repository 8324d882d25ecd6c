//! Reader of the tables of a run folder, column by column.

use std::path::Path;

use siren_core::file::read_text;
use siren_core::{Error, Result};

/// The complete rows of a table whose first column is `step`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct NamedColumns {
    pub(crate) steps: Vec<u64>,
    pub(crate) columns: Vec<NamedColumn>,
    /// Number of the first line, counted from 1, that is no row, if there is one. An incomplete last line is not meant: the run may be writing it.
    damaged: Option<usize>,
}

/// A column of a table.
#[derive(Debug, PartialEq)]
pub(crate) struct NamedColumn {
    pub(crate) name: String,
    /// One value per row; NaN for an empty cell.
    pub(crate) values: Vec<f64>,
}

impl NamedColumns {
    /// Reads a table; one that does not exist has no rows. Lines that are no rows are skipped.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Config`] if the file cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = read_text(path)?;
        let mut lines = text.split_inclusive('\n');
        let header = lines.next().unwrap_or_default();
        let Some(header) = header.strip_suffix('\n') else {
            return Ok(Self::default());
        };
        let columns = header.split(',').skip(1).map(|name| NamedColumn {
            name: name.to_owned(),
            values: Vec::new(),
        });
        let mut table = Self {
            columns: columns.collect(),
            ..Self::default()
        };
        for (number, line) in (2..).zip(lines) {
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            if table.push(line).is_none() {
                table.damaged.get_or_insert(number);
            }
        }
        Ok(table)
    }

    /// Appends a row; `None` if the line is none.
    fn push(&mut self, line: &str) -> Option<()> {
        let mut cells = line.split(',');
        let step = cells.next()?.parse().ok()?;
        let number = |cell: &str| {
            if cell.is_empty() {
                return Some(f64::NAN);
            }
            cell.parse().ok()
        };
        let values = cells.map(number).collect::<Option<Vec<f64>>>()?;
        if values.len() != self.columns.len() {
            return None;
        }
        self.steps.push(step);
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.values.push(value);
        }
        Some(())
    }

    /// Returns the values of a column.
    pub(crate) fn values(&self, name: &str) -> Option<&[f64]> {
        let column = self.columns.iter().find(|column| column.name == name);
        column.map(|column| column.values.as_slice())
    }

    /// Checks that every line of the table, which was read from `path`, is a row.
    ///
    /// # Errors
    /// [`Error::RunFolder`] with the first line that is none.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        let Some(line) = self.damaged else {
            return Ok(());
        };
        Err(Error::RunFolder {
            path: path.to_path_buf(),
            message: format!(
                "line {line} is damaged, expected a step and {} numbers: put a good copy back, or continue the run with `resume`, which removes \
                 the rows after its last checkpoint",
                self.columns.len()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NamedColumns {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        std::fs::write(&path, text).unwrap();
        NamedColumns::read(&path).unwrap()
    }

    #[test]
    fn empty_cells_are_nan_and_the_row_that_is_being_written_is_not_read() {
        let table = read("step,loss,prior\n1,0.5,2\n2,0.25,\n3,0.1");
        assert_eq!(table.steps, [1, 2]);
        assert_eq!(table.values("loss").unwrap(), [0.5, 0.25]);
        let prior = table.values("prior").unwrap();
        assert!((prior[0] - 2.0).abs() < 1e-12 && prior[1].is_nan());
        assert_eq!(table.values("other"), None);
        table.check(Path::new("metrics.csv")).unwrap();
        assert_eq!(read("step,lo"), NamedColumns::default());
    }

    #[test]
    fn a_line_that_is_no_row_is_named() {
        for text in [
            "step,loss\n1,0.5\n2,0.x\n3,0.1\n",
            "step,loss\n1,0.5\n2\n3,0.1\n",
            "step,loss\n1,0.5\n\0\0,1\n3,0.1\n",
        ] {
            let table = read(text);
            assert_eq!(table.steps, [1, 3]);
            let message = table.check(Path::new("a.csv")).unwrap_err().to_string();
            assert!(message.starts_with("a.csv: line 3 is damaged"), "{message}");
        }
    }
}
