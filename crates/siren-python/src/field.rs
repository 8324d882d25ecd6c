//! Fitted fields with the facts of their signals.

use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use siren_core::candle_core::Tensor;
use siren_core::field::Order;
use siren_core::train::StepReport;

use crate::arrays::{array, coordinates, copied, handed_over};
use crate::errors::{of_candle, raised};
use crate::kind::{FieldKind, JetPart};
use crate::network::{PyNetwork, config_of, dtype};
use crate::pickle::{BesidesFile, file_bytes};
use crate::process::must_not_be_forked;
use crate::render::{Rendering, render};

/// What a fit did.
#[derive(Default)]
pub struct FitRecord {
    pub steps: Vec<u64>,
    pub losses: Vec<f64>,
    pub learning_rates: Vec<f64>,
    pub seconds: Vec<f64>,
    /// Scores by name.
    pub metrics: Vec<(String, f64)>,
    /// The last step, if the fit was stopped before its end.
    pub stopped_at: Option<u64>,
}

impl FitRecord {
    pub fn push(&mut self, report: &StepReport, seconds: f64) {
        self.steps.push(report.step);
        self.losses.push(report.loss);
        self.learning_rates.push(report.learning_rate);
        self.seconds.push(seconds);
    }
}

/// A function and its arguments.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyBytes>, BesidesFile));

/// A field with the facts of its signal: a function of coordinates with exact derivatives.
#[pyclass(frozen, module = "siren")]
pub struct Field {
    pub kind: FieldKind,
    pub record: FitRecord,
}

