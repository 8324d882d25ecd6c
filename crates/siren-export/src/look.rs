//! How a field is looked at: which coordinate is where on the screen, and which color a value has.

use candle_core::{DType, Device, Tensor};
use serde::Serialize;
use siren_core::Result;
use siren_core::field::{Order, Siren, Trace};

/// Where a coordinate is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the right.
    Right,
    /// Downward, as the rows of a picture.
    Down,
    /// Upward.
    Up,
    /// Not on the screen: one value at a time, played.
    Time,
    /// Not on the screen: one value at a time, a cut.
    Depth,
}

/// One coordinate of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// Name, such as `row` or `t`.
    pub name: &'static str,
    /// Where it is on the screen.
    pub direction: Direction,
    /// Least and greatest coordinate of the fitted signal.
    pub range: [f64; 2],
    /// Number of samples of the fitted signal between them, both ends included; `None` if it has no samples.
    pub samples: Option<usize>,
    /// Quantities of the user at the ends of `range`, such as seconds.
    pub quantity: [f64; 2],
    /// Unit of the quantities; may be empty.
    pub unit: &'static str,
}

impl Axis {
    /// Returns an axis of samples, of which `extent` is half the range in coordinates. Its quantity is the index.
    #[must_use]
    pub fn of_samples(
        name: &'static str,
        direction: Direction,
        extent: f64,
        samples: usize,
    ) -> Self {
        Self {
            name,
            direction,
            range: [-extent, extent],
            samples: Some(samples),
            quantity: [0.0, samples.saturating_sub(1) as f64],
            unit: "px",
        }
    }

    /// Returns an axis without samples. Its quantity is the coordinate.
    #[must_use]
    pub fn of_range(name: &'static str, direction: Direction, range: [f64; 2]) -> Self {
        Self {
            name,
            direction,
            range,
            samples: None,
            quantity: range,
            unit: "",
        }
    }

    /// Returns coordinates at equal distances over the range, at most `most`.
    fn ticks(&self, most: usize) -> Vec<f64> {
        let count = self.samples.unwrap_or(most).clamp(1, most);
        let [low, high] = self.range;
        let share = |i: usize| i as f64 / count.saturating_sub(1).max(1) as f64;
        (0..count).map(|i| low + (high - low) * share(i)).collect()
    }

    /// Returns the distance between two samples in coordinates; without samples, 1.
    #[must_use]
    pub fn spacing(&self) -> f64 {
        match self.samples {
            Some(samples) if samples > 1 => (self.range[1] - self.range[0]) / (samples - 1) as f64,
            _ => 1.0,
        }
    }
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Intensities in [0, 1] of gray or of red, green and blue.
    Intensity,
    /// Signed amplitudes of one or more channels over one coordinate.
    Amplitude,
    /// Signed values over a plane, each channel a picture of its own; blue, white and red.
    Signed,
    /// The distance to a surface in space, negative inside.
    Distance,
}

/// Points per side at which the values with the full color are measured, by the number of axes from 1 to 4.
const MEASURED_SIDE: [usize; 4] = [65_536, 256, 40, 16];
/// Quantile of the magnitude of a value or derivative that has the full color.
const FULL_COLOR: f64 = 0.995;

/// How a field is looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Look {
    /// What the values are.
    pub values: Values,
    /// The coordinates of the field, in order.
    pub axes: Vec<Axis>,
    /// `[gain, offset]` of each channel: `gain · Φ + offset` is the displayed value.
    pub tone: Vec<[f64; 2]>,
    /// Names of the channels; may be empty.
    pub channels: Vec<String>,
    /// Weights of the channels in the scalar whose derivatives are shown, such as luma; empty for each channel by itself.
    pub weights: Vec<f64>,
    /// What the values lack of the signal, in sentences of one line each: every format states them.
    pub notes: Vec<String>,
}

/// Magnitudes that have the full color.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct FullColor {
    /// Of displayed values.
    pub(crate) value: f64,
    /// Of gradients per sample.
    pub(crate) gradient: f64,
    /// Of Laplacians per sample squared.
    pub(crate) laplacian: f64,
}

