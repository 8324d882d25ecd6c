//! Positions of receivers and of sources.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use siren_core::{Error, Result};

use crate::Point;
use crate::numbers::read_numbers;
use crate::pair::{Pair, pair};
use crate::recording::Recording;

/// Most positions.
const MAX_POSITIONS: usize = 100_000;

/// Positions of receivers or of sources: a list such as `[[0.5, 0.1], [0.5, 0.2]]`, or a table of one key.
#[derive(Clone, Debug, PartialEq)]
pub enum PositionsConfig {
    /// The points `[x, y]` themselves.
    Points(Vec<Point>),
    /// `{ line = { from = [0.5, -0.5], to = [0.5, 0.5], count = 30 } }`: points at equal distances.
    Line(LineConfig),
    /// `{ csv = "receivers.csv" }`: a text file of two columns, x and y, separated by commas, semicolons, tabs or spaces.
    Csv(PathBuf),
    /// `{ recording = "recording.mat" }`: those of a [`Recording`], `.mat` or `.csv`.
    Recording(PathBuf),
}

/// Points at equal distances on a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineConfig {
    /// First point.
    #[serde(deserialize_with = "pair")]
    pub from: Point,
    /// Last point.
    #[serde(deserialize_with = "pair")]
    pub to: Point,
    /// Number of points, both ends included.
    pub count: usize,
}

/// What is at the positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sources, one a shot.
    Source,
    /// Receivers.
    Receiver,
}

impl PositionsConfig {
    /// Checks the values that need no file. `key` is the full key, such as `signal.receivers`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there are no points, too many, or if a coordinate is not finite.
    pub fn validate(&self, key: &str) -> Result<()> {
        let count = match self {
            Self::Points(points) => points.len(),
            Self::Line(line) => line.count,
            Self::Csv(_) | Self::Recording(_) => 1,
        };
        check_count(key, count)?;
        let points = match self {
            Self::Points(points) => points.clone(),
            Self::Line(line) => vec![line.from, line.to],
            Self::Csv(_) | Self::Recording(_) => Vec::new(),
        };
        match points.iter().find(|[x, y]| !(x + y).is_finite()) {
            Some(point) => Err(Error::invalid(key, format!("{point:?}"), "finite numbers")),
            None => Ok(()),
        }
    }

    /// Makes a relative path absolute with respect to `base`.
    pub fn resolve_paths(&mut self, base: &Path) {
        if let Self::Csv(path) | Self::Recording(path) = self {
            *path = base.join(&path);
        }
    }

    /// Returns the positions, in their order.
    ///
    /// # Errors
    /// Those of [`validate`](Self::validate), also for the points of a file; [`Error::Io`] and [`Error::Signal`] of the file.
    pub fn points(&self, key: &str, role: Role) -> Result<Vec<Point>> {
        self.validate(key)?;
        let points = match self {
            Self::Points(points) => points.clone(),
            Self::Line(line) => line.points(),
            Self::Csv(path) => {
                let lines = read_numbers(path, &["x", "y"])?;
                let points = lines.iter().map(|line| [line.values[0], line.values[1]]);
                points.collect()
            }
            Self::Recording(path) => {
                let recording = Recording::open(path)?;
                match role {
                    Role::Source => recording.sources().to_vec(),
                    Role::Receiver => recording.receivers().to_vec(),
                }
            }
        };
        check_count(key, points.len())?;
        Ok(points)
    }
}

/// Checks that there are positions, and not too many.
///
/// # Errors
/// [`Error::InvalidValue`] with the key.
pub(crate) fn check_count(key: &str, count: usize) -> Result<()> {
    if (1..=MAX_POSITIONS).contains(&count) {
        return Ok(());
    }
    let expected = format!("1 to {MAX_POSITIONS} points");
    Err(Error::invalid(key, format!("{count} points"), &expected))
}

impl LineConfig {
    /// Returns the points; a single one is `from`.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        let last = self.count.saturating_sub(1).max(1) as f64;
        let at = |index: usize| {
            let t = index as f64 / last;
            [0, 1].map(|axis| (1.0 - t) * self.from[axis] + t * self.to[axis])
        };
        (0..self.count).map(at).collect()
    }
}

impl Serialize for PositionsConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Points(points) => points.serialize(serializer),
            Self::Line(line) => serializer.collect_map([("line", line)]),
            Self::Csv(path) => serializer.collect_map([("csv", path)]),
            Self::Recording(path) => serializer.collect_map([("recording", path)]),
        }
    }
}

impl<'de> Deserialize<'de> for PositionsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PositionsVisitor)
    }
}

