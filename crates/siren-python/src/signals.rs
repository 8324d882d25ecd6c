//! Arrays as fitting problems: pictures, sounds and clips of the domains, and values at points.

use numpy::PyReadonlyArrayDyn;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use siren_audio::config::AudioSignalConfig;
use siren_audio::{Audio, Sound};
use siren_core::Result;
use siren_core::candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, Omega, Order, Siren};
use siren_core::metrics::{Measured, Metric, Metrics};
use siren_core::objective::{Constraint, Derivatives, Objective, Share, ValueMse};
use siren_core::optimizer::{MuonConfig, OptimizerConfig};
use siren_core::signal::{CoordinateRule, Grid, Sample, Sampling, Spectrum, SubsetSampling};
use siren_core::train::{FitConfig, ScheduleKind, Task, TrainConfig};
use siren_image::config::{ImageObjectiveConfig, ImageSignalConfig};
use siren_image::{Image, Picture, Size};
use siren_video::{Clip, Video, VideoSignalConfig};

use crate::arrays::{elements, floats, not_an_array};
use crate::errors::{of_candle, raised};

/// Points of each step, where neither the argument nor a recipe says.
const POINTS_PER_STEP: usize = 16_384;
/// Points of each step of a sound, as in `configs/audio.toml`.
const SAMPLES_PER_STEP: usize = 8192;
/// Rate of a sound without one, in Hz.
const SOUND_RATE: u32 = 44_100;
/// Rate of a clip without one, in frames per second.
const CLIP_RATE: f64 = 25.0;

/// Returns which points of `all` each step uses.
fn sampling(points: Option<usize>, usual: usize, all: usize) -> PyResult<Sampling> {
    let points = points.unwrap_or(usual);
    if points == 0 {
        return Err(PyValueError::new_err(
            "points: expected at least 1 point for each step, got 0",
        ));
    }
    if points >= all {
        return Ok(Sampling::Whole);
    }
    Ok(Sampling::Subset(SubsetSampling {
        points,
        replacement: false,
    }))
}

/// Values of an array, with its shape.
struct Values {
    shape: Vec<usize>,
    elements: Vec<f32>,
    /// Whether the array holds levels from 0 to 255.
    is_bytes: bool,
}

impl Values {
    /// Copies an array of `uint8`, `float32` or `float64`.
    fn of(array: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = array.extract::<PyReadonlyArrayDyn<'_, u8>>() {
            let view = bytes.as_array();
            let levels = elements(&view);
            return Ok(Self {
                shape: view.shape().to_vec(),
                elements: levels.into_iter().map(f32::from).collect(),
                is_bytes: true,
            });
        }
        let Ok(tensor) = floats(array, "array") else {
            return Err(not_an_array(array, "array", "uint8, float32 or float64"));
        };
        let flat = tensor
            .flatten_all()
            .and_then(|flat| flat.to_dtype(DType::F32));
        Ok(Self {
            shape: tensor.dims().to_vec(),
            elements: flat.and_then(|flat| flat.to_vec1()).map_err(of_candle)?,
            is_bytes: false,
        })
    }

    /// Checks that every value is a number.
    fn must_be_finite(&self) -> PyResult<()> {
        let Some(at) = self.elements.iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        let mut rest = at;
        let mut index = vec![0; self.shape.len()];
        for (index, side) in index.iter_mut().zip(&self.shape).rev() {
            *index = rest % side;
            rest /= side;
        }
        Err(PyValueError::new_err(format!(
            "array: expected finite numbers, got {} at index {index:?}",
            self.elements[at]
        )))
    }
}

fn unexpected_shape(kind: &str, expected: &str, got: &[usize]) -> PyErr {
    PyValueError::new_err(format!(
        "array: expected {expected} for a {kind}, got the shape {got:?}; `kind` chooses another meaning of the array"
    ))
}

