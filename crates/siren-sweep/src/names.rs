//! Unique names: row labels of a table for files, and file names for choices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Returns the shortest labels that distinguish all paths: file names without extension; if two of these are equal, file names with
/// extension; if two are still equal, the parent folder is added, without and then with extension, and so on.
#[must_use]
pub fn labels(paths: &[PathBuf]) -> Vec<String> {
    let longest = paths.iter().map(|path| path.components().count()).max();
    let forms = (1..=longest.unwrap_or(0))
        .flat_map(|parts| [(parts, Extension::Omitted), (parts, Extension::Kept)]);
    let labels = |(parts, extension)| -> Vec<String> {
        let label = |path: &PathBuf| label(path, parts, extension);
        paths.iter().map(label).collect()
    };
    let distinct =
        |labels: &Vec<String>| labels.iter().collect::<BTreeSet<_>>().len() == labels.len();
    let full_paths = || {
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    forms.map(labels).find(distinct).unwrap_or_else(full_paths)
}

/// Whether a label shows the extension of a file name.
#[derive(Clone, Copy)]
enum Extension {
    Omitted,
    Kept,
}

/// Joins the last `parts` components of a path with `/`.
fn label(path: &Path, parts: usize, extension: Extension) -> String {
    let path = match extension {
        Extension::Omitted => path.with_extension(""),
        Extension::Kept => path.to_path_buf(),
    };
    let parts: Vec<_> = path
        .iter()
        .rev()
        .take(parts)
        .map(|part| part.to_string_lossy())
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// Returns a unique file name for each group of names, such as the choices of a run.
///
/// The names of a group are joined by `--`. Every character but ASCII letters, digits, `-`, `_` and `.` becomes `-`, and so does a leading
/// dot. If several groups then have the same name, a checksum of its group is appended to each. The checksum depends on the group alone, so
/// that file names do not change when groups are added.
#[must_use]
pub fn file_names(groups: &[Vec<&str>]) -> Vec<String> {
    let portable: Vec<String> = groups
        .iter()
        .map(|group| portable_name(&group.join("--")))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &portable {
        *counts.entry(name).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = portable.iter().cloned().collect();
    let unique_name = |(name, group): (&String, &Vec<&str>)| {
        if counts[name.as_str()] == 1 {
            return name.clone();
        }
        let checksum = crc32c::crc32c(group.join("\0").as_bytes());
        let mut name = format!("{name}-{checksum:08x}")
            .trim_start_matches(['-', '.'])
            .to_owned();
        while !taken.insert(name.clone()) {
            name.push('-');
        }
        name
    };
    portable.iter().zip(groups).map(unique_name).collect()
}

/// Replaces every character that is not portable in file names, and a leading dot, by `-`.
fn portable_name(name: &str) -> String {
    let is_portable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let replaced = |c: char| if is_portable(c) { c } else { '-' };
    let name: String = name.chars().map(replaced).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("-{rest}"),
        None if name.is_empty() => "-".to_owned(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(paths: &[&str]) -> Vec<String> {
        labels(&paths.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn labels_are_the_shortest_that_distinguish_all_files() {
        for (paths, expected) in [
            (&["k/1.png", "k/2.png"][..], &["1", "2"][..]),
            (&["k/猫.png", "k/犬.png"], &["猫", "犬"]),
            (&["a/x.png", "b/x.png"], &["a/x", "b/x"]),
            (&["a/x.png", "a/x.jpg"], &["x.png", "x.jpg"]),
            (&["a/x.png", "b/x.png", "b/y.png"], &["a/x", "b/x", "b/y"]),
            (
                &["a/x.png", "b/x.png", "b/x.jpg"],
                &["a/x.png", "b/x.png", "b/x.jpg"],
            ),
            (&["p/a/x.png", "q/a/x.png"], &["p/a/x", "q/a/x"]),
            (&["x.png", "a/x.png"], &["x", "a/x"]),
            (&["/x.png", "x.png"], &["//x", "x"]),
            (&[], &[]),
        ] {
            assert_eq!(labels_of(paths), expected);
        }
    }

    #[test]
    fn a_unique_name_gets_no_checksum() {
        let groups = [
            (vec!["sine", "0"], "sine--0"),
            (vec!["relu + PE", "0"], "relu---PE--0"),
            (vec!["猫"], "-"),
            (vec!["a/x"], "a-x"),
            (vec![".x"], "-x"),
            (vec![".."], "-."),
            (vec!["0.5"], "0.5"),
        ];
        let names = file_names(&groups.each_ref().map(|(group, _)| group.clone()));
        assert_eq!(names, groups.map(|(_, name)| name));
        assert_eq!(file_names(&[vec![""]]), ["-"]);
    }

    #[test]
    fn equal_names_get_checksums_that_do_not_change_when_groups_are_added() {
        let groups = [
            vec!["猫"],
            vec!["犬"],
            vec!["a#b"],
            vec!["a=b"],
            vec!["a", "b--c"],
            vec!["a--b", "c"],
            vec!["alone"],
        ];
        let names = file_names(&groups);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(names[6], "alone");
        for (name, start) in names
            .iter()
            .zip(["", "", "a-b-", "a-b-", "a--b--c-", "a--b--c-"])
        {
            assert_eq!(name.strip_prefix(start).unwrap().len(), 8, "{name}");
        }
        let more = file_names(&[&[vec!["乾"], vec!["a+b"]], &groups[..]].concat());
        assert_eq!(more[2..], names);
    }
}
