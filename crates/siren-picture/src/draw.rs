//! Pictures of a field: its value, gradient and Laplacian, at any size.
//!
//! A field's derivatives are per coordinate. In pictures they are per pixel of the fitted picture, so that equally steep
//! slopes look alike whatever their direction, even where coordinates stretch a picture that is not square.

use std::path::Path;

use candle_core::DType;
use siren_core::field::{Order, Siren, Trace};
use siren_core::run::replaceable;
use siren_core::{Error, Result};

use crate::canvas::{Canvas, Size};
use crate::palette::{gradient_color, laplacian_color, robust_scale};
use crate::picture::{LUMA, MAX_PIXELS, Picture, is_png};
use crate::png_stream::PngRows;

/// Points evaluated at once: what is held in memory of a large picture.
const BAND_POINTS: usize = 1 << 16;
/// The scale of derivative colors comes from a grid of at most this many samples a side.
const SCALE_SIDE: usize = 256;
/// This quantile of a derivative's magnitude is shown at full brightness.
const FULL_BRIGHTNESS: f32 = 0.995;

/// What to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Quantity {
    /// The picture.
    #[default]
    Value,
    /// `∇Φ` of the luma, per pixel: hue is direction, brightness magnitude.
    Gradient,
    /// `ΔΦ` of the luma, per pixel squared: blue below zero, red above.
    Laplacian,
}

/// Draws a quantity of the field on a canvas, `(height, width, 1 or 3)` in [0, 1], and hands out bands of rows from the
/// top; memory stays constant.
fn bands(
    field: &Siren,
    canvas: &Canvas,
    quantity: Quantity,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let scale = match quantity {
        Quantity::Value => 1.0,
        _ => color_scale(field, canvas, quantity)?,
    };
    let (height, width) = (canvas.size().height, canvas.size().width);
    let rows_per_band = (BAND_POINTS / width).max(1);
    for first in (0..height).step_by(rows_per_band) {
        let rows = rows_per_band.min(height - first);
        let raw = derivatives(field, canvas, quantity, (first * width, rows * width))?;
        let band: Vec<f32> = match quantity {
            Quantity::Value => {
                let values = raw.iter().enumerate();
                let channels = field.out_features();
                values
                    .map(|(at, &y)| canvas.shown(at % channels, y))
                    .collect()
            }
            Quantity::Gradient => gradient_colors(&raw, scale),
            Quantity::Laplacian => laplacian_colors(&raw, scale),
        };
        take(&band)?;
    }
    Ok(())
}

/// Values `(n, c)`, luma gradients `(n, 2)`, or luma Laplacians `(n)` at points `start .. start + len` of a canvas; per
/// pixel.
fn derivatives(
    field: &Siren,
    canvas: &Canvas,
    quantity: Quantity,
    (start, len): (usize, usize),
) -> Result<Vec<f32>> {
    let coords = canvas.grid().coords(start, len, DType::F32)?;
    let coords = coords.to_device(field.parameters().device())?;
    let channels = field.out_features();
    let numbers = match quantity {
        Quantity::Value => field.evaluate(&coords, &Order::Value)?.value()?,
        Quantity::Gradient => field.evaluate(&coords, &Order::Gradient)?.gradient()?,
        Quantity::Laplacian => {
            let [row, column] = canvas.pixel().map(|pixel| pixel * pixel);
            let laplacian = Trace::new(2, &[row, 0.0, 0.0, column])?;
            let order = Order::Traces([laplacian].into());
            field.evaluate(&coords, &order)?.traces()?
        }
    };
    let numbers = numbers.flatten_all()?.to_vec1::<f32>()?;
    // The trace of the Laplacian is per pixel already.
    let factors: &[f32] = match quantity {
        Quantity::Value => return Ok(numbers),
        Quantity::Gradient => &canvas.pixel().map(|pixel| pixel as f32),
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
    let points = numbers.chunks_exact(channels * per_channel);
    Ok(points
        .flat_map(|point| (0..per_channel).map(move |axis| factors[axis] * luma(point, axis)))
        .collect())
}

/// The magnitude shown at full brightness.
fn color_scale(field: &Siren, canvas: &Canvas, quantity: Quantity) -> Result<f32> {
    let Size { height, width } = canvas.size();
    let coarse = canvas.at(Size {
        height: height.min(SCALE_SIDE),
        width: width.min(SCALE_SIDE),
    })?;
    let raw = derivatives(field, &coarse, quantity, (0, coarse.grid().points()))?;
    let per_point = if quantity == Quantity::Gradient { 2 } else { 1 };
    Ok(scale_of(&raw, per_point))
}

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
    values.flat_map(|&y| laplacian_color(y, scale)).collect()
}

/// Gradients of the luma, `(n, 2)` down and to the right, that no field gave, in the colors in which those of fields are drawn.
#[must_use]
pub fn gradient_picture(raw: &[f32], size: Size) -> Picture {
    colored(gradient_colors(raw, scale_of(raw, 2)), size)
}

