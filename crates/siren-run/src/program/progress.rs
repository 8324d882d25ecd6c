//! What the user sees while a run goes on: a bar on a terminal, plain lines elsewhere. All of it goes to stderr.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use siren_core::metrics::Metric;

use super::console;
use crate::RunObserver;

/// Seconds between plain lines if nothing else is printed.
const QUIET_SECONDS: u64 = 30;
/// From here on a duration is not told apart from longer ones.
const LONG: Duration = Duration::from_hours(365 * 24);

/// The progress of one run: a bar on a terminal, plain lines elsewhere, on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    steps: u64,
    first_step: u64,
    start: Instant,
    printed: Instant,
    evaluation: String,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            bar: None,
            steps: 0,
            first_step: 0,
            start: Instant::now(),
            printed: Instant::now(),
            evaluation: String::new(),
        }
    }
}

impl RunObserver for Progress {
    fn started(&mut self, name: &str, step: u64, steps: u64) {
        *self = Self {
            bar: std::io::stderr()
                .is_terminal()
                .then(|| bar(name, step, steps)),
            steps,
            first_step: step,
            ..Self::default()
        };
    }

    fn stepped(&mut self, step: u64, loss: f64) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("loss {loss:.3e}{}", self.evaluation));
                bar.set_position(step);
            }
            None if self.printed.elapsed() >= Duration::from_secs(QUIET_SECONDS) => {
                self.line(step, loss);
            }
            None => {}
        }
    }

    fn evaluated(&mut self, step: u64, loss: f64, metric: &Metric, value: f64) {
        self.evaluation = format!("  {} {value:.2}", metric.name);
        match &self.bar {
            Some(bar) => bar.set_message(format!("loss {loss:.3e}{}", self.evaluation)),
            None => self.line(step, loss),
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
    fn line(&mut self, step: u64, loss: f64) {
        self.printed = Instant::now();
        let elapsed = self.start.elapsed();
        let per_step = elapsed.as_secs_f64() / (step - self.first_step).max(1) as f64;
        let left = per_step * (self.steps - step) as f64;
        console::print_note(format_args!(
            "step {step}/{}  loss {loss:.3e}{}  elapsed {}  left {}",
            self.steps,
            self.evaluation,
            duration(elapsed.as_secs_f64()),
            duration(left),
        ));
    }
}

/// To the second, and nothing beyond what anybody would wait for.
fn duration(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.round()) {
        Ok(duration) if duration < LONG => humantime::format_duration(duration).to_string(),
        _ => "more than a year".to_owned(),
    }
}

fn bar(name: &str, step: u64, steps: u64) -> ProgressBar {
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
    fn any_number_of_seconds_can_be_shown() {
        assert_eq!(duration(59.6), "1m");
        for seconds in [1e9, 1e30, f64::INFINITY, f64::NAN] {
            assert_eq!(duration(seconds), "more than a year");
        }
    }
}
