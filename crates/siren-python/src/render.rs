//! Fields as arrays over the region of their signals.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use siren_audio::SoundField;
use siren_core::candle_core::DType;
use siren_core::field::{Order, Siren};
use siren_core::signal::{CoordinateRule, Grid};
use siren_image::{PictureField, Quantity, Size};
use siren_video::ClipField;

use crate::arrays::{array, handed_over};
use crate::errors::raised;
use crate::kind::FieldKind;
use crate::network::dtype;

/// What is asked of a rendering.
pub struct Rendering<'a> {
    pub size: Option<Vec<usize>>,
    pub quantity: &'a str,
    pub rate: Option<f64>,
}

/// Renders a field.
///
/// # Errors
/// `ValueError` for a size, a rate or a quantity that the kind of signal does not have; `TypeError` for a kind that is no array.
pub fn render<'py>(
    py: Python<'py>,
    kind: &FieldKind,
    asked: Rendering<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let quantity = asked.quantity;
    if quantity != "value" && !matches!(kind, FieldKind::Picture(_)) {
        return Err(PyValueError::new_err(format!(
            "quantity: expected \"value\" for a {}, got \"{quantity}\": the methods `gradient` and `laplacian` give derivatives at any points",
            kind.name()
        )));
    }
    match kind {
        FieldKind::Picture(field) => picture(py, field, asked),
        FieldKind::Sound(field) => sound(py, field, &asked),
        FieldKind::Clip(field) => clip(py, field, asked),
        FieldKind::Grid(siren, sides) => {
            no_rate(asked.rate, "grid")?;
            on_grid(py, siren, &asked.size.unwrap_or_else(|| sides.clone()))
        }
        FieldKind::Plain(siren) => {
            no_rate(asked.rate, "field of points")?;
            let Some(sides) = asked.size else {
                let dims = siren.in_features();
                return Err(PyValueError::new_err(format!(
                    "size: expected a tuple of {dims} sides: a field of points has no size of its own; its values on a grid in [-1, 1]^{dims} are \
                     rendered"
                )));
            };
            on_grid(py, siren, &sides)
        }
        FieldKind::Shape(_) => Err(PyTypeError::new_err(
            "a shape is no picture: call the field for signed distances at positions, or export a mesh with the program siren-shape",
        )),
        FieldKind::Wave(_) => Err(PyTypeError::new_err(
            "a wave is no picture: call the field for the values of the network at points, or render it with the program siren-wave",
        )),
    }
}

/// Renders `(height, width)` or `(height, width, 3)`.
fn picture<'py>(
    py: Python<'py>,
    field: &PictureField,
    asked: Rendering<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    no_rate(asked.rate, "picture")?;
    let size = picture_size(asked.size)?.unwrap_or_else(|| field.size());
    let quantity = match asked.quantity {
        "value" => Quantity::Value,
        "gradient" => Quantity::Gradient,
        "laplacian" => Quantity::Laplacian,
        other => {
            return Err(PyValueError::new_err(format!(
                "quantity: expected \"value\", \"gradient\" or \"laplacian\", got \"{other}\""
            )));
        }
    };
    let picture = py.detach(|| field.render_quantity(quantity, size));
    let picture = picture.map_err(raised)?;
    let shape = [picture.height, picture.width, picture.channels];
    let axes = if picture.channels == 1 { 2 } else { 3 };
    array(py, picture.values.to_floats().into_owned(), &shape[..axes])
}

/// Renders `(frames,)` or `(frames, channels)`.
fn sound<'py>(
    py: Python<'py>,
    field: &SoundField,
    asked: &Rendering<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(size) = &asked.size {
        return Err(PyValueError::new_err(format!(
            "size: expected none for a sound, which has a `rate`, got {size:?}"
        )));
    }
    let rate = asked.rate.map_or(Ok(field.metadata().rate), whole_rate)?;
    let sound = py.detach(|| field.render(rate)).map_err(raised)?;
    let shape = [sound.frames(), sound.channels()];
    let axes = if sound.channels() == 1 { 1 } else { 2 };
    array(py, sound.into_samples(), &shape[..axes])
}

/// Renders `(frames, height, width)` or `(frames, height, width, 3)` levels.
fn clip<'py>(
    py: Python<'py>,
    field: &ClipField,
    asked: Rendering<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut playback = field.playback();
    if let Some(rate) = asked.rate {
        playback = playback.at_rate(rate).map_err(raised)?;
    }
    if let Some(size) = picture_size(asked.size)? {
        playback = playback.at_size(size).map_err(raised)?;
    }
    let clip = py.detach(|| field.render(&playback)).map_err(raised)?;
    let shape = [clip.frames(), clip.height(), clip.width(), clip.channels()];
    let axes = if clip.channels() == 1 { 3 } else { 4 };
    array(py, clip.into_levels(), &shape[..axes])
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

fn whole_rate(rate: f64) -> PyResult<u32> {
    if rate.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&rate) {
        return Ok(rate as u32);
    }
    Err(PyValueError::new_err(format!(
        "rate: expected a whole number of Hz, got {rate}"
    )))
}
