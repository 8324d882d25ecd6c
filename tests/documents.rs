//! The README and the book: short where they must be, and without dead links.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::desk::files_under;

const MOST_README_LINES: usize = 120;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files at the root and in the book.
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

/// The targets of a document's links and pictures, without those in code.
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

/// The anchors of a document's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let lower = heading.trim_start_matches(['#', ' ']).to_lowercase();
        let known = |c: &char| c.is_alphanumeric() || "-_".contains(*c);
        lower.replace(' ', "-").chars().filter(known).collect()
    };
    headings.map(slug).collect()
}

/// What is wrong with a link that stands in `document`, if anything.
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
