//! Runs of configs: run folders as the programs write them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use siren_audio::{Audio, SoundField};
use siren_core::field::FieldEngine;
use siren_core::{Error, Result};
use siren_hyper::Hyper;
use siren_image::{Image, PictureField};
use siren_poisson::Poisson;
use siren_run::{
    CheckpointChoice, Domain, Hooks, Machine, Outcome, Record, RunFolder, kind_of, restore, resume,
    start,
};
use siren_shape::{Shape, ShapeField};
use siren_video::{ClipField, Video};
use siren_wave::{WaveField, Waves};

use crate::arrays::array;
use crate::errors::raised;
use crate::field::Field;
use crate::kind::FieldKind;
use crate::process::must_not_be_forked;
use crate::settings::dictionary;
use crate::watch::{Reporter, warn, watch};

/// Kinds of runs, for messages.
const KINDS: &str = "image, audio, video, poisson, shape, wave or hyper";

fn unknown_kind(kind: &str) -> Error {
    Error::invalid("kind", kind, KINDS)
}

/// Keyword arguments of `siren.run`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct RunOptions<'py> {
    out: Option<PathBuf>,
    callback: Option<Bound<'py, PyAny>>,
    device: String,
    threads: Option<usize>,
}

/// Starts the run of a config file, or continues that of a run folder; `siren.run` documents it. Returns the folder and whether the run is finished.
#[pyfunction]
pub fn run<'py>(
    py: Python<'py>,
    path: PathBuf,
    overrides: Vec<String>,
    options: RunOptions<'py>,
) -> PyResult<(PathBuf, bool)> {
    must_not_be_forked()?;
    let machine = Machine::new(&options.device, options.threads).map_err(raised)?;
    let work: &(dyn Fn(&mut Reporter) -> Result<(RunFolder, Outcome)> + Sync) = if path.is_dir() {
        if !overrides.is_empty() || options.out.is_some() {
            return Err(PyValueError::new_err(
                "overrides, out: expected none for a run folder, whose config does not change: start a new run from its config.toml",
            ));
        }
        &|reporter| resumed(&path, &machine, reporter)
    } else {
        &|reporter| {
            started(
                &path,
                &overrides,
                options.out.as_deref(),
                &machine,
                reporter,
            )
        }
    };
    let watched = watch(py, options.callback.as_ref(), work)?;
    let (folder, outcome) = watched.result;
    let path = folder.path().to_path_buf();
    let is_finished = match outcome {
        Outcome::Finished { .. } | Outcome::AlreadyFinished { .. } => true,
        Outcome::Interrupted { step } => {
            let shown = path.display();
            warn(
                py,
                &format!("stopped after step {step}; siren.run(\"{shown}\") continues"),
            )?;
            false
        }
        Outcome::NotStarted => {
            warn(py, "stopped before the first step; nothing was written")?;
            false
        }
    };
    Ok((path, is_finished))
}

fn started(
    config: &Path,
    overrides: &[String],
    out: Option<&Path>,
    machine: &Machine,
    reporter: &mut Reporter,
) -> Result<(RunFolder, Outcome)> {
    let kind = kind_of(config)?;
    let stop = reporter.stop.clone();
    let hooks = Hooks {
        observer: reporter,
        stop,
    };
    match kind.as_str() {
        Image::KIND => start::<Image>(config, overrides, out, machine, hooks),
        Audio::KIND => start::<Audio>(config, overrides, out, machine, hooks),
        Video::KIND => start::<Video>(config, overrides, out, machine, hooks),
        Poisson::KIND => start::<Poisson>(config, overrides, out, machine, hooks),
        Shape::KIND => start::<Shape>(config, overrides, out, machine, hooks),
        Waves::KIND => start::<Waves>(config, overrides, out, machine, hooks),
        Hyper::KIND => start::<Hyper>(config, overrides, out, machine, hooks),
        _ => Err(unknown_kind(&kind)),
    }
}

fn resumed(
    folder: &Path,
    machine: &Machine,
    reporter: &mut Reporter,
) -> Result<(RunFolder, Outcome)> {
    let kind = kind_of(folder)?;
    let stop = reporter.stop.clone();
    let hooks = Hooks {
        observer: reporter,
        stop,
    };
    match kind.as_str() {
        Image::KIND => resume::<Image>(folder, machine, hooks),
        Audio::KIND => resume::<Audio>(folder, machine, hooks),
        Video::KIND => resume::<Video>(folder, machine, hooks),
        Poisson::KIND => resume::<Poisson>(folder, machine, hooks),
        Shape::KIND => resume::<Shape>(folder, machine, hooks),
        Waves::KIND => resume::<Waves>(folder, machine, hooks),
        Hyper::KIND => resume::<Hyper>(folder, machine, hooks),
        _ => Err(unknown_kind(&kind)),
    }
}

