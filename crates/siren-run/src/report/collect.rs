//! Collects what a page says of a run from the files of its folder.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

use siren_core::file::{Listing, has_extension, quoted, read_text};
use siren_core::{Error, Result};
use siren_report::{Exhibit, Fact, Point, Run, Score, Series};
use toml::{Table, Value};

use super::settings::settings;
use crate::folder::{
    NamedColumns, RunFolder, TilesAtRest, is_of_config, number, read_summary_table, recorded_budget,
};
use crate::program::command_of_all_kinds;

/// Columns of `metrics.csv` that are no terms of the loss.
const NO_TERMS: [&str; 2] = ["learning_rate", "gradient_norm"];

/// Collects the page of a run, which may be in progress.
///
/// # Errors
/// [`Error::RunFolder`] if there is no run at that path, or a file of the run was changed or damaged; [`Error::Io`] or [`Error::Config`] if one
/// cannot be read.
pub fn run_page(run: &Path) -> Result<Run> {
    let folder = RunFolder::open(run)?;
    let summary = read_summary_table(&folder)?;
    let config_text = read_text(&folder.config())?;
    let config = parse(&config_text, &folder.config())?;
    let mut notes = Vec::new();
    let provenance = read_table(&folder.provenance()).unwrap_or_else(|error| {
        notes.push(error.to_string());
        Table::new()
    });
    // Folders of older programs have no checksum.
    if provenance.contains_key("config_checksum") && !is_of_config(&provenance, &config_text) {
        notes.push("config.toml was changed since the run started: the run had other settings than those below.".to_owned());
    }
    let tables = RunTables::read(&folder)?;
    let steps = tables.metrics.steps.last().copied().unwrap_or(0);
    let text = |table: &Table, key: &str| {
        let found = table.get(key).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let kind = text(&config, "kind");
    let defaults = provenance.get("defaults").and_then(Value::as_table);
    if defaults.is_none() {
        notes.push("The folder does not say which defaults its config had: another version of the program wrote it.".to_owned());
    }
    Ok(Run {
        name: text(&config, "name"),
        folder: run.display().to_string(),
        state: state(steps, &config, summary.as_ref()),
        is_finished: summary.is_some(),
        command: command(&folder, &kind, &provenance),
        facts: facts(&provenance, summary.as_ref()),
        scores: scores(&tables.evaluation, &config),
        settings: settings(&config, defaults),
        has_defaults: defaults.is_some(),
        loss: tables.series(&tables.metrics, |name| !NO_TERMS.contains(&name)),
        training: tables.series(&tables.metrics, |name| NO_TERMS.contains(&name)),
        evaluation: tables.series(&tables.evaluation, |_| true),
        artifacts: folder.artifacts(),
        exhibits: exhibits(&folder, summary.as_ref())?,
        kind,
        notes,
    })
}

fn read_table(path: &Path) -> Result<Table> {
    parse(&read_text(path)?, path)
}

fn parse(text: &str, path: &Path) -> Result<Table> {
    text.parse()
        .map_err(|error: toml::de::Error| Error::RunFolder {
            path: path.to_path_buf(),
            message: format!("is no TOML ({}): put a good copy back", error.message()),
        })
}

/// The tables of a run, every line of which is a row.
struct RunTables {
    metrics: NamedColumns,
    evaluation: NamedColumns,
    /// Seconds of training by step.
    seconds: HashMap<u64, f64>,
}

impl RunTables {
    fn read(folder: &RunFolder) -> Result<Self> {
        let read = |path: &Path| {
            let table = NamedColumns::read(path)?;
            table.check(path)?;
            Ok::<_, Error>(table)
        };
        let timing = read(&folder.timing())?;
        let seconds = timing.values("seconds").unwrap_or_default().iter().copied();
        Ok(Self {
            metrics: read(&folder.metrics())?,
            evaluation: read(&folder.evaluation())?,
            seconds: timing.steps.iter().copied().zip(seconds).collect(),
        })
    }

    /// Returns the columns of a table that `is_wanted` accepts by name.
    fn series(&self, table: &NamedColumns, is_wanted: impl Fn(&str) -> bool) -> Vec<Series> {
        let columns = table.columns.iter();
        let wanted = columns.filter(|column| is_wanted(&column.name));
        let series = wanted.map(|column| Series {
            name: column.name.clone(),
            points: table
                .steps
                .iter()
                .zip(&column.values)
                .map(|(&step, &value)| Point {
                    step,
                    seconds: self.seconds.get(&step).copied().unwrap_or(f64::NAN),
                    value,
                })
                .collect(),
        });
        series.collect()
    }
}

/// Returns how far a run is.
fn state(steps: u64, config: &Table, summary: Option<&Table>) -> String {
    if summary.is_some() {
        return format!("Finished: {steps} steps.");
    }
    let all = config.get("train").and_then(|train| train.get("steps"));
    match all.and_then(Value::as_integer) {
        Some(all) => format!("Not finished: {steps} of {all} steps so far."),
        None => format!("Not finished: {steps} steps so far."),
    }
}

/// Returns the command line that repeats a run.
fn command(folder: &RunFolder, kind: &str, provenance: &Table) -> String {
    let program = command_of_all_kinds().unwrap_or_else(|| format!("siren-{kind}"));
    let device = provenance.get("device").and_then(Value::as_str);
    let device = match device {
        Some(device) if device != "cpu" => format!(" --device {}", quoted(Path::new(device))),
        _ => String::new(),
    };
    format!(
        "{program} run {} --out {}{device}",
        quoted(&folder.config()),
        quoted(&folder.successor())
    )
}

/// Returns machine, times and sizes.
fn facts(provenance: &Table, summary: Option<&Table>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut push = |label: &str, value: Option<String>| {
        facts.extend(value.map(|value| Fact {
            label: label.to_owned(),
            value,
        }));
    };
    let text = |key: &str| {
        let value = provenance.get(key)?;
        Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        )
    };
    let number = |key: &str| number(summary?.get(key)?);
    push("Started", text("start"));
    let budget = recorded_budget(provenance);
    push("Time budget", budget.map(|budget| budget.to_string()));
    push("Training time", number("seconds").map(duration));
    push(
        "Time of a step",
        number("seconds_per_step").map(|seconds| format!("{:.2} ms", 1e3 * seconds)),
    );
    push(
        "Parameters",
        number("parameters").map(|n| grouped(n as u64)),
    );
    push("Tiles at rest", summary.and_then(tiles_at_rest));
    push("Best checkpoint", summary.and_then(best));
    push("Device", text("card").or_else(|| text("device")));
    push("Processor", text("processor"));
    push("System", text("system"));
    push("SIMD", text("simd"));
    push("Threads", text("threads"));
    push("Processes", text("ranks"));
    push(
        "Peak memory",
        number("peak_memory_mib").map(|size| format!("{size:.0} MiB")),
    );
    push("Version", text("version"));
    push(
        "Commit",
        text("commit").filter(|commit| commit != "unknown"),
    );
    facts
}