#[pymethods]
impl Field {
    /// Returns the values `(n, c)` at coordinates `(n, d)`.
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        coords: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let values = self.part(py, coords, &Order::Value, JetPart::Value)?;
        handed_over(py, values)
    }

    /// Returns the gradients `(n, c, d)` at coordinates `(n, d)`.
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        coords: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let gradients = self.part(py, coords, &Order::Gradient, JetPart::Gradient)?;
        handed_over(py, gradients)
    }

    /// Returns the Laplacians `(n, c)` at coordinates `(n, d)`.
    fn laplacian<'py>(
        &self,
        py: Python<'py>,
        coords: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let order = Order::laplacian(self.in_features());
        let traces = self.part(py, coords, &order, JetPart::Traces)?;
        handed_over(py, traces.squeeze(2).map_err(of_candle)?)
    }

    /// Returns the Hessians `(n, c, d, d)` at coordinates `(n, d)`.
    fn hessian<'py>(
        &self,
        py: Python<'py>,
        coords: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dims = self.in_features();
        let traces = self.part(py, coords, &Order::hessian(dims), JetPart::Traces)?;
        // Entry (i, j) of the upper triangle, row by row.
        let entry = |i: usize, j: usize| {
            let (i, j) = (i.min(j), i.max(j));
            (i * (2 * dims - i + 1) / 2 + j - i) as u32
        };
        let indices: Vec<u32> = (0..dims * dims)
            .map(|at| entry(at / dims, at % dims))
            .collect();
        let hessians = || {
            let indices = Tensor::from_vec(indices, dims * dims, traces.device())?;
            let (n, c, _) = traces.dims3()?;
            traces
                .index_select(&indices, 2)?
                .reshape((n, c, dims, dims))
        };
        handed_over(py, hessians().map_err(of_candle)?)
    }

    /// Renders the field over the region of its signal: a picture `(height, width[, 3])`, a sound `(frames[, channels])`, a clip
    /// `(frames, height, width[, 3])` of `uint8`, or values on a grid `(side, …, side, c)`.
    #[pyo3(signature = (size=None, *, quantity="value", rate=None))]
    fn render<'py>(
        &self,
        py: Python<'py>,
        size: Option<Vec<usize>>,
        quantity: &str,
        rate: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        must_not_be_forked()?;
        render(
            py,
            &self.kind,
            Rendering {
                size,
                quantity,
                rate,
            },
        )
    }

    /// Writes the field with the facts of its signal to one `.safetensors` file, whole or not at all.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.kind.save(&path).map_err(raised)
    }

    /// Returns a copy of every parameter by its name in the authors' checkpoints.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = PyDict::new(py);
        for (name, tensor) in self.kind.siren().named_tensors().map_err(raised)? {
            state.set_item(name, copied(py, &tensor)?)?;
        }
        Ok(state)
    }

    /// Returns the network of the field and its parameters `(P,)`, for `siren.Siren.from_field`.
    fn _network<'py>(&self, py: Python<'py>) -> PyResult<(PyNetwork, Bound<'py, PyAny>)> {
        PyNetwork::of_field(py, self.kind.siren())
    }

    /// Returns what `pickle` and `copy` keep: the function that makes the field again, and its arguments.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let function = py.import("siren._siren")?.getattr("_unpickled")?;
        let bytes = file_bytes(py, &self.kind)?;
        Ok((function, (bytes, BesidesFile::of(self))))
    }

    /// "picture", "sound", "clip", "shape", "wave", "grid" or "points".
    #[getter]
    fn kind(&self) -> &'static str {
        self.kind.name()
    }

    #[getter]
    fn in_features(&self) -> usize {
        self.kind.siren().in_features()
    }

    #[getter]
    fn out_features(&self) -> usize {
        self.kind.siren().out_features()
    }

    /// The `[field]` table of the network, with every `"auto"` resolved.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        config_of(py, self.kind.siren().network().config())
    }

    /// Step, loss, learning rate and seconds of each step of the fit, as arrays by name; empty ones for a field that was loaded.
    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let history = PyDict::new(py);
        let count = [self.record.steps.len()];
        history.set_item("step", array(py, self.record.steps.clone(), &count)?)?;
        for (name, values) in [
            ("loss", &self.record.losses),
            ("learning_rate", &self.record.learning_rates),
            ("seconds", &self.record.seconds),
        ] {
            history.set_item(name, array(py, values.clone(), &count)?)?;
        }
        Ok(history)
    }

    /// Scores of the fit by name, such as `psnr_db`; empty for a field that was loaded.
    #[getter]
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metrics = PyDict::new(py);
        for (name, value) in &self.record.metrics {
            metrics.set_item(name, value)?;
        }
        Ok(metrics)
    }

    /// The step after which the fit was stopped, by Ctrl-C or the callback; `None` if it took all its steps.
    #[getter]
    fn stopped_at(&self) -> Option<u64> {
        self.record.stopped_at
    }

    fn __repr__(&self) -> String {
        let siren = self.kind.siren();
        format!(
            "<siren.Field of a {}: {} coordinates, {} channels, {} parameters>",
            self.kind.name(),
            siren.in_features(),
            siren.out_features(),
            siren.parameters().len()
        )
    }
}

impl Field {
    pub fn without_record(kind: FieldKind) -> Self {
        Self {
            kind,
            record: FitRecord::default(),
        }
    }

    fn part(
        &self,
        py: Python<'_>,
        coords: &Bound<'_, PyAny>,
        order: &Order,
        part: JetPart,
    ) -> PyResult<Tensor> {
        must_not_be_forked()?;
        let siren = self.kind.siren();
        let coords = coordinates(coords, siren.in_features(), dtype(siren))?;
        py.detach(|| self.kind.part(&coords, order, part))
            .map_err(raised)
    }
}

/// Reads the field of a run folder at its best checkpoint, or of a file that `save`, or an export of a run, wrote.
#[pyfunction]
#[pyo3(signature = (path, *, checkpoint=None))]
pub fn load(py: Python<'_>, path: PathBuf, checkpoint: Option<&str>) -> PyResult<Field> {
    if path.is_dir() {
        return crate::runs::load_run(py, &path, checkpoint);
    }
    if checkpoint.is_some() {
        return Err(PyValueError::new_err(
            "checkpoint: expected none for a file: a run folder has checkpoints",
        ));
    }
    let kind = py.detach(|| FieldKind::open(&path)).map_err(raised)?;
    Ok(Field::without_record(kind))
}