/// The names of the tables.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PositionsName {
    Line,
    Csv,
    Recording,
}

struct PositionsVisitor;

impl<'de> Visitor<'de> for PositionsVisitor {
    type Value = PositionsConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a list of points such as [[0.5, 0.0]], or a table such as { line = { from = [0.5, -0.5], to = [0.5, 0.5], count = 30 } }, \
             { csv = \"receivers.csv\" } or { recording = \"recording.mat\" }",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut points: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Pair(point)) = points.next_element()? {
            list.push(point);
        }
        Ok(PositionsConfig::Points(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Self::Value, A::Error> {
        let positions = match table.next_key()? {
            Some(PositionsName::Line) => PositionsConfig::Line(table.next_value()?),
            Some(PositionsName::Csv) => PositionsConfig::Csv(table.next_value()?),
            Some(PositionsName::Recording) => PositionsConfig::Recording(table.next_value()?),
            None => {
                return Err(A::Error::custom(
                    "an empty table, expected `line`, `csv` or `recording`",
                ));
            }
        };
        match table.next_key::<PositionsName>()? {
            None => Ok(positions),
            Some(_) => Err(A::Error::custom(
                "two names, expected one of `line`, `csv` and `recording`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Signal {
        receivers: PositionsConfig,
    }

    fn parse(value: &str) -> Result<PositionsConfig, String> {
        let text = format!("receivers = {value}");
        let signal: Result<Signal, _> = toml::from_str(&text);
        signal
            .map(|signal| signal.receivers)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn lists_and_tables_are_read_and_written_back() {
        for value in [
            "[[0.5, 0.1], [0.5, -0.25]]",
            "{ line = { from = [0.5, -0.5], to = [0.5, 0.5], count = 5 } }",
            "{ csv = \"receivers.csv\" }",
            "{ recording = \"shots.mat\" }",
        ] {
            let receivers = parse(value).unwrap();
            let text = toml::to_string(&Signal {
                receivers: receivers.clone(),
            })
            .unwrap();
            let again: Signal = toml::from_str(&text).unwrap();
            assert_eq!(again.receivers, receivers);
        }
    }

    #[test]
    fn a_line_has_both_ends_and_equal_distances() {
        let line = parse("{ line = { from = [0.5, -0.5], to = [0.5, 0.5], count = 5 } }").unwrap();
        let points = line.points("signal.receivers", Role::Receiver).unwrap();
        assert_eq!(
            points,
            [
                [0.5, -0.5],
                [0.5, -0.25],
                [0.5, 0.0],
                [0.5, 0.25],
                [0.5, 0.5]
            ]
        );
    }

    #[test]
    fn other_values_are_refused_with_examples() {
        for (value, expected) in [
            ("\"line\"", "expected a list of points such as [[0.5, 0.0]]"),
            ("{}", "an empty table"),
            ("{ csv = \"a\", recording = \"b\" }", "two names"),
            ("{ circle = 1 }", "unknown variant `circle`"),
            ("[[1.0, 2.0, 3.0]]", "a list of 3 values, expected 2"),
        ] {
            let message = parse(value).unwrap_err();
            assert!(message.contains(expected), "{value}: {message}");
        }
        for (value, expected) in [
            ("[]", "`r` is 0 points"),
            ("[[nan, 0.0]]", "finite"),
            (
                "{ line = { from = [0.0, 0.0], to = [0.0, 0.0], count = 0 } }",
                "0 points",
            ),
        ] {
            let positions = parse(value).unwrap();
            let message = positions.validate("r").unwrap_err().to_string();
            assert!(message.contains(expected), "{value}: {message}");
        }
    }

    #[test]
    fn a_text_file_beside_the_config_gives_points_or_the_bad_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = PositionsConfig::Csv("receivers.csv".into());
        config.resolve_paths(folder.path());
        let write = |text: &str| std::fs::write(folder.path().join("receivers.csv"), text).unwrap();
        write("x;y\n0.5;0.25\n-0.5;0\n");
        let points = config.points("signal.receivers", Role::Receiver).unwrap();
        assert_eq!(points, [[0.5, 0.25], [-0.5, 0.0]]);
        write(&"0.5 0.25\n".repeat(MAX_POSITIONS + 1));
        let error = config.points("signal.receivers", Role::Receiver);
        let message = error.unwrap_err().to_string();
        assert!(message.contains("is 100001 points"), "{message}");
        write("0.5 0.25\n0.5\n");
        let error = config.points("signal.receivers", Role::Receiver);
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("receivers.csv: line 2: has 1 columns"),
            "{message}"
        );
    }
}
