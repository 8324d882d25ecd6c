//! Lines for the user. A run goes on when nobody reads them any more, where `println!` would panic.

use std::fmt::Display;
use std::io::Write;

/// A result, on standard output.
pub fn result(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Progress, notes and errors, on standard error.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
