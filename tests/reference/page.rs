//! Writes pages of the reference as Markdown.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::probe::{Probe, join};
use super::types::{ConfigType, Field, Kind, Shape, Types, Variant};

/// File name of the page that holds the types that several kinds use.
const SHARED: &str = "shared.md";

/// A page of the reference while it is written.
pub struct Page<'a> {
    pub text: String,
    types: &'a Types,
    /// Source of defaults and ranges; `None` for keys that are not part of a run's config.
    probe: Option<&'a Probe>,
    /// The crate whose types belong on this page; `None` on the shared page, where all types belong.
    krate: Option<String>,
    /// Whether values are shown with their ranges. Ranges of keys that several kinds share differ from kind to kind.
    has_ranges: bool,
    /// Names of the types that already have a section on this page, each with the key that the section is named after.
    written: Vec<(String, String)>,
    /// Types of other crates, each with a key that has it, in the order of their first use.
    pub foreign: Vec<(String, String)>,
}

impl<'a> Page<'a> {
    /// Starts a page with a title.
    pub fn new(title: &str, types: &'a Types, probe: Option<&'a Probe>) -> Self {
        Self {
            text: format!("# {title}\n\n"),
            types,
            probe,
            krate: None,
            has_ranges: true,
            written: Vec::new(),
            foreign: Vec::new(),
        }
    }

    /// Restricts the page to types of this crate. Other types are collected in `foreign`.
    pub fn of_crate(mut self, krate: &str) -> Self {
        self.krate = Some(krate.to_owned());
        self
    }

    /// Hides the ranges of all following values.
    pub fn without_ranges(&mut self) {
        self.has_ranges = false;
    }

    pub fn paragraph(&mut self, text: &str) {
        writeln!(self.text, "{text}\n").unwrap();
    }

    /// Writes a section about the table `at`, which has the type `name`, and sections about the types of its keys.
    pub fn table(&mut self, at: &str, name: &str) {
        self.section(at, name);
    }

    fn section(&mut self, at: &str, name: &str) {
        if self.written.iter().any(|(written, _)| written == name) {
            return;
        }
        self.written.push((name.to_owned(), at.to_owned()));
        let types = self.types;
        let found = types.named(name);
        let marks = if at.contains('.') { "###" } else { "##" };
        match &found.shape {
            Shape::Struct(fields) => {
                let shown = if at.is_empty() {
                    "Top level".to_owned()
                } else {
                    format!("`[{at}]`")
                };
                self.paragraph(&format!("{marks} {shown}"));
                self.paragraph(&prose(&found.docs));
                self.keys(at, found, fields);
                for field in fields {
                    self.inner(&join(at, &field.name), &field.kind);
                }
            }
            Shape::Enum(variants) => {
                self.paragraph(&format!("{marks} `{at}`"));
                self.paragraph(&prose(&found.docs));
                self.variants(at, variants);
                for variant in variants {
                    if let Some(payload) = &variant.payload {
                        self.inner(&join(at, &variant.name), payload);
                    }
                }
            }
        }
    }

    /// Writes sections about the types of the workspace that a value contains.
    fn inner(&mut self, at: &str, kind: &Kind) {
        match kind {
            Kind::List(inner, _) => self.inner(&format!("[{at}]"), inner),
            Kind::Map(inner) => self.inner(at, inner),
            Kind::Named(name) if self.types.get(name).is_some() => {
                if self.belongs_here(name) {
                    self.section(at, name);
                } else if !self.foreign.iter().any(|(found, _)| found == name) {
                    self.foreign.push((name.clone(), at.to_owned()));
                }
            }
            _ => {}
        }
    }

    /// Returns whether the type belongs on this page.
    fn belongs_here(&self, name: &str) -> bool {
        let own = |krate: &String| *krate == self.types.named(name).krate;
        self.krate.as_ref().is_none_or(own)
    }

    fn keys(&mut self, at: &str, found: &ConfigType, fields: &[Field]) {
        if fields.is_empty() {
            return self.paragraph("It has no keys.");
        }
        self.text += "| key | value | default | meaning |\n|---|---|---|---|\n";
        for field in fields {
            let key = join(at, &field.name);
            let value = self.value(&key, field);
            let default = self.default(at, found, field);
            let meaning = cell(&prose(&field.docs));
            writeln!(
                self.text,
                "| `{}` | {} | {default} | {meaning} |",
                field.name,
                cell(&value)
            )
            .unwrap();
        }
        self.text.push('\n');
    }

