//! Every command in the README, the book and the headers of configs is understood.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::Cli;

/// The file itself, or every Markdown and TOML file under a folder.
fn documents(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let is_text = path.extension().is_some_and(|e| e == "md" || e == "toml");
        return if is_text {
            vec![path.to_owned()]
        } else {
            Vec::new()
        };
    }
    let entries = fs::read_dir(path).unwrap();
    entries
        .flat_map(|entry| documents(&entry.unwrap().path()))
        .collect()
}

/// The `xtask …` command lines of a document: lines of their own, and code within a line.
fn commands(text: &str) -> Vec<String> {
    // A backslash continues a command on the next line, in comments of configs too.
    let text = text.replace("\\\n#", "").replace("\\\n", "");
    let mut found = Vec::new();
    for line in text.lines() {
        let inline = line.split('`').skip(1).step_by(2);
        let whole = line.trim_start_matches(['#', ' ']);
        for code in inline.chain([whole]) {
            let command = code
                .strip_prefix("cargo ")
                .filter(|rest| rest.starts_with("xtask "));
            let command = command.map(|rest| rest.split(" #").next().unwrap_or(rest).trim_end());
            found.extend(command.map(str::to_owned));
        }
    }
    found
}

/// The words of a command as a shell splits them: spaces within `'…'` split nothing.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in command.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_in_the_readme_the_book_and_the_configs_is_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut count = 0;
    for file in ["README.md", "CONTRIBUTING.md", "docs", "configs"]
        .iter()
        .flat_map(|name| documents(&root.join(name)))
    {
        for command in commands(&fs::read_to_string(&file).unwrap()) {
            // `cargo xtask …` and `cargo xtask COMMAND` speak of commands in general, `cargo xtask run` of one.
            if command.contains('…') || command.contains("COMMAND") {
                continue;
            }
            let words = words(&command);
            let is_name = words.len() == 2;
            let parsed = Cli::try_parse_from(words);
            let fault = parsed.err().filter(|error| {
                let lacks_rest = error.kind() == ErrorKind::MissingRequiredArgument;
                error.use_stderr() && !(is_name && lacks_rest)
            });
            assert!(
                fault.is_none(),
                "{}: cargo {command}: {}",
                file.display(),
                fault.unwrap()
            );
            count += 1;
        }
    }
    assert!(count > 80, "only {count} commands found");
}

#[test]
fn commands_are_found_in_blocks_in_lines_and_in_comments() {
    let text = "cargo xtask ci   # all\nRun `cargo xtask test`, then `cargo doc`.\n#   cargo xtask run a.toml \\\n#     --set b='{ c = 1 }'\n";
    let found = commands(text);
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
