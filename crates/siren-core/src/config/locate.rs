//! From keys to places in a TOML text, and back.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Where the value of a dotted key stands.
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

/// The dotted key whose name or value stands at `span`.
pub(super) fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    find(document.get_ref(), span)
}

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

/// Line and column, counted from 1, of a byte offset, and the line itself.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize, &str) {
    let offset = offset.min(text.len());
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let content = text[start..].lines().next().unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    (line, text[start..offset].chars().count() + 1, content)
}
