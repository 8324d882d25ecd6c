//! Progress of a run on standard error: a bar on a terminal, lines otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use siren_core::metrics::Metric;

use super::console;
use crate::RunObserver;

/// Seconds between lines if no evaluation is printed.
const LINE_SECONDS: u64 = 30;
/// Durations from one year on are shown as "more than a year".
const YEAR: Duration = Duration::from_hours(365 * 24);

/// Observer that shows the progress of one run on standard error: a bar on a terminal, lines otherwise.
pub struct Progress {
    bar: Option<ProgressBar>,
    steps: u64,
    first_step: u64,
    start: Instant,
    last_line: Instant,
    /// Text of the last evaluation.
    evaluation: String,
    /// Text of the tiles at rest.
    resting: String,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            bar: None,
            steps: 0,
            first_step: 0,
            start: Instant::now(),
            last_line: Instant::now(),
            evaluation: String::new(),
            resting: String::new(),
        }
    }
}

impl RunObserver for Progress {
    fn started(&mut self, name: &str, step: u64, steps: u64) {
        *self = Self {
            bar: std::io::stderr()
                .is_terminal()
                .then(|| step_bar(name, step, steps)),
            steps,
            first_step: step,
            ..Self::default()
        };
    }

    fn stepped(&mut self, step: u64, loss: f64) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(self.message(loss));
                bar.set_position(step);
            }
            None if self.last_line.elapsed() >= Duration::from_secs(LINE_SECONDS) => {
                self.print_line(step, loss);
            }
            None => {}
        }
    }

    fn rested(&mut self, resting: usize, tiles: usize) {
        self.resting = format!("  {resting}/{tiles} tiles rest");
    }

    fn evaluated(&mut self, step: u64, loss: f64, metric: &Metric, value: f64) {
        self.evaluation = format!("  {} {value:.2}", metric.name);
        match &self.bar {
            Some(bar) => bar.set_message(self.message(loss)),
            None => self.print_line(step, loss),
        }
    }

    fn finished(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::print_note(text)),
            None => console::print_note(text),
        }
    }
}

impl Progress {
    /// Returns what a line says of the training.
    fn message(&self, loss: f64) -> String {
        format!("loss {loss:.3e}{}{}", self.evaluation, self.resting)
    }

    fn print_line(&mut self, step: u64, loss: f64) {
        self.last_line = Instant::now();
        let elapsed = self.start.elapsed();
        let per_step = elapsed.as_secs_f64() / (step - self.first_step).max(1) as f64;
        let left = per_step * (self.steps - step) as f64;
        console::print_note(format_args!(
            "step {step}/{}  {}  elapsed {}  left {}",
            self.steps,
            self.message(loss),
            format_duration(elapsed.as_secs_f64()),
            format_duration(left),
        ));
    }
}

/// Formats a duration to the second.
fn format_duration(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.round()) {
        Ok(duration) if duration < YEAR => humantime::format_duration(duration).to_string(),
        _ => "more than a year".to_owned(),
    }
}

fn step_bar(name: &str, step: u64, steps: u64) -> ProgressBar {
    let template =
        "{prefix} {bar:20.cyan/blue} {pos}/{len}  {elapsed_precise} < {eta_precise}  {wide_msg}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(steps)
        .with_style(style)
        .with_prefix(name.to_owned());
    bar.set_position(step);
    bar.reset_eta();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_seconds_has_a_text() {
        assert_eq!(format_duration(59.6), "1m");
        for seconds in [1e9, 1e30, f64::INFINITY, f64::NAN] {
            assert_eq!(format_duration(seconds), "more than a year");
        }
    }
}