/// Laplacians of the luma, `(n)`, that no field gave, in the colors in which those of fields are drawn.
#[must_use]
pub fn laplacian_picture(raw: &[f32], size: Size) -> Picture {
    colored(laplacian_colors(raw, scale_of(raw, 1)), size)
}

fn colored(values: Vec<f32>, Size { height, width }: Size) -> Picture {
    Picture {
        height,
        width,
        channels: 3,
        values,
    }
}

/// Luma gradients `(n, 2)` or luma Laplacians `(n)` of the whole canvas, per pixel, for targets in [−1, 1].
///
/// # Errors
/// Only from candle.
pub fn derivative_values(field: &Siren, canvas: &Canvas, quantity: Quantity) -> Result<Vec<f32>> {
    let points = canvas.grid().points();
    let mut all = Vec::new();
    for start in (0..points).step_by(BAND_POINTS) {
        let band = (start, BAND_POINTS.min(points - start));
        all.extend(derivatives(field, canvas, quantity, band)?);
    }
    Ok(all)
}

/// The field's value on a canvas as a picture.
///
/// # Errors
/// Only from candle.
pub fn value_picture(field: &Siren, canvas: &Canvas) -> Result<Picture> {
    picture(field, canvas, Quantity::Value)
}

/// A quantity of the field on a canvas as a picture in memory.
///
/// # Errors
/// Only from candle.
pub fn picture(field: &Siren, canvas: &Canvas, quantity: Quantity) -> Result<Picture> {
    let mut values = Vec::new();
    bands(field, canvas, quantity, |band| {
        values.extend_from_slice(band);
        Ok(())
    })?;
    Ok(Picture {
        height: canvas.grid().sides()[0],
        width: canvas.grid().sides()[1],
        channels: values.len() / canvas.grid().points(),
        values,
    })
}

/// Draws a quantity of the field into a file. A PNG of any size is written row by row in constant memory; other
/// formats are held whole.
///
/// # Errors
/// If the file cannot be written, or its extension is of no known format.
pub fn render(field: &Siren, canvas: &Canvas, quantity: Quantity, path: &Path) -> Result<()> {
    if !is_png(path)? {
        if canvas.grid().points() > MAX_PIXELS {
            let message = format!("more than {MAX_PIXELS} pixels are written as .png only");
            return Err(Error::signal(path, message));
        }
        // Before the work, not after it.
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
    bands(field, canvas, quantity, |band| rows.push_rows(band))?;
    rows.finish()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::signal::{CoordinateRule, Grid};

    use super::*;

    /// `sin(a row + b column)`, in coordinates.
    fn wave(a: f64, b: f64) -> Siren {
        let config = SirenConfig {
            hidden_features: 1,
            hidden_layers: 0,
            first_omega_0: 1.0.into(),
            ..SirenConfig::default()
        };
        let shape = FieldShape {
            in_features: 2,
            out_features: 1,
            samples_per_side: None,
        };
        let find = |name: &str| {
            let tensor = match name {
                "net.net.0.0.weight" => Tensor::new(&[[a, b]], &Device::Cpu),
                "net.net.1.0.weight" => Tensor::new(&[[1.0_f64]], &Device::Cpu),
                _ => Tensor::new(&[0.0_f64], &Device::Cpu),
            };
            Some(tensor.unwrap())
        };
        config.load(shape, find, DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn a_diagonal_wave_has_equal_slopes_down_and_to_the_right_of_a_stretched_picture() {
        const STEP: f64 = 0.3;
        let grid = Grid::new(&[5, 9], CoordinateRule::Stretch).unwrap();
        // The same phase from pixel to pixel on both axes.
        let field = wave(STEP / grid.spacing(0), STEP / grid.spacing(1));
        let own = Canvas::new(&grid);
        for canvas in [
            own.at(Size {
                height: 7,
                width: 7,
            })
            .unwrap(),
            own,
        ] {
            let all =
                |quantity| derivatives(&field, &canvas, quantity, (0, canvas.grid().points()));
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
    fn pictures_of_one_pixel_or_one_row_have_derivatives_to_draw() {
        for sides in [[1, 1], [1, 6]] {
            let grid = Grid::new(&sides, CoordinateRule::Stretch).unwrap();
            let canvas = Canvas::new(&grid)
                .at(Size {
                    height: 3,
                    width: 4,
                })
                .unwrap();
            for quantity in [Quantity::Gradient, Quantity::Laplacian] {
                let drawn = picture(&wave(1.0, 2.0), &canvas, quantity).unwrap();
                assert_eq!((drawn.height, drawn.width, drawn.channels), (3, 4, 3));
                let row = &drawn.values[..12];
                assert!(drawn.values.chunks(12).all(|other| other == row));
            }
        }
    }
}
