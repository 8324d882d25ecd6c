//! Lines on standard output and standard error. Unlike `println!`, which panics, they are lost if the other end of a pipe was closed, so a
//! run continues.

use std::fmt::Display;
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

/// Prints a result to standard output.
pub fn print_result(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints progress, a note or an error to standard error.
pub fn print_note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Returns a progress bar of `len` units with the remaining time, for long work outside of a run, such as rendering a clip. It is hidden if
/// standard error is not a terminal.
#[must_use]
pub fn progress_bar(len: u64, unit: &str) -> ProgressBar {
    let style = format!("{{wide_bar}} {{pos}}/{{len}} {unit}, {{eta}} left");
    let bar = ProgressBar::new(len);
    match ProgressStyle::with_template(&style) {
        Ok(style) => bar.with_style(style),
        // Unreachable for units without braces: the rest of the template is constant.
        Err(_) => bar,
    }
}
