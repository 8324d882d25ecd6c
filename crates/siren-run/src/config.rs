//! The config file of a run, generic over the tables of a domain.
//!
//! Relative paths in a config file and in overrides are relative to the current folder, not to the folder of the config file. The config
//! in the run folder has absolute paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use siren_core::config::{NoTable, Source, Table};
use siren_core::field::SirenConfig;
use siren_core::file::read_text;
use siren_core::train::TrainConfig;
use siren_core::{Error, Result};

use crate::RunFolder;

/// A config file. `kind` decides which keys `[signal]`, `[objective]` and `[model]` have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config<S, O, M = NoTable> {
    /// What is fitted: `"image"`, `"audio"`, `"video"`, `"poisson"`, `"shape"`, `"wave"` or `"hyper"`.
    pub kind: String,
    /// Name of the run; the run folder is `runs/NAME`. Default: the config's file name without its extension.
    #[serde(default)]
    pub name: String,
    /// Seed of all random numbers of the run. Same config and seed, same result.
    #[serde(default)]
    pub seed: u64,
    /// The signal that is fitted: which file, and which part of it.
    #[serde(
        default = "Default::default",
        bound(deserialize = "S: Default + Deserialize<'de>")
    )]
    pub signal: S,
    /// The network: activation, size, initialization, input encoding.
    #[serde(default)]
    pub field: SirenConfig,
    /// The encoder and the hypernetwork (`hyper` alone).
    #[serde(
        default = "Default::default",
        skip_serializing_if = "Table::is_absent",
        bound(serialize = "M: Table", deserialize = "M: Default + Deserialize<'de>")
    )]
    pub model: M,
    /// The terms of the loss and their weights.
    #[serde(
        default = "Default::default",
        bound(deserialize = "O: Default + Deserialize<'de>")
    )]
    pub objective: O,
    /// Steps, learning rate, optimizer.
    #[serde(default)]
    pub train: TrainConfig,
    /// How often the run evaluates and saves, and from which parameters it starts.
    #[serde(default)]
    pub run: RunConfig,
    /// Expected metrics by name, such as `psnr_db = 49.4`. The summary of the run shows them beside the metrics it reached; training does not
    /// depend on them. They belong to the `[signal]` of this file: a run that overrides a key of `[signal]` does not show them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, f64>,
    /// Keys that a sweep varies, and how it tabulates the results. A single run ignores the table.
    #[serde(default, skip_serializing)]
    pub sweep: Option<IgnoredAny>,
}

/// How often the run evaluates and saves, and from which parameters it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Steps between evaluations. Each evaluation is a row of `evaluation.csv`.
    pub evaluate_every: u64,
    /// Steps between checkpoints. A run that is killed loses at most so many steps.
    pub checkpoint_every: u64,
    /// Initial parameters: a run folder (its best checkpoint), an exported `.safetensors` file, or a `.pth` state dict of the authors' code.
    /// Default: drawn at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            evaluate_every: 50,
            checkpoint_every: 100,
            start_from: None,
        }
    }
}

/// The kind of a config, whatever its other keys are.
#[derive(Deserialize)]
struct NamedKind {
    kind: Option<String>,
}

/// Returns the `kind` of a config file, or of a run folder, whatever its other keys are.
///
/// # Errors
/// If the file cannot be read, is no TOML, or has no kind; [`Error::RunFolder`] for a folder that is not one of a run.
pub fn kind_of(path: &Path) -> Result<String> {
    let config = if path.is_dir() {
        RunFolder::open(path)?.config()
    } else {
        path.to_path_buf()
    };
    let source = Source {
        origin: config.display().to_string(),
        text: read_text(&config)?,
    };
    let named: NamedKind = source.deserialize(&[])?;
    named.kind.ok_or_else(|| Error::Config {
        origin: source.origin,
        message: "no top-level `kind`, such as kind = \"image\"".to_owned(),
    })
}

/// Checks the kind of a config.
fn check_kind(found: &str, expected: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::invalid("kind", found, expected))
}

impl<S: Table, O: Table, M: Table> Config<S, O, M> {
    /// Parses a config file for the domain `kind`, applies `key=value` overrides, and checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] with file, line, key, what was expected, and the nearest known name for a misspelt one.
    pub fn parse(source: &Source, kind: &str, overrides: &[String]) -> Result<Self> {
        let attribute = |error| source.attribute(error, overrides);
        // First, since the keys of another kind are unknown.
        if let Ok(NamedKind { kind: Some(found) }) = source.deserialize(overrides) {
            check_kind(&found, kind).map_err(attribute)?;
        }
        let mut config: Self = source.deserialize(overrides)?;
        config.validate().map_err(attribute)?;
        config.drop_foreign_expectations(source, overrides);
        Ok(config)
    }

