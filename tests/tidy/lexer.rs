//! Rust text with its comments, or its comments and literals, replaced by blanks; lines stay where they are.

/// `text` without comments and without string and character literals.
pub fn code(text: &str) -> String {
    Lexer::new(text, false).run()
}

/// `text` without comments.
pub fn uncommented(text: &str) -> String {
    Lexer::new(text, true).run()
}

struct Lexer<'a> {
    rest: &'a str,
    out: String,
    keeps_literals: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, keeps_literals: bool) -> Self {
        let out = String::with_capacity(text.len());
        Self {
            rest: text,
            out,
            keeps_literals,
        }
    }

    fn run(mut self) -> String {
        while let Some(first) = self.rest.chars().next() {
            if let Some(length) = comment_length(self.rest) {
                self.take(length, false);
            } else if let Some(length) = self.literal_length() {
                self.take(length, self.keeps_literals);
            } else {
                self.take(first.len_utf8(), true);
            }
        }
        self.out
    }

    fn take(&mut self, length: usize, keeps: bool) {
        let (taken, rest) = self.rest.split_at(length);
        let blank = |letter: char| if letter == '\n' { '\n' } else { ' ' };
        self.out.extend(
            taken
                .chars()
                .map(|letter| if keeps { letter } else { blank(letter) }),
        );
        self.rest = rest;
    }

    fn literal_length(&self) -> Option<usize> {
        let follows_name = self
            .out
            .ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        match self.rest.as_bytes()[0] {
            b'"' => Some(quoted_length(self.rest, '"')),
            b'\'' => character_length(self.rest),
            b'r' | b'b' | b'c' if !follows_name => raw_length(self.rest),
            _ => None,
        }
    }
}

fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut end) = (0_usize, 0);
    loop {
        let rest = &text[end..];
        if rest.starts_with("/*") {
            depth += 1;
            end += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            end += 2;
        } else {
            end += rest.chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || end >= text.len() {
            return Some(end);
        }
    }
}

/// Length of a literal that begins and ends with `quote` and has backslash escapes.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (index, letter) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if letter == '\\' {
            is_escaped = true;
        } else if letter == quote {
            return index + 1;
        }
    }
    text.len()
}

/// Length of a character literal; `None` for a lifetime.
fn character_length(text: &str) -> Option<usize> {
    let mut letters = text.chars().skip(1);
    let first = letters.next()?;
    (first == '\\' || letters.next() == Some('\'')).then(|| quoted_length(text, '\''))
}

/// Length of a raw string such as `r#"…"#`; `None` for other text.
fn raw_length(text: &str) -> Option<usize> {
    let after_prefix = text.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let after_hashes = after_prefix.trim_start_matches('#');
    let hashes = after_prefix.len() - after_hashes.len();
    let body = after_hashes.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body
        .find(&end)
        .map_or(body.len(), |index| index + end.len());
    Some(text.len() - body.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_blanks_and_lines_stay() {
        let blanked = code("a // b\nc /* d /* e\n */ f */ g\n");
        let lines: Vec<&str> = blanked.lines().map(str::trim).collect();
        assert_eq!(lines, ["a", "c", "g"]);
    }

    #[test]
    fn literals_become_blanks_in_code_alone() {
        let text = r##"f("a\"b", r#"c"d"#, b"e", '"', '\'', 'x')"##;
        assert_eq!(code(text).replace(' ', ""), "f(,,b,,,)");
        assert_eq!(uncommented(text), text);
    }

    #[test]
    fn a_comment_sign_in_a_string_is_no_comment() {
        assert_eq!(uncommented("\"http://a\" // b").trim_end(), "\"http://a\"");
    }

    #[test]
    fn lifetimes_are_code() {
        assert_eq!(code("fn f<'a>(x: &'a str)"), "fn f<'a>(x: &'a str)");
    }

    #[test]
    fn an_unfinished_literal_or_comment_ends_with_the_text() {
        for text in ["\"abc", "r#\"abc", "/* abc", "'\\"] {
            assert_eq!(code(text).trim(), "", "{text}");
        }
    }
}
