//! Configs as lists of keys, beside their defaults.

use siren_report::Setting;
use toml::{Table, Value};

/// Returns the keys of a config in alphabetical order, with the default of each whose value is another one, and then the keys that only the default has.
///
/// `kind`, which selects the defaults, the name of the run and the expected results are not settings of this kind: they have no default.
pub(super) fn settings(config: &Table, defaults: Option<&Table>) -> Vec<Setting> {
    let own = flattened(config);
    let Some(defaults) = defaults.map(flattened) else {
        let setting = |(key, value)| Setting {
            key,
            value,
            default: None,
        };
        return own.into_iter().map(setting).collect();
    };
    let default_of = |key: &str| {
        let found = defaults.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    };
    let mut settings = Vec::new();
    for (key, value) in &own {
        let default = default_of(key).unwrap_or_default();
        settings.push(Setting {
            default: (default != *value && is_setting(key)).then_some(default),
            key: key.clone(),
            value: value.clone(),
        });
    }
    for (key, default) in defaults {
        if is_setting(&key) && !own.iter().any(|(name, _)| *name == key) {
            settings.push(Setting {
                key,
                value: String::new(),
                default: Some(default),
            });
        }
    }
    settings
}

fn is_setting(key: &str) -> bool {
    key != "kind" && key != "name" && !key.starts_with("expect.")
}

/// Returns the dotted keys and the values of a table and the tables in it.
fn flattened(table: &Table) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    collect("", table, &mut keys);
    keys
}

fn collect(prefix: &str, table: &Table, keys: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(inner) if !inner.is_empty() => collect(&format!("{key}."), inner, keys),
            value => keys.push((key, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_shows_its_default_where_that_is_another_value() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let config = table(
            "kind = 'image'\nname = 'a'\nseed = 7\n[train]\nsteps = 3\n[train.optimizer.muon]\nmomentum = 0.9\n[expect]\npsnr_db = 3.0\n",
        );
        let defaults =
            table("kind = 'image'\nname = ''\nseed = 0\n[train]\nsteps = 3\noptimizer = 'adam'\n");
        let settings = settings(&config, Some(&defaults));
        let shown: Vec<_> = settings
            .iter()
            .map(|s| (s.key.as_str(), s.value.as_str(), s.default.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("expect.psnr_db", "3.0", None),
                ("kind", "\"image\"", None),
                ("name", "\"a\"", None),
                ("seed", "7", Some("0")),
                ("train.optimizer.muon.momentum", "0.9", Some("")),
                ("train.steps", "3", None),
                ("train.optimizer", "", Some("\"adam\"")),
            ]
        );
        let plain = super::settings(&config, None);
        assert!(plain.iter().all(|setting| setting.default.is_none()));
    }
}