/// Makes a picture of an array `(height, width)`, `(height, width, 1)` or `(height, width, 3)`: bytes, or numbers from 0 to 1.
pub fn picture(array: &Bound<'_, PyAny>, points: Option<usize>, seed: u64) -> PyResult<Image> {
    let values = Values::of(array)?;
    values.must_be_finite()?;
    let (height, width, channels) = match *values.shape {
        [height, width] => (height, width, 1),
        [height, width, channels @ (1 | 3)] => (height, width, channels),
        _ => {
            let expected = "(height, width), (height, width, 1) or (height, width, 3)";
            return Err(unexpected_shape("picture", expected, &values.shape));
        }
    };
    let elements = unit_values(values)?;
    let picture =
        Picture::from_values(Size { height, width }, channels, elements).map_err(raised)?;
    let signal = ImageSignalConfig {
        sampling: sampling(points, POINTS_PER_STEP, height * width)?,
        ..ImageSignalConfig::default()
    };
    Image::new(picture, &signal, &ImageObjectiveConfig::default(), seed).map_err(raised)
}

/// Returns values from 0 to 1.
fn unit_values(values: Values) -> PyResult<Vec<f32>> {
    let Values {
        mut elements,
        is_bytes,
        ..
    } = values;
    if is_bytes {
        for value in &mut elements {
            *value /= 255.0;
        }
        return Ok(elements);
    }
    let bounds = elements
        .iter()
        .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &value| {
            [low.min(value), high.max(value)]
        });
    // The margin is that of `Picture::from_values`, which clips half a level.
    if bounds[0] < -0.5 / 255.0 || bounds[1] > 1.0 + 0.5 / 255.0 {
        return Err(PyValueError::new_err(format!(
            "array: expected uint8, or numbers from 0 to 1 for a picture or a clip, got {} to {}: scale them, or fit them as they are with \
             kind=\"values\"",
            bounds[0], bounds[1]
        )));
    }
    Ok(elements)
}

/// Makes a sound of an array `(frames,)` or `(frames, channels)`: amplitudes, of which 1 is full scale.
pub fn sound(
    array: &Bound<'_, PyAny>,
    points: Option<usize>,
    rate: Option<f64>,
    seed: u64,
) -> PyResult<Audio> {
    let values = Values::of(array)?;
    values.must_be_finite()?;
    let channels = match *values.shape {
        [_] => 1,
        [_, channels] => channels,
        _ => {
            let expected = "(frames,) or (frames, channels)";
            return Err(unexpected_shape("sound", expected, &values.shape));
        }
    };
    if values.is_bytes {
        return Err(not_an_array(
            array,
            "array",
            "float32 or float64 for a sound",
        ));
    }
    let rate = rate.unwrap_or_else(|| f64::from(SOUND_RATE));
    if rate.fract() != 0.0 || !(1.0..=f64::from(u32::MAX)).contains(&rate) {
        return Err(PyValueError::new_err(format!(
            "rate: expected a whole number of Hz for a sound, got {rate}"
        )));
    }
    let signal = AudioSignalConfig {
        sampling: sampling(points, SAMPLES_PER_STEP, values.shape[0])?,
        ..AudioSignalConfig::default()
    };
    let sound = Sound::new(rate as u32, channels, values.elements).map_err(raised)?;
    Audio::new(sound, &signal, seed).map_err(raised)
}

/// Makes a clip of an array `(frames, height, width)`, or one more axis of 1 or 3 channels: bytes, or numbers from 0 to 1, which are rounded to levels
/// of 1/255.
pub fn clip(
    array: &Bound<'_, PyAny>,
    points: Option<usize>,
    rate: Option<f64>,
    seed: u64,
) -> PyResult<Video> {
    let values = Values::of(array)?;
    values.must_be_finite()?;
    let (frames, height, width, channels) = match *values.shape {
        [frames, height, width] => (frames, height, width, 1),
        [frames, height, width, channels @ (1 | 3)] => (frames, height, width, channels),
        _ => {
            let expected = "(frames, height, width) or (frames, height, width, 1 or 3)";
            return Err(unexpected_shape("clip", expected, &values.shape));
        }
    };
    let levels: Vec<u8> = if values.is_bytes {
        values.elements.iter().map(|&level| level as u8).collect()
    } else {
        let values = unit_values(values)?;
        values
            .iter()
            .map(|value| (255.0 * value).round() as u8)
            .collect()
    };
    let rate = rate.unwrap_or(CLIP_RATE);
    let clip = Clip::new(frames, height, width, channels, rate, levels).map_err(raised)?;
    let signal = VideoSignalConfig {
        sampling: sampling(points, POINTS_PER_STEP, frames * height * width)?,
        ..VideoSignalConfig::default()
    };
    Video::new(clip, &signal, seed).map_err(raised)
}

