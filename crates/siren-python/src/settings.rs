//! Tables of configs as dictionaries of Python: the same keys, defaults, checks and messages as in a config file.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;
use serde::de::DeserializeOwned;
use siren_core::Error;
use siren_core::config::Source;
use toml::Value;

use crate::errors::raised;

/// Returns the table `base` with the keys of `given` in place of its own. `name` is the table's, such as `train`. The value `None` leaves a key as
/// it is.
///
/// # Errors
/// `ValueError` with the full key, if a key is unknown or its value is of another type; `TypeError` if a value has no form in TOML.
pub fn configured<T: Serialize + DeserializeOwned>(
    base: &T,
    name: &str,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<T> {
    let text =
        toml::to_string(base).map_err(|error| PyValueError::new_err(format!("{name}: {error}")))?;
    let mut overrides = Vec::new();
    if let Some(given) = given {
        flatten(&table(given, name)?, "", &mut overrides);
    }
    let source = Source {
        origin: name.to_owned(),
        text,
    };
    source
        .deserialize(&overrides)
        .map_err(|error| raised(with_name(error, name)))
}

/// Replaces the option of the command line in a message by the name of the argument.
fn with_name(error: Error, name: &str) -> Error {
    match error {
        Error::Config { origin, message } => {
            let origin = match origin.strip_prefix("--set ") {
                Some(given) => format!("{name}.{given}"),
                None => origin,
            };
            Error::Config { origin, message }
        }
        error => error,
    }
}

/// Appends `key=value` for every value that is no table.
fn flatten(table: &toml::Table, prefix: &str, overrides: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                flatten(inner, &format!("{prefix}{key}."), overrides);
            }
            value => overrides.push(format!("{prefix}{key}={value}")),
        }
    }
}

fn table(given: &Bound<'_, PyDict>, name: &str) -> PyResult<toml::Table> {
    let mut table = toml::Table::new();
    for (key, value) in given {
        let key: String = key.extract().map_err(|_| {
            PyTypeError::new_err(format!("{name}: expected names as keys, got {key}"))
        })?;
        if !value.is_none() {
            let inner = format!("{name}.{key}");
            table.insert(key, toml_value(&value, &inner)?);
        }
    }
    Ok(table)
}

/// Converts a value to TOML.
fn toml_value(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Value> {
    if let Ok(inner) = value.cast::<PyDict>() {
        return Ok(Value::Table(table(inner, name)?));
    }
    // A `bool` is an `int` too.
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(Value::Boolean(value.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Value::Integer(value.extract()?));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Value::String(value.extract()?));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?.map(|item| toml_value(&item?, name));
        return Ok(Value::Array(items.collect::<PyResult<_>>()?));
    }
    // Numbers of NumPy convert themselves; a whole number must stay one.
    if let Ok(value) = value.extract::<i64>() {
        return Ok(Value::Integer(value));
    }
    if value.is_instance_of::<PyFloat>() || value.extract::<f64>().is_ok() {
        return Ok(Value::Float(value.extract()?));
    }
    let kind = value.get_type();
    Err(PyTypeError::new_err(format!(
        "{name}: expected a number, a text, a bool, a list or a dict, got {kind}"
    )))
}

/// Converts a table to a dictionary.
pub fn dictionary<'py>(py: Python<'py>, table: &toml::Table) -> PyResult<Bound<'py, PyDict>> {
    let dictionary = PyDict::new(py);
    for (key, value) in table {
        dictionary.set_item(key, object(py, value)?)?;
    }
    Ok(dictionary)
}

fn object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::String(text) => text.into_pyobject(py)?.into_any(),
        Value::Integer(number) => number.into_pyobject(py)?.into_any(),
        Value::Float(number) => number.into_pyobject(py)?.into_any(),
        Value::Boolean(is_set) => is_set.into_pyobject(py)?.to_owned().into_any(),
        Value::Datetime(time) => time.to_string().into_pyobject(py)?.into_any(),
        Value::Array(items) => {
            let items = items.iter().map(|item| object(py, item));
            PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        Value::Table(table) => dictionary(py, table)?.into_any(),
    })
}
