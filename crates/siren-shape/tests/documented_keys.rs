//! The tables of keys in the documentation of the crate agree with the config structs.

use std::collections::BTreeMap;

use serde::Serialize;
use siren_shape::config::{ShapeObjectiveConfig, ShapeSignalConfig};

const DOCUMENTATION: &str = include_str!("../src/lib.rs");
/// The default of a key that is not set.
const NONE: &str = "–";

/// Returns the keys and defaults of the table with this header.
fn documented(header: &str) -> BTreeMap<String, String> {
    let from_header = DOCUMENTATION
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

/// Returns the keys of a table with their values as a config spells them, of a variant with settings its name.
fn written(table: &impl Serialize) -> BTreeMap<String, String> {
    let table = toml::Table::try_from(table).unwrap();
    let spelled = table.into_iter().map(|(key, value)| {
        let name = value.as_table().and_then(|variant| variant.keys().next());
        let value = name.map_or_else(|| value.to_string(), |name| format!("{name:?}"));
        (key, value)
    });
    spelled.collect()
}

#[test]
fn every_key_is_documented_with_its_default() {
    let mut signal = documented("| key of `[signal]` |");
    let defaults = ShapeSignalConfig::default();
    let named = ShapeSignalConfig {
        path: Some("scan.ply".into()),
        truth: Some("mesh.ply".into()),
        ..defaults.clone()
    };
    assert!(written(&named).keys().eq(signal.keys()), "{signal:?}");
    signal.retain(|_, default| default != NONE);
    assert_eq!(signal, written(&defaults));
    let objective = documented("| key of `[objective]` |");
    assert_eq!(objective, written(&ShapeObjectiveConfig::default()));
}
