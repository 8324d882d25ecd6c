//! Names of files as rows of a table, and of choices as files and folders: no two of them are equal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// As little of each path as tells all of them apart: the names without extensions, else with them, else with the folder before, and so on.
#[must_use]
pub fn labels(paths: &[PathBuf]) -> Vec<String> {
    let longest = paths.iter().map(|path| path.components().count()).max();
    let forms = (1..=longest.unwrap_or(0)).flat_map(|parts| [(parts, false), (parts, true)]);
    let labels = |(parts, extension)| -> Vec<String> {
        let label = |path: &PathBuf| label(path, parts, extension);
        paths.iter().map(label).collect()
    };
    let distinct =
        |labels: &Vec<String>| labels.iter().collect::<BTreeSet<_>>().len() == labels.len();
    let whole = || {
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    forms.map(labels).find(distinct).unwrap_or_else(whole)
}

/// The last `parts` of a path.
fn label(path: &Path, parts: usize, extension: bool) -> String {
    let path = if extension {
        path.to_path_buf()
    } else {
        path.with_extension("")
    };
    let parts: Vec<_> = path
        .iter()
        .rev()
        .take(parts)
        .map(|part| part.to_string_lossy())
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// Names of files or folders for groups of names, such as the choices of a run: joined by `--`, of letters, digits, `-`, `_` and `.`, and
/// without a dot in front.
///
/// Where this gives one name to several groups, a checksum of the group is appended to each: it does not change when a group is added.
#[must_use]
pub fn file_names(groups: &[Vec<&str>]) -> Vec<String> {
    let plain: Vec<String> = groups
        .iter()
        .map(|group| plain(&group.join("--")))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &plain {
        *counts.entry(name).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = plain.iter().cloned().collect();
    let distinct = |(name, group): (&String, &Vec<&str>)| {
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
    plain.iter().zip(groups).map(distinct).collect()
}

fn plain(name: &str) -> String {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let known = |c: char| if is_known(c) { c } else { '-' };
    let name: String = name.chars().map(known).collect();
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
    fn a_label_is_as_short_as_tells_all_files_apart() {
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
    fn a_name_that_nothing_else_has_stays_as_it_is() {
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
    fn names_that_look_alike_are_told_apart_and_stay_the_same_beside_others() {
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