/// What the targets of points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Value,
    Gradient,
    Laplacian,
}

impl Target {
    pub fn named(name: &str) -> PyResult<Self> {
        match name {
            "value" => Ok(Self::Value),
            "gradient" => Ok(Self::Gradient),
            "laplacian" => Ok(Self::Laplacian),
            _ => Err(PyValueError::new_err(format!(
                "target: expected \"value\", \"gradient\" or \"laplacian\", got \"{name}\""
            ))),
        }
    }
}

/// Values, gradients or Laplacians at points, as they are: neither scaled nor clipped.
pub struct Points {
    sample: Sample,
    shape: FieldShape,
    target: Target,
    sampling: Sampling,
    seed: u64,
    /// Sides of the grid on which the points lie.
    pub sides: Option<Vec<usize>>,
}

impl Points {
    /// Makes the problem of targets `(n, c)`, `(n,)` for one channel, or gradients `(n, c, d)`, at `coords (n, d)`.
    pub fn new(
        array: &Bound<'_, PyAny>,
        coords: &Tensor,
        target: Target,
        points: Option<usize>,
        seed: u64,
    ) -> PyResult<Self> {
        let given = floats(array, "array")?;
        let (count, dims) = coords.dims2().map_err(of_candle)?;
        let is_gradient = target == Target::Gradient;
        let reshaped = match *given.dims() {
            [n] if n == count && !is_gradient => given.reshape((n, 1, 1)),
            [n, c] if n == count && !is_gradient => given.reshape((n, c, 1)),
            [n, d] if n == count && d == dims => given.reshape((n, 1, d)),
            [n, _, d] if n == count && d == dims && is_gradient => Ok(given.clone()),
            _ => {
                let expected = match target {
                    Target::Gradient => format!("({count}, {dims}) or ({count}, channels, {dims})"),
                    _ => format!("({count},) or ({count}, channels)"),
                };
                return Err(PyValueError::new_err(format!(
                    "array: expected the shape {expected} for {count} points, got {:?}",
                    given.dims()
                )));
            }
        };
        let targets = reshaped
            .and_then(|t| t.to_dtype(DType::F64))
            .map_err(of_candle)?;
        let channels = targets.dim(1).map_err(of_candle)?;
        let targets = Self::columns(&targets, target, dims).map_err(of_candle)?;
        let coords = coords.to_dtype(DType::F64).map_err(of_candle)?;
        Ok(Self {
            sample: Sample::with_targets(coords, targets).map_err(raised)?,
            shape: FieldShape::new(dims, channels),
            target,
            sampling: sampling(points, POINTS_PER_STEP, count)?,
            seed,
            sides: None,
        })
    }

    /// Returns targets as the objective takes them: values `(n, c)`, or derivatives `(n, c, d + 1)`, of which the absent ones are zero.
    fn columns(
        targets: &Tensor,
        target: Target,
        dims: usize,
    ) -> siren_core::candle_core::Result<Tensor> {
        let (n, c, _) = targets.dims3()?;
        let zeros = |count: usize| Tensor::zeros((n, c, count), DType::F64, &Device::Cpu);
        match target {
            Target::Value => targets.squeeze(2),
            Target::Gradient => Tensor::cat(&[targets, &zeros(1)?], 2),
            Target::Laplacian => Tensor::cat(&[&zeros(dims)?, targets], 2),
        }
    }

    /// Makes the problem of values `(side, …, side, c)` at the points of a grid in [−1, 1]^d.
    pub fn on_grid(array: &Bound<'_, PyAny>, points: Option<usize>, seed: u64) -> PyResult<Self> {
        let given = floats(array, "array")?;
        let Some((&channels, sides)) = given
            .dims()
            .split_last()
            .filter(|(_, sides)| !sides.is_empty())
        else {
            let expected = "(side, …, side, channels), at least two axes,";
            return Err(unexpected_shape("grid of values", expected, given.dims()));
        };
        let sides = sides.to_vec();
        let grid = Grid::new(&sides, CoordinateRule::Stretch).map_err(raised)?;
        let coords = grid.coords(0, grid.points(), DType::F64).map_err(raised)?;
        let flat = given.reshape(((), channels)).map_err(of_candle)?;
        let flat = crate::arrays::copied(array.py(), &flat)?;
        let made = Self::new(&flat, &coords, Target::Value, points, seed)?;
        Ok(Self {
            sides: Some(sides),
            ..made
        })
    }

