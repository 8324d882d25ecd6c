//! Recordings in text files.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use num_complex::Complex64;
use siren_core::{Error, Result};

use super::Recording;
use crate::Point;
use crate::numbers::{NumberLine, read_numbers};

/// Names of the columns.
const COLUMNS: [&str; 6] = [
    "source_x",
    "source_y",
    "receiver_x",
    "receiver_y",
    "re",
    "im",
];

/// Positions in the order of their first line.
#[derive(Default)]
struct Positions {
    points: Vec<Point>,
    index_of: HashMap<[u64; 2], usize>,
}

impl Positions {
    /// Returns the index of a point, which is added if it is new.
    fn index(&mut self, point: Point) -> usize {
        // A sum with 0 makes −0 and 0 one key.
        let key = point.map(|value| (value + 0.0).to_bits());
        *self.index_of.entry(key).or_insert_with(|| {
            self.points.push(point);
            self.points.len() - 1
        })
    }
}

/// Returns the text of a recording. Values are written with as many digits as they need to be read back unchanged. The error is a message.
pub(super) fn text(recording: &Recording) -> Result<String, String> {
    check_distinct("sources", &recording.sources)?;
    check_distinct("receivers", &recording.receivers)?;
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for ([x, y], values) in recording.sources.iter().zip(recording.shots()) {
        for ([u, v], value) in recording.receivers.iter().zip(values) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{x},{y},{u},{v},{:e},{:e}", value.re, value.im);
        }
    }
    Ok(text)
}

/// Checks that no two positions are equal. The error is a message.
fn check_distinct(name: &str, points: &[Point]) -> Result<(), String> {
    let mut positions = Positions::default();
    for (index, &point) in points.iter().enumerate() {
        let first = positions.index(point);
        if first != index {
            return Err(format!(
                "{name} {first} and {index} (counted from 0) are both at {point:?}, expected different positions: the text of a recording \
                 tells its values apart by them"
            ));
        }
    }
    Ok(())
}

/// Reads a text file of a recording.
pub(super) fn read(path: &Path) -> Result<Recording> {
    let lines = read_numbers(path, &COLUMNS)?;
    from_lines(&lines).map_err(|message| Error::signal(path, message))
}

/// Makes a recording of lines. The error is a message.
fn from_lines(lines: &[NumberLine]) -> Result<Recording, String> {
    let (mut sources, mut receivers) = (Positions::default(), Positions::default());
    let mut line_of: HashMap<[usize; 2], &NumberLine> = HashMap::new();
    for line in lines {
        let shot = sources.index([line.values[0], line.values[1]]);
        let receiver = receivers.index([line.values[2], line.values[3]]);
        if let Some(first) = line_of.insert([shot, receiver], line) {
            return Err(format!(
                "line {}: has the source and the receiver of line {}, expected one value for each pair",
                line.line, first.line
            ));
        }
    }
    let mut values = Vec::with_capacity(lines.len());
    for (shot, source) in sources.points.iter().enumerate() {
        for (index, receiver) in receivers.points.iter().enumerate() {
            let line = line_of.get(&[shot, index]).ok_or_else(|| {
                format!(
                    "has no value for the source {source:?} and the receiver {receiver:?}, expected one for each pair of the {} sources and \
                     {} receivers",
                    sources.points.len(),
                    receivers.points.len()
                )
            })?;
            values.push(Complex64::new(line.values[4], line.values[5]));
        }
    }
    Recording::new(sources.points, receivers.points, values).map_err(|error| error.to_string())
}
