//! Reads the `cargo xtask …` command lines of the README, the book and the headers of configs. The tests of xtask use this file too.

use std::fs;
use std::path::{Path, PathBuf};

/// A command line of a document.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The document.
    pub file: PathBuf,
    /// The words after `cargo`, as a shell splits them; the first is `xtask`.
    pub words: Vec<String>,
}

/// Returns the command lines of all documents of the workspace at `root`.
///
/// Lines about commands in general, with `…`, `COMMAND` or `<kind>` in them, are left out.
pub fn command_lines(root: &Path) -> Vec<CommandLine> {
    let mut lines = Vec::new();
    for name in ["README.md", "CONTRIBUTING.md", "docs", "configs"] {
        for file in documents(&root.join(name)) {
            let text = fs::read_to_string(&file).unwrap();
            let specific = commands(&text).into_iter().filter(|command| {
                let placeholders = ["…", "COMMAND", "<kind>"];
                !placeholders.iter().any(|text| command.contains(text))
            });
            lines.extend(specific.map(|command| CommandLine {
                file: file.clone(),
                words: words(&command),
            }));
        }
    }
    lines
}

/// Returns `path` itself, or every Markdown and TOML file under a folder.
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

/// Returns the commands `xtask …` of a text: on lines of their own, and as code within a line.
pub fn commands(text: &str) -> Vec<String> {
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

/// Splits a command as a shell does: spaces within `'…'` split nothing.
pub fn words(command: &str) -> Vec<String> {
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
