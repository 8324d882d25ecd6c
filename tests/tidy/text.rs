//! The text of files: names, lengths, spelling, and the comments at the head of a config.

use std::fs;
use std::path::PathBuf;

use crate::{assert_none, files, root};

const FOLDERS: [&str; 6] = ["benches", "configs", "crates", "docs", "tests", "xtask"];

const DOCUMENTS: [&str; 4] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
];

/// Aim for 400 lines; above this number a file must be split.
const MOST_LINES: usize = 500;

const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "misc", "common"];

const BRITISH: &str = "artefact analyse behaviour catalogue centre colour favour grey neighbour";

/// Stems of verbs whose British forms continue with `ise`, `isa` or `isi`.
const BRITISH_VERBS: &str = "discret factor final general initial maxim memor minim normal optim organ parallel parameter quant \
    random real regular serial summar synchron vector visual";

/// Names that others gave: a parameter of the authors' implementation.
const FOREIGN_NAMES: [&str; 2] = ["\"centres\"", "rbf_layer.centres"];

/// Returns the files with one of `extensions` in all folders.
fn all_files(extensions: &[&str]) -> impl Iterator<Item = (PathBuf, String)> {
    FOLDERS
        .into_iter()
        .flat_map(move |folder| files(folder, extensions))
}

#[test]
fn files_are_short() {
    let lengths = all_files(&["rs"]).map(|(path, text)| (path, text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > MOST_LINES);
    let offenders: Vec<String> = long
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert_none(
        &offenders,
        "split these files by subject (about 400 lines is the aim):",
    );
}

#[test]
fn files_are_named_after_their_content() {
    let is_empty = |path: &PathBuf| {
        path.with_extension("")
            .iter()
            .any(|part| EMPTY_NAMES.iter().any(|name| part == *name))
    };
    let paths = all_files(&["rs", "md", "toml"])
        .map(|(path, _)| path)
        .filter(is_empty);
    let offenders: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    assert_none(&offenders, "name these after their content:");
}

#[test]
fn spelling_is_american() {
    let verbs = BRITISH_VERBS
        .split(' ')
        .flat_map(|stem| ["ise", "isa", "isi"].map(|end| format!("{stem}{end}")));
    let british: Vec<String> = BRITISH.split(' ').map(str::to_owned).chain(verbs).collect();
    let mut offenders = Vec::new();
    let documents = DOCUMENTS.map(|name| {
        (
            PathBuf::from(name),
            fs::read_to_string(root().join(name)).unwrap(),
        )
    });
    let others =
        all_files(&["rs", "md", "toml"]).filter(|(path, _)| !path.ends_with("tidy/text.rs"));
    for (path, text) in documents.into_iter().chain(others) {
        for (number, line) in (1..).zip(text.lines()) {
            let line = FOREIGN_NAMES
                .iter()
                .fold(line.to_lowercase(), |line, name| line.replace(name, ""));
            let found = british.iter().find(|word| line.contains(*word));
            offenders.extend(found.map(|word| format!("{}:{number}: {word}", path.display())));
        }
    }
    assert_none(&offenders, "use the American spelling:");
}

#[test]
fn every_config_names_its_command_and_expected_result() {
    let mut offenders = Vec::new();
    for (path, text) in files("configs", &["toml"]) {
        let header: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        let command = if path.starts_with("configs/sweeps") {
            "cargo xtask sweep"
        } else {
            "cargo xtask run"
        };
        let missing = [command, "Expect"]
            .into_iter()
            .filter(|part| !header.iter().any(|line| line.contains(part)));
        offenders.extend(missing.map(|part| format!("{}: no `{part}`", path.display())));
    }
    assert_none(
        &offenders,
        "add these to the comments at the head of the config:",
    );
}
