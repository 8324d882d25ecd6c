//! Files and folders.
//!
//! [`PartialFile`], [`write_atomically`] and [`make_folder`] write a file or folder completely or not at all; [`try_lock`] keeps other processes out of a folder; [`Listing`] lists a folder as
//! a file manager shows it, [`quoted`] formats a path for a shell, and [`ArrayHeader`] and [`ArrayElement`] read and write NumPy arrays. Apart from `saved`, no other module of the crate opens files.

mod array;
mod listing;
mod lock;
mod partial;
mod write;

use std::path::{Path, is_separator};

pub use self::array::{ArrayElement, ArrayElementKind, ArrayHeader};
pub use self::listing::{Listing, has_extension, is_hidden, natural_order};
pub use self::lock::try_lock;
pub use self::partial::{PartialFile, replaceable};
pub use self::write::{make_folder, read_text, remove_folder, sync_folder, write_atomically};

/// Returns a path in a form that can be pasted into a shell: in quotes where needed.
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