    fn value(&self, key: &str, field: &Field) -> String {
        let what = self.kind(key, &field.kind);
        let probe = self.probe.filter(|_| self.has_ranges);
        let range = probe
            .map(|probe| probe.range(key, &field.kind))
            .unwrap_or_default()
            .join("; ");
        // Some ranges begin with the kind of value (`a number of …`), so the kind is not repeated.
        let names_its_kind = ["a ", "an ", "two "]
            .iter()
            .any(|start| range.starts_with(start));
        match (range.is_empty(), names_its_kind) {
            (true, _) => what,
            (false, true) => range,
            (false, false) => format!("{what}: {range}"),
        }
    }

    fn default(&self, at: &str, found: &ConfigType, field: &Field) -> String {
        let must_be_set = !(found.has_default || field.has_default || field.is_optional);
        if must_be_set {
            return "must be set".to_owned();
        }
        let default = match self.probe {
            Some(probe) => probe.default(at, field),
            None => self
                .default_of_kind(&field.kind)
                .filter(|_| !field.is_optional),
        };
        let has_its_own_section = |value: &Value| {
            matches!(&field.kind, Kind::Named(name) if self.is_struct(name))
                || value == &Value::String(String::new())
        };
        match default.filter(|value| !has_its_own_section(value)) {
            Some(value) => format!("`{}`", literal(&value)),
            None => "–".to_owned(),
        }
    }

    /// Returns the default of a type that serde fills in by `Default`, if it can be written in a config.
    fn default_of_kind(&self, kind: &Kind) -> Option<Value> {
        match kind {
            Kind::List(..) => Some(Value::Array(Vec::new())),
            Kind::Named(name) => match &self.types.get(name)?.shape {
                Shape::Enum(variants) => {
                    let first = variants.iter().find(|variant| variant.is_default)?;
                    Some(Value::String(first.name.clone()))
                }
                Shape::Struct(_) => None,
            },
            _ => None,
        }
    }

    fn is_struct(&self, name: &str) -> bool {
        let found = self.types.get(name);
        found.is_none_or(|found| matches!(found.shape, Shape::Struct(_)))
    }

    /// Describes the values that a config may give.
    fn kind(&self, key: &str, kind: &Kind) -> String {
        match kind {
            Kind::Number => "number".to_owned(),
            Kind::Whole => "whole number".to_owned(),
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Path => "path".to_owned(),
            Kind::List(inner, Some(length)) => format!("{length} × {}", self.kind(key, inner)),
            Kind::List(inner, None) => {
                format!("list of {}", self.kind(&format!("[{key}]"), inner))
            }
            Kind::Map(inner) => format!("table, any keys: {}", self.kind(key, inner)),
            Kind::Named(name) => self.named(key, name),
        }
    }

    fn named(&self, key: &str, name: &str) -> String {
        let Some(found) = self.types.get(name) else {
            return match name {
                "Value" => "any value".to_owned(),
                "Table" => "table".to_owned(),
                "IgnoredAny" => "table: [sweep.md](sweep.md)".to_owned(),
                _ => "table: see the page of the kind".to_owned(),
            };
        };
        match &found.shape {
            Shape::Struct(_) => format!("table: {}", self.link(name, &format!("[{key}]"))),
            Shape::Enum(variants) if self.belongs_here(name) => {
                let forms = variants.iter().flat_map(|variant| self.forms(key, variant));
                forms.collect::<Vec<_>>().join(", ")
            }
            Shape::Enum(_) => self.link(name, key),
        }
    }

    fn link(&self, name: &str, key: &str) -> String {
        // The shared page names a section after the first key that has its type, which is the same key for every kind.
        let page = if self.belongs_here(name) { "" } else { SHARED };
        let earlier = self.written.iter().find(|(written, _)| written == name);
        let section = match earlier {
            Some((_, at)) if self.belongs_here(name) => at,
            _ => key,
        };
        format!("[`{key}`]({page}#{})", slug(section))
    }

