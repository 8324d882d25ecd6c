//! Renderings of a field at any size: its value, its gradient and its Laplacian.
//!
//! A field is differentiated with respect to its coordinates. Renderings show derivatives per pixel of the fitted picture, so that
//! the same slope has the same color in both directions, even if the coordinates of a picture that is not square are stretched.

use std::ops::Range;
use std::path::Path;

use candle_core::DType;
use siren_core::field::{Order, Siren, Trace};
use siren_core::file::replaceable;
use siren_core::{Error, Result};

use crate::canvas::{Canvas, Size};
use crate::palette::{diverging_color, gradient_color, robust_scale};
use crate::picture::{LUMA, MAX_PIXELS, Picture, is_png};
use crate::png_stream::PngRows;

/// Number of points evaluated at once. It bounds the memory that a large rendering needs.
const BAND_POINTS: usize = 1 << 18;
/// Longest side of the coarse grid from which the color scale of derivatives is determined.
const SCALE_SIDE: usize = 256;
/// Quantile of the magnitude of a derivative that is shown at full brightness.
const FULL_BRIGHTNESS: f32 = 0.995;

/// The quantity of a field that is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Quantity {
    /// The value of the field.
    #[default]
    Value,
    /// Gradient `∇Φ` of the luma, per pixel. Hue shows the direction, brightness the magnitude.
    Gradient,
    /// Laplacian `ΔΦ` of the luma, per pixel squared. Blue is negative, red is positive.
    Laplacian,
}

/// Renders a quantity of the field and passes bands of rows `(rows, width, 1 or 3)` in [0, 1] to `take_rows`, from the top.
///
/// The memory needed does not depend on the height of the canvas.
///
/// # Errors
/// Those of `take_rows`; errors of candle.
pub fn render_bands(
    field: &Siren,
    canvas: &Canvas,
    quantity: Quantity,
    mut take_rows: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let scale = match quantity {
        Quantity::Value => 1.0,
        _ => color_scale(field, canvas, quantity)?,
    };
    let (height, width) = (canvas.size().height, canvas.size().width);
    let rows_per_band = (BAND_POINTS / width).max(1);
    for first in (0..height).step_by(rows_per_band) {
        let rows = rows_per_band.min(height - first);
        let points = first * width..(first + rows) * width;
        let raw = raw_values(field, canvas, quantity, points)?;
        let band: Vec<f32> = match quantity {
            Quantity::Value => {
                let values = raw.iter().enumerate();
                let channels = field.out_features();
                values
                    .map(|(at, &y)| canvas.intensity(at % channels, y))
                    .collect()
            }
            Quantity::Gradient => gradient_colors(&raw, scale),
            Quantity::Laplacian => laplacian_colors(&raw, scale),
        };
        take_rows(&band)?;
    }
    Ok(())
}

/// Computes values `(n, c)`, luma gradients `(n, 2)` per pixel, or luma Laplacians `(n,)` per pixel squared at a range of the points of a
/// canvas, in the scale of targets in [−1, 1].
///
/// # Errors
/// Errors of candle.
pub fn raw_values(
    field: &Siren,
    canvas: &Canvas,
    quantity: Quantity,
    points: Range<usize>,
) -> Result<Vec<f32>> {
    let coords = canvas
        .grid()
        .coords(points.start, points.len(), field.parameters().dtype())?;
    let coords = coords.to_device(field.parameters().device())?;
    let channels = field.out_features();
    let values = match quantity {
        Quantity::Value => field.evaluate(&coords, &Order::Value)?.value()?,
        Quantity::Gradient => field.evaluate(&coords, &Order::Gradient)?.gradient()?,
        Quantity::Laplacian => {
            let [row, column] = canvas.pixel_spacing().map(|spacing| spacing * spacing);
            let laplacian = Trace::new(2, &[row, 0.0, 0.0, column])?;
            let order = Order::Traces([laplacian].into());
            field.evaluate(&coords, &order)?.traces()?
        }
    };
    let values = values
        .to_dtype(DType::F32)?
        .flatten_all()?
        .to_vec1::<f32>()?;
    // The trace of the Laplacian already contains the squared pixel spacing.
    let factors: &[f32] = match quantity {
        Quantity::Value => return Ok(values),
        Quantity::Gradient => &canvas.pixel_spacing().map(|spacing| spacing as f32),
        Quantity::Laplacian => &[1.0],
    };
    let per_channel = factors.len();
    let luma = |point: &[f32], axis: usize| {
        if channels != LUMA.len() {
            return point[axis];
        }
        let weighted = LUMA
            .iter()
            .enumerate()
            .map(|(c, w)| w * point[c * per_channel + axis]);
        weighted.sum()
    };
    let points = values.chunks_exact(channels * per_channel);
    Ok(points
        .flat_map(|point| (0..per_channel).map(move |axis| factors[axis] * luma(point, axis)))
        .collect())
}

