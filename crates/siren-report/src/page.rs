//! What a page says, before it is drawn.

use std::path::PathBuf;

use crate::exhibit::Exhibit;

/// A page of one run, or of several side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Heading of the page.
    pub title: String,
    /// Time and program, such as `2026-11-27T09:00:00Z, siren 0.1.0`.
    pub made: String,
    /// The runs, in order.
    pub runs: Vec<Run>,
    /// The sweep whose runs these are, if they are.
    pub sweep: Option<Sweep>,
}

/// A run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Name of the run; different on a page for each run.
    pub name: String,
    /// Kind of the signal, such as `image`.
    pub kind: String,
    /// The run folder, as text.
    pub folder: String,
    /// How far the run is, in one sentence.
    pub state: String,
    /// Whether the run took all its steps.
    pub is_finished: bool,
    /// Command line that repeats the run.
    pub command: String,
    /// Machine, times, sizes.
    pub facts: Vec<Fact>,
    /// Metrics, in the order of the evaluation.
    pub scores: Vec<Score>,
    /// The config, in its order.
    pub settings: Vec<Setting>,
    /// Whether the defaults of the settings are known.
    pub has_defaults: bool,
    /// The loss of every step, then its terms.
    pub loss: Vec<Series>,
    /// Other numbers of every step.
    pub training: Vec<Series>,
    /// Metrics of every evaluation.
    pub evaluation: Vec<Series>,
    /// Folder of the files of the exhibits.
    pub artifacts: PathBuf,
    /// What is shown, in order.
    pub exhibits: Vec<Exhibit>,
    /// What the reader should know, such as a file that could not be read.
    pub notes: Vec<String>,
}

/// A fact of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// A metric of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Name, such as `psnr_db`.
    pub name: String,
    /// Value of the last evaluation.
    pub reached: Option<f64>,
    /// Value that the config expects.
    pub expected: Option<f64>,
}

/// A key of a config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Dotted key.
    pub key: String,
    /// Value as TOML; empty if only the default has the key.
    pub value: String,
    /// The default as TOML, if it is another value; empty if the default config lacks the key.
    pub default: Option<String>,
}

/// A quantity over the steps of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Name, such as `loss`.
    pub name: String,
    /// Its values.
    pub points: Vec<Point>,
}

/// A value of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Steps taken.
    pub step: u64,
    /// Seconds of training so far; NaN if unknown.
    pub seconds: f64,
    /// The value.
    pub value: f64,
}

/// A sweep: its table, its plots, and the state of every run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep {
    /// The results.
    pub table: Table,
    /// Plots as SVG texts.
    pub plots: Vec<Plot>,
    /// All runs of the sweep, finished or not.
    pub members: Vec<Member>,
}

/// A table of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Headings of the columns, that of the names of rows included.
    pub headings: Vec<String>,
    /// Rows; the first cell is the name of the row.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks below the table.
    pub remarks: String,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Whether it is the best one of its column.
    pub is_best: bool,
}

/// A plot of a sweep: lines of several settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// Title.
    pub title: String,
    /// Lines.
    pub lines: Vec<Series>,
}

/// A run of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Name of the run.
    pub name: String,
    /// How far the run is.
    pub state: String,
    /// Whether the run took all its steps.
    pub is_finished: bool,
    /// Relative path of the run's own page, if it has one.
    pub page: Option<String>,
    /// A picture of the run, if it has one.
    pub picture: Option<PathBuf>,
    /// What the run's process said last, if it ended before the run did.
    pub log: Option<LogEnd>,
}

/// The end of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    /// Its last lines.
    pub lines: String,
    /// Relative path of the whole log.
    pub whole: String,
}
