//! Splits of a set of pictures into training, validation (which selects the best parameters) and test.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use rand::seq::SliceRandom;
use siren_core::signal::Stream;
use siren_core::{Error, Result};

use crate::config::Split;
use crate::folder::{Folder, PictureFiles};

/// Random numbers of the split, which is the same for every seed of a config.
const SPLIT: Stream = Stream::named("hyper.split");
/// Names of the parts in messages, in the order of [`Parts`].
const PART_NAMES: [&str; 3] = ["training (0)", "validation (1)", "test (2)"];

/// Indices of the pictures for training, validation and test, in this order.
pub(crate) type Parts = [Vec<usize>; 3];

/// Splits the pictures of the folder `set`: by the split file if there is one, else by folders named `train`, `val` and `test`, else at
/// random, with the pictures of a folder in the same part.
///
/// # Errors
/// If a part has no pictures, or the split does not fit the set.
pub(crate) fn parts(set: &Path, files: &PictureFiles, split: &Split) -> Result<Parts> {
    if let Some(file) = &split.file {
        return read_split_file(file, set, &files.names);
    }
    let fail = |message: String| Error::signal(set, message);
    if files.folders.is_empty() {
        return random(files.names.len(), split)
            .map_err(|expected| fail(format!("expected {expected}")));
    }
    if split.together != 1 {
        let expected = format!(
            "absent: the pictures of each folder in {} always stay together",
            set.display()
        );
        return Err(Error::invalid(
            "signal.split.together",
            split.together,
            &expected,
        ));
    }
    if let Some(parts) = split_by_folder_names(&files.folders).map_err(fail)? {
        return Ok(parts);
    }
    let groups: Vec<_> = files.folders.iter().map(|f| f.pictures.clone()).collect();
    let message = format!(
        "expected at least 3 folders of pictures, for training, validation and test; there are {}",
        groups.len()
    );
    split_groups(&groups, split).ok_or_else(|| fail(message))
}

/// Splits `count` pictures at random, in groups of `split.together` consecutive pictures.
///
/// # Errors
/// If there are fewer than three groups: the expected number of pictures, as text.
pub(crate) fn random(count: usize, split: &Split) -> Result<Parts, String> {
    let together = split.together;
    let starts = (0..count).step_by(together);
    let groups: Vec<_> = starts
        .map(|from| from..count.min(from.saturating_add(together)))
        .collect();
    split_groups(&groups, split).ok_or_else(|| {
        format!(
            "at least 3 pictures (or 3 times `signal.split.together = {together}`), for training, validation and test; there are \
             {count}"
        )
    })
}

/// Splits groups of pictures at random, in the same way for the same number of groups. The fractions of `split` are fractions of the
/// groups. Returns `None` if there are fewer than three groups.
fn split_groups(groups: &[Range<usize>], split: &Split) -> Option<Parts> {
    let count = groups.len();
    if count < 3 {
        return None;
    }
    let groups_in = |fraction: f64| ((fraction * count as f64).round() as usize).max(1);
    let test = groups_in(split.test).min(count - 2);
    let validation = groups_in(split.validation).min(count - test - 1);
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut SPLIT.rng(0, 0));
    let pictures = |chosen: &[usize]| {
        let ranges = chosen.iter().map(|&group| groups[group].clone());
        let mut all: Vec<usize> = ranges.flatten().collect();
        all.sort_unstable();
        all
    };
    let (test, rest) = order.split_at(test);
    let (validation, training) = rest.split_at(validation);
    Some([pictures(training), pictures(validation), pictures(test)])
}

/// Splits folders named `train`, `val` and `test`. Returns `None` if the folders have other names.
fn split_by_folder_names(folders: &[Folder]) -> Result<Option<Parts>, String> {
    let mut parts = Parts::default();
    let mut count = 0;
    for folder in folders {
        if let Some(part) = part_index(&folder.name) {
            count += 1;
            parts[part].extend(folder.pictures.clone());
        }
    }
    match count {
        0 | 1 => Ok(None),
        3 if folders.len() == 3 && parts.iter().all(|part| !part.is_empty()) => Ok(Some(parts)),
        _ => {
            let names: Vec<&str> = folders.iter().map(|f| f.name.as_str()).take(5).collect();
            Err(format!(
                "has folders named like parts of a split ({}), expected exactly `train`, `val` and `test`, or one folder per \
                 person",
                names.join(", ")
            ))
        }
    }
}