/// Determines the magnitude that is shown at full brightness.
fn color_scale(field: &Siren, canvas: &Canvas, quantity: Quantity) -> Result<f32> {
    let Size { height, width } = canvas.size();
    let coarse = canvas.resized(Size {
        height: height.min(SCALE_SIDE),
        width: width.min(SCALE_SIDE),
    })?;
    let raw = raw_values(field, &coarse, quantity, 0..coarse.grid().points())?;
    let per_point = if quantity == Quantity::Gradient { 2 } else { 1 };
    Ok(scale_of(&raw, per_point))
}

/// Returns the [`FULL_BRIGHTNESS`] quantile of the norms of vectors `(n, per_point)`.
fn scale_of(raw: &[f32], per_point: usize) -> f32 {
    let magnitudes = raw
        .chunks_exact(per_point)
        .map(|d| d.iter().map(|x| x * x).sum::<f32>().sqrt());
    robust_scale(magnitudes, FULL_BRIGHTNESS)
}

fn gradient_colors(raw: &[f32], scale: f32) -> Vec<f32> {
    let pairs = raw.chunks_exact(2);
    pairs
        .flat_map(|d| gradient_color(d[0], d[1], scale))
        .collect()
}

fn laplacian_colors(raw: &[f32], scale: f32) -> Vec<f32> {
    let values = raw.iter();
    values.flat_map(|&y| diverging_color(y, scale)).collect()
}

/// Colors luma gradients `(n, 2)`, downward and to the right, that were not computed from a field as [`Quantity::Gradient`] colors them.
#[must_use]
pub fn gradient_picture(raw: &[f32], size: Size) -> Picture {
    rgb_picture(gradient_colors(raw, scale_of(raw, 2)), size)
}

/// Colors luma Laplacians `(n,)` that were not computed from a field as [`Quantity::Laplacian`] colors them.
#[must_use]
pub fn laplacian_picture(raw: &[f32], size: Size) -> Picture {
    rgb_picture(laplacian_colors(raw, scale_of(raw, 1)), size)
}

fn rgb_picture(values: Vec<f32>, Size { height, width }: Size) -> Picture {
    Picture {
        height,
        width,
        channels: 3,
        values: values.into(),
    }
}

/// Renders a quantity of the field on a canvas in memory.
///
/// # Errors
/// Returns errors of candle.
pub fn picture(field: &Siren, canvas: &Canvas, quantity: Quantity) -> Result<Picture> {
    let mut values = Vec::new();
    render_bands(field, canvas, quantity, |band| {
        values.extend_from_slice(band);
        Ok(())
    })?;
    Ok(Picture {
        height: canvas.grid().sides()[0],
        width: canvas.grid().sides()[1],
        channels: values.len() / canvas.grid().points(),
        values: values.into(),
    })
}

