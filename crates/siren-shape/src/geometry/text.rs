//! Points in text files: `.xyz`, `.txt`, `.csv`, `.pts`.

use std::path::Path;

use siren_core::{Error, Result};

use super::PointCloud;
use super::collect::{FileNormals, Normals, PointCollector};
use super::lines::{Lines, TextLine, line_error, parse_number};

/// The fields of a line; those after the sixth are only counted.
struct Fields<'a> {
    texts: [&'a str; 6],
    count: usize,
}

impl<'a> Fields<'a> {
    /// Splits a line at semicolons if it has any, otherwise at commas, otherwise at spaces and tabs. The error is a message.
    fn split(line: &'a str) -> Result<Self, String> {
        let mut fields = Self {
            texts: [""; 6],
            count: 0,
        };
        let separator = [';', ','].into_iter().find(|&s| line.contains(s));
        let Some(separator) = separator else {
            for text in line.split_whitespace() {
                fields.push(text);
            }
            return Ok(fields);
        };
        // A separator at the end of the line starts no field.
        let line = line.strip_suffix(separator).unwrap_or(line);
        for text in line.split(separator) {
            let text = text.trim();
            if text.contains(|c: char| c == ',' || c.is_whitespace()) && parses_in_parts(text) {
                return Err(format!(
                    "separates fields in two ways (`{text}`), expected one of spaces, tabs, commas and semicolons: write decimal points, \
                     not decimal commas"
                ));
            }
            fields.push(text);
        }
        Ok(fields)
    }

    fn push(&mut self, text: &'a str) {
        if let Some(slot) = self.texts.get_mut(self.count) {
            *slot = text;
        }
        self.count += 1;
    }

    /// Returns the fields, at most six.
    fn texts(&self) -> &[&'a str] {
        &self.texts[..self.count.min(6)]
    }

    /// Returns whether no field is a number, so that the line is one of names.
    fn are_names(&self) -> bool {
        self.texts().iter().all(|text| text.parse::<f64>().is_err())
    }
}

/// Returns whether the parts of a field between commas and spaces are numbers.
fn parses_in_parts(text: &str) -> bool {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|part| !part.is_empty())
        .all(|part| part.parse::<f64>().is_ok())
}

/// What the lines so far were.
struct TextState {
    normals: FileNormals,
    /// Number of points that the first line claims.
    claimed: Option<u64>,
    has_names: bool,
    rows: Option<PointRows>,
}

impl TextState {
    fn new(normals: FileNormals) -> Self {
        Self {
            normals,
            claimed: None,
            has_names: false,
            rows: None,
        }
    }
}

/// The rows of points so far.
struct PointRows {
    columns: usize,
    /// Number of the line of the first row.
    first_line: u64,
    collector: PointCollector,
}

/// Reads a text file with one point a line, with 3 columns (x y z) or 6 (x y z nx ny nz), separated by spaces, tabs, commas or semicolons.
///
/// Text after `#` or `//` is a comment. Before the points there may be a line with their count, and a line with the names of the columns.
///
/// # Errors
/// [`Error::Signal`] with the number of the line that cannot be used; [`Error::Io`].
pub(super) fn read_points(
    path: &Path,
    normals: FileNormals,
    notes: &mut Vec<String>,
) -> Result<PointCloud> {
    let mut lines = Lines::open(path)?;
    let mut state = TextState::new(normals);
    while let Some(line) = lines.next_line()? {
        let number = line.number;
        read_line(line, &mut state).map_err(|message| line_error(path, number, &message))?;
    }
    let Some(rows) = state.rows else {
        return Err(Error::signal(
            path,
            "holds no points, expected lines of 3 numbers (x y z) or 6 (x y z nx ny nz)",
        ));
    };
    let count = rows.collector.count();
    if let Some(claimed) = state.claimed
        && claimed != count as u64
    {
        return Err(Error::signal(
            path,
            format!(
                "claims {claimed} points in its first line, but holds {count}: is the file cut short?"
            ),
        ));
    }
    rows.collector.finish(path, notes)
}

/// Reads a line. The error is a message.
fn read_line(line: TextLine<'_>, state: &mut TextState) -> Result<(), String> {
    let text = without_comment(line.text);
    if text.is_empty() {
        return Ok(());
    }
    let fields = Fields::split(text)?;
    if state.rows.is_none() {
        if !state.has_names && fields.are_names() {
            state.has_names = true;
            return check_names(&fields, state.normals);
        }
        if let (1, None, false) = (fields.count, state.claimed, state.has_names)
            && let Ok(claimed) = fields.texts[0].parse()
        {
            state.claimed = Some(claimed);
            return Ok(());
        }
    }
    let rows = match &mut state.rows {
        Some(rows) => rows,
        None => state.rows.insert(PointRows {
            columns: fields.count,
            first_line: line.number,
            collector: PointCollector::new(match Normals::of_columns(fields.count)? {
                Normals::Unnamed if state.has_names => Normals::Named.unless_ignored(state.normals),
                normals => normals.unless_ignored(state.normals),
            }),
        }),
    };
    if fields.count != rows.columns {
        return Err(format!(
            "has {} columns, expected {} as in line {}",
            fields.count, rows.columns, rows.first_line
        ));
    }
    let mut values = [0.0; 6];
    for ((value, text), column) in values.iter_mut().zip(fields.texts()).zip(1..) {
        *value = parse_number(text).map_err(|message| format!("column {column}: {message}"))?;
    }
    let [x, y, z, nx, ny, nz] = values;
    rows.collector.push([x, y, z], [nx, ny, nz])
}

/// Removes a comment, which starts with `#` or `//`.
fn without_comment(line: &str) -> &str {
    let line = line.split_once('#').map_or(line, |(text, _)| text);
    line.split_once("//").map_or(line, |(text, _)| text).trim()
}

/// Checks that columns with names are in the expected order. Names other than x, y and z are not interpreted, except those of columns 4 to 6.
/// The error is a message.
fn check_names(fields: &Fields<'_>, normals: FileNormals) -> Result<(), String> {
    let clean = |text: &&str| text.trim_matches('"').trim().to_lowercase();
    let names: Vec<String> = fields.texts().iter().map(clean).collect();
    for (expected, axis) in ["x", "y", "z"].into_iter().zip(0..) {
        if let Some(found) = names.iter().position(|name| name == expected)
            && found != axis
        {
            return Err(format!(
                "names column {} `{expected}`, expected the order x y z nx ny nz: reorder the columns",
                found + 1
            ));
        }
    }
    let has_normals = fields.count == 6 && normals == FileNormals::Read;
    if has_normals && names[3..].iter().any(|name| !name.starts_with('n')) {
        return Err(format!(
            "names columns 4 to 6 `{}`, expected normals, nx ny nz: remove columns that are not normals, or set `signal.normals` to \
             \"estimate\" or \"none\" to ignore them",
            names[3..].join("`, `")
        ));
    }
    Ok(())
}
