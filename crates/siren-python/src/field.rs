//! Fitted fields with the facts of their signals.

use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use siren_audio::SoundField;
use siren_core::Result;
use siren_core::candle_core::{DType, Tensor};
use siren_core::field::{Order, Siren};
use siren_core::metrics::Metrics;
use siren_core::signal::{CoordinateRule, Grid};
use siren_core::train::StepReport;
use siren_image::{PictureField, Quantity, Size};
use siren_shape::ShapeField;
use siren_video::ClipField;
use siren_wave::WaveField;

use crate::arrays::{array, coordinates, copied, handed_over};
use crate::errors::{of_candle, raised};
use crate::network::{Network, config_of, dtype};
use crate::process::must_not_be_forked;

/// A field and what is known of its signal.
pub enum Kind {
    Picture(PictureField),
    Sound(SoundField),
    Clip(ClipField),
    Shape(ShapeField),
    Wave(WaveField),
    /// Values on a grid of these sides.
    Grid(Siren, Vec<usize>),
    Plain(Siren),
}

/// How coordinates and values of a network become those of the user: `x = (p − center) · scale`, and `gain · y + offset` for each channel.
struct Units {
    center: Vec<f64>,
    scale: f64,
    gain: Vec<f64>,
    offset: Vec<f64>,
}

impl Kind {
    pub fn siren(&self) -> &Siren {
        match self {
            Self::Picture(field) => field.siren(),
            Self::Sound(field) => field.siren(),
            Self::Clip(field) => field.siren(),
            Self::Shape(field) => field.siren(),
            Self::Wave(field) => field.siren(),
            Self::Grid(siren, _) | Self::Plain(siren) => siren,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Picture(_) => "picture",
            Self::Sound(_) => "sound",
            Self::Clip(_) => "clip",
            Self::Shape(_) => "shape",
            Self::Wave(_) => "wave",
            Self::Grid(..) => "grid",
            Self::Plain(_) => "points",
        }
    }

    fn save(&self, path: &Path) -> Result<()> {
        match self {
            Self::Picture(field) => field.save(path),
            Self::Sound(field) => field.save(path),
            Self::Clip(field) => field.save(path),
            Self::Shape(field) => field.save(path),
            Self::Wave(field) => field.save(path),
            Self::Grid(siren, _) | Self::Plain(siren) => siren.save(path),
        }
    }

    /// Reads a file of a field. The facts of its signal tell the kind.
    fn open(path: &Path) -> Result<Self> {
        // First, so that a damaged file gives the error of fields.
        let plain = Siren::open(path)?;
        let dims = plain.in_features();
        let opened = match dims {
            1 => SoundField::open(path).ok().map(Self::Sound),
            2 => PictureField::open(path).ok().map(Self::Picture),
            3 => ClipField::open(path)
                .ok()
                .map(Self::Clip)
                .or_else(|| ShapeField::open(path).ok().map(Self::Shape)),
            _ => None,
        };
        let opened = opened.or_else(|| WaveField::open(path).ok().map(Self::Wave));
        Ok(opened.unwrap_or(Self::Plain(plain)))
    }

    fn units(&self) -> Units {
        let siren = self.siren();
        let channels = siren.out_features();
        let mut units = Units {
            center: vec![0.0; siren.in_features()],
            scale: 1.0,
            gain: vec![1.0; channels],
            offset: vec![0.0; channels],
        };
        match self {
            Self::Picture(field) => {
                let tone = &field.metadata().tone;
                for channel in 0..channels {
                    let [gain, offset] = tone.get(channel).copied().unwrap_or([1.0, 0.0]);
                    units.gain[channel] = 0.5 * f64::from(gain);
                    units.offset[channel] = 0.5 * f64::from(offset) + 0.5;
                }
            }
            Self::Sound(field) => units.gain.fill(f64::from(field.metadata().peak)),
            Self::Clip(_) => {
                units.gain.fill(0.5);
                units.offset.fill(0.5);
            }
            Self::Shape(field) => {
                let frame = field.frame();
                units.center = frame.center.to_vec();
                units.scale = frame.scale;
                units.gain.fill(1.0 / frame.scale);
            }
            Self::Wave(_) | Self::Grid(..) | Self::Plain(_) => {}
        }
        units
    }

