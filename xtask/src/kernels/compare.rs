//! Compares compiled PTX with the files checked in.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

use super::compile::Compiled;

/// Returns one sentence for each variant whose file in `folder` is missing or differs. Line ends are not compared.
///
/// # Errors
/// If a file exists and cannot be read.
pub fn differences(folder: &Path, compiled: &[Compiled]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for variant in compiled {
        let file = folder.join(&variant.output);
        match fs::read_to_string(&file) {
            Ok(text) => found.extend(difference(&text, variant)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.push(format!("{}: missing", variant.output));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        }
    }
    Ok(found)
}

/// Returns the names of the PTX files in `folder` that are the output of no variant, sorted.
///
/// # Errors
/// If the folder cannot be listed.
pub fn strays(folder: &Path, compiled: &[Compiled]) -> Result<Vec<String>> {
    let cannot = || format!("cannot list {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let name = entry.with_context(cannot)?.file_name();
        let name = name.to_string_lossy();
        let is_ptx = Path::new(&*name)
            .extension()
            .is_some_and(|end| end == "ptx");
        if is_ptx && compiled.iter().all(|variant| variant.output != name) {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Returns where the checked-in text of a variant differs from what was compiled, if it does.
fn difference(checked_in: &str, variant: &Compiled) -> Option<String> {
    let name = &variant.output;
    let (releases, compiled) = (release(checked_in), release(&variant.ptx));
    if releases != compiled {
        let or_unknown = |release: Option<&str>| release.unwrap_or("an unknown release").to_owned();
        return Some(format!(
            "{name}: checked in from {}, compiled by {}; without --cuda-home the release from PyPI compiles it",
            or_unknown(releases),
            or_unknown(compiled)
        ));
    }
    let (mut old, mut new) = (checked_in.lines(), variant.ptx.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => return None,
            (old, new) if old == new => {}
            (old, new) => {
                let or_end =
                    |line: Option<&str>| line.map_or("the end of the file", str::trim).to_owned();
                return Some(format!(
                    "{name}:{number}: checked in is `{}`, compiled is `{}`",
                    or_end(old),
                    or_end(new)
                ));
            }
        }
    }
}

/// Returns the compiler's release as the comment at the head of PTX names it.
fn release(ptx: &str) -> Option<&str> {
    let head = ptx.lines().take_while(|line| line.starts_with("//"));
    let mut words =
        head.filter_map(|line| line.split_once("release ").map(|(_, rest)| rest.trim()));
    words.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(output: &str, ptx: &str) -> Compiled {
        Compiled {
            output: output.to_owned(),
            ptx: ptx.to_owned(),
            warnings: String::new(),
        }
    }

    #[test]
    fn equal_text_is_no_difference_whatever_its_line_ends() {
        let variant = compiled("a.ptx", "// release 13.0, V13.0.88\nmov;\nret;\n");
        assert_eq!(difference(&variant.ptx, &variant), None);
        assert_eq!(
            difference(&variant.ptx.replace('\n', "\r\n"), &variant),
            None
        );
    }

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let variant = compiled("a.ptx", "mov;\n\tret;\n");
        assert_eq!(
            difference("mov;\n\texit;\n", &variant).unwrap(),
            "a.ptx:2: checked in is `exit;`, compiled is `ret;`"
        );
        assert_eq!(
            difference("mov;\n", &variant).unwrap(),
            "a.ptx:2: checked in is `the end of the file`, compiled is `ret;`"
        );
    }

    #[test]
    fn another_release_of_the_compiler_is_named_first() {
        let variant = compiled("a.ptx", "// tools, release 12.9, V12.9.41\nmov;\n");
        let text = difference("// tools, release 13.0, V13.0.88\nret;\n", &variant).unwrap();
        assert!(
            text.contains("from 13.0, V13.0.88, compiled by 12.9, V12.9.41"),
            "{text}"
        );
    }

    #[test]
    fn missing_files_and_strays_are_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.ptx"), "mov;\n").unwrap();
        fs::write(folder.path().join("stray.ptx"), "").unwrap();
        let variants = [compiled("a.ptx", "mov;\n"), compiled("b.ptx", "")];
        assert_eq!(
            differences(folder.path(), &variants).unwrap(),
            ["b.ptx: missing"]
        );
        assert_eq!(strays(folder.path(), &variants).unwrap(), ["stray.ptx"]);
    }
}