/// Returns how many tiles of a mosaic rest.
fn tiles_at_rest(summary: &Table) -> Option<String> {
    let tiles = summary.get("tiles")?.clone();
    let TilesAtRest { resting, of } = tiles.try_into().ok()?;
    Some(format!("{resting} of {of}"))
}

/// Returns step and metric of the best checkpoint.
fn best(summary: &Table) -> Option<String> {
    let best = summary.get("best")?;
    let step = best.get("step")?.as_integer()?;
    Some(format!(
        "step {step}: {:.5}",
        best.get("value")?.as_float()?
    ))
}

/// Formats a duration.
fn duration(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds.round());
    match whole {
        Ok(whole) if seconds >= 60.0 => humantime::format_duration(whole).to_string(),
        _ => format!("{seconds:.1} s"),
    }
}

/// Formats an integer with commas between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the metrics of the last evaluation beside the expected ones.
fn scores(evaluation: &NamedColumns, config: &Table) -> Vec<Score> {
    let expect = config.get("expect").and_then(Value::as_table);
    let expected = |name: &str| number(expect?.get(name)?);
    let columns = evaluation.columns.iter();
    let mut scores: Vec<Score> = columns
        .map(|column| Score {
            name: column.name.clone(),
            reached: column.values.last().copied(),
            expected: expected(&column.name),
        })
        .collect();
    for name in expect.into_iter().flat_map(Table::keys) {
        if !scores.iter().any(|score| score.name == *name) {
            scores.push(Score {
                name: name.clone(),
                reached: None,
                expected: expected(name),
            });
        }
    }
    scores
}

/// Returns what a run shows: the exhibits of its summary, or for a folder of an older program every picture of its artifacts.
fn exhibits(folder: &RunFolder, summary: Option<&Table>) -> Result<Vec<Exhibit>> {
    let Some(summary) = summary else {
        return Ok(Vec::new());
    };
    if let Some(exhibits) = summary.get("exhibits") {
        let exhibits = exhibits.clone().try_into();
        return exhibits.map_err(|error: toml::de::Error| Error::RunFolder {
            path: folder.summary(),
            message: format!("has exhibits of another version ({})", error.message()),
        });
    }
    let artifacts = folder.artifacts();
    if !artifacts.is_dir() {
        return Ok(Vec::new());
    }
    let listing = Listing::of(&artifacts, |path| has_extension(path, &["png", "svg"]))?;
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let pictures = listing.files.iter();
    let pictures =
        pictures.map(|path| Exhibit::picture(&part(path.file_stem()), &part(path.file_name())));
    Ok(pictures.collect())
}
