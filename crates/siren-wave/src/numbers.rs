//! Text files of numbers in columns.

use std::path::Path;

use siren_core::file::read_text;
use siren_core::{Error, Result};

/// A line of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NumberLine {
    /// Number of the line, counted from 1.
    pub(crate) line: usize,
    pub(crate) values: Vec<f64>,
}

/// Reads lines of one number a column. Columns are separated by semicolons, commas, tabs or spaces; text after `#` is a comment. The first
/// line may name the columns: `names` is the expected order.
///
/// # Errors
/// [`Error::Io`]; [`Error::Signal`] with the line, if it has another number of columns, or a field that is no finite number, or if the names
/// are in another order, or if there is no line of numbers.
pub(crate) fn read_numbers(path: &Path, names: &[&str]) -> Result<Vec<NumberLine>> {
    let text = read_text(path)?;
    parse(&text, names).map_err(|message| Error::signal(path, message))
}

/// Parses a text. The error is a message.
fn parse(text: &str, names: &[&str]) -> Result<Vec<NumberLine>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut is_first = true;
    for (row, line) in (1..).zip(text.lines()) {
        let content = line.split_once('#').map_or(line, |(content, _)| content);
        let fields = split(content.trim());
        if fields.is_empty() {
            continue;
        }
        let is_header = is_first && fields.iter().all(|field| is_name(field));
        is_first = false;
        let parsed = if is_header {
            check_names(&fields, names).map(|()| None)
        } else {
            numbers(&fields, names).map(Some)
        };
        let values = parsed.map_err(|message| format!("line {row}: {message}"))?;
        lines.extend(values.map(|values| NumberLine { line: row, values }));
    }
    if lines.is_empty() {
        return Err(format!(
            "holds no numbers, expected lines of {} columns ({})",
            names.len(),
            names.join(", ")
        ));
    }
    Ok(lines)
}

/// Splits a line at semicolons if it has any, otherwise at commas, otherwise at tabs and spaces.
fn split(line: &str) -> Vec<&str> {
    let separator = [';', ','].into_iter().find(|&s| line.contains(s));
    match separator {
        Some(separator) => line.split(separator).map(str::trim).collect(),
        None => line.split_whitespace().collect(),
    }
}

/// Returns whether a field is a name. A number that is written wrongly, such as `0,5`, is none.
fn is_name(field: &str) -> bool {
    let starts_as_name = |c: char| c.is_alphabetic() || c == '"' || c == '_';
    field.starts_with(starts_as_name) && field.parse::<f64>().is_err()
}

/// Checks that columns that have one of the expected names are in the expected order.
fn check_names(fields: &[&str], names: &[&str]) -> Result<(), String> {
    for (field, position) in fields.iter().zip(0..) {
        let field = field.trim_matches('"').to_lowercase();
        let expected = names.iter().position(|&name| name == field);
        if expected.is_some_and(|expected| expected != position) {
            return Err(format!(
                "column {} is named `{field}`, expected the order {}: reorder the columns",
                position + 1,
                names.join(", ")
            ));
        }
    }
    Ok(())
}

/// Parses the numbers of a line.
fn numbers(fields: &[&str], names: &[&str]) -> Result<Vec<f64>, String> {
    if fields.len() != names.len() {
        return Err(format!(
            "has {} columns, expected {} ({}), with decimal points and without thousands separators",
            fields.len(),
            names.len(),
            names.join(", ")
        ));
    }
    let parse = |(field, name): (&&str, &&str)| match field.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => {
            let shown: String = field.chars().take(40).collect();
            Err(format!("{name} is `{shown}`, expected a number"))
        }
    };
    fields.iter().zip(names).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_separator_is_read_with_and_without_names() {
        for text in [
            "0.5,-1\n2,3\n",
            "x,y\r\n0.5,-1\r\n2,3\r\n",
            "\u{feff}X; Y\n0.5; -1\n\n2; 3",
            "# receivers\n0.5\t-1\n2\t3 # last",
            "x y\n0.5 -1\n2    3\n",
        ] {
            let lines = parse(text, &["x", "y"]).unwrap();
            let values: Vec<&[f64]> = lines.iter().map(|line| line.values.as_slice()).collect();
            assert_eq!(values, [[0.5, -1.0], [2.0, 3.0]], "{text}");
        }
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, expected) in [
            ("x,y\n1,2\n1,2,3\n", "line 3: has 3 columns, expected 2"),
            ("1,2\n\n1,abc\n", "line 3: y is `abc`"),
            ("1,nan\n", "line 1: y is `nan`"),
            ("y,x\n1,2\n", "line 1: column 1 is named `y`"),
            ("0,5;1,5\n", "line 1: x is `0,5`"),
            ("x,y\n", "holds no numbers"),
            ("", "holds no numbers"),
        ] {
            let message = parse(text, &["x", "y"]).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
