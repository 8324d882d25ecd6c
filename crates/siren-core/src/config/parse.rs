use serde::de::DeserializeOwned;
use toml::Value;

use super::locate;
use super::variant::TWO_NAMES;
use crate::error::{Error, Result};

// What toml and serde say where a user can be told more.
const MANY_VARIANTS: &str = "wanted exactly 1 element, more than 1 element";
const BARE_VARIANT: &str = "invalid type: unit variant, expected";
const TEXT_WANTED: [&str; 2] = ["expected a string", "expected path string"];

/// Keys that have moved, and where they are now.
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

/// The text of a config file and where it came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, for messages.
    pub origin: String,
    /// TOML.
    pub text: String,
}

impl Source {
    /// Parses the text, then the text with each `key=value` override in turn, so that an error names what caused it.
    pub fn deserialize<C: DeserializeOwned>(&self, overrides: &[String]) -> Result<C> {
        let mut config = toml::from_str(&self.text).map_err(|error| self.explain(&error))?;
        if overrides.is_empty() {
            return Ok(config);
        }
        let mut table: toml::Table =
            toml::from_str(&self.text).map_err(|error| self.explain(&error))?;
        for one in overrides {
            let fail = |message: String| Error::Config {
                origin: format!("--set {one}"),
                message,
            };
            let (key, value) = split(one).map_err(fail)?;
            (table, config) = set(&table, key, value).map_err(fail)?;
        }
        Ok(config)
    }

    /// Adds file and line, or the override, to an error about the value of a key.
    pub fn attribute(&self, error: Error, overrides: &[String]) -> Error {
        let Error::InvalidValue { key, .. } = &error else {
            return error;
        };
        let sets = |one: &&String| split(one).is_ok_and(|(name, _)| overlap(name, key));
        if let Some(one) = overrides.iter().rfind(sets) {
            return Error::Config {
                origin: format!("--set {one}"),
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

    /// `file:line:column: message`, the line, and a caret under the place.
    fn at(&self, span: std::ops::Range<usize>, message: &str) -> Error {
        let (line, column, content) = locate::position(&self.text, span.start);
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

fn split(one: &str) -> Result<(&str, &str), String> {
    let (key, value) = one
        .split_once('=')
        .ok_or("expected key=value, such as train.steps=500")?;
    let key = key.trim();
    if key.is_empty() || key.split('.').any(str::is_empty) {
        return Err("expected a dotted key before `=`, such as train.steps=500".to_owned());
    }
    Ok((key, value.trim()))
}

/// A TOML value if it reads as one, otherwise the text itself: paths and names need no quotes.
fn literal(value: &str) -> Value {
    toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()))
}

/// The table with one key set, and what it reads as. The table was good before, so every error is the new value's.
fn set<C: DeserializeOwned>(
    table: &toml::Table,
    key: &str,
    text: &str,
) -> Result<(toml::Table, C), String> {
    let read = |value: &Value, alone: usize| {
        let mut table = table.clone();
        insert(&mut table, key, value.clone(), alone);
        let config = C::deserialize(Value::Table(table.clone()));
        let config = config.map_err(|error: toml::de::Error| error.message().to_owned())?;
        Ok::<_, String>((table, config))
    };
    let value = literal(text);
    let mut alone = key.split('.').count();
    let mut done = read(&value, alone);
    // Variants exclude one another: the new one takes the place of the one that is there.
    while alone > 1 && matches!(&done, Err(message) if excludes_another(message)) {
        alone -= 1;
        done = read(&value, alone);
    }
    let message = match done {
        Err(message) => message,
        done => return done,
    };
    let wants_text = TEXT_WANTED.iter().any(|wanted| message.ends_with(wanted));
    if wants_text && let Ok(done) = read(&Value::String(text.to_owned()), alone) {
        return Ok(done);
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

/// Returns whether one key is the other, or stands inside it.
fn overlap(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    inside(a, b) || inside(b, a)
}

/// Sets a key; the table that is `alone` levels down, and those in it, keep nothing else.
fn insert(table: &mut toml::Table, key: &str, value: Value, alone: usize) {
    if alone == 0 {
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
        insert(inner, rest, value, alone.saturating_sub(1));
    }
}

fn empty_table() -> Value {
    Value::Table(toml::Table::new())
}

/// Says "a whole number" for serde's `u64`, and appends "did you mean" where the message lists what would have been known.
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
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(wrong) = names.next().filter(|_| unknown) else {
        return message.to_owned();
    };
    if let Some((_, place)) = MOVED.iter().find(|(key, _)| *key == wrong) {
        return format!("`{wrong}` has moved to {place}");
    }
    let nearest = names
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= name.len().max(3) / 2);
    match nearest {
        Some((_, name)) => format!("{message}; did you mean `{name}`?"),
        None => message.to_owned(),
    }
}
