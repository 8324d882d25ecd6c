//! Progress of a sweep on the terminal: how many runs have ended, and a line for each run in progress.

use std::collections::BTreeMap;
use std::fmt::Display as Text;
use std::path::Path;

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use siren_run::Record;
use siren_run::program::print_note;

/// Most runs with a line of their own.
const MOST_LINES: usize = 16;

/// Progress of a sweep on standard error; nothing if that is not a terminal.
pub struct Display<'a> {
    bars: MultiProgress,
    total: ProgressBar,
    lines: BTreeMap<String, ProgressBar>,
    /// The metric that the lines show.
    metric: &'a str,
}

impl<'a> Display<'a> {
    /// Shows a sweep of `runs` runs, `finished` of which are finished.
    ///
    /// # Errors
    /// None in practice: the templates are constant.
    pub fn new(runs: usize, finished: usize, metric: &'a str) -> Result<Self> {
        let bars = MultiProgress::new();
        let total = bars.add(ProgressBar::new(runs as u64));
        let style =
            "{wide_bar:.cyan/blue} {pos}/{len} runs  {elapsed_precise} < {eta_precise}{msg}";
        total.set_style(ProgressStyle::with_template(style)?);
        total.set_position(finished as u64);
        total.reset_eta();
        Ok(Self {
            bars,
            total,
            lines: BTreeMap::new(),
            metric,
        })
    }

    /// Shows a line for a run in progress, unless there are too many.
    ///
    /// # Errors
    /// None in practice: the template is constant.
    pub fn show(&mut self, name: &str) -> Result<()> {
        if self.lines.contains_key(name) || self.lines.len() >= MOST_LINES {
            return Ok(());
        }
        let line = self.bars.add(ProgressBar::new_spinner());
        line.set_style(ProgressStyle::with_template("{wide_msg}")?);
        line.set_message(name.to_owned());
        self.lines.insert(name.to_owned(), line);
        Ok(())
    }

    /// Shows the last evaluation in the line of a run, if it has one.
    pub fn update(&self, name: &str, run: &Path) {
        let Some(line) = self.lines.get(name) else {
            return;
        };
        // A run that has not created its folder yet is not an error.
        let Ok(record) = Record::read(run) else {
            return;
        };
        if let (Some(row), Some(value)) = (record.curve.last(), record.last(self.metric)) {
            let metric = self.metric;
            line.set_message(format!("{name}  step {}  {metric} {value:.2}", row.step));
        }
    }

    /// Removes the line of a run that is not in progress any more.
    pub fn hide(&mut self, name: &str) {
        if let Some(line) = self.lines.remove(name) {
            line.finish_and_clear();
        }
    }

    /// Counts a run that has ended.
    pub fn count(&mut self, name: &str) {
        self.hide(name);
        self.total.inc(1);
    }

    /// Shows a remark beside the number of runs.
    pub fn remark(&self, text: &str) {
        let gap = if text.is_empty() { "" } else { "  " };
        self.total.set_message(format!("{gap}{text}"));
    }

    /// Prints a line for the user above the bars.
    pub fn note(&self, line: impl Text) {
        self.bars.suspend(|| print_note(line));
    }

    /// Removes everything from the terminal.
    pub fn finish(self) {
        for line in self.lines.into_values() {
            line.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}
