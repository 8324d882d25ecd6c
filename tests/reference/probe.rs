//! Defaults and ranges, asked of the configs themselves.

use siren_core::config::Source;
use siren_core::run::{ConfigOf, Domain};
use toml::{Table, Value};

use super::types::{Field, Kind};

/// The config of one kind, as a set of questions.
pub struct Probe {
    kind: &'static str,
    /// A config with every default filled in, made of one with these keys.
    resolve: fn(&Table) -> Result<Table, String>,
    /// What a config with these keys is told, if it is refused.
    refuse: fn(&Table) -> Option<String>,
}

impl Probe {
    pub fn of<D: Domain>() -> Self {
        Self {
            kind: D::KIND,
            resolve: resolve::<D>,
            refuse: refuse::<D>,
        }
    }

    /// What `field` of the table `at` is if nothing sets it; `None` if it must be set, or is absent.
    pub fn default(&self, at: &str, field: &Field) -> Option<Value> {
        let resolved = (self.resolve)(&self.config(at)).unwrap_or_else(|message| {
            panic!("a config with `{at}` is refused, so its defaults are unknown: {message}")
        });
        look_up(&resolved, &join(at, &field.name)).cloned()
    }

    /// Whether a config may set `key` to `value`.
    pub fn reads(&self, key: &str, value: &Value) -> bool {
        let mut config = self.config(parent(key));
        insert(&mut config, key, value.clone());
        (self.resolve)(&config).is_ok()
    }

    /// What is expected of the number, or the list of numbers, `key`, as the errors of numbers out of range say.
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

    fn expected(&self, key: &str, value: &Value) -> Option<String> {
        let mut config = self.config(parent(key));
        insert(&mut config, key, value.clone());
        let message = (self.refuse)(&config)?;
        let (_, about) = message.split_once(&format!("`{key}` is "))?;
        let (_, expected) = about.split_once(", expected ")?;
        expected.lines().next().map(str::to_owned)
    }

    /// A config in which the table `at` is present, with no more than it must have.
    fn config(&self, at: &str) -> Table {
        let mut config = Table::new();
        config.insert("kind".to_owned(), self.kind.into());
        if !at.is_empty() {
            let table = self.required(at);
            insert(&mut config, at, Value::Table(table));
        }
        config
    }

    /// The keys that the table `at` must have.
    ///
    /// They are found by what is missed without them.
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
        panic!("`{at}` must have more keys than are tried here");
    }
}

/// Some value that the key of this name may have wherever it must be set.
fn sample(name: &str) -> Value {
    let sampled = SAMPLES.iter().find(|(key, _)| *key == name);
    let (_, text) = sampled.unwrap_or_else(|| {
        panic!("`{name}` must be set: give it a value here, so that its neighbors can be asked for theirs")
    });
    format!("value = {text}").parse::<Table>().unwrap()["value"].clone()
}

/// Values of keys that have no default.
const SAMPLES: [(&str, &str); 3] = [
    ("path", "\"picture.png\""),
    ("pixels", "\"border\""),
    ("points", "1000"),
];

fn resolve<D: Domain>(config: &Table) -> Result<Table, String> {
    let text = toml::to_string(config).unwrap();
    let config: ConfigOf<D> = toml::from_str(&text).map_err(|error| error.to_string())?;
    Ok(Table::try_from(&config).unwrap())
}

fn refuse<D: Domain>(config: &Table) -> Option<String> {
    let source = Source {
        origin: "config".to_owned(),
        text: toml::to_string(config).unwrap(),
    };
    let parsed = ConfigOf::<D>::parse(&source, D::KIND, &[]);
    parsed.err().map(|error| error.to_string())
}

/// `signal.crop` of `signal` and `crop`.
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
