//! Lines for the user. A run goes on when nobody reads them any more, where `println!` would panic.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, is_separator};

use indicatif::{ProgressBar, ProgressStyle};

/// A result, on standard output.
pub fn result(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A path as a shell reads it, for advice that is to be copied.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./:+,@%".contains(c) || is_separator(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Progress, notes and errors, on standard error.
pub fn note(line: impl Display) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        for (path, expected) in [
            ("runs/image-1.0", "runs/image-1.0"),
            ("my runs/a", "'my runs/a'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
