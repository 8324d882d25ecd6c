//! Positions of keys and values in a TOML text.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Returns the byte range of the value of a dotted key.
pub(super) fn span_of(text: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let value = table.get(part)?;
        if parts.peek().is_none() {
            return Some(value.span());
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return None,
        }
    }
    None
}

/// Returns the dotted key whose name or value covers `span`.
pub(super) fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    find(document.get_ref(), span)
}

/// Returns the key, relative to `table`, whose name or value covers `span`.
fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let covers = |range: Range<usize>| range.start <= span.start && span.end <= range.end;
    for (name, value) in table {
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(rest) = find(inner, span)
        {
            return Some(format!("{}.{rest}", name.get_ref()));
        }
        let is_table = matches!(value.get_ref(), DeValue::Table(_));
        if covers(name.span()) || (!is_table && covers(value.span())) {
            return Some(name.get_ref().to_string());
        }
    }
    None
}

/// Position in a text.
pub(super) struct Position<'a> {
    /// Line, counted from 1.
    pub(super) line: usize,
    /// Column in characters, counted from 1.
    pub(super) column: usize,
    /// Text of the line.
    pub(super) content: &'a str,
}

/// Returns the position of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> Position<'_> {
    let offset = offset.min(text.len());
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let content = text[start..].lines().next().unwrap_or_default();
    Position {
        line: before.matches('\n').count() + 1,
        column: text[start..offset].chars().count() + 1,
        content,
    }
}
