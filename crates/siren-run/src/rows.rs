//! CSV tables that grow a row at a time and can be cut back to a checkpoint.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use siren_core::{Error, Result};

/// A CSV file whose first column is `step`.
pub(super) struct Rows {
    path: PathBuf,
    file: BufWriter<File>,
    empty: bool,
}

impl Rows {
    /// Opens or creates the table and drops every row after `step`, and any half-written one.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let kept = if step == 0 {
            0
        } else {
            kept_bytes(&text, step)
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.and_then(|file| file.set_len(kept as u64).map(|()| file));
        Ok(Self {
            path: path.to_path_buf(),
            file: BufWriter::new(file.map_err(Error::io("open", path))?),
            empty: kept == 0,
        })
    }

    /// Appends a row; the names of the columns head a new table.
    pub(super) fn push(&mut self, step: u64, columns: &[(&str, f64)]) -> Result<()> {
        let mut line = String::new();
        if self.empty {
            line.push_str("step");
            for (name, _) in columns {
                line.extend([",", name]);
            }
            line.push('\n');
            self.empty = false;
        }
        line.push_str(&step.to_string());
        for (_, value) in columns {
            line.extend([",", &value.to_string()]);
        }
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(Error::io("write", &self.path))
    }

    /// Makes every row so far survive a crash.
    pub(super) fn sync(&mut self) -> Result<()> {
        let flushed = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data());
        flushed.map_err(Error::io("write", &self.path))
    }
}

/// Length of the header and the whole rows up to and including `step`.
fn kept_bytes(text: &str, step: u64) -> usize {
    let mut kept = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let row_step = || {
            line.split(',')
                .next()
                .and_then(|first| first.parse::<u64>().ok())
        };
        let keep =
            line.ends_with('\n') && (index == 0 || row_step().is_some_and(|row| row <= step));
        if !keep {
            break;
        }
        kept += line.len();
    }
    kept
}

/// The last value of the named column, if the table has any row.
pub(super) fn last_value(path: &Path, column: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let index = lines.next()?.split(',').position(|name| name == column)?;
    lines.last()?.split(',').nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reopening_drops_rows_after_the_checkpoint_and_half_written_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        fs::write(&path, "step,loss\n1,0.5\n2,0.25\n3,0.1\n4,0.0").unwrap();
        let mut rows = Rows::open(&path, 2).unwrap();
        rows.push(3, &[("loss", 0.125)]).unwrap();
        rows.sync().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "step,loss\n1,0.5\n2,0.25\n3,0.125\n"
        );
        assert_eq!(last_value(&path, "loss"), Some(0.125));
        Rows::open(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