impl Look {
    /// Returns the indices of the axes on the screen, in which derivatives are taken; all axes of a distance.
    pub(crate) fn differentiated(&self) -> Vec<usize> {
        let is_hidden = |axis: &Axis| matches!(axis.direction, Direction::Time | Direction::Depth);
        let axes = self.axes.iter().enumerate();
        axes.filter(|(_, axis)| self.values == Values::Distance || !is_hidden(axis))
            .map(|(index, _)| index)
            .collect()
    }

    /// Measures the magnitudes with the full color on a grid over the ranges of all axes. For a picture they are those of its renderings.
    ///
    /// # Errors
    /// Only from candle.
    pub(crate) fn full_color(&self, field: &Siren) -> Result<FullColor> {
        let dims = self.axes.len();
        let most = MEASURED_SIDE[dims.clamp(1, MEASURED_SIDE.len()) - 1];
        let ticks = self.axes.iter().map(|axis| axis.ticks(most));
        let ticks: Vec<Vec<f64>> = ticks.collect();
        let mut points = vec![Vec::new()];
        for axis in &ticks {
            let extended = points.iter().flat_map(|point: &Vec<f64>| {
                axis.iter().map(|&x| [point.as_slice(), &[x]].concat())
            });
            points = extended.collect();
        }
        let points = points.concat();
        let channels = field.out_features();
        let by_channel = self.weights.len() != channels;
        let scalars = |values: &[f64]| -> Vec<f64> {
            if by_channel {
                return values.to_vec();
            }
            let products = values.iter().zip(&self.weights).map(|(a, b)| a * b);
            vec![products.sum()]
        };
        let axes = self.differentiated();
        let spacing = |axis: usize| self.axes[axis].spacing();
        let tone = |(y, [gain, offset]): (&f64, &[f64; 2])| gain * y + offset;
        let values = field.values(&points)?;
        let values = values.chunks_exact(channels);
        let shown = values.flat_map(|y| y.iter().zip(&self.tone).map(tone));
        let gradients = field.gradients(&points)?;
        let slopes = gradients.chunks_exact(channels * dims).flat_map(|point| {
            let along = axes.iter().map(|&axis| {
                let column = point.iter().skip(axis).step_by(dims);
                let column: Vec<f64> = column.map(|slope| slope * spacing(axis)).collect();
                scalars(&column)
            });
            let along: Vec<Vec<f64>> = along.collect();
            let count = along.first().map_or(0, Vec::len);
            let norm = move |k: usize| along.iter().map(|d| d[k] * d[k]).sum::<f64>().sqrt();
            (0..count).map(norm)
        });
        let mut matrix = vec![0.0; dims * dims];
        for &axis in &axes {
            matrix[axis * dims + axis] = spacing(axis) * spacing(axis);
        }
        let traces = traces(field, &points, &matrix)?;
        let curvatures = traces.chunks_exact(channels).flat_map(scalars);
        Ok(FullColor {
            value: quantile(shown),
            gradient: quantile(slopes),
            laplacian: quantile(curvatures),
        })
    }
}

/// Returns the second-order traces `(n · c)` of a field at `points (n · d)` for a matrix `(d, d)`.
fn traces(field: &Siren, points: &[f64], matrix: &[f64]) -> Result<Vec<f64>> {
    let dims = field.in_features();
    let parameters = field.parameters();
    let coords = Tensor::from_slice(points, (points.len() / dims, dims), &Device::Cpu)?;
    let coords = coords.to_dtype(parameters.dtype())?;
    let order = Order::Traces([Trace::new(dims, matrix)?].into());
    let found = field.evaluate(&coords.to_device(parameters.device())?, &order)?;
    Ok(found
        .traces()?
        .to_dtype(DType::F64)?
        .flatten_all()?
        .to_vec1()?)
}

/// Returns a positive magnitude that nearly all finite values have at most.
fn quantile(values: impl Iterator<Item = f64>) -> f64 {
    let mut sizes: Vec<f64> = values.map(f64::abs).filter(|v| v.is_finite()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let Some(last) = sizes.len().checked_sub(1) else {
        return 1.0;
    };
    let at = (FULL_COLOR * last as f64).round() as usize;
    let is_positive = |size: &&f64| **size > 0.0;
    let found = sizes[at..].iter().find(is_positive);
    found.copied().unwrap_or(1.0)
}