    /// Returns settings for values at points: those of pictures, with the authors' ω₀.
    pub fn recipe(&self) -> FitConfig {
        FitConfig {
            seed: self.seed,
            train: muon_recipe(),
            ..FitConfig::default()
        }
    }

    fn objective(&self) -> Box<dyn Objective> {
        let dims = self.shape.in_features;
        let share = |is_asked: bool| Share {
            weight: f64::from(u8::from(is_asked)),
            divisor: 1.0,
        };
        match self.target {
            Target::Value => Box::new(ValueMse),
            target => Box::new(Derivatives::new(
                dims,
                share(target == Target::Gradient),
                share(target == Target::Laplacian),
            )),
        }
    }
}

/// Returns settings for a picture: those of `configs/image.toml`.
///
/// # Errors
/// Only from candle.
pub fn picture_recipe(image: &Image, seed: u64) -> Result<FitConfig> {
    let mut recipe = FitConfig {
        seed,
        train: muon_recipe(),
        ..FitConfig::default()
    };
    // A picture of one value has no spectrum, and keeps the authors' ω₀.
    if image.spectrum()?.is_some() {
        recipe.field.first_omega_0 = Omega::Auto;
    }
    Ok(recipe)
}

/// The training of `configs/image.toml`.
pub fn muon_recipe() -> TrainConfig {
    TrainConfig {
        steps: 400,
        learning_rate: 1e-3,
        schedule: ScheduleKind::Cosine,
        optimizer: OptimizerConfig::Muon(MuonConfig {
            learning_rate: 2e-3,
            ..MuonConfig::default()
        }),
        ..TrainConfig::default()
    }
}

impl Task for Points {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        self.shape
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        let expected = "a number: points that are given one by one have no spectrum";
        Err(siren_core::Error::invalid(
            "field.first_omega_0",
            "auto",
            expected,
        ))
    }

    fn grid(&self) -> Option<Grid> {
        let sides = self.sides.as_deref()?;
        Grid::new(sides, CoordinateRule::Stretch).ok()
    }

    fn points_per_step(&self) -> Option<usize> {
        self.sampling.points_per_step(self.sample.len())
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let to = |tensor: &Tensor| {
            Ok::<_, siren_core::Error>(tensor.to_dtype(dtype)?.to_device(device)?)
        };
        let sample = Sample::with_targets(to(self.sample.coords())?, to(self.sample.targets()?)?)?;
        let sampler = self.sampling.sampler(sample, self.seed);
        Ok(vec![Constraint::boxed("points", sampler, self.objective())])
    }

    /// Returns the mean squared error of what was fitted, over all points and components.
    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let coords = self.sample.coords().to_dtype(field.parameters().dtype())?;
        let dims = self.shape.in_features;
        let targets = self.sample.targets()?;
        let (name, found, targets) = match self.target {
            Target::Value => {
                let jet = field.evaluate(&coords, &Order::Value)?;
                ("mse", jet.value()?, targets.clone())
            }
            Target::Gradient => {
                let jet = field.evaluate(&coords, &Order::Gradient)?;
                ("gradient_mse", jet.gradient()?, targets.narrow(2, 0, dims)?)
            }
            Target::Laplacian => {
                let order = Order::laplacian(dims);
                let jet = field.evaluate(&coords, &order)?;
                ("laplacian_mse", jet.traces()?, targets.narrow(2, dims, 1)?)
            }
        };
        let error = (found.to_dtype(DType::F64)? - targets)?;
        Ok(vec![Measured {
            metric: Metric::lower(name, ""),
            value: error.sqr()?.mean_all()?.to_scalar()?,
        }])
    }
}

/// grid(sides): coordinates `(n, d)` of the points of a grid in [-1, 1]^d, row-major, as the fields of arrays have them.
#[pyfunction]
pub fn grid(py: Python<'_>, sides: Vec<usize>) -> PyResult<Bound<'_, PyAny>> {
    let grid = Grid::new(&sides, CoordinateRule::Stretch).map_err(raised)?;
    let coords = grid.coords(0, grid.points(), DType::F32).map_err(raised)?;
    crate::arrays::handed_over(py, coords)
}