/// Returns the index in [`Parts`] of a part with this name.
fn part_index(word: &str) -> Option<usize> {
    match word.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(0),
        "val" | "valid" | "validation" => Some(1),
        "test" | "testing" => Some(2),
        _ => None,
    }
}

/// Reads a split file of the set `set`, whose pictures have the names `names`.
fn read_split_file(file: &Path, set: &Path, names: &[String]) -> Result<Parts> {
    let text = read_text(file)?;
    let indices: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let mut parts = Parts::default();
    let mut missing = Vec::new();
    let mut listed = vec![false; names.len()];
    for (line, text) in text.lines().enumerate() {
        if text.trim().is_empty() {
            continue;
        }
        let fail = |message: String| Error::signal(file, format!("line {}: {message}", line + 1));
        let Some((name, part)) = parse_line(text) else {
            if line == 0 && is_header(text) {
                continue;
            }
            let expected =
                "expected the name of a picture, then 0 (training), 1 (validation) or 2 (test)";
            return Err(fail(format!("{expected}, got `{}`", text.trim())));
        };
        let plain = name.replace('\\', "/");
        let plain = plain.strip_prefix("./").unwrap_or(&plain);
        match indices.get(name.as_str()).or_else(|| indices.get(plain)) {
            Some(&index) if listed[index] => {
                return Err(fail(format!("`{name}` has a line already")));
            }
            Some(&index) => {
                listed[index] = true;
                parts[part].push(index);
            }
            None => missing.push(name),
        }
    }
    if let Some(first) = missing.first() {
        let message = format!(
            "names {} pictures that are not in {} (the first is `{first}`; pictures there are named as `{}`): remove these lines, or \
             add the files",
            missing.len(),
            set.display(),
            names[0]
        );
        return Err(Error::signal(file, message));
    }
    match PART_NAMES
        .iter()
        .zip(&parts)
        .find(|(_, part)| part.is_empty())
    {
        Some((name, _)) => Err(Error::signal(
            file,
            format!("has no picture for {name}: each part needs at least one"),
        )),
        None => Ok(parts),
    }
}

/// Reads a UTF-8 text file. Removes a byte order mark and converts line ends to `\n`.
fn read_text(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).map_err(Error::io("read", file))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::signal(
            file,
            "is not text in UTF-8: save it as plain text (or CSV) in UTF-8",
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || c == ',' || c == ';'
}

/// Parses a line into the name of a picture and the index of its part. The part follows the last space, tab, comma or semicolon; both may
/// be quoted.
fn parse_line(line: &str) -> Option<(String, usize)> {
    let (name, part) = line.trim().rsplit_once(is_separator)?;
    let part = match unquote(part).as_str() {
        "0" => 0,
        "1" => 1,
        "2" => 2,
        word => part_index(word)?,
    };
    let name = unquote(name.trim_end_matches(is_separator).trim_start());
    (!name.is_empty()).then_some((name, part))
}

/// Returns whether a line is a header of column names, such as `image_id,partition`. The name of a picture contains a dot.
fn is_header(line: &str) -> bool {
    let last = line.trim().rsplit_once(is_separator);
    let is_word = |last: &str| unquote(last).chars().all(|c| c.is_alphabetic() || c == '_');
    last.is_some_and(|(_, last)| !last.is_empty() && is_word(last)) && !line.contains('.')
}

