//! The tables of keys in the documentation of a crate, and the keys and defaults of its config structs.

use std::collections::BTreeMap;

use serde::Serialize;

/// The default of a key that is not set.
pub const NONE: &str = "–";

/// Returns the keys and defaults of the table with this header in the documentation of a crate.
pub fn documented(documentation: &str, header: &str) -> BTreeMap<String, String> {
    let from_header = documentation
        .lines()
        .skip_while(|line| !line.contains(header));
    let rows = from_header
        .skip(2)
        .take_while(|line| line.starts_with("//! |"));
    let cells = rows.map(|row| {
        let cell = |index| row.split('|').nth(index).unwrap().trim().trim_matches('`');
        (cell(1).to_owned(), cell(2).to_owned())
    });
    cells.collect()
}

/// Returns the keys of a table with their values as a config spells them, of a variant with settings its name, of a table without keys [`NONE`].
pub fn written(table: &impl Serialize) -> BTreeMap<String, String> {
    let table = toml::Table::try_from(table).unwrap();
    let spelled = table.into_iter().map(|(key, value)| {
        let value = match value.as_table() {
            None => value.to_string(),
            Some(table) => match table.keys().next() {
                Some(name) => format!("{name:?}"),
                None => NONE.to_owned(),
            },
        };
        (key, value)
    });
    spelled.collect()
}
