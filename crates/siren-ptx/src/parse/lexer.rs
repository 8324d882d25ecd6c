//! Tokens of PTX text.

use super::ParseError;

/// A word, number, quoted string or single character of punctuation, with its line from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: u32,
}

fn is_word(character: u8) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, b'_' | b'$' | b'%' | b'.')
}

/// Splits text into tokens; comments are dropped.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ParseError> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let rest = &text[at..];
        let end = if bytes[at] == b'\n' {
            line += 1;
            at += 1;
            continue;
        } else if bytes[at].is_ascii_whitespace() || bytes[at] == 0 {
            at += 1;
            continue;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") {
            let length = rest
                .find("*/")
                .ok_or_else(|| ParseError::new(line, "/*", "a comment without an end"))?;
            line += rest[..length].matches('\n').count() as u32;
            at += length + 2;
            continue;
        } else if bytes[at] == b'"' {
            let length = rest[1..]
                .find('"')
                .ok_or_else(|| ParseError::new(line, "\"", "a string without an end"))?;
            at + length + 2
        } else if is_word(bytes[at]) {
            word_end(bytes, at)
        } else if bytes[at].is_ascii() {
            at + 1
        } else {
            return Err(ParseError::new(
                line,
                rest.lines().next().unwrap_or(""),
                "a character that is not ASCII",
            ));
        };
        tokens.push(Token {
            text: &text[at..end],
            line,
        });
        at = end;
    }
    Ok(tokens)
}

/// End of the word that starts at `at`; `::` belongs to it (`.L1::no_allocate`), a single colon does not (labels).
fn word_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        if at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        } else if bytes[at..].starts_with(b"::") {
            at += 2;
        } else {
            return at;
        }
    }
}

/// Reads tokens in order.
pub(super) struct Cursor<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, ParseError> {
        Ok(Self {
            tokens: tokens(text)?,
            at: 0,
        })
    }

    /// Text of the next token, empty at the end.
    pub(super) fn peek(&self) -> &'a str {
        self.ahead(0)
    }

    /// Text of the token that many places on.
    pub(super) fn ahead(&self, places: usize) -> &'a str {
        self.tokens
            .get(self.at + places)
            .map_or("", |token| token.text)
    }

    /// Line of the next token, or of the last.
    pub(super) fn line(&self) -> u32 {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(1, |token| token.line)
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn next(&mut self) -> &'a str {
        let text = self.peek();
        self.at += 1;
        text
    }

    /// Skips the next token if it is `text`.
    pub(super) fn accept(&mut self, text: &str) -> bool {
        let same = self.peek() == text;
        self.at += usize::from(same);
        same
    }

    pub(super) fn expect(&mut self, text: &str) -> Result<(), ParseError> {
        if self.accept(text) {
            return Ok(());
        }
        let found = if self.at_end() {
            "the end of the text"
        } else {
            self.peek()
        };
        Err(ParseError::new(
            self.line(),
            found,
            &format!("expected `{text}`"),
        ))
    }

    /// Reads an integer.
    pub(super) fn integer(&mut self) -> Result<u64, ParseError> {
        let (line, negative) = (self.line(), self.accept("-"));
        let text = self.next();
        let value =
            integer(text).ok_or_else(|| ParseError::new(line, text, "expected an integer"))?;
        Ok(if negative {
            value.wrapping_neg()
        } else {
            value
        })
    }

    /// Skips what is left of a line.
    pub(super) fn skip_line(&mut self) {
        let line = self.line();
        while !self.at_end() && self.line() == line {
            self.at += 1;
        }
    }

    /// Skips a block in braces, whose first brace is next.
    pub(super) fn skip_block(&mut self) {
        let mut depth = 0;
        while !self.at_end() {
            match self.next() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Place of the next token.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// Goes on at a place.
    pub(super) fn go_to(&mut self, place: usize) {
        self.at = place;
    }

    /// Tokens up to the closing brace of the block whose opening brace was just read.
    pub(super) fn block(&self) -> impl Iterator<Item = &'a str> {
        let mut depth = 1;
        self.tokens[self.at..]
            .iter()
            .map(|token| token.text)
            .take_while(move |text| {
                match *text {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                depth > 0
            })
    }
}

/// Value of an integer literal (decimal, `0x`, octal, `0b`), with or without `U`.
pub(super) fn integer(text: &str) -> Option<u64> {
    let text = text.strip_suffix('U').unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        u64::from_str_radix(digits, 16).ok()
    } else if let Some(digits) = text.strip_prefix("0b") {
        u64::from_str_radix(digits, 2).ok()
    } else if text.len() > 1 && text.starts_with('0') {
        u64::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    }
}
