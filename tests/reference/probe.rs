//! Finds the defaults and ranges of keys by parsing configs.

use siren_core::config::Source;
use siren_run::{ConfigOf, Domain};
use toml::{Table, Value};

use super::types::{Field, Kind};

/// Parses configs of one kind to find defaults, ranges and accepted forms.
pub struct Probe {
    kind: &'static str,
    /// Parses a config and returns it with every default filled in, or the error message.
    resolve: fn(&Table) -> Result<Table, String>,
    /// Parses and checks a config and returns the error message, if any.
    error: fn(&Table) -> Option<String>,
}

impl Probe {
    /// Creates the probe of the configs of domain `D`.
    pub fn of<D: Domain>() -> Self {
        Self {
            kind: D::KIND,
            resolve: resolve::<D>,
            error: error::<D>,
        }
    }

    /// Returns the default of `field` in the table `at`; `None` if the key must be set, or is absent by default.
    pub fn default(&self, at: &str, field: &Field) -> Option<Value> {
        let resolved = (self.resolve)(&self.config(at)).unwrap_or_else(|message| {
            panic!("a config with `{at}` is refused, so its defaults are unknown: {message}")
        });
        look_up(&resolved, &join(at, &field.name)).cloned()
    }

    /// Returns whether a config with `key` set to `value` parses.
    pub fn reads(&self, key: &str, value: &Value) -> bool {
        let mut config = self.config(parent(key));
        insert(&mut config, key, value.clone());
        (self.resolve)(&config).is_ok()
    }

    /// Returns the accepted ranges of a number or of a list of numbers, taken from the errors for values out of range.
    pub fn range(&self, key: &str, kind: &Kind) -> Vec<String> {
        let extremes: &[Value] = match kind {
            Kind::Number => &[Value::Float(-1.0), Value::Float(1e300)],
            Kind::Whole => &[Value::Integer(0), Value::Integer(i64::MAX / 2)],
            Kind::List(inner, Some(length)) => {
                return self.range_of_list(key, inner, *length);
            }
            _ => &[],
        };
        let mut expected: Vec<String> = Vec::new();
        for value in extremes {
            if let Some(found) = self.expected(key, value)
                && !expected.contains(&found)
            {
                expected.push(found);
            }
        }
        expected
    }

    fn range_of_list(&self, key: &str, inner: &Kind, length: usize) -> Vec<String> {
        let value = match inner {
            Kind::Number => Value::Float(-1.0),
            Kind::Whole => Value::Integer(0),
            _ => return Vec::new(),
        };
        let list = Value::Array(vec![value; length]);
        self.expected(key, &list).into_iter().collect()
    }

    /// Returns the part of the error message for `key` set to `value` that follows "expected", if `value` is refused.
    fn expected(&self, key: &str, value: &Value) -> Option<String> {
        let mut config = self.config(parent(key));
        insert(&mut config, key, value.clone());
        let message = (self.error)(&config)?;
        let (_, after_key) = message.split_once(&format!("`{key}` is "))?;
        let (_, expected) = after_key.split_once(", expected ")?;
        expected.lines().next().map(str::to_owned)
    }

    /// Returns a config with the table `at` and its required keys, and nothing else.
    fn config(&self, at: &str) -> Table {
        let mut config = Table::new();
        config.insert("kind".to_owned(), self.kind.into());
        if !at.is_empty() {
            let table = self.required(at);
            insert(&mut config, at, Value::Table(table));
        }
        config
    }

    /// Returns the table `at` with sample values of its required keys.
    ///
    /// The keys are found one after the other from the errors about missing fields.
    pub fn required(&self, at: &str) -> Table {
        let mut table = Table::new();
        for _ in 0..8 {
            let mut config = Table::new();
            config.insert("kind".to_owned(), self.kind.into());
            insert(&mut config, at, Value::Table(table.clone()));
            let Err(message) = (self.resolve)(&config) else {
                return table;
            };
            let missing = message.split("missing field `").nth(1);
            let Some(missing) = missing.and_then(|rest| rest.split('`').next()) else {
                panic!("a config with `{at}` is refused: {message}");
            };
            table.insert(missing.to_owned(), sample(missing));
        }
        panic!("`{at}` has more than 7 required keys, or one that is not accepted");
    }
}

/// Returns a valid value of a required key of this name.
fn sample(name: &str) -> Value {
    let found = SAMPLES.iter().find(|(key, _)| *key == name);
    let (_, text) = found.unwrap_or_else(|| {
        panic!("no sample value for the required key `{name}`: add one to SAMPLES")
    });
    format!("value = {text}").parse::<Table>().unwrap()["value"].clone()
}

/// Sample values of keys without a default, as TOML text.
const SAMPLES: [(&str, &str); 7] = [
    ("count", "30"),
    ("frequency", "20.0"),
    ("from", "[0.0, 0.0]"),
    ("to", "[0.5, 0.0]"),
    ("path", "\"picture.png\""),
    ("pixels", "\"border\""),
    ("points", "1000"),
];

fn resolve<D: Domain>(config: &Table) -> Result<Table, String> {
    let text = toml::to_string(config).unwrap();
    let config: ConfigOf<D> = toml::from_str(&text).map_err(|error| error.to_string())?;
    Ok(Table::try_from(&config).unwrap())
}

fn error<D: Domain>(config: &Table) -> Option<String> {
    let source = Source {
        origin: "config".to_owned(),
        text: toml::to_string(config).unwrap(),
    };
    let parsed = ConfigOf::<D>::parse(&source, D::KIND, &[]);
    parsed.err().map(|error| error.to_string())
}

/// Joins the path of a table and a key: `signal` and `crop` give `signal.crop`.
pub fn join(at: &str, name: &str) -> String {
    match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    }
}

fn parent(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(table, _)| table)
}

fn look_up<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((first, rest)) => look_up(table.get(first)?.as_table()?, rest),
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    let inner = table
        .entry(first.to_owned())
        .or_insert_with(|| Table::new().into());
    insert(inner.as_table_mut().unwrap(), rest, value);
}