/// Renders a quantity of the field into a file. A PNG is written band by band, so its size is not limited by memory. Other formats
/// are rendered in memory first.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written. [`Error::Signal`] if the extension is not that of a supported format, or if a format
/// other than PNG is requested for more than [`MAX_PIXELS`] pixels.
pub fn render(field: &Siren, canvas: &Canvas, quantity: Quantity, path: &Path) -> Result<()> {
    if !is_png(path)? {
        if canvas.grid().points() > MAX_PIXELS {
            let message = format!(
                "the rendering has {} pixels, expected at most {MAX_PIXELS} for this format; use the extension .png",
                canvas.grid().points()
            );
            return Err(Error::signal(path, message));
        }
        // A missing folder is reported before rendering starts.
        let target = replaceable(path)?;
        let parent = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            std::fs::read_dir(parent).map_err(Error::io("write", path))?;
        }
        return picture(field, canvas, quantity)?.save(path);
    }
    let channels = match quantity {
        Quantity::Value => field.out_features(),
        Quantity::Gradient | Quantity::Laplacian => 3,
    };
    let sides = canvas.grid().sides();
    let mut rows = PngRows::create(path, sides[0], sides[1], channels)?;
    render_bands(field, canvas, quantity, |band| rows.push_rows(band))?;
    rows.finish()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::signal::{CoordinateRule, Grid};

    use super::*;

    /// Returns the field `sin(a · row + b · column)`, with row and column in coordinates.
    fn wave(a: f64, b: f64) -> Siren {
        let config = SirenConfig {
            hidden_features: 1.into(),
            hidden_layers: 0,
            first_omega_0: 1.0.into(),
            ..SirenConfig::default()
        };
        let shape = FieldShape {
            in_features: 2,
            out_features: 1,
            samples_per_side: None,
        };
        let find_tensor = |name: &str| {
            let tensor = match name {
                "net.net.0.0.weight" => Tensor::new(&[[a, b]], &Device::Cpu),
                "net.net.1.0.weight" => Tensor::new(&[[1.0_f64]], &Device::Cpu),
                _ => Tensor::new(&[0.0_f64], &Device::Cpu),
            };
            Some(tensor.unwrap())
        };
        config
            .load(shape, find_tensor, DType::F32, &Device::Cpu)
            .unwrap()
    }

    #[test]
    fn a_diagonal_wave_has_equal_row_and_column_slopes_per_pixel_of_a_stretched_picture() {
        const STEP: f64 = 0.3;
        let grid = Grid::new(&[5, 9], CoordinateRule::Stretch).unwrap();
        // The phase difference between adjacent pixels is the same along both axes.
        let field = wave(STEP / grid.spacing(0), STEP / grid.spacing(1));
        let fitted = Canvas::new(&grid);
        for canvas in [
            fitted
                .resized(Size {
                    height: 7,
                    width: 7,
                })
                .unwrap(),
            fitted,
        ] {
            let all = |quantity| {
                let points = 0..canvas.grid().points();
                raw_values(&field, &canvas, quantity, points)
            };
            let values = all(Quantity::Value).unwrap();
            let gradients = all(Quantity::Gradient).unwrap();
            let laplacians = all(Quantity::Laplacian).unwrap();
            for ((value, gradient), laplacian) in
                values.iter().zip(gradients.chunks(2)).zip(laplacians)
            {
                assert!((gradient[0] - gradient[1]).abs() < 1e-6, "{gradient:?}");
                assert!(gradient[0].abs() <= STEP as f32 * 1.000_01);
                let expected = -2.0 * (STEP * STEP) as f32 * value;
                assert!((laplacian - expected).abs() < 1e-5, "{laplacian}");
            }
        }
    }

    #[test]
    fn derivatives_of_a_picture_of_one_pixel_or_one_row_are_rendered() {
        for sides in [[1, 1], [1, 6]] {
            let grid = Grid::new(&sides, CoordinateRule::Stretch).unwrap();
            let canvas = Canvas::new(&grid)
                .resized(Size {
                    height: 3,
                    width: 4,
                })
                .unwrap();
            for quantity in [Quantity::Gradient, Quantity::Laplacian] {
                let drawn = picture(&wave(1.0, 2.0), &canvas, quantity).unwrap();
                assert_eq!((drawn.height, drawn.width, drawn.channels), (3, 4, 3));
                let values = drawn.values.to_floats();
                let row = &values[..12];
                assert!(values.chunks(12).all(|other| other == row));
            }
        }
    }
}
