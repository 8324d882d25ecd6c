//! CSV tables that grow by one row at a time and are truncated to the step of a checkpoint when a run resumes.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use siren_core::{Error, Result};

/// A named value of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: f64,
}

/// A CSV file whose first column is `step`, open for appending.
pub(crate) struct Rows {
    path: PathBuf,
    file: BufWriter<File>,
    /// Names of the other columns, as in the header; `None` for a new table.
    names: Option<Vec<String>>,
}

impl Rows {
    /// Opens or creates the table, and removes every row after `step` and any incomplete one.
    pub(crate) fn open(path: &Path, step: u64) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let length = match step {
            0 => 0,
            step => length_up_to(&text, step),
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.and_then(|file| file.set_len(length as u64).map(|()| file));
        Ok(Self {
            path: path.to_path_buf(),
            file: BufWriter::new(file.map_err(Error::io("open", path))?),
            names: (length > 0).then(|| {
                let header = text.lines().next().unwrap_or_default();
                header.split(',').skip(1).map(str::to_owned).collect()
            }),
        })
    }

    /// Appends a row. The first row of a new table is preceded by a header of the column names. The cells of columns that a later row lacks,
    /// such as those of terms that ended, are empty.
    ///
    /// # Errors
    /// [`Error::RunFolder`] for a column that the header lacks; [`Error::Io`].
    pub(crate) fn push(&mut self, step: u64, columns: &[Column<'_>]) -> Result<()> {
        let mut line = String::new();
        let names = self.names.get_or_insert_with(|| {
            line.push_str("step");
            for column in columns {
                line.extend([",", column.name]);
            }
            line.push('\n');
            columns
                .iter()
                .map(|column| column.name.to_owned())
                .collect()
        });
        line.push_str(&step.to_string());
        let mut rest = columns.iter().peekable();
        for name in &*names {
            line.push(',');
            if let Some(column) = rest.next_if(|column| column.name == name) {
                line.push_str(&column.value.to_string());
            }
        }
        if let Some(column) = rest.next() {
            return Err(Error::RunFolder {
                path: self.path.clone(),
                message: format!(
                    "its header has no place for `{}` at step {step}: expected {}",
                    column.name,
                    names.join(", ")
                ),
            });
        }
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(Error::io("write", &self.path))
    }

    /// Writes all rows so far to the disk, so that they survive a crash.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let flushed = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data());
        flushed.map_err(Error::io("write", &self.path))
    }
}

/// Returns the length in bytes of the header and the complete rows up to and including `step`.
fn length_up_to(text: &str, step: u64) -> usize {
    let mut length = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let row_step = || {
            line.split(',')
                .next()
                .and_then(|first| first.parse::<u64>().ok())
        };
        let is_included =
            line.ends_with('\n') && (index == 0 || row_step().is_some_and(|row| row <= step));
        if !is_included {
            break;
        }
        length += line.len();
    }
    length
}

/// Returns the last value of a column, or `None` if the table has no row or no such column.
pub(crate) fn last_value(path: &Path, column: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let index = lines.next()?.split(',').position(|name| name == column)?;
    lines.last()?.split(',').nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_a_table_removes_rows_after_the_step_and_incomplete_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        fs::write(&path, "step,loss\n1,0.5\n2,0.25\n3,0.1\n4,0.0").unwrap();
        let mut rows = Rows::open(&path, 2).unwrap();
        let loss = Column {
            name: "loss",
            value: 0.125,
        };
        rows.push(3, &[loss]).unwrap();
        rows.sync().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "step,loss\n1,0.5\n2,0.25\n3,0.125\n"
        );
        assert_eq!(last_value(&path, "loss"), Some(0.125));
        Rows::open(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_column_may_end_but_not_begin_and_a_resumed_table_keeps_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let column = |name| Column { name, value: 0.5 };
        let mut rows = Rows::open(&path, 0).unwrap();
        rows.push(1, &[column("a"), column("b"), column("c")])
            .unwrap();
        rows.push(2, &[column("a"), column("c")]).unwrap();
        rows.sync().unwrap();
        let mut rows = Rows::open(&path, 2).unwrap();
        rows.push(3, &[column("c")]).unwrap();
        rows.sync().unwrap();
        let expected = "step,a,b,c\n1,0.5,0.5,0.5\n2,0.5,,0.5\n3,,,0.5\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        let error = rows.push(4, &[column("a"), column("d")]).unwrap_err();
        assert!(error.to_string().contains("no place for `d`"), "{error}");
    }
}
