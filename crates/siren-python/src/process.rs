//! Threads and forks.

use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Checks that this process is the one that computed first. A forked process has none of the threads that compute, and would wait for them without
/// end.
///
/// # Errors
/// `RuntimeError` in a forked process.
pub fn must_not_be_forked() -> PyResult<()> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    let own = std::process::id();
    if *FIRST.get_or_init(|| own) == own {
        return Ok(());
    }
    Err(PyRuntimeError::new_err(
        "siren computed in the process that forked this one, whose threads are not here: start processes with `multiprocessing.get_context(\"spawn\")`",
    ))
}
