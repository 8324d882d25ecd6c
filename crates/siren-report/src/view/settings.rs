//! Configs, as the template shows them.

use serde::Serialize;

use crate::page::{Run, Setting};

/// A table of a config.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    /// Name of the table; empty for keys outside of any.
    name: String,
    rows: Vec<SettingRow>,
}

#[derive(Debug, Serialize)]
struct SettingRow {
    key: String,
    value: String,
    is_changed: bool,
    default: String,
}

/// A key whose values are not the same in all runs.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    key: String,
    values: Vec<String>,
}

/// Returns the settings of a run, table by table.
pub(super) fn sections(run: &Run) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for setting in &run.settings {
        let (name, key) = setting.key.split_once('.').unwrap_or(("", &setting.key));
        let row = SettingRow {
            key: key.to_owned(),
            value: setting.value.clone(),
            is_changed: setting.default.is_some(),
            default: setting.default.clone().unwrap_or_default(),
        };
        match sections.iter_mut().find(|section| section.name == name) {
            Some(section) => section.rows.push(row),
            None => sections.push(Section {
                name: name.to_owned(),
                rows: vec![row],
            }),
        }
    }
    sections
}

/// Returns the keys whose values are not the same in all runs; none for a single run.
pub(super) fn differences(runs: &[Run]) -> Vec<Difference> {
    let mut keys: Vec<&str> = Vec::new();
    for setting in runs.iter().flat_map(|run| &run.settings) {
        if !keys.contains(&setting.key.as_str()) {
            keys.push(&setting.key);
        }
    }
    let values = |key: &str| -> Vec<String> {
        let value = |run: &Run| {
            let found = run
                .settings
                .iter()
                .find(|Setting { key: own, .. }| own == key);
            found
                .map(|setting| setting.value.clone())
                .unwrap_or_default()
        };
        runs.iter().map(value).collect()
    };
    let difference = |key: &str| {
        let values = values(key);
        let is_same = values.iter().all(|value| *value == values[0]);
        (!is_same).then(|| Difference {
            key: key.to_owned(),
            values,
        })
    };
    keys.into_iter().filter_map(difference).collect()
}
