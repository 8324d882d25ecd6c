//! Tests of the README and the book: length, links, and the options of every `cargo xtask …` line.

#[path = "support/commands.rs"]
mod commands;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use commands::{CommandLine, command_lines};
use support::desk::files_under;
use support::program::program;

const MOST_README_LINES: usize = 120;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the Markdown files at the root and in the book.
fn documents() -> Vec<PathBuf> {
    let at_root = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ];
    let mut files: Vec<PathBuf> = at_root.iter().map(|name| root().join(name)).collect();
    let book = files_under(&root().join("docs")).into_iter();
    files.extend(book.filter(|path| path.extension().is_some_and(|e| e == "md")));
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the targets of the links and pictures of a document, except those in code blocks.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let targets = line.split("](").skip(1);
            links.extend(targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
    }
    links
}

/// Returns the anchors of the headings of a document, formed as GitHub and mdBook do.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let lower = heading.trim_start_matches(['#', ' ']).to_lowercase();
        let known = |c: &char| c.is_alphanumeric() || "-_".contains(*c);
        lower.replace(' ', "-").chars().filter(known).collect()
    };
    headings.map(slug).collect()
}

/// Returns the fault of a relative link in `document`, whose text is `text`, or `None` if its target exists.
fn fault(document: &Path, text: &str, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = document.parent().unwrap().join(file);
    if !file.is_empty() && !target.exists() {
        return Some("no such file".to_owned());
    }
    let other = (!file.is_empty() && !anchor.is_empty()).then(|| read(&target));
    let headings = anchors(other.as_deref().unwrap_or(text));
    (!anchor.is_empty() && !headings.iter().any(|heading| heading == anchor))
        .then(|| "no such heading".to_owned())
}

#[test]
fn the_readme_has_at_most_120_lines() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(
        lines <= MOST_README_LINES,
        "README.md has {lines} lines: move something to docs/"
    );
}

#[test]
fn relative_links_point_to_files_and_headings_that_exist() {
    let mut found = 0;
    for document in documents() {
        let text = read(&document);
        for link in links(&text) {
            found += 1;
            if let Some(fault) = fault(&document, &text, &link) {
                panic!("{}: {link}: {fault}", document.display());
            }
        }
    }
    assert!(found > 60, "only {found} links found");
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_found() {
    let readme = root().join("README.md");
    let text = "# One title\n\n[a](docs/missing.md) `x` [b](#one-title) [c](#another)\n\n```\n[d](e)\n```\n";
    let links = links(text);
    assert_eq!(links, ["docs/missing.md", "#one-title", "#another"]);
    let faults: Vec<_> = links
        .iter()
        .map(|link| fault(&readme, text, link))
        .collect();
    assert_eq!(
        faults,
        [
            Some("no such file".to_owned()),
            None,
            Some("no such heading".to_owned())
        ]
    );
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let book = root().join("docs");
    let summary = read(&book.join("SUMMARY.md"));
    let listed = links(&summary);
    for document in documents() {
        let Ok(page) = document.strip_prefix(&book) else {
            continue;
        };
        let page = page.to_str().unwrap().replace('\\', "/");
        assert!(
            page == "SUMMARY.md" || listed.contains(&page),
            "docs/SUMMARY.md does not list {page}"
        );
    }
}

/// Returns the `kind` of the config that a command names. The path is relative to the root of the workspace.
fn kind_of_config(line: &CommandLine, config: &str) -> String {
    let text = fs::read_to_string(root().join(config));
    let text = text.unwrap_or_else(|error| panic!("{line:?}: {config}: {error}"));
    let table: toml::Table = text.parse().unwrap();
    table["kind"].as_str().unwrap().to_owned()
}

/// Returns the kind of every run folder that a `run` command of the documents creates.
fn kinds_of_runs(lines: &[CommandLine]) -> BTreeMap<String, String> {
    let mut kinds = BTreeMap::new();
    for line in lines {
        let [_, command, config, options @ ..] = line.words.as_slice() else {
            continue;
        };
        if command == "run" {
            let out = options.windows(2).find(|pair| pair[0] == "--out");
            let stem = Path::new(config).file_stem().unwrap().to_str().unwrap();
            let run = out.map_or_else(|| format!("runs/{stem}"), |pair| pair[1].clone());
            kinds.insert(run, kind_of_config(line, config));
        }
    }
    kinds
}

/// Starts `siren-<kind> <command> <args> --help`, whose parser refuses a wrong option before it comes to `--help`.
fn help(kind: &str, command: &str, args: &[String]) -> Output {
    let mut program = Command::new(program(kind));
    program.arg(command).args(args).arg("--help");
    program.output().unwrap()
}

#[test]
fn every_option_of_a_command_in_the_documents_is_accepted_by_its_program() {
    let lines = command_lines(&root());
    let kinds = kinds_of_runs(&lines);
    let mut count = 0;
    for line in &lines {
        let [_, command, args @ ..] = line.words.as_slice() else {
            panic!("{line:?} has no command");
        };
        let (kind, program_command) = match (command.as_str(), args.first()) {
            ("run", Some(config)) => (kind_of_config(line, config), "run"),
            ("resume" | "render" | "export", Some(run)) => {
                let kind = kinds.get(run).unwrap_or_else(|| {
                    panic!("{line:?}: no `cargo xtask run` in the documents creates {run}")
                });
                (kind.clone(), command.as_str())
            }
            ("sweep", Some(_)) => ("sweep".to_owned(), "run"),
            ("table", Some(_)) => ("sweep".to_owned(), "table"),
            ("bench", _) => ("bench".to_owned(), "run"),
            ("gpu-check", _) => ("bench".to_owned(), "gpu-check"),
            // Commands of xtask itself, and names of commands in sentences.
            _ => continue,
        };
        let output = help(&kind, program_command, args);
        assert!(
            output.status.success(),
            "{line:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        count += 1;
    }
    assert!(count > 80, "only {count} commands of programs found");
}

#[test]
fn a_program_refuses_a_wrong_option_although_help_follows() {
    for (command, args) in [
        ("run", "configs/image.toml --oout runs/a"),
        ("run", "configs/image.toml --threads many"),
        ("render", "runs/image -o a.png --rate 48000"),
        ("render", "runs/image -o a.png --scale large"),
    ] {
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        let output = help("image", command, &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