    /// Drops the `[expect]` values of the file if the overrides change `[signal]`: they were measured on the signal of the file. Values that an
    /// override sets stay.
    fn drop_foreign_expectations(&mut self, source: &Source, overrides: &[String]) {
        if overrides.is_empty() || self.expect.is_empty() {
            return;
        }
        let original = source.deserialize::<Self>(&[]);
        if original.is_ok_and(|original| original.signal == self.signal) {
            return;
        }
        let is_overridden = |metric: &str| {
            let keys = overrides.iter().filter_map(|one| one.split_once('='));
            keys.map(|(key, _)| key.trim())
                .any(|key| key == "expect" || key.strip_prefix("expect.") == Some(metric))
        };
        self.expect.retain(|metric, _| is_overridden(metric));
    }

    fn validate(&self) -> Result<()> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !self.name.chars().all(is_allowed) || self.name.starts_with('.') {
            let expected = "the name of a folder, of letters, digits, `-`, `_` and `.`, and not beginning with `.`";
            return Err(Error::invalid("name", &self.name, expected));
        }
        for (key, every) in [
            ("run.evaluate_every", self.run.evaluate_every),
            ("run.checkpoint_every", self.run.checkpoint_every),
        ] {
            if every == 0 {
                return Err(Error::invalid(key, every, "at least 1 step"));
            }
        }
        for (metric, value) in &self.expect {
            if !value.is_finite() {
                return Err(Error::invalid(
                    &format!("expect.{metric}"),
                    value,
                    "a finite number",
                ));
            }
        }
        self.signal.validate()?;
        self.field.validate()?;
        self.model.validate()?;
        self.objective.validate()?;
        self.train.validate()
    }

    /// Returns the defaults of a kind: a config without any key but `kind`.
    ///
    /// # Errors
    /// As [`to_toml`](Self::to_toml).
    pub(crate) fn defaults(kind: &str) -> Result<toml::Table> {
        let defaults = Self {
            kind: kind.to_owned(),
            name: String::new(),
            seed: 0,
            signal: S::default(),
            field: SirenConfig::default(),
            model: M::default(),
            objective: O::default(),
            train: TrainConfig::default(),
            run: RunConfig::default(),
            expect: BTreeMap::new(),
            sweep: None,
        };
        toml::Table::try_from(defaults).map_err(|error| Error::Config {
            origin: "defaults".to_owned(),
            message: error.to_string(),
        })
    }

    /// Returns the whole config as TOML, with every default filled in. `train.steps` is absent while `train.seconds` takes its place.
    ///
    /// # Errors
    /// If a value cannot be written as TOML (an integer above 2⁶³).
    pub fn to_toml(&self) -> Result<String> {
        let written = if self.train.seconds.is_none() {
            toml::to_string(self)
        } else {
            toml::Table::try_from(self).and_then(|mut table| {
                if let Some(toml::Value::Table(train)) = table.get_mut("train") {
                    train.remove("steps");
                }
                toml::to_string(&table)
            })
        };
        written.map_err(|error| Error::Config {
            origin: "resolved config".to_owned(),
            message: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with a path and an enum, whose overrides are special cases.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Signal {
        observed: Observed,
        path: PathBuf,
    }

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Observed {
        #[default]
        All,
        Fraction(f64),
        Mask(PathBuf),
    }

    impl Table for Signal {
        fn validate(&self) -> Result<()> {
            match self.observed {
                Observed::Fraction(fraction) if fraction > 1.0 => Err(Error::invalid(
                    "signal.observed.fraction",
                    fraction,
                    "at most 1",
                )),
                _ => Ok(()),
            }
        }
    }

    fn signal(observed: &str, overrides: &[&str]) -> Result<Signal> {
        let source = Source {
            origin: "picture.toml".to_owned(),
            text: format!("kind = \"image\"\n[signal]\nobserved = {observed}\n"),
        };
        let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
        Config::<Signal, NoTable, NoTable>::parse(&source, "image", &overrides)
            .map(|config| config.signal)
    }

    #[test]
    fn an_override_with_another_variant_replaces_the_variant_of_the_file() {
        let set = "signal.observed.mask=mask.png";
        for observed in ["{ fraction = 0.3 }", "'all'", "{ mask = 'old.png' }"] {
            let signal = signal(observed, &[set]).unwrap();
            assert_eq!(signal.observed, Observed::Mask("mask.png".into()));
        }
        let both = signal(
            "'all'",
            &["signal.observed={ fraction = 0.1, mask = 'a.png' }"],
        );
        let message = both.unwrap_err().to_string();
        assert!(message.contains("several at once"), "{message}");
    }

    #[test]
    fn a_number_given_where_text_is_expected_is_text() {
        let sets = ["signal.path=2024", "signal.observed.mask=1.50"];
        let signal = signal("{ fraction = 0.3 }", &sets).unwrap();
        assert_eq!(signal.path, PathBuf::from("2024"));
        assert_eq!(signal.observed, Observed::Mask("1.50".into()));
    }

    #[test]
    fn the_error_of_a_variant_without_its_value_shows_how_to_write_it() {
        let overridden = signal("'all'", &["signal.observed=fraction"]);
        let message = overridden.unwrap_err().to_string();
        let expected = "`fraction` needs a value: `signal.observed.fraction=…`";
        assert!(message.contains(expected), "{message}");
        let message = signal("'fraction'", &[]).unwrap_err().to_string();
        let expected = "`signal.observed`: `fraction` needs a value: `observed = { fraction = … }`";
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn an_invalid_value_within_an_overridden_table_is_attributed_to_the_override() {
        for set in [
            "signal={ observed = { fraction = 2.0 } }",
            "signal.observed={ fraction = 2.0 }",
        ] {
            let message = signal("'all'", &[set]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("--set {set}: ")), "{message}");
        }
    }

    #[test]
    fn expected_metrics_are_dropped_where_an_override_changes_the_signal() {
        let source = Source {
            origin: "picture.toml".to_owned(),
            text:
                "kind = 'image'\n[signal]\npath = 'a.png'\n[expect]\npsnr_db = 49.4\nssim = 0.9\n"
                    .to_owned(),
        };
        let expected = |overrides: &[&str]| {
            let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
            let config = Config::<Signal, NoTable, NoTable>::parse(&source, "image", &overrides);
            config.unwrap().expect.into_keys().collect::<Vec<_>>()
        };
        let both = ["psnr_db", "ssim"];
        assert_eq!(expected(&[]), both);
        for own in [
            "train.steps=3",
            "signal.path=a.png",
            "signal={ path = 'a.png' }",
        ] {
            assert_eq!(expected(&[own]), both, "{own}");
        }
        for foreign in [
            "signal.path=b.png",
            "signal.observed.fraction=0.5",
            "signal={}",
            "signal={ path = 'b.png', observed = 'all' }",
        ] {
            assert!(expected(&[foreign]).is_empty(), "{foreign}");
            assert_eq!(expected(&[foreign, "expect.ssim=0.5"]), ["ssim"]);
            assert_eq!(expected(&["expect={ mse = 0.1 }", foreign]), ["mse"]);
        }
        let back = ["signal.path=b.png", "signal.path=a.png"];
        assert_eq!(expected(&back), both);
    }

    fn message(text: &str, overrides: &[&str]) -> String {
        let source = Source {
            origin: "picture.toml".to_owned(),
            text: text.to_owned(),
        };
        let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
        let error =
            Config::<NoTable, NoTable, NoTable>::parse(&source, "image", &overrides).unwrap_err();
        error.to_string()
    }

    #[test]
    fn the_error_of_an_unknown_key_names_its_line_and_the_nearest_known_key() {
        let text = "kind = \"image\"\n[field]\nhiden_features = 3\n";
        let message = message(text, &[]);
        assert!(message.starts_with("picture.toml:3:1:"), "{message}");
        assert!(
            message.contains("did you mean `hidden_features`?"),
            "{message}"
        );
    }

    #[test]
    fn the_error_of_a_wrong_type_names_its_key_and_line() {
        let message = message("kind = \"image\"\n\n[train]\nsteps = \"many\"\n", &[]);
        assert!(
            message.starts_with("picture.toml:4:9: `train.steps`:"),
            "{message}"
        );
    }

    #[test]
    fn the_error_of_a_value_out_of_range_names_its_place_in_the_file_or_the_override() {
        let text = "kind = \"image\"\n[train]\nlearning_rate = nan\n";
        let in_file = message(text, &[]);
        assert!(
            in_file.starts_with("picture.toml:3:17: `train.learning_rate` is NaN"),
            "{in_file}"
        );
        let overridden = message(
            text,
            &["train.learning_rate=0.1", "field.hidden_features=0"],
        );
        assert!(
            overridden.starts_with("--set field.hidden_features=0: "),
            "{overridden}"
        );
        let unknown = message(text, &["train.learning_rat=0.1"]);
        assert!(
            unknown.contains("did you mean `learning_rate`?"),
            "{unknown}"
        );
    }

    #[test]
    fn overrides_are_parsed_as_toml_and_otherwise_taken_as_text() {
        let source = Source {
            origin: String::new(),
            text: "kind = \"image\"\n[field]\nencoding = \"identity\"\n".to_owned(),
        };
        let overrides = [
            "field.encoding={ fourier = { features = 64, scale = 4 } }".to_owned(),
            "train.schedule=cosine".to_owned(),
            "expect.psnr_db=31.5".to_owned(),
            "name=run-1".to_owned(),
        ];
        let config =
            Config::<NoTable, NoTable, NoTable>::parse(&source, "image", &overrides).unwrap();
        assert_eq!(config.name, "run-1");
        assert!((config.expect["psnr_db"] - 31.5).abs() < 1e-12);
        let again = Source {
            origin: String::new(),
            text: config.to_toml().unwrap(),
        };
        assert_eq!(Config::parse(&again, "image", &[]).unwrap(), config);
    }
}
