//! CSV tables that grow by one row at a time and are truncated to the step of a checkpoint when a run resumes.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::file::sync_folder;
use siren_core::{Error, Result};

/// A named value of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: f64,
}

/// Length and checksum of a table up to some row, by which damage is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableDigest {
    bytes: u64,
    /// CRC-32C of these bytes.
    checksum: u32,
}

impl TableDigest {
    fn of(bytes: &[u8]) -> Self {
        Self::default().followed_by(bytes)
    }

    fn followed_by(self, bytes: &[u8]) -> Self {
        Self {
            bytes: self.bytes + bytes.len() as u64,
            checksum: crc32c::crc32c_append(self.checksum, bytes),
        }
    }

    /// Returns whether a table begins with the bytes of this digest.
    fn is_start_of(self, table: &[u8]) -> bool {
        let start = usize::try_from(self.bytes)
            .ok()
            .and_then(|len| table.get(..len));
        start.is_some_and(|start| Self::of(start) == self)
    }

    /// Checks that the table of a finished run is the one of this digest.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if it is not; [`Error::Io`] if it cannot be read.
    pub(crate) fn check(self, path: &Path) -> Result<()> {
        let table = fs::read(path).map_err(Error::io("read", path))?;
        if Self::of(&table) == self {
            return Ok(());
        }
        Err(Error::RunFolder {
            path: path.to_path_buf(),
            message: "was changed or damaged since the run ended: put a good copy back, or start a new run".to_owned(),
        })
    }
}

/// Digests of the tables of a run that are the same in every repetition of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tables {
    pub(crate) metrics: TableDigest,
    pub(crate) evaluation: TableDigest,
}

/// Where a table continues.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Continuation {
    /// After the row of a step; all later ones are removed.
    After(u64),
    /// After the rows up to a step, the last of which may be earlier; all later ones are removed.
    UpTo(u64),
    /// After the rows of a digest, which were written up to a step; all others are removed.
    Digest(TableDigest, u64),
}

/// A CSV file whose first column is `step`, open for appending.
pub(crate) struct Rows {
    path: PathBuf,
    file: BufWriter<File>,
    digest: TableDigest,
    /// Names of the other columns, as in the header; `None` for a new table.
    names: Option<Vec<String>>,
}

impl Rows {
    /// Opens or creates the table, and removes every row after those that continue, and any incomplete one. A table that does not exist begins
    /// anew.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if rows that should be there were changed or are missing; [`Error::Io`].
    pub(crate) fn open(path: &Path, continuation: Continuation) -> Result<Self> {
        let (table, is_new) = match fs::read(path) {
            Ok(table) => (table, false),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Vec::new(), true),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let kept = if is_new {
            ""
        } else {
            kept_text(&table, continuation).ok_or_else(|| damaged(path, continuation))?
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.and_then(|file| file.set_len(kept.len() as u64).map(|()| file));
        let file = file.map_err(Error::io("open", path))?;
        if is_new {
            sync_folder(path)?;
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: BufWriter::new(file),
            digest: TableDigest::of(kept.as_bytes()),
            names: (!kept.is_empty()).then(|| {
                let header = kept.lines().next().unwrap_or_default();
                header.split(',').skip(1).map(str::to_owned).collect()
            }),
        })
    }

