//! Fields as bytes, for `pickle` and `copy`.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use siren_core::metrics::Metrics;
use tempfile::TempDir;

use crate::errors::raised;
use crate::field::{Field, FitRecord};
use crate::kind::FieldKind;

/// What a file of a field does not hold: the sides of a grid, and what the fit did.
#[derive(FromPyObject, IntoPyObject)]
#[pyo3(from_item_all)]
pub struct BesidesFile {
    sides: Option<Vec<usize>>,
    steps: Vec<u64>,
    losses: Vec<f64>,
    learning_rates: Vec<f64>,
    seconds: Vec<f64>,
    metrics: Vec<(String, f64)>,
    stopped_at: Option<u64>,
}

impl BesidesFile {
    pub fn of(field: &Field) -> Self {
        let record = &field.record;
        Self {
            sides: match &field.kind {
                FieldKind::Grid(_, sides) => Some(sides.clone()),
                _ => None,
            },
            steps: record.steps.clone(),
            losses: record.losses.clone(),
            learning_rates: record.learning_rates.clone(),
            seconds: record.seconds.clone(),
            metrics: record.metrics.clone(),
            stopped_at: record.stopped_at,
        }
    }
}

/// Returns scores by name.
pub fn named(metrics: &Metrics) -> Vec<(String, f64)> {
    let named = metrics.iter();
    named
        .map(|measured| (measured.metric.name.to_string(), measured.value))
        .collect()
}

/// Returns the bytes of the file that `save` writes.
pub fn file_bytes<'py>(py: Python<'py>, kind: &FieldKind) -> PyResult<Bound<'py, PyBytes>> {
    let folder = folder()?;
    let path = folder.path().join("field.safetensors");
    kind.save(&path).map_err(raised)?;
    Ok(PyBytes::new(py, &std::fs::read(path)?))
}

/// Returns the field of a file's bytes. Pickles call this function by its name.
#[pyfunction]
pub fn _unpickled(bytes: &[u8], besides: BesidesFile) -> PyResult<Field> {
    let folder = folder()?;
    let path = folder.path().join("field.safetensors");
    std::fs::write(&path, bytes)?;
    let kind = FieldKind::open(&path).map_err(raised)?;
    let kind = match (kind, besides.sides) {
        (FieldKind::Plain(siren), Some(sides)) => FieldKind::Grid(siren, sides),
        (kind, _) => kind,
    };
    let record = FitRecord {
        steps: besides.steps,
        losses: besides.losses,
        learning_rates: besides.learning_rates,
        seconds: besides.seconds,
        metrics: besides.metrics,
        stopped_at: besides.stopped_at,
    };
    Ok(Field { kind, record })
}

fn folder() -> PyResult<TempDir> {
    let failed = |error| PyOSError::new_err(format!("no folder for temporary files: {error}"));
    tempfile::tempdir().map_err(failed)
}
