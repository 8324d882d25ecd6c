//! Files, functions and parameter lists that grew too long.

use crate::source::Source;

const MOST_FILE_LINES: usize = 450;
const MOST_FUNCTION_LINES: usize = 70;
const MOST_PARAMETERS: usize = 6;

pub fn long_files(sources: &[Source]) -> Vec<String> {
    let rust = sources.iter().filter(|source| source.is_rust());
    let lengths = rust.map(|source| (source, source.text.lines().count()));
    let long = lengths.filter(|&(_, lines)| lines > MOST_FILE_LINES);
    long.map(|(source, lines)| source.at(lines, format!("{lines} lines, above {MOST_FILE_LINES}")))
        .collect()
}

pub fn long_functions(sources: &[Source]) -> Vec<String> {
    offending_functions(sources, |function| {
        let lines = function.lines;
        (lines > MOST_FUNCTION_LINES).then(|| {
            format!(
                "{} has {lines} lines, above {MOST_FUNCTION_LINES}",
                function.name
            )
        })
    })
}

/// `self` counts as a parameter.
pub fn many_parameters(sources: &[Source]) -> Vec<String> {
    offending_functions(sources, |function| {
        let count = function.parameters;
        (count > MOST_PARAMETERS).then(|| {
            format!(
                "{} has {count} parameters, above {MOST_PARAMETERS}",
                function.name
            )
        })
    })
}

fn offending_functions(
    sources: &[Source],
    fault: impl Fn(&Function) -> Option<String>,
) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        for function in functions(&source.code) {
            offenders.extend(fault(&function).map(|what| source.at(function.line, what)));
        }
    }
    offenders
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    /// From the line of its `fn` to that of its closing brace.
    lines: usize,
    parameters: usize,
}

/// The functions of `code` that have a body or stand in a trait; a nested one is listed too.
fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for (index, line) in code.split_inclusive('\n').enumerate() {
        if let Some((name, name_end)) = function_name(line) {
            let (parameters, after_parameters) = count_parameters(code, start + name_end);
            let end = body_end(code, after_parameters);
            let lines = 1 + code[start..end].matches('\n').count();
            found.push(Function {
                name,
                line: index + 1,
                lines,
                parameters,
            });
        }
        start += line.len();
    }
    found
}

/// The name in a line such as `pub(crate) const unsafe fn name<T>(`, and the offset behind it.
fn function_name(line: &str) -> Option<(&str, usize)> {
    let (before, after) = line.split_once("fn ")?;
    let is_modifier = |word: &str| {
        matches!(word, "pub" | "const" | "async" | "unsafe" | "extern") || word.starts_with("pub(")
    };
    let name = after.split(['(', '<']).next().unwrap_or(after);
    let end = line.len() - after.len() + name.len();
    before
        .split_whitespace()
        .all(is_modifier)
        .then_some((name, end))
}

/// How many parameters the list has that begins at or after `offset`, and the offset behind it.
fn count_parameters(code: &str, offset: usize) -> (usize, usize) {
    let (mut angles, mut brackets, mut count, mut is_open) = (0_usize, 0_usize, 0, false);
    let mut previous = b' ';
    for (index, letter) in code.bytes().enumerate().skip(offset) {
        match letter {
            b'<' => angles += 1,
            b'>' if previous != b'-' => angles = angles.saturating_sub(1),
            b'(' | b'[' | b'{' if angles == 0 => brackets += 1,
            b')' | b']' | b'}' if angles == 0 => {
                brackets = brackets.saturating_sub(1);
                if brackets == 0 {
                    return (count, index + 1);
                }
            }
            b',' if angles == 0 && brackets == 1 => is_open = false,
            _ => {}
        }
        let begins =
            brackets == 1 && !is_open && !letter.is_ascii_whitespace() && !b"(,".contains(&letter);
        if begins {
            is_open = true;
            count += 1;
        }
        previous = letter;
    }
    (count, code.len())
}

/// The offset of the body's closing brace, or of the `;` that stands in its place.
fn body_end(code: &str, offset: usize) -> usize {
    let (mut brackets, mut braces) = (0_usize, 0_usize);
    for (index, letter) in code.bytes().enumerate().skip(offset) {
        match letter {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return index;
                }
            }
            b';' if brackets == 0 && braces == 0 => return index,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sources;

    #[test]
    fn a_file_of_451_lines_is_caught() {
        let (short, long) = ("\n".repeat(450), "\n".repeat(451));
        let files = sources([
            ("a.rs", short.as_str()),
            ("b.rs", long.as_str()),
            ("c.md", long.as_str()),
        ]);
        assert_eq!(long_files(&files), ["b.rs:451: 451 lines, above 450"]);
    }

    #[test]
    fn a_function_of_71_lines_is_caught() {
        let function = |name: &str, lines: usize| {
            format!(
                "    pub(crate) fn {name}() {{\n{}    }}\n",
                "        f();\n".repeat(lines - 2)
            )
        };
        let text = format!(
            "impl A {{\n{}{}}}\n",
            function("short", 70),
            function("long", 71)
        );
        assert_eq!(
            long_functions(&sources([("a.rs", text.as_str())])),
            ["a.rs:72: long has 71 lines, above 70"]
        );
    }

    #[test]
    fn a_function_of_seven_parameters_is_caught() {
        let text = "fn six<F: Fn(A, B) -> C>(a: HashMap<A, B>, b: [f32; 2], c: (A, B), d: F, e: u8, f: u8) {}\n\
                    fn seven(\n    &self,\n    a: u8,\n    b: u8,\n    c: u8,\n    d: u8,\n    e: u8,\n    f: u8,\n) {\n}\n";
        assert_eq!(
            many_parameters(&sources([("a.rs", text)])),
            ["a.rs:2: seven has 7 parameters, above 6"]
        );
    }

    #[test]
    fn parameters_are_counted_one_by_one() {
        let text = "fn none() {}\nfn one(a: Vec<(A, B)>) -> C;\nasync fn two<const N: usize>(a: A, b: &dyn Fn(A, B) -> C) {}\n";
        let counts: Vec<_> = functions(text)
            .iter()
            .map(|function| (function.name, function.parameters))
            .collect();
        assert_eq!(counts, [("none", 0), ("one", 1), ("two", 2)]);
    }
}