/// Removes the quotes of a CSV field.
fn unquote(field: &str) -> String {
    let inner = field.strip_prefix('"').and_then(|f| f.strip_suffix('"'));
    inner.map_or_else(|| field.to_owned(), |inner| inner.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_pictures_of_a_group_stay_in_one_part() {
        let split = Split {
            together: 10,
            ..Split::default()
        };
        let parts = random(340, &split).unwrap();
        assert_eq!(parts.each_ref().map(Vec::len), [280, 30, 30]);
        for part in &parts {
            for ten in part.chunks(10) {
                assert!(ten[0] % 10 == 0 && ten[9] == ten[0] + 9, "{ten:?}");
            }
        }
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..340));
    }

    #[test]
    fn three_pictures_give_one_to_each_part_and_two_are_an_error() {
        let split = Split::default();
        assert_eq!(random(3, &split).unwrap().map(|part| part.len()), [1, 1, 1]);
        assert!(
            random(2, &split)
                .unwrap_err()
                .contains("at least 3 pictures")
        );
    }

    /// Returns a set whose folders have these names and three pictures each.
    fn set(folders: &[&str]) -> PictureFiles {
        let folder = |(at, name): (usize, &&str)| Folder {
            name: (*name).to_owned(),
            pictures: 3 * at..3 * at + 3,
        };
        let names = folders
            .iter()
            .flat_map(|f| (1..4).map(move |at| format!("{f}/{at}.png")));
        PictureFiles {
            paths: Vec::new(),
            names: names.collect(),
            folders: folders.iter().enumerate().map(folder).collect(),
        }
    }

    #[test]
    fn pictures_of_a_folder_stay_in_one_part() {
        let people: Vec<String> = (0..20).map(|at| format!("s{at}")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let split = Split::default();
        let split_folders = |folders: &[&str], split| parts(Path::new("set"), &set(folders), split);
        let parts = split_folders(&people, &split).unwrap();
        assert_eq!(parts.each_ref().map(Vec::len), [48, 6, 6]);
        for three in parts.iter().flat_map(|part| part.chunks(3)) {
            assert!(three[0] % 3 == 0 && three[2] == three[0] + 2, "{three:?}");
        }
        let together = Split {
            together: 2,
            ..Split::default()
        };
        for (folders, split, words) in [
            (&people[..2], &split, "at least 3 folders of pictures"),
            (&people[..], &together, "`signal.split.together` is 2"),
            (
                &["train", "test"],
                &split,
                "exactly `train`, `val` and `test`",
            ),
            (
                &["train", "test", "s1", "s2"],
                &split,
                "(train, test, s1, s2)",
            ),
            (&["train", "training", "test"], &split, "exactly `train`"),
        ] {
            let message = split_folders(folders, split).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn folders_named_train_val_and_test_are_the_parts() {
        let split = Split::default();
        for folders in [
            ["test", "train", "val"],
            ["Testing", "Training", "validation"],
        ] {
            let parts = parts(Path::new("set"), &set(&folders), &split).unwrap();
            assert_eq!(parts, [vec![3, 4, 5], vec![6, 7, 8], vec![0, 1, 2]]);
        }
    }

    #[test]
    fn split_files_with_common_separators_quotes_and_line_ends_are_read() {
        let names =
            ["a b.png", "c.png", "d, e.png", "s1/1.png", "say \"x\".png"].map(str::to_owned);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("split");
        let expected = [vec![0, 1], vec![2, 3], vec![4]];
        for text in [
            "a b.png 0\nc.png 0\nd, e.png 1\ns1/1.png 1\nsay \"x\".png 2",
            "a b.png  0 \r\nc.png\t0\r\n\r\n  d, e.png   1\r\n./s1/1.png 1\r\nsay \"x\".png 2\r\n",
            "\u{feff}image_id,partition\na b.png,0\nc.png,0\n\"d, e.png\",1\ns1/1.png,1\n\"say \"\"x\"\".png\",2\n",
            "\u{feff}name;part\r\n\"a b.png\";\"0\"\r\nc.png;0\r\n\"d, e.png\";1\r\ns1\\1.png;1\r\nsay \"x\".png;2\r\n",
            "a b.png\ttrain\rc.png\ttrain\rd, e.png\tval\rs1/1.png\tvalidation\rsay \"x\".png\ttest\r",
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(
                read_split_file(&file, folder.path(), &names).unwrap(),
                expected,
                "{text}"
            );
        }
        for (text, words) in [
            (
                &b"c.png,0\nimage_id,partition\n"[..],
                "line 2: expected the name",
            ),
            (b"c.png 0,\n", "line 1: expected the name"),
            (b"c.png,4\n", "got `c.png,4`"),
            (b",0\n", "line 1: expected the name"),
            (b"1.png,0\n", "named as `a b.png`"),
            (b"\xff\xfec\0.\0p\0n\0g\0", "UTF-8"),
        ] {
            std::fs::write(&file, text).unwrap();
            let message = read_split_file(&file, folder.path(), &names)
                .unwrap_err()
                .to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
