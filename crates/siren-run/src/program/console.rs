//! Lines for the user. A run goes on when nobody reads them any more, where `println!` would panic.

use std::fmt::Display;
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

/// A result, on standard output.
pub fn print_result(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Progress, notes and errors, on standard error.
pub fn print_note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A bar with the time that is left, for what takes long outside of a run; nothing where standard error is no terminal.
#[must_use]
pub fn bar(len: u64, unit: &str) -> ProgressBar {
    let style = format!("{{wide_bar}} {{pos}}/{{len}} {unit}, {{eta}} left");
    let bar = ProgressBar::new(len);
    match ProgressStyle::with_template(&style) {
        Ok(style) => bar.with_style(style),
        // Not reached: the template is a constant but for the unit.
        Err(_) => bar,
    }
}