    /// Returns whether the table has no row and no header yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_none()
    }

    /// Returns length and checksum of all rows so far.
    pub(crate) fn digest(&self) -> TableDigest {
        self.digest
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
        self.digest = self.digest.followed_by(line.as_bytes());
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

/// Returns the part of a table that stays, or `None` if the table lacks rows that should be there.
fn kept_text(table: &[u8], continuation: Continuation) -> Option<&str> {
    match continuation {
        Continuation::After(0) | Continuation::UpTo(0) => Some(""),
        Continuation::After(step) | Continuation::UpTo(step) => {
            // Text behind the rows that stay may be damaged.
            let text = match std::str::from_utf8(table) {
                Ok(text) => text,
                Err(error) => std::str::from_utf8(&table[..error.valid_up_to()]).ok()?,
            };
            let kept = &text[..length_up_to(text, step)];
            let last = kept.lines().next_back().and_then(row_step);
            let is_whole = matches!(continuation, Continuation::UpTo(_)) || last == Some(step);
            is_whole.then_some(kept)
        }
        Continuation::Digest(digest, _) => {
            let is_whole = digest.is_start_of(table);
            let start = is_whole.then(|| &table[..digest.bytes as usize])?;
            std::str::from_utf8(start).ok()
        }
    }
}

/// Returns the error of a table that lacks rows that should be there.
pub(crate) fn damaged(path: &Path, continuation: Continuation) -> Error {
    let (Continuation::After(step) | Continuation::UpTo(step) | Continuation::Digest(_, step)) =
        continuation;
    Error::RunFolder {
        path: path.to_path_buf(),
        message: format!(
            "was changed or damaged since the checkpoint of step {step}: put a good copy back, or delete it, so that a new file begins at \
             step {}",
            step + 1
        ),
    }
}

/// Returns the step of a row.
fn row_step(line: &str) -> Option<u64> {
    let (step, _) = line.split_once(',')?;
    step.parse().ok()
}

/// Returns the length in bytes of the header and the complete rows up to and including `step`.
fn length_up_to(text: &str, step: u64) -> usize {
    let mut length = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let is_included =
            line.ends_with('\n') && (index == 0 || row_step(line).is_some_and(|row| row <= step));
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
        let mut rows = Rows::open(&path, Continuation::After(2)).unwrap();
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
        Rows::open(&path, Continuation::After(0)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_column_may_end_but_not_begin_and_a_resumed_table_keeps_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let column = |name| Column { name, value: 0.5 };
        let mut rows = Rows::open(&path, Continuation::After(0)).unwrap();
        rows.push(1, &[column("a"), column("b"), column("c")])
            .unwrap();
        rows.push(2, &[column("a"), column("c")]).unwrap();
        rows.sync().unwrap();
        let mut rows = Rows::open(&path, Continuation::After(2)).unwrap();
        rows.push(3, &[column("c")]).unwrap();
        rows.sync().unwrap();
        let expected = "step,a,b,c\n1,0.5,0.5,0.5\n2,0.5,,0.5\n3,,,0.5\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        let error = rows.push(4, &[column("a"), column("d")]).unwrap_err();
        assert!(error.to_string().contains("no place for `d`"), "{error}");
    }

    #[test]
    fn rows_that_changed_since_the_checkpoint_are_refused_and_later_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let column = Column {
            name: "loss",
            value: 0.5,
        };
        let mut rows = Rows::open(&path, Continuation::After(0)).unwrap();
        rows.push(1, &[column]).unwrap();
        let digest = rows.digest();
        rows.push(2, &[column]).unwrap();
        rows.sync().unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole, b"step,loss\n1,0.5\n2,0.5\n");
        assert_eq!(rows.digest(), TableDigest::of(&whole));
        let open = || Rows::open(&path, Continuation::Digest(digest, 1));
        for damaged in ["step,loss\n1,0.6\n2,0.5\n", "step,loss\n1,0.", "", "step,l"] {
            fs::write(&path, damaged).unwrap();
            let error = open().map(|_| ()).unwrap_err().to_string();
            assert!(
                error.contains("table.csv") && error.contains("step 1"),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
        for later in [
            "step,loss\n1,0.5\n2,0.5\n",
            "step,loss\n1,0.5\n",
            "step,loss\n1,0.5\n2,\0",
        ] {
            fs::write(&path, later).unwrap();
            assert_eq!(open().unwrap().digest(), digest);
            assert_eq!(fs::read_to_string(&path).unwrap(), "step,loss\n1,0.5\n");
        }
        // A table without digests, of an older run, must at least reach the step.
        fs::write(&path, "step,loss\n1,0.5\n").unwrap();
        assert!(Rows::open(&path, Continuation::After(2)).is_err());
    }
}
