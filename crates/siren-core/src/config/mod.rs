//! Experiments as TOML: one shape for every domain, parsed once, checked, never guessed.

mod locate;
mod parse;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::field::SirenConfig;
use crate::train::TrainConfig;

pub use self::parse::Source;

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

/// A domain's own table of a config.
pub trait Table:
    Clone + Default + PartialEq + Send + Sync + Serialize + for<'de> Deserialize<'de>
{
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key, such as `signal.crop`.
    fn validate(&self) -> Result<()>;

    /// Makes relative paths absolute, so that a run can be resumed from anywhere.
    fn resolve_paths(&mut self, _base: &Path) {}
}

/// For domains with nothing to set in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoTable {}

impl Table for NoTable {
    fn validate(&self) -> Result<()> {
        Ok(())
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
