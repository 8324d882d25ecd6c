//! Errors of the libraries as exceptions of Python, with the same messages.

use pyo3::PyErr;
use pyo3::exceptions::{PyFileExistsError, PyKeyError, PyOSError, PyRuntimeError, PyValueError};
use siren_core::Error;

/// Returns the exception of an error: `OSError` (or its subclass by the number of the system) for files, `KeyError` for names, `ValueError` for
/// values, shapes, configs and files of wrong content, `RuntimeError` for the rest, such as a fit that diverges.
pub fn raised(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Io { source, .. } => match source.raw_os_error() {
            // With a number, Python chooses the subclass: `FileNotFoundError`, `PermissionError`.
            Some(number) => PyOSError::new_err((number, message)),
            None => PyOSError::new_err(message),
        },
        Error::Missing { .. } => PyKeyError::new_err(message),
        Error::RunFolder { .. } if message.contains("exists already") => {
            PyFileExistsError::new_err(message)
        }
        Error::Config { .. }
        | Error::InvalidValue { .. }
        | Error::Shape { .. }
        | Error::NotFinite { .. }
        | Error::Signal { .. }
        | Error::Checkpoint { .. }
        | Error::RunFolder { .. }
        | Error::Duplicate { .. }
        | Error::Trace(_) => PyValueError::new_err(message),
        _ => PyRuntimeError::new_err(message),
    }
}

/// Returns the exception of an error of candle.
pub fn of_candle(error: siren_core::candle_core::Error) -> PyErr {
    raised(error.into())
}
