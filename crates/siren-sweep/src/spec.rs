//! The `[sweep]` table of a config.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use siren_core::run::{is_hidden, natural_order};

use crate::names::labels;

/// A config as a sweep sees it: the experiment's own tables are for its domain to judge.
#[derive(Clone, Debug, Deserialize)]
pub struct SweepFile {
    /// Which domain runs it.
    pub kind: String,
    /// Name of the sweep and of its folder. Default: the file's name.
    #[serde(default)]
    pub name: String,
    /// What is varied, and what is shown.
    pub sweep: Spec,
}

/// What is varied, and how the results are compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The axes: what is varied. There is one run for every combination of their choices.
    pub axes: Vec<Axis>,
    /// The table of results.
    pub table: TableSpec,
    /// Published values, which the table shows beside the measured ones.
    #[serde(default)]
    pub published: Vec<Published>,
}

/// One axis, `[[sweep.axes]]`: `key` with `values`, `key` with `files`, or `options`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
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
pub struct TableSpec {
    /// Name of the axis whose choices are the rows.
    pub rows: String,
    /// Name of the axis whose choices are the columns. Default: one column per metric. All other axes are averaged over: mean ± standard
    /// deviation.
    pub columns: Option<String>,
    /// Names of the metrics, as in `evaluation.csv`, or `seconds`. The first one is plotted.
    pub metrics: Vec<String>,
    /// Those of the metrics for which lower is better.
    #[serde(default)]
    pub lower_is_better: Vec<String>,
    /// Which evaluation of each run is shown.
    #[serde(default)]
    pub at: At,
}

/// Which evaluation of each run is shown.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// The last evaluation.
    #[default]
    Last,
    /// The best value of each metric over all evaluations.
    Best,
}

/// One published value, `[[sweep.published]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
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

/// One way to set an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// As the table shows it.
    pub name: String,
    /// `key=value`, as `--set` takes it.
    pub overrides: Vec<String>,
}

impl SweepFile {
    /// Reads and checks the `[sweep]` table of a config.
    ///
    /// # Errors
    /// With file, line and key of what is wrong.
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

impl Spec {
    fn check(&self) -> Result<()> {
        let names: Vec<&str> = self.axes.iter().map(|axis| axis.name.as_str()).collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                bail!("two axes of `sweep.axes` are named `{name}`");
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
            bail!("`sweep.table.columns` and `sweep.table.rows` are the same axis");
        }
        if table.metrics.is_empty() {
            bail!(
                "`sweep.table.metrics` is empty, expected names of metrics, such as [\"psnr_db\"]"
            );
        }
        Ok(())
    }

    /// The choices of every axis, in the order of the axes.
    ///
    /// # Errors
    /// If an axis is not one of the three sorts, is empty, or has two choices of one name; or if a published value stands
    /// beside none of ours.
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

    /// Where an axis stands among the axes.
    #[must_use]
    pub fn position(&self, axis: &str) -> Option<usize> {
        self.axes.iter().position(|a| a.name == axis)
    }

    fn check_published(&self, published: &Published, choices: &[Vec<Choice>]) -> Result<()> {
        let known = |axis: &str, name: &str| {
            let at = self.position(axis)?;
            choices[at].iter().find(|choice| choice.name == name)
        };
        let shown = |axis: &str, name: &str| {
            format!("`sweep.published` names {name:?}, which is no choice of the axis `{axis}`")
        };
        if known(&self.table.rows, &published.row).is_none() {
            bail!(shown(&self.table.rows, &published.row));
        }
        match (&self.table.columns, &published.column) {
            (Some(axis), Some(name)) if known(axis, name).is_none() => bail!(shown(axis, name)),
            (Some(_), Some(_)) | (None, None) => {}
            (Some(axis), None) => bail!(
                "`sweep.published` of {:?} needs a `column`, a choice of the axis `{axis}`",
                published.row
            ),
            (None, Some(name)) => bail!(
                "`sweep.published` names the column {name:?}, but the table has no axis of columns"
            ),
        }
        match &published.metric {
            Some(metric) if !self.table.metrics.contains(metric) => {
                bail!(
                    "`sweep.published` names the metric {metric:?}, which is not in `sweep.table.metrics`"
                )
            }
            _ => Ok(()),
        }
    }
}

impl Axis {
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
            bail!("has nothing to choose from");
        }
        for (index, choice) in choices.iter().enumerate() {
            if choices[..index].iter().any(|c| c.name == choice.name) {
                bail!("two of its choices have one name, {:?}", choice.name);
            }
        }
        Ok(choices)
    }
}

fn of_value(key: &str, value: &toml::Value) -> Choice {
    let name = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    Choice {
        name,
        overrides: vec![format!("{key}={value}")],
    }
}

fn of_files(key: &str, pattern: &str) -> Result<Vec<Choice>> {
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let found = glob::glob_with(pattern, options)
        .with_context(|| format!("`files` is {pattern:?}, no pattern of file names"))?;
    let is_named = |name: &OsStr| {
        Path::new(pattern)
            .components()
            .any(|c| c.as_os_str() == name)
    };
    let is_left_out = |path: &Path| {
        let mut names = path
            .components()
            .filter(|c| matches!(c, Component::Normal(_)));
        names.any(|c| is_hidden(c.as_os_str()) && !is_named(c.as_os_str()))
    };
    let mut paths = Vec::new();
    for path in found {
        let path = path.context("cannot list files")?;
        if !path.is_dir() && !is_left_out(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!("`files` is {pattern:?}, which fits no file (folders and hidden files do not count)");
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

fn of_option(option: &toml::Table) -> Result<Choice> {
    let Some(name) = option.get("name").and_then(toml::Value::as_str) else {
        bail!("every one of `options` needs a `name`, a string");
    };
    let mut overrides = Vec::new();
    for (key, value) in option.iter().filter(|(key, _)| *key != "name") {
        leaves(key, value, &mut overrides);
    }
    Ok(Choice {
        name: name.to_owned(),
        overrides,
    })
}

/// `key=value` of everything in a table that is not itself a table of something.
fn leaves(key: &str, value: &toml::Value, overrides: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (inner, value) in table {
                leaves(&format!("{key}.{inner}"), value, overrides);
            }
        }
        value => overrides.push(format!("{key}={value}")),
    }
}
