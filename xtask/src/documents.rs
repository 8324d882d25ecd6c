//! Tests that xtask accepts every `cargo xtask …` line of the README, the book and the headers of configs.
//!
//! The options in these lines belong to the programs that xtask starts; `tests/documents.rs` has the programs check them.

#[path = "../../tests/support/commands.rs"]
mod commands;

use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::workspace_root;
use commands::{command_lines, words};

#[test]
fn every_command_in_the_readme_the_book_and_the_configs_is_accepted() {
    let lines = command_lines(&workspace_root());
    for line in &lines {
        // `cargo xtask run` in a sentence is the command's name.
        let is_name = line.words.len() == 2;
        let fault = Cli::parse_line(&line.words).err().filter(|error| {
            let lacks_path = error.kind() == ErrorKind::MissingRequiredArgument;
            error.use_stderr() && !(is_name && lacks_path)
        });
        assert!(
            fault.is_none(),
            "{}: cargo {}: {}",
            line.file.display(),
            line.words.join(" "),
            fault.unwrap()
        );
    }
    assert!(lines.len() > 80, "only {} commands found", lines.len());
}

#[test]
fn commands_are_found_in_blocks_in_lines_and_in_comments() {
    let text = "cargo xtask ci   # all\nRun `cargo xtask test`, then `cargo doc`.\n#   cargo xtask run a.toml \\\n#     --set b='{ c = 1 }'\n";
    let found = commands::commands(text);
    assert_eq!(
        found,
        [
            "xtask ci",
            "xtask test",
            "xtask run a.toml      --set b='{ c = 1 }'"
        ]
    );
    assert_eq!(
        words(&found[2]),
        ["xtask", "run", "a.toml", "--set", "b={ c = 1 }"]
    );
}