    fn variants(&mut self, at: &str, variants: &[Variant]) {
        self.text += "| value | meaning |\n|---|---|\n";
        for variant in variants {
            let forms = self.forms(at, variant).join(" or ");
            let meaning = cell(&prose(&variant.docs));
            writeln!(self.text, "| {} | {meaning} |", cell(&forms)).unwrap();
        }
        self.text.push('\n');
    }

    /// Returns the ways to write a variant in a config: the candidates that parse.
    fn forms(&self, key: &str, variant: &Variant) -> Vec<String> {
        let name = &variant.name;
        let quoted = format!("`\"{name}\"`");
        let Some(payload) = &variant.payload else {
            return vec![quoted];
        };
        let probe = self
            .probe
            .expect("only configs of runs have variants with values");
        let inside = join(key, name);
        let (sample, shown) = match payload {
            Kind::Named(name) if self.is_struct(name) => {
                (Value::Table(probe.required(&inside)), "{ … }")
            }
            Kind::Path => (Value::String("mask.png".to_owned()), "path"),
            Kind::List(_, Some(length)) => {
                let shown = if *length == 2 {
                    "[number, number]"
                } else {
                    "[…]"
                };
                (Value::Array(vec![Value::Float(0.5); *length]), shown)
            }
            // Positions, which are a list alone.
            Kind::List(_, None) => {
                let point = Value::Array(vec![Value::Float(0.5); 2]);
                (Value::Array(vec![point]), "[[number, number], …]")
            }
            Kind::Number => (Value::Float(0.5), "number"),
            Kind::Whole => (Value::Integer(8), "whole number"),
            other => panic!("no sample for a variant that holds {other:?}"),
        };
        let mut forms = Vec::new();
        if probe.reads(key, &Value::String(name.clone())) {
            forms.push(quoted);
        }
        let alone = Table::from_iter([(name.clone(), sample.clone())]);
        if probe.reads(key, &Value::Table(alone)) {
            forms.push(format!("`{{ {name} = {shown} }}`"));
        } else if probe.reads(key, &sample) {
            forms.push(shown.to_owned());
        }
        forms
    }
}

/// Returns the anchor of a heading, as GitHub and mdBook make it.
pub fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase().replace(' ', "-");
    lower
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
        .collect()
}

/// Writes a value as TOML.
fn literal(value: &Value) -> String {
    match value {
        Value::Float(float) if *float != 0.0 && !(1e-3..1e6).contains(&float.abs()) => {
            format!("{float:e}")
        }
        Value::Array(list) => {
            let list: Vec<_> = list.iter().map(literal).collect();
            format!("[{}]", list.join(", "))
        }
        Value::Table(table) => {
            let pairs: Vec<_> = table
                .iter()
                .map(|(key, value)| format!("{key} = {}", literal(value)))
                .collect();
            if pairs.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", pairs.join(", "))
            }
        }
        other => other.to_string(),
    }
}

/// Replaces links into the code with the names that they show.
fn prose(docs: &str) -> String {
    let mut text = String::new();
    let mut rest = docs;
    while let Some(start) = rest.find("[`") {
        text += &rest[..start];
        rest = &rest[start + 1..];
        let Some(end) = rest.find("`]") else {
            text.push('[');
            continue;
        };
        text += &rest[..=end];
        rest = &rest[end + 2..];
        if rest.starts_with('(')
            && let Some(end) = rest.find(')')
        {
            rest = &rest[end + 1..];
        }
    }
    text + rest
}

/// Escapes text for a cell of a table, which is one line.
fn cell(text: &str) -> String {
    text.replace("\n\n", "<br>")
        .replace('\n', " ")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_into_the_code_become_their_names() {
        let docs = "As [`Picture::luma`] says, or [`Stream::rng`](Self::PURPOSE); `[signal]` and [0, 1] stay.";
        let text = "As `Picture::luma` says, or `Stream::rng`; `[signal]` and [0, 1] stay.";
        assert_eq!(prose(docs), text);
    }

    #[test]
    fn numbers_are_written_as_in_a_config() {
        assert_eq!(literal(&Value::Float(1e-8)), "1e-8");
        assert_eq!(literal(&Value::Float(30.0)), "30.0");
        assert_eq!(
            literal(&Value::Array(vec![Value::Float(0.9); 2])),
            "[0.9, 0.9]"
        );
    }
}