/// Reads the field of a run.
pub fn load_run(py: Python<'_>, folder: &Path, checkpoint: Option<&str>) -> PyResult<Field> {
    let choice = match checkpoint {
        None => None,
        Some("best") => Some(CheckpointChoice::Best),
        Some("last") => Some(CheckpointChoice::Last),
        Some(name) => {
            return Err(PyValueError::new_err(format!(
                "checkpoint: expected \"best\" or \"last\", got \"{name}\""
            )));
        }
    };
    let kind = py.detach(|| restored(folder, choice)).map_err(raised)?;
    Ok(Field::without_record(kind))
}

fn restored(folder: &Path, choice: Option<CheckpointChoice>) -> Result<FieldKind> {
    let engine = &FieldEngine::Cpu;
    let kind = kind_of(folder)?;
    Ok(match kind.as_str() {
        Image::KIND => {
            let run = restore::<Image>(folder, choice, engine)?;
            FieldKind::Picture(PictureField::new(run.model, run.metadata)?)
        }
        Poisson::KIND => {
            let run = restore::<Poisson>(folder, choice, engine)?;
            FieldKind::Picture(PictureField::new(run.model, run.metadata)?)
        }
        Audio::KIND => {
            let run = restore::<Audio>(folder, choice, engine)?;
            FieldKind::Sound(SoundField::new(run.model, run.metadata)?)
        }
        Video::KIND => {
            let run = restore::<Video>(folder, choice, engine)?;
            FieldKind::Clip(ClipField::new(run.model, run.metadata)?)
        }
        Shape::KIND => {
            let run = restore::<Shape>(folder, choice, engine)?;
            FieldKind::Shape(ShapeField::new(run.model, run.metadata)?)
        }
        Waves::KIND => {
            let run = restore::<Waves>(folder, choice, engine)?;
            FieldKind::Wave(WaveField::new(run.model, run.metadata)?)
        }
        Hyper::KIND => {
            return Err(Error::RunFolder {
                path: folder.to_path_buf(),
                message: "is a run of kind `hyper`, which has a field for every picture and none of its own: `siren-hyper render` computes one \
                          from a picture, and `siren.record` reads its metrics"
                    .to_owned(),
            });
        }
        _ => return Err(unknown_kind(&kind)),
    })
}

/// Reads the config, the tables and the summary of a run, finished or not: arrays by name.
#[pyfunction]
pub fn record(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let read = Record::read(&path).map_err(raised)?;
    let record = PyDict::new(py);
    let config: toml::Table = read
        .config
        .parse()
        .map_err(|error: toml::de::Error| PyValueError::new_err(error.to_string()))?;
    record.set_item("config", dictionary(py, &config)?)?;
    let steps = Record::read_steps(&path).map_err(raised)?;
    let steps: Vec<Row<'_>> = steps
        .iter()
        .map(|row| Row {
            step: row.step,
            values: &row.values,
        })
        .collect();
    record.set_item("steps", columns(py, &steps)?)?;
    let curve: Vec<Row<'_>> = read
        .curve
        .iter()
        .map(|row| Row {
            step: row.step,
            values: &row.metrics,
        })
        .collect();
    let evaluations = columns(py, &curve)?;
    let seconds = read.curve.iter().map(|row| row.seconds.unwrap_or(f64::NAN));
    let seconds = array::<f64>(py, seconds.collect(), &[curve.len()])?;
    evaluations.set_item("seconds", seconds)?;
    record.set_item("evaluations", evaluations)?;
    let summary = read.summary.map(|numbers| {
        let summary = PyDict::new(py);
        for (name, number) in numbers {
            summary.set_item(name, number)?;
        }
        Ok::<_, PyErr>(summary)
    });
    record.set_item("summary", summary.transpose()?)?;
    Ok(record)
}

/// A row of a table: a step, and numbers by the names of their columns.
struct Row<'a> {
    step: u64,
    values: &'a BTreeMap<String, f64>,
}

/// Returns rows as arrays `(rows,)` by the names of their columns, `step` among them. A cell that a row lacks is NaN.
fn columns<'py>(py: Python<'py>, rows: &[Row<'_>]) -> PyResult<Bound<'py, PyDict>> {
    let table = PyDict::new(py);
    let count = [rows.len()];
    let steps = rows.iter().map(|row| row.step).collect();
    table.set_item("step", array::<u64>(py, steps, &count)?)?;
    let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.values.keys()).collect();
    for name in names {
        let cells = rows.iter().map(|row| row.values.get(name).copied());
        let cells = cells.map(|cell| cell.unwrap_or(f64::NAN)).collect();
        table.set_item(name, array::<f64>(py, cells, &count)?)?;
    }
    Ok(table)
}
