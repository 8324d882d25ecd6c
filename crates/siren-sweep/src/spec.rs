//! The `[sweep]` table of a config.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use siren_core::file::{is_hidden, natural_order};

use crate::names::labels;

/// The keys of a config file that a sweep reads. The other tables are checked by the domain's program.
#[derive(Clone, Debug, Deserialize)]
pub struct SweepFile {
    /// Kind of the experiment, which names the domain's program.
    pub kind: String,
    /// Name of the sweep and of its folder. Default: the file's name without extension.
    #[serde(default)]
    pub name: String,
    /// What is varied, and what is shown.
    pub sweep: SweepConfig,
}

/// What is varied, and how the results are compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepConfig {
    /// The axes: what is varied. There is one run for every combination of their choices.
    pub axes: Vec<AxisConfig>,
    /// The table of results.
    pub table: TableConfig,
    /// Published values, which the table shows beside the measured ones.
    #[serde(default)]
    pub published: Vec<PublishedConfig>,
}

/// One axis, `[[sweep.axes]]`: `key` with `values`, `key` with `files`, or `options`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisConfig {
    /// Name of the axis, in the table and in the names of runs.
    pub name: String,
    /// The key that is set to each of `values` or `files`, such as `train.learning_rate`.
    pub key: Option<String>,
    /// The values of `key`.
    pub values: Option<Vec<toml::Value>>,
    /// A pattern of file names such as `"pictures/*.png"`, relative to the folder in which the command is given. `key` is set to each file that
    /// matches, in natural order of their names (2 before 10). Hidden files are left out, unless the pattern names them.
    pub files: Option<String>,
    /// Groups of settings, each with a `name`: `{ name = "relu", field.activation = "relu" }`.
    pub options: Option<Vec<toml::Table>>,
}

/// The table of results.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Name of the axis whose choices are the rows.
    pub rows: String,
    /// Name of the axis whose choices are the columns. Default: one column per metric. All other axes are averaged over: mean ± standard
    /// deviation.
    pub columns: Option<String>,
    /// Names of the metrics, as in `evaluation.csv`, or `seconds`. The first one is plotted.
    pub metrics: Vec<String>,
    /// Metrics for which a lower value is better.
    #[serde(default)]
    pub lower_is_better: Vec<String>,
    /// Which evaluation of each run is shown.
    #[serde(default)]
    pub at: ReportedEvaluation,
}

/// Which evaluation of each run is shown.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ReportedEvaluation {
    /// The last evaluation.
    #[default]
    Last,
    /// The best value of each metric over all evaluations.
    Best,
}

/// One published value, `[[sweep.published]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedConfig {
    /// A choice of the axis of rows.
    pub row: String,
    /// A choice of the axis of columns, if the table has one.
    pub column: Option<String>,
    /// The metric. Default: the first of the table.
    pub metric: Option<String>,
    /// The published value.
    pub value: f64,
    /// Where it was published.
    pub source: String,
}

/// One choice of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Name of the choice in the table.
    pub name: String,
    /// Overrides `key=value` for `--set`.
    pub overrides: Vec<String>,
}

impl SweepFile {
    /// Reads a config, checks its `[sweep]` table, and returns it with the text of the file.
    ///
    /// # Errors
    /// If the file cannot be read or parsed, or if the `[sweep]` table is invalid; the message names the file and the key, and for syntax the
    /// line.
    pub fn read(path: &Path) -> Result<(Self, String)> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the config {}", path.display()))?;
        let mut file: Self = toml::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        if file.name.is_empty() {
            file.name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
        }
        file.sweep
            .check()
            .with_context(|| path.display().to_string())?;
        Ok((file, text))
    }
}

