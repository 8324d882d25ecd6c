//! Parsing of a config text with overrides, and the messages of its errors.

use serde::de::DeserializeOwned;
use toml::Value;

use super::locate::{self, Position};
use super::variant::TWO_NAMES;
use crate::error::{Error, Result};

// Parts of messages of toml and serde that are replaced by clearer ones.
const MANY_VARIANTS: &str = "wanted exactly 1 element, more than 1 element";
const BARE_VARIANT: &str = "invalid type: unit variant, expected";
const TEXT_WANTED: [&str; 2] = ["expected a string", "expected path string"];

/// Keys of older configs, and the keys that replace them.
const MOVED: [(&str, &str); 5] = [
    (
        "betas",
        "`train.optimizer`: `optimizer = { adam = { betas = [0.9, 0.999] } }`",
    ),
    (
        "epsilon",
        "`train.optimizer`: `optimizer = { adam = { epsilon = 1e-8 } }`",
    ),
    (
        "weight_decay",
        "`train.optimizer`: `optimizer = { adamw = { weight_decay = 0.01 } }`",
    ),
    (
        "muon",
        "`train.optimizer`: `optimizer = { muon = { learning_rate = 5e-3 } }`",
    ),
    (
        "scale_0",
        "`field.activation`: `activation = { gaussian = { scale = 30.0 } }`",
    ),
];

/// Pairs of keys that say the same thing in two ways, such as the length of a training. A file has one of them, and an override of one replaces the
/// other.
const ALTERNATIVES: [[&str; 2]; 1] = [["train.steps", "train.seconds"]];

/// Text of a config, with its origin.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of the file, for messages.
    pub origin: String,
    /// TOML.
    pub text: String,
}

impl Source {
    /// Parses the text, then applies each `key=value` override in turn, so that an error names the override that caused it.
    ///
    /// # Errors
    /// [`Error::Config`] if the text is not TOML, a key is unknown, or a value has the wrong type.
    pub fn deserialize<C: DeserializeOwned>(&self, overrides: &[String]) -> Result<C> {
        let mut config = toml::from_str(&self.text).map_err(|error| self.explain(&error))?;
        if let Some([one, other]) = ALTERNATIVES.into_iter().find(|pair| {
            pair.iter()
                .all(|key| locate::span_of(&self.text, key).is_some())
        }) {
            let place = locate::span_of(&self.text, other).unwrap_or_default();
            return Err(self.at(place, &both_given(one, other)));
        }
        if overrides.is_empty() {
            return Ok(config);
        }
        let mut table: toml::Table =
            toml::from_str(&self.text).map_err(|error| self.explain(&error))?;
        for given in overrides {
            let fail = |message: String| Error::Config {
                origin: format!("--set {given}"),
                message,
            };
            let Override { key, value } = Override::parse(given).map_err(fail)?;
            Parsed { table, config } = set(&table, key, value).map_err(fail)?;
        }
        Ok(config)
    }

    /// Adds file and line, or the override, to an [`Error::InvalidValue`]. Other errors are returned unchanged.
    #[must_use]
    pub fn attribute(&self, error: Error, overrides: &[String]) -> Error {
        let Error::InvalidValue { key, .. } = &error else {
            return error;
        };
        let sets_key =
            |given: &&String| Override::parse(given).is_ok_and(|parsed| overlap(parsed.key, key));
        if let Some(given) = overrides.iter().rfind(sets_key) {
            return Error::Config {
                origin: format!("--set {given}"),
                message: error.to_string(),
            };
        }
        match locate::span_of(&self.text, key) {
            Some(span) => self.at(span, &error.to_string()),
            None => Error::Config {
                origin: self.origin.clone(),
                message: error.to_string(),
            },
        }
    }

    /// Converts an error of the TOML parser: adds the place, the key and a suggestion.
    fn explain(&self, error: &toml::de::Error) -> Error {
        let mut message = with_suggestion(error.message());
        let Some(span) = error.span() else {
            return Error::Config {
                origin: self.origin.clone(),
                message,
            };
        };
        if let Some(key) = locate::key_at(&self.text, &span)
            && !message.contains(&format!("`{key}`"))
        {
            if message.starts_with(BARE_VARIANT) {
                let variant = self.text[span.clone()].trim_matches(['"', '\'']);
                let name = key.rsplit('.').next().unwrap_or(&key);
                message = format!("`{variant}` needs a value: `{name} = {{ {variant} = … }}`");
            }
            message = format!("`{key}`: {message}");
        }
        self.at(span, &message)
    }

    /// Makes an error whose message is `file:line:column: message`, the line, and carets under `span`.
    fn at(&self, span: std::ops::Range<usize>, message: &str) -> Error {
        let Position {
            line,
            column,
            content,
        } = locate::position(&self.text, span.start);
        let width = span
            .len()
            .clamp(1, content.chars().count().saturating_sub(column - 1).max(1));
        let gutter = " ".repeat(line.to_string().len());
        let caret = format!("{}{}", " ".repeat(column - 1), "^".repeat(width));
        Error::Config {
            origin: format!("{}:{line}:{column}", self.origin),
            message: format!("{message}\n {gutter} |\n {line} | {content}\n {gutter} | {caret}"),
        }
    }
}

/// An override of the value of a key.
struct Override<'a> {
    /// Dotted key.
    key: &'a str,
    /// Text of the value.
    value: &'a str,
}

