//! Files: the only module of this crate that opens any.
//!
//! Files that appear whole or not at all ([`PartialFile`], [`write_atomically`], [`make_folder`]), folders as users see them ([`Listing`]),
//! and paths as a shell reads them ([`quoted`]).

mod listing;
mod partial;
mod write;

use std::path::{Path, is_separator};

pub use self::listing::{Listing, has_extension, is_hidden, natural_order};
pub use self::partial::{PartialFile, replaceable};
pub use self::write::{make_folder, read_text, write_atomically};

/// Returns a path as a shell reads it, for advice that is to be copied.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./:+,@%".contains(c) || is_separator(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_split_or_interpret_it() {
        for (path, expected) in [
            ("runs/image-1.0", "runs/image-1.0"),
            ("my runs/a", "'my runs/a'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