    /// Returns components of the jet at `coords (n, d)` in the units of the signal: `n_order` is the number of derivatives of each.
    fn part(&self, coords: &Tensor, order: &Order, part: Part) -> Result<Tensor> {
        let units = self.units();
        let siren = self.siren();
        let like = |values: Vec<f64>, shape: &[usize]| {
            Tensor::from_vec(values, shape, coords.device())?.to_dtype(coords.dtype())
        };
        let dims = units.center.len();
        let channels = units.gain.len();
        let coords = if matches!(self, Self::Shape(_)) {
            let center = like(units.center.clone(), &[1, dims])?;
            (coords.broadcast_sub(&center)? * units.scale)?
        } else {
            coords.clone()
        };
        let jet = siren.evaluate(&coords, order)?;
        let gain = |power: i32| {
            let gains = units.gain.iter().map(|gain| gain * units.scale.powi(power));
            like(gains.collect(), &[1, channels, 1])
        };
        Ok(match part {
            Part::Value => {
                let value = jet.value()?.unsqueeze(2)?.broadcast_mul(&gain(0)?)?;
                let offset = like(units.offset.clone(), &[1, channels, 1])?;
                value.broadcast_add(&offset)?.squeeze(2)?
            }
            Part::Gradient => jet.gradient()?.broadcast_mul(&gain(1)?)?,
            Part::Traces => jet.traces()?.broadcast_mul(&gain(2)?)?,
        })
    }
}

#[derive(Clone, Copy)]
enum Part {
    Value,
    Gradient,
    Traces,
}

/// What a fit did.
#[derive(Default)]
pub struct FitRecord {
    pub steps: Vec<u64>,
    losses: Vec<f64>,
    learning_rates: Vec<f64>,
    seconds: Vec<f64>,
    pub metrics: Metrics,
    /// The last step, if it is not the last one that was asked for.
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

/// A field with the facts of its signal: a function of coordinates with exact derivatives.
#[pyclass(frozen, module = "siren")]
pub struct Field {
    pub kind: Kind,
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
        let values = self.part(py, coords, &Order::Value, Part::Value)?;
        handed_over(py, values)
    }

