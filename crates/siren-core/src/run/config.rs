//! Experiments: one shape of config for every domain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Source, Table};
use crate::error::{Error, Result};
use crate::field::SirenConfig;
use crate::train::TrainConfig;

/// A whole config file. `S` is the domain's `[signal]` table, `O` its `[objective]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config<S, O> {
    /// Which domain runs it: `image`, …
    pub kind: String,
    /// Name of the run and of its folder. Default: the file's name.
    #[serde(default)]
    pub name: String,
    /// Every random number of the run comes from this.
    #[serde(default)]
    pub seed: u64,
    /// What is fitted.
    #[serde(
        default = "Default::default",
        bound(deserialize = "S: Default + Deserialize<'de>")
    )]
    pub signal: S,
    /// The network.
    #[serde(default)]
    pub field: SirenConfig,
    /// What "fitted" means.
    #[serde(
        default = "Default::default",
        bound(deserialize = "O: Default + Deserialize<'de>")
    )]
    pub objective: O,
    /// Steps, rates, optimizer.
    #[serde(default)]
    pub train: TrainConfig,
    /// What is looked at and kept on the way.
    #[serde(default)]
    pub run: RunConfig,
    /// Measured results to expect, by metric; the summary puts them beside what was reached.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, f64>,
}

/// The `[run]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Steps between evaluations (rows of `evaluation.csv`).
    pub evaluate_every: u64,
    /// Steps between checkpoints: at most this much work is lost when a run is killed.
    pub checkpoint_every: u64,
    /// Start from these parameters instead of drawing them: a `.safetensors` file from `export`, or a `.pth` state dict
    /// of the authors' code.
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

impl<S: Table, O: Table> Config<S, O> {
    /// Parses a config file for the domain `kind`, applies `key=value` overrides, and checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] with file, line, key, what was expected, and the nearest known name for a misspelt one.
    pub fn parse(source: &Source, kind: &str, overrides: &[String]) -> Result<Self> {
        let config: Self = source.deserialize(overrides)?;
        config
            .validate(kind)
            .map_err(|error| source.attribute(error, overrides))?;
        Ok(config)
    }

    fn validate(&self, kind: &str) -> Result<()> {
        if self.kind != kind {
            return Err(Error::invalid("kind", &self.kind, kind));
        }
        let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !self.name.chars().all(ok) || self.name.starts_with('.') {
            let expected = "letters, digits, `-`, `_` and `.`: it names a folder";
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
                    "a number",
                ));
            }
        }
        self.signal.validate()?;
        self.field.validate()?;
        self.objective.validate()?;
        self.train.validate()
    }

    /// The whole config with every default filled in, as TOML.
    ///
    /// # Errors
    /// If a value cannot be written as TOML (an integer above 2⁶³).
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::Config {
            origin: "resolved config".to_owned(),
            message: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NoTable;

    fn message(text: &str, overrides: &[&str]) -> String {
        let source = Source {
            origin: "picture.toml".to_owned(),
            text: text.to_owned(),
        };
        let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
        let error = Config::<NoTable, NoTable>::parse(&source, "image", &overrides).unwrap_err();
        error.to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let text = "kind = \"image\"\n[field]\nhiden_features = 3\n";
        let message = message(text, &[]);
        assert!(message.starts_with("picture.toml:3:1:"), "{message}");
        assert!(
            message.contains("did you mean `hidden_features`?"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_type_is_named_with_its_key_and_line() {
        let message = message("kind = \"image\"\n\n[train]\nsteps = \"many\"\n", &[]);
        assert!(
            message.starts_with("picture.toml:4:9: `train.steps`:"),
            "{message}"
        );
    }

    #[test]
    fn a_value_out_of_range_is_found_in_the_file_or_among_the_overrides() {
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
    fn overrides_read_as_toml_values_and_fall_back_to_text() {
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
        let config = Config::<NoTable, NoTable>::parse(&source, "image", &overrides).unwrap();
        assert_eq!(config.name, "run-1");
        assert!((config.expect["psnr_db"] - 31.5).abs() < 1e-12);
        let again = Source {
            origin: String::new(),
            text: config.to_toml().unwrap(),
        };
        assert_eq!(Config::parse(&again, "image", &[]).unwrap(), config);
    }
}
