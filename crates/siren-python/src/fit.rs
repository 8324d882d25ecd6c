//! Fits fields to arrays.

use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use siren_core::Result;
use siren_core::field::Siren;
use siren_core::train::{Fit, FitConfig, Task};
use siren_run::Machine;

use crate::arrays::floats;
use crate::errors::{of_candle, raised};
use crate::field::{Field, FitRecord};
use crate::kind::FieldKind;
use crate::pickle::named;
use crate::process::must_not_be_forked;
use crate::settings::configured;
use crate::signals::{self, Points, Target};
use crate::watch::{Reporter, Watched, warn, watch};

/// Keyword arguments of `siren.fit`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct FitOptions<'py> {
    kind: Option<String>,
    target: String,
    steps: Option<u64>,
    points: Option<usize>,
    rate: Option<f64>,
    seed: u64,
    field: Option<Bound<'py, PyDict>>,
    train: Option<Bound<'py, PyDict>>,
    callback: Option<Bound<'py, PyAny>>,
    device: String,
    threads: Option<usize>,
}

/// Fits a field to an array; `siren.fit` documents it.
#[pyfunction]
pub fn fit<'py>(
    py: Python<'py>,
    array: &Bound<'py, PyAny>,
    coordinates: Option<&Bound<'py, PyAny>>,
    options: FitOptions<'py>,
) -> PyResult<Field> {
    must_not_be_forked()?;
    let options = &options;
    let target = Target::named(&options.target)?;
    if let Some(coordinates) = coordinates {
        return fit_points(py, array, coordinates, target, options);
    }
    if target != Target::Value {
        return Err(PyValueError::new_err(
            "target: gradients and Laplacians are fitted at points: give `coordinates`, such as those of `siren.grid`",
        ));
    }
    match kind_of(array, options)?.as_str() {
        "picture" => {
            let image = signals::picture(array, options.points, options.seed)?;
            let recipe = signals::picture_recipe(&image, options.seed).map_err(raised)?;
            fitted(py, options, image, recipe, |siren, image| {
                Ok(FieldKind::Picture(image.field(siren)?))
            })
        }
        "sound" => {
            let audio = signals::sound(array, options.points, options.rate, options.seed)?;
            let recipe = audio.recipe();
            fitted(py, options, audio, recipe, |siren, audio| {
                Ok(FieldKind::Sound(audio.field(siren)?))
            })
        }
        "clip" => {
            let video = signals::clip(array, options.points, options.rate, options.seed)?;
            let recipe = video.recipe();
            fitted(py, options, video, recipe, |siren, video| {
                Ok(FieldKind::Clip(video.field(siren)?))
            })
        }
        "values" => {
            let points = Points::on_grid(array, options.points, options.seed)?;
            let recipe = points.recipe();
            fitted(py, options, points, recipe, |siren, points| {
                Ok(match &points.sides {
                    Some(sides) => FieldKind::Grid(siren, sides.clone()),
                    None => FieldKind::Plain(siren),
                })
            })
        }
        kind => Err(PyValueError::new_err(format!(
            "kind: expected \"picture\", \"sound\", \"clip\" or \"values\", got \"{kind}\""
        ))),
    }
}

/// Fits values, gradients or Laplacians at points.
fn fit_points<'py>(
    py: Python<'py>,
    array: &Bound<'py, PyAny>,
    coordinates: &Bound<'py, PyAny>,
    target: Target,
    options: &FitOptions<'py>,
) -> PyResult<Field> {
    must_be_values(options)?;
    let coords = floats(coordinates, "coordinates")?;
    let coords = match *coords.dims() {
        [n] => coords.reshape((n, 1)).map_err(of_candle)?,
        [_, _] => coords,
        _ => {
            return Err(PyValueError::new_err(format!(
                "coordinates: expected an array of shape (points, axes), got {:?}",
                coords.dims()
            )));
        }
    };
    let points = Points::new(array, &coords, target, options.points, options.seed)?;
    let recipe = points.recipe();
    fitted(py, options, points, recipe, |siren, _| {
        Ok(FieldKind::Plain(siren))
    })
}

/// Checks that no other kind of signal is asked for than values at points.
fn must_be_values(options: &FitOptions<'_>) -> PyResult<()> {
    match options.kind.as_deref() {
        None | Some("values") => Ok(()),
        Some(kind) => Err(PyValueError::new_err(format!(
            "kind: expected none or \"values\" with `coordinates`, got \"{kind}\""
        ))),
    }
}

/// Returns the kind of signal that an array is: the one that is asked for, or by the number of its axes.
fn kind_of(array: &Bound<'_, PyAny>, options: &FitOptions<'_>) -> PyResult<String> {
    if let Some(kind) = &options.kind {
        return Ok(kind.clone());
    }
    let axes: Option<usize> = array.getattr("ndim").and_then(|n| n.extract()).ok();
    let kind = match axes {
        Some(1) => "sound",
        Some(2 | 3) => "picture",
        Some(4) => "clip",
        Some(n) => {
            return Err(PyValueError::new_err(format!(
                "array: expected 1 axis (a sound), 2 or 3 (a picture) or 4 (a clip), got {n}: kind=\"values\" fits any grid whose last axis holds \
                 the channels"
            )));
        }
        None => {
            return Err(crate::arrays::not_an_array(
                array,
                "array",
                "uint8, float32 or float64",
            ));
        }
    };
    Ok(kind.to_owned())
}

/// Trains a field on a task and joins it with the facts of its signal.
fn fitted<T: Task<Model = Siren> + Send + Sync>(
    py: Python<'_>,
    options: &FitOptions<'_>,
    task: T,
    recipe: FitConfig,
    join: impl FnOnce(Siren, &T) -> Result<FieldKind>,
) -> PyResult<Field> {
    let mut config = FitConfig {
        field: configured(&recipe.field, "field", options.field.as_ref())?,
        train: configured(&recipe.train, "train", options.train.as_ref())?,
        ..recipe
    };
    config.train.steps = options.steps.unwrap_or(config.train.steps);
    let machine = Machine::new(&options.device, options.threads).map_err(raised)?;
    let callback = options.callback.as_ref();
    let work = |reporter: &mut Reporter| {
        machine.install(|| {
            let mut fit = Fit::by(&task, &config, &machine.engine)?;
            let mut record = FitRecord::default();
            let start = Instant::now();
            fit.run_with(|_, report| {
                record.push(report, start.elapsed().as_secs_f64());
                reporter.step(report.step, report.loss);
                Ok(reporter.stop.flow())
            })?;
            let step = record.steps.len() as u64;
            record.stopped_at = (!fit.is_finished()).then_some(step);
            record.metrics = named(&fit.evaluate()?);
            Ok((fit.into_model(), record))
        })
    };
    let Watched {
        result: (siren, record),
        is_interrupted,
    } = watch(py, callback, work)?;
    if is_interrupted {
        let (step, steps) = (record.steps.len(), config.train.steps);
        warn(
            py,
            &format!("Ctrl-C: stopped after step {step} of {steps}, with the field as it is"),
        )?;
    }
    let kind = join(siren, &task).map_err(raised)?;
    Ok(Field { kind, record })
}