    /// Returns the gradients `(n, c, d)` at coordinates `(n, d)`.
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        coords: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let gradients = self.part(py, coords, &Order::Gradient, Part::Gradient)?;
        handed_over(py, gradients)
    }

    /// Returns the Laplacians `(n, c)` at coordinates `(n, d)`.
    fn laplacian<'py>(
        &self,
        py: Python<'py>,
        coords: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let order = Order::laplacian(self.in_features());
        let traces = self.part(py, coords, &order, Part::Traces)?;
        handed_over(py, traces.squeeze(2).map_err(of_candle)?)
    }

    /// Returns the Hessians `(n, c, d, d)` at coordinates `(n, d)`.
    fn hessian<'py>(
        &self,
        py: Python<'py>,
        coords: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dims = self.in_features();
        let traces = self.part(py, coords, &Order::hessian(dims), Part::Traces)?;
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
        if quantity != "value" && !matches!(self.kind, Kind::Picture(_)) {
            return Err(PyValueError::new_err(format!(
                "quantity: expected \"value\" for a {}, got \"{quantity}\": the methods `gradient` and `laplacian` give derivatives at any points",
                self.kind.name()
            )));
        }
        match &self.kind {
            Kind::Picture(field) => {
                no_rate(rate, "picture")?;
                let size = picture_size(size)?.unwrap_or_else(|| field.size());
                let quantity = match quantity {
                    "value" => Quantity::Value,
                    "gradient" => Quantity::Gradient,
                    "laplacian" => Quantity::Laplacian,
                    _ => {
                        return Err(PyValueError::new_err(format!(
                            "quantity: expected \"value\", \"gradient\" or \"laplacian\", got \"{quantity}\""
                        )));
                    }
                };
                let picture = py
                    .detach(|| field.render_quantity(quantity, size))
                    .map_err(raised)?;
                let shape = [picture.height, picture.width, picture.channels];
                let axes = if picture.channels == 1 { 2 } else { 3 };
                array(py, picture.values, &shape[..axes])
            }
            Kind::Sound(field) => {
                no_size(size.as_deref(), "sound", "rate")?;
                let rate = rate.map_or(Ok(field.metadata().rate), whole_rate)?;
                let sound = py.detach(|| field.render(rate)).map_err(raised)?;
                let shape = [sound.frames(), sound.channels()];
                let axes = if sound.channels() == 1 { 1 } else { 2 };
                array(py, sound.into_samples(), &shape[..axes])
            }
            Kind::Clip(field) => {
                let playback = || {
                    let playback = field.playback();
                    let playback =
                        rate.map_or(Ok(playback.clone()), |rate| playback.at_rate(rate))?;
                    Ok((playback, field))
                };
                let (playback, field) = playback().map_err(raised)?;
                let playback = match picture_size(size)? {
                    Some(size) => playback.at_size(size).map_err(raised)?,
                    None => playback,
                };
                let clip = py.detach(|| field.render(&playback)).map_err(raised)?;
                let shape = [clip.frames(), clip.height(), clip.width(), clip.channels()];
                let axes = if clip.channels() == 1 { 3 } else { 4 };
                array(py, clip.into_levels(), &shape[..axes])
            }
            Kind::Grid(siren, sides) => {
                no_rate(rate, "grid")?;
                let sides = size.unwrap_or_else(|| sides.clone());
                on_grid(py, siren, &sides)
            }
            Kind::Plain(siren) => {
                no_rate(rate, "field of points")?;
                let Some(sides) = size else {
                    let dims = siren.in_features();
                    return Err(PyValueError::new_err(format!(
                        "size: expected a tuple of {dims} sides: a field of points has no size of its own; its values on a grid in [-1, 1]^{dims} \
                         are rendered"
                    )));
                };
                on_grid(py, siren, &sides)
            }
            Kind::Shape(_) => Err(PyTypeError::new_err(
                "a shape is no picture: call the field for signed distances at positions, or export a mesh with the program siren-shape",
            )),
            Kind::Wave(_) => Err(PyTypeError::new_err(
                "a wave is no picture: call the field for the values of the network at points, or render it with the program siren-wave",
            )),
        }
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
    fn _network<'py>(&self, py: Python<'py>) -> PyResult<(Network, Bound<'py, PyAny>)> {
        Network::of_field(py, self.kind.siren())
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
        for measured in &self.record.metrics {
            metrics.set_item(measured.metric.name.as_ref(), measured.value)?;
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
    pub fn without_record(kind: Kind) -> Self {
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
        part: Part,
    ) -> PyResult<Tensor> {
        must_not_be_forked()?;
        let siren = self.kind.siren();
        let coords = coordinates(coords, siren.in_features(), dtype(siren))?;
        py.detach(|| self.kind.part(&coords, order, part))
            .map_err(raised)
    }
}

/// Returns the values of a field on a grid in [−1, 1]^d.
fn on_grid<'py>(py: Python<'py>, siren: &Siren, sides: &[usize]) -> PyResult<Bound<'py, PyAny>> {
    let dims = siren.in_features();
    if sides.len() != dims {
        return Err(PyValueError::new_err(format!(
            "size: expected a tuple of {dims} sides, got {sides:?}"
        )));
    }
    let values = py.detach(|| {
        let grid = Grid::new(sides, CoordinateRule::Stretch)?;
        let coords = grid.coords(0, grid.points(), DType::F64)?;
        let coords = coords.to_dtype(dtype(siren))?;
        let values = siren.evaluate(&coords, &Order::Value)?.value()?;
        let shape = [sides, &[siren.out_features()]].concat();
        Ok(values.reshape(shape)?)
    });
    handed_over(py, values.map_err(raised)?)
}

fn picture_size(size: Option<Vec<usize>>) -> PyResult<Option<Size>> {
    match size.as_deref() {
        None => Ok(None),
        Some(&[height, width]) => Ok(Some(Size { height, width })),
        Some(size) => Err(PyValueError::new_err(format!(
            "size: expected (height, width), got {size:?}"
        ))),
    }
}

fn no_rate(rate: Option<f64>, kind: &str) -> PyResult<()> {
    match rate {
        None => Ok(()),
        Some(rate) => Err(PyValueError::new_err(format!(
            "rate: expected none for a {kind}, got {rate}"
        ))),
    }
}

fn no_size(size: Option<&[usize]>, kind: &str, instead: &str) -> PyResult<()> {
    match size {
        None => Ok(()),
        Some(size) => Err(PyValueError::new_err(format!(
            "size: expected none for a {kind}, which has a `{instead}`, got {size:?}"
        ))),
    }
}

fn whole_rate(rate: f64) -> PyResult<u32> {
    if rate.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&rate) {
        return Ok(rate as u32);
    }
    Err(PyValueError::new_err(format!(
        "rate: expected a whole number of Hz, got {rate}"
    )))
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
    let kind = py.detach(|| Kind::open(&path)).map_err(raised)?;
    Ok(Field::without_record(kind))
}
