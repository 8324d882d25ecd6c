//! Split files: text or CSV files with the part of every picture, such as `CelebA`'s `list_eval_partition.txt`.

use std::collections::HashMap;
use std::path::Path;

use siren_core::{Error, Result};

use super::{Part, Split};

/// Reads a split file of the set `set`, whose pictures have the names `names`.
pub(super) fn read(file: &Path, set: &Path, names: &[String]) -> Result<Split> {
    let text = read_text(file)?;
    let indices: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let mut split = Split::default();
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
                split.part_mut(part).push(index);
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
    match Part::ALL
        .into_iter()
        .find(|part| split.part(*part).is_empty())
    {
        Some(part) => Err(Error::signal(
            file,
            format!(
                "has no picture for {}: each part needs at least one",
                part.name()
            ),
        )),
        None => Ok(split),
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

/// Parses a line into the name of a picture and its part. The part follows the last space, tab, comma or semicolon; both may
/// be quoted.
fn parse_line(line: &str) -> Option<(String, Part)> {
    let (name, part) = line.trim().rsplit_once(is_separator)?;
    let part = match unquote(part).as_str() {
        "0" => Part::Training,
        "1" => Part::Validation,
        "2" => Part::Test,
        word => Part::parse(word)?,
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
    fn split_files_with_common_separators_quotes_and_line_ends_are_read() {
        let names =
            ["a b.png", "c.png", "d, e.png", "s1/1.png", "say \"x\".png"].map(str::to_owned);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("split");
        let expected = Split {
            training: vec![0, 1],
            validation: vec![2, 3],
            test: vec![4],
        };
        for text in [
            "a b.png 0\nc.png 0\nd, e.png 1\ns1/1.png 1\nsay \"x\".png 2",
            "a b.png  0 \r\nc.png\t0\r\n\r\n  d, e.png   1\r\n./s1/1.png 1\r\nsay \"x\".png 2\r\n",
            "\u{feff}image_id,partition\na b.png,0\nc.png,0\n\"d, e.png\",1\ns1/1.png,1\n\"say \"\"x\"\".png\",2\n",
            "\u{feff}name;part\r\n\"a b.png\";\"0\"\r\nc.png;0\r\n\"d, e.png\";1\r\ns1\\1.png;1\r\nsay \"x\".png;2\r\n",
            "a b.png\ttrain\rc.png\ttrain\rd, e.png\tval\rs1/1.png\tvalidation\rsay \"x\".png\ttest\r",
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(
                read(&file, folder.path(), &names).unwrap(),
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
            let message = read(&file, folder.path(), &names).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