impl SweepConfig {
    fn check(&self) -> Result<()> {
        let names: Vec<&str> = self.axes.iter().map(|axis| axis.name.as_str()).collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                bail!("two axes of `sweep.axes` are named `{name}`: names of axes must be unique");
            }
        }
        let table = &self.table;
        let shown = [
            Some(("rows", &table.rows)),
            table.columns.as_ref().map(|c| ("columns", c)),
        ];
        for (key, name) in shown.into_iter().flatten() {
            if !names.contains(&name.as_str()) {
                bail!(
                    "`sweep.table.{key}` is {name:?}, expected the name of an axis: {}",
                    names.join(", ")
                );
            }
        }
        if table.columns.as_ref() == Some(&table.rows) {
            bail!(
                "`sweep.table.columns` and `sweep.table.rows` are the same axis, `{}`: choose two different axes",
                table.rows
            );
        }
        if table.metrics.is_empty() {
            bail!(
                "`sweep.table.metrics` is empty, expected names of metrics, such as [\"psnr_db\"]"
            );
        }
        Ok(())
    }

    /// Returns the choices of every axis, in the order of the axes.
    ///
    /// # Errors
    /// If an axis does not have exactly one of the three forms, has no choices, or has two choices of the same name; or if a published value
    /// belongs to no cell of the table.
    pub fn choices(&self) -> Result<Vec<Vec<Choice>>> {
        let axes = self.axes.iter();
        let choices = axes.map(|axis| {
            axis.choices()
                .with_context(|| format!("axis `{}`", axis.name))
        });
        let choices = choices.collect::<Result<Vec<_>>>()?;
        for published in &self.published {
            self.check_published(published, &choices)?;
        }
        Ok(choices)
    }

    /// Returns the index of the axis with this name.
    #[must_use]
    pub fn position(&self, axis: &str) -> Option<usize> {
        self.axes.iter().position(|a| a.name == axis)
    }

    fn check_published(&self, published: &PublishedConfig, choices: &[Vec<Choice>]) -> Result<()> {
        let names = |axis: &str| -> Vec<&str> {
            let position = self.position(axis);
            let choices = position.map_or(&[][..], |position| &choices[position]);
            choices.iter().map(|choice| choice.name.as_str()).collect()
        };
        let is_choice = |axis: &str, name: &str| names(axis).contains(&name);
        let not_a_choice = |axis: &str, name: &str| {
            format!(
                "`sweep.published` names {name:?}, expected a choice of the axis `{axis}`: {}",
                names(axis).join(", ")
            )
        };
        if !is_choice(&self.table.rows, &published.row) {
            bail!(not_a_choice(&self.table.rows, &published.row));
        }
        match (&self.table.columns, &published.column) {
            (Some(axis), Some(name)) if !is_choice(axis, name) => bail!(not_a_choice(axis, name)),
            (Some(_), Some(_)) | (None, None) => {}
            (Some(axis), None) => bail!(
                "`sweep.published` for the row {:?} has no `column`, expected a choice of the axis `{axis}`",
                published.row
            ),
            (None, Some(name)) => bail!(
                "`sweep.published` names the column {name:?}, but the table has no columns: remove `column`, or set `sweep.table.columns`"
            ),
        }
        match &published.metric {
            Some(metric) if !self.table.metrics.contains(metric) => {
                bail!(
                    "`sweep.published` names the metric {metric:?}, expected one of `sweep.table.metrics`: {}",
                    self.table.metrics.join(", ")
                )
            }
            _ => Ok(()),
        }
    }
}

impl AxisConfig {
    fn choices(&self) -> Result<Vec<Choice>> {
        let choices = match (&self.key, &self.values, &self.files, &self.options) {
            (Some(key), Some(values), None, None) => {
                values.iter().map(|v| of_value(key, v)).collect()
            }
            (Some(key), None, Some(pattern), None) => of_files(key, pattern)?,
            (None, None, None, Some(options)) => {
                options.iter().map(of_option).collect::<Result<_>>()?
            }
            _ => bail!("expected either `key` with `values`, or `key` with `files`, or `options`"),
        };
        if choices.is_empty() {
            bail!("has no choices: `values`, `files` or `options` must name at least one");
        }
        for (index, choice) in choices.iter().enumerate() {
            if choices[..index].iter().any(|c| c.name == choice.name) {
                bail!(
                    "two of its choices have the same name, {:?}: names of choices must be unique",
                    choice.name
                );
            }
        }
        Ok(choices)
    }
}

/// Sets `key` to one value.
fn of_value(key: &str, value: &toml::Value) -> Choice {
    let name = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    Choice {
        name,
        overrides: vec![format!("{key}={value}")],
    }
}

/// Returns one choice for each file that matches the pattern, in natural order.
fn of_files(key: &str, pattern: &str) -> Result<Vec<Choice>> {
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let matches = glob::glob_with(pattern, options).with_context(|| {
        format!(
            "`files` is {pattern:?}, expected a pattern of file names such as \"pictures/*.png\""
        )
    })?;
    let is_in_pattern = |name: &OsStr| {
        Path::new(pattern)
            .components()
            .any(|c| c.as_os_str() == name)
    };
    let is_excluded = |path: &Path| {
        let mut names = path
            .components()
            .filter(|c| matches!(c, Component::Normal(_)));
        names.any(|c| is_hidden(c.as_os_str()) && !is_in_pattern(c.as_os_str()))
    };
    let mut paths = Vec::new();
    for path in matches {
        let path = path.context("cannot list files")?;
        if !path.is_dir() && !is_excluded(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!(
            "`files` is {pattern:?}, which matches no file (folders and hidden files are not counted)"
        );
    }
    paths.sort_by(|a, b| natural_order(a, b));
    let of_file = |(name, path): (String, &PathBuf)| {
        let value = toml::Value::String(path.display().to_string());
        Choice {
            name,
            overrides: vec![format!("{key}={value}")],
        }
    };
    Ok(labels(&paths)
        .into_iter()
        .zip(&paths)
        .map(of_file)
        .collect())
}

/// Reads one entry of `options`: its `name` and the settings beside it.
fn of_option(option: &toml::Table) -> Result<Choice> {
    let Some(name) = option.get("name").and_then(toml::Value::as_str) else {
        bail!("an entry of `options` has no `name`, expected a string");
    };
    let mut overrides = Vec::new();
    for (key, value) in option.iter().filter(|(key, _)| *key != "name") {
        push_overrides(key, value, &mut overrides);
    }
    Ok(Choice {
        name: name.to_owned(),
        overrides,
    })
}

/// Appends `key=value` for a value, or for each value inside a non-empty table.
fn push_overrides(key: &str, value: &toml::Value, overrides: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (inner, value) in table {
                push_overrides(&format!("{key}.{inner}"), value, overrides);
            }
        }
        value => overrides.push(format!("{key}={value}")),
    }
}
