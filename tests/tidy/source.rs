//! The files that the rules look at.

use std::fs;
use std::path::Path;

use crate::lexer;

/// One text file of the workspace.
#[derive(Debug)]
pub struct Source {
    /// Relative to the workspace, with `/` between the parts.
    pub path: String,
    pub text: String,
    /// For Rust: the text with blanks for comments and literals.
    pub code: String,
    /// For Rust: the text with blanks for comments.
    pub uncommented: String,
    /// For each line, whether it is compiled for tests only.
    is_test_line: Vec<bool>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = lexer::code(text);
        let is_test_line = test_lines(&code);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            uncommented: lexer::uncommented(text),
            code,
            is_test_line,
        }
    }

    pub fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }

    /// These very rules, which name what they forbid.
    pub fn is_tidy_rule(&self) -> bool {
        self.path.starts_with("tests/tidy/")
    }

    /// Whether the line, counted from 1, is compiled for tests only.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.is_test_line[line - 1]
    }

    /// An entry for a list of offenders.
    pub fn at(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// The lines of code, counted from 1, that are not for tests only.
    pub fn production_code(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.code).filter(|&(line, _)| !self.is_test_line(line))
    }
}

/// Lines, counted from 1.
pub fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

/// Offsets at which `word` stands in `text` and is not part of a longer name.
pub fn word_offsets(text: &str, word: &str) -> Vec<usize> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let is_whole = |offset: usize| {
        let (before, after) = (&text[..offset], &text[offset + word.len()..]);
        !(word.starts_with(is_name) && before.ends_with(is_name)
            || word.ends_with(is_name) && after.starts_with(is_name))
    };
    let offsets = text.match_indices(word).map(|(offset, _)| offset);
    offsets.filter(|&offset| is_whole(offset)).collect()
}

pub fn has_word(text: &str, word: &str) -> bool {
    !word_offsets(text, word).is_empty()
}

/// Makes sources of paths and texts, and finds out which of their lines are for tests only.
pub fn sources<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Source> {
    let mut sources: Vec<Source> = files
        .into_iter()
        .map(|(path, text)| Source::new(path, text))
        .collect();
    let test_modules: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let is_in = |folder: &str| source.path.split('/').any(|part| part == folder);
        let is_module = |module: &String| {
            source
                .path
                .strip_prefix(module.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if is_in("tests") || is_in("benches") || test_modules.iter().any(is_module) {
            source.is_test_line.fill(true);
        }
    }
    sources
}

/// Paths, without extension, of the modules that `source` declares for tests only: `#[cfg(test)] mod oracle;`.
fn test_modules(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let folder = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder,
        _ => source.path.trim_end_matches(".rs"),
    };
    let test_code = numbered(&source.code).filter(|&(line, _)| source.is_test_line(line));
    let names =
        test_code.filter_map(|(_, text)| text.trim().strip_prefix("mod ")?.strip_suffix(';'));
    names.map(|name| format!("{folder}/{name}")).collect()
}

/// Marks the items under `#[cfg(test)]`, up to the `;` or closing brace at the attribute's own indent.
fn test_lines(code: &str) -> Vec<bool> {
    let mut marks = Vec::new();
    let mut open_indent = None;
    for line in code.lines() {
        let (text, indent) = (line.trim(), line.len() - line.trim_start().len());
        if open_indent.is_none()
            && (text.starts_with("#[cfg(test)]") || text.starts_with("#[cfg(all(test"))
        {
            open_indent = Some(indent);
        }
        marks.push(open_indent.is_some());
        if open_indent == Some(indent) && text.ends_with([';', '}']) {
            open_indent = None;
        }
    }
    marks
}

/// Reads all Rust, Markdown and TOML files of the workspace.
pub fn read_workspace() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    read_folder(&root, "", &mut files);
    for folder in ["benches", "configs", "crates", "docs", "tests", "xtask"] {
        read_tree(&root.join(folder), folder, &mut files);
    }
    files.sort();
    sources(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    )
}

fn read_tree(folder: &Path, name: &str, files: &mut Vec<(String, String)>) {
    for child in read_folder(folder, &format!("{name}/"), files) {
        read_tree(&folder.join(&child), &format!("{name}/{child}"), files);
    }
}

/// Reads the files that lie directly in `folder`; returns the names of the folders in it.
fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> Vec<String> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("a listed folder can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            folders.push(name);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "md" || extension == "toml")
        {
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files.push((format!("{prefix}{name}"), text));
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_line_numbers(source: &Source) -> Vec<usize> {
        let lines = 1..=source.code.lines().count();
        lines.filter(|&line| source.is_test_line(line)).collect()
    }

    #[test]
    fn test_items_end_with_their_brace_or_semicolon() {
        let text = "#[cfg(test)]\nmod oracle;\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        assert_eq!(
            test_line_numbers(&sources([("a.rs", text)])[0]),
            [1, 2, 4, 5, 6, 7]
        );
    }

    #[test]
    fn the_file_of_a_test_module_is_for_tests() {
        let declaration = "#[cfg(test)]\nmod oracle;\nmod real;\n";
        let files = sources([
            ("src/k/mod.rs", declaration),
            ("src/k/oracle.rs", "a\n"),
            ("src/k/real.rs", "a\n"),
        ]);
        assert!(files[1].is_test_line(1));
        assert!(!files[2].is_test_line(1));
    }

    #[test]
    fn words_are_whole_names() {
        assert!(has_word("a print!(b)", "print!"));
        assert!(!has_word("eprint!(b)", "print!"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(has_word("std::fs::read(a)", "fs::"));
    }
}