impl<'a> Override<'a> {
    /// Parses `key=value`.
    fn parse(given: &'a str) -> Result<Self, String> {
        let (key, value) = given
            .split_once('=')
            .ok_or("expected key=value, such as train.steps=500")?;
        let key = key.trim();
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err("expected a dotted key before `=`, such as train.steps=500".to_owned());
        }
        Ok(Self {
            key,
            value: value.trim(),
        })
    }
}

/// Returns the TOML value of a text; the text itself if it is not TOML, so that paths and names need no quotes.
fn literal(value: &str) -> Value {
    toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()))
}

/// A table of a config, and the config that it deserializes to.
struct Parsed<C> {
    table: toml::Table,
    config: C,
}

/// Sets one key of a table and deserializes it. `table` must deserialize without errors, so that every error is about the new value.
fn set<C: DeserializeOwned>(
    table: &toml::Table,
    key: &str,
    text: &str,
) -> Result<Parsed<C>, String> {
    let parse = |value: &Value, cleared_depth: usize| {
        let mut table = table.clone();
        for [one, other] in ALTERNATIVES {
            match key {
                _ if key == one => remove(&mut table, other),
                _ if key == other => remove(&mut table, one),
                _ => {}
            }
        }
        insert(&mut table, key, value.clone(), cleared_depth);
        if let Some([one, other]) = ALTERNATIVES
            .into_iter()
            .find(|pair| pair.iter().all(|key| holds(&table, key)))
        {
            return Err(both_given(one, other));
        }
        let config = C::deserialize(Value::Table(table.clone()));
        let config = config.map_err(|error: toml::de::Error| error.message().to_owned())?;
        Ok::<_, String>(Parsed { table, config })
    };
    let value = literal(text);
    let mut cleared_depth = key.split('.').count();
    let mut parsed = parse(&value, cleared_depth);
    // A table holds one variant of an enum. The new variant replaces the old one, whose table is the nearest one above the key.
    while cleared_depth > 1 && matches!(&parsed, Err(message) if excludes_another(message)) {
        cleared_depth -= 1;
        parsed = parse(&value, cleared_depth);
    }
    let message = match parsed {
        Err(message) => message,
        parsed => return parsed,
    };
    let wants_text = TEXT_WANTED.iter().any(|wanted| message.ends_with(wanted));
    if wants_text && let Ok(parsed) = parse(&Value::String(text.to_owned()), cleared_depth) {
        return Ok(parsed);
    }
    if message.starts_with(BARE_VARIANT) {
        return Err(format!("`{text}` needs a value: `{key}.{text}=…`"));
    }
    Err(with_suggestion(&message))
}

/// Returns whether a message says that two variants of one value are given.
fn excludes_another(message: &str) -> bool {
    message.contains(MANY_VARIANTS) || message.contains(TWO_NAMES)
}

/// Returns whether the keys are equal, or one is a table that holds the other.
fn overlap(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    inside(a, b) || inside(b, a)
}

/// Sets a key. Tables on the way to the key that are at least `cleared_depth` levels below `table` lose all other keys.
fn insert(table: &mut toml::Table, key: &str, value: Value, cleared_depth: usize) {
    if cleared_depth == 0 {
        table.clear();
    }
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    let inner = table.entry(first.to_owned()).or_insert_with(empty_table);
    if !inner.is_table() {
        *inner = empty_table();
    }
    if let Value::Table(inner) = inner {
        insert(inner, rest, value, cleared_depth.saturating_sub(1));
    }
}

/// Removes a key, if it is there.
fn remove(table: &mut toml::Table, key: &str) {
    match key.split_once('.') {
        None => {
            table.remove(key);
        }
        Some((first, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(first) {
                remove(inner, rest);
            }
        }
    }
}

/// Returns whether a table holds a key.
fn holds(table: &toml::Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.contains_key(key),
        Some((first, rest)) => {
            let inner = table.get(first).and_then(Value::as_table);
            inner.is_some_and(|inner| holds(inner, rest))
        }
    }
}

/// Returns the message for a config that has both of two keys.
fn both_given(one: &str, other: &str) -> String {
    format!(
        "`{one}` and `{other}` are both given, expected one of them: remove `{one}` for a time budget, or `{other}` for a number of steps"
    )
}

fn empty_table() -> Value {
    Value::Table(toml::Table::new())
}

/// Replaces Rust's types in a message of serde by plain words, and appends the nearest known name to a message about an unknown one.
fn with_suggestion(message: &str) -> String {
    let message = &message
        .replace("expected u64", "expected a whole number of at least 0")
        .replace("expected usize", "expected a whole number of at least 0")
        .replace("expected f64", "expected a number")
        .replace(
            MANY_VARIANTS,
            "expected one of its forms, found several at once",
        );
    let mut names = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(unknown_name) = names.next().filter(|_| is_unknown) else {
        return message.to_owned();
    };
    if let Some((_, replacement)) = MOVED.iter().find(|(key, _)| *key == unknown_name) {
        return format!("`{unknown_name}` has moved to {replacement}");
    }
    let nearest = names
        .map(|name| (strsim::damerau_levenshtein(unknown_name, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= name.len().max(3) / 2);
    match nearest {
        Some((_, name)) => format!("{message}; did you mean `{name}`?"),
        None => message.to_owned(),
    }
}
