//! The tables of keys in the documentation of the crate agree with the config structs.

use std::collections::BTreeMap;

use serde::Serialize;
use siren_wave::config::{PositionsConfig, WaveObjectiveConfig, WaveSignalConfig};

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

/// Returns the keys of a table with their values as a config spells them, of a variant with settings its name, of a table without keys [`NONE`].
fn written(table: &impl Serialize) -> BTreeMap<String, String> {
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

#[test]
fn every_key_is_documented_with_its_default() {
    let mut signal = documented("| key of `[signal]` |");
    let defaults = WaveSignalConfig::default();
    let named = WaveSignalConfig {
        source_variance: Some(1e-4),
        recording: Some("recording.mat".into()),
        receivers: Some(PositionsConfig::Points(vec![[0.5, 0.0]])),
        ..defaults.clone()
    };
    assert!(written(&named).keys().eq(signal.keys()), "{signal:?}");
    let mut expected = written(&defaults);
    signal.retain(|_, default| default != NONE);
    expected.retain(|_, default| default != NONE);
    assert_eq!(signal, expected);
    let objective = documented("| key of `[objective]` |");
    assert_eq!(objective, written(&WaveObjectiveConfig::default()));
}
