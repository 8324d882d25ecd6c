//! Pictures of a field: its value, gradient and Laplacian, at any size.

use std::path::Path;
use std::str::FromStr;

use candle_core::DType;
use siren_core::field::{Order, Siren};
use siren_core::signal::Grid;
use siren_core::{Error, Result};

use crate::Image;
use crate::palette::{gradient_color, laplacian_color, robust_scale};
use crate::picture::{MAX_PIXELS, Picture, is_png};
use crate::png_stream::PngRows;

/// Points evaluated at once: what is held in memory of a large picture.
const BAND_POINTS: usize = 1 << 16;
/// The scale of derivative colors comes from a grid of at most this many samples a side.
const SCALE_SIDE: usize = 256;
/// This quantile of a derivative's magnitude is shown at full brightness.
const FULL_BRIGHTNESS: f32 = 0.995;
/// ITU-R 601 luma.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Longest side of a rendered picture.
const MAX_SIDE: usize = 65_535;

/// What to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Quantity {
    /// The picture.
    #[default]
    Value,
    /// `∇Φ` of the luma: hue is direction, brightness magnitude.
    Gradient,
    /// `ΔΦ` of the luma: blue below zero, red above.
    Laplacian,
}

/// Height and width in pixels, written `HxW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected HxW, such as 512x768: height, then width, 1 to {MAX_SIDE} pixels each"
            )
        };
        let (height, width) = text.split_once('x').ok_or_else(expected)?;
        let side = |text: &str| match text.parse() {
            Ok(side @ 1..=MAX_SIDE) => Ok(side),
            _ => Err(expected()),
        };
        Ok(Self {
            height: side(height)?,
            width: side(width)?,
        })
    }
}

impl Image {
    /// The picture's own size times `scale`, at least 1 × 1.
    ///
    /// # Errors
    /// If the scale is not a positive number, or the result is absurdly large.
    pub fn scaled(&self, scale: f64) -> Result<Size> {
        let side = |pixels: usize| (pixels as f64 * scale).round().max(1.0);
        let (height, width) = (side(self.picture.height), side(self.picture.width));
        let fits = scale.is_finite() && scale > 0.0 && height.max(width) <= MAX_SIDE as f64;
        if !fits {
            let expected = format!("a positive factor that gives at most {MAX_SIDE} pixels a side");
            return Err(Error::invalid("--scale", scale, &expected));
        }
        Ok(Size {
            height: height as usize,
            width: width as usize,
        })
    }

    /// The region of the picture sampled at another size.
    ///
    /// # Errors
    /// If a side is zero.
    pub fn grid(&self, size: Size) -> Result<Grid> {
        self.grid.resampled(&[size.height, size.width])
    }
}

/// Draws a quantity of the field on a grid, `(height, width, 1 or 3)` in [0, 1], and hands out bands of rows from the
/// top; memory stays constant.
fn bands(
    field: &Siren,
    grid: &Grid,
    quantity: Quantity,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let scale = match quantity {
        Quantity::Value => 1.0,
        _ => color_scale(field, grid, quantity)?,
    };
    let (height, width) = (grid.sides()[0], grid.sides()[1]);
    let rows_per_band = (BAND_POINTS / width).max(1);
    for first in (0..height).step_by(rows_per_band) {
        let rows = rows_per_band.min(height - first);
        let raw = derivatives(field, grid, quantity, (first * width, rows * width))?;
        let band: Vec<f32> = match quantity {
            Quantity::Value => raw
                .iter()
                .map(|y| (0.5 * y + 0.5).clamp(0.0, 1.0))
                .collect(),
            Quantity::Gradient => {
                let pairs = raw.chunks_exact(2);
                pairs
                    .flat_map(|d| gradient_color(d[0], d[1], scale))
                    .collect()
            }
            Quantity::Laplacian => raw
                .iter()
                .flat_map(|&y| laplacian_color(y, scale))
                .collect(),
        };
        take(&band)?;
    }
    Ok(())
}

/// Values `(n, c)`, luma gradients `(n, 2)`, or luma Laplacians `(n)` at points `start .. start + len` of a grid.
fn derivatives(
    field: &Siren,
    grid: &Grid,
    quantity: Quantity,
    (start, len): (usize, usize),
) -> Result<Vec<f32>> {
    let coords = grid.coords(start, len, DType::F32)?;
    let coords = coords.to_device(field.parameters().device())?;
    let channels = field.out_features();
    let numbers = match quantity {
        Quantity::Value => field.evaluate(&coords, &Order::Value)?.value()?,
        Quantity::Gradient => field.evaluate(&coords, &Order::Gradient)?.gradient()?,
        Quantity::Laplacian => field.evaluate(&coords, &Order::laplacian(2))?.traces()?,
    };
    let numbers = numbers.flatten_all()?.to_vec1::<f32>()?;
    let per_channel = match quantity {
        Quantity::Value => return Ok(numbers),
        Quantity::Gradient => 2,
        Quantity::Laplacian => 1,
    };
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
        .flat_map(|point| (0..per_channel).map(move |axis| luma(point, axis)))
        .collect())
}

/// The magnitude shown at full brightness.
fn color_scale(field: &Siren, grid: &Grid, quantity: Quantity) -> Result<f32> {
    let sides: Vec<usize> = grid
        .sides()
        .iter()
        .map(|side| side.min(&SCALE_SIDE))
        .copied()
        .collect();
    let coarse = grid.resampled(&sides)?;
    let raw = derivatives(field, &coarse, quantity, (0, coarse.points()))?;
    let per_point = if quantity == Quantity::Gradient { 2 } else { 1 };
    let magnitudes = raw
        .chunks_exact(per_point)
        .map(|d| d.iter().map(|x| x * x).sum::<f32>().sqrt());
    Ok(robust_scale(magnitudes, FULL_BRIGHTNESS))
}

/// The field's value on a grid as a picture.
pub(crate) fn value_picture(field: &Siren, grid: &Grid) -> Result<Picture> {
    picture(field, grid, Quantity::Value)
}

/// A quantity of the field on a grid as a picture in memory.
///
/// # Errors
/// Only from candle.
pub fn picture(field: &Siren, grid: &Grid, quantity: Quantity) -> Result<Picture> {
    let mut values = Vec::new();
    bands(field, grid, quantity, |band| {
        values.extend_from_slice(band);
        Ok(())
    })?;
    Ok(Picture {
        height: grid.sides()[0],
        width: grid.sides()[1],
        channels: values.len() / grid.points(),
        values,
    })
}

/// Draws a quantity of the field into a file. A PNG of any size is written row by row in constant memory; other
/// formats are held whole.
///
/// # Errors
/// If the file cannot be written, or its extension is of no known format.
pub fn render(field: &Siren, grid: &Grid, quantity: Quantity, path: &Path) -> Result<()> {
    if !is_png(path)? {
        if grid.points() > MAX_PIXELS {
            let message = format!("more than {MAX_PIXELS} pixels are written as .png only");
            return Err(Error::signal(path, message));
        }
        // Before the work, not after it.
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            std::fs::read_dir(parent).map_err(Error::io("write", path))?;
        }
        return picture(field, grid, quantity)?.save(path);
    }
    let channels = match quantity {
        Quantity::Value => field.out_features(),
        Quantity::Gradient | Quantity::Laplacian => 3,
    };
    let mut rows = PngRows::create(path, grid.sides()[0], grid.sides()[1], channels)?;
    bands(field, grid, quantity, |band| rows.push_rows(band))?;
    rows.finish()
}

/// What a finished run shows: the target, the fit, its derivatives, the error, and what was observed.
pub(crate) fn artifacts(image: &Image, field: &Siren, folder: &Path) -> Result<()> {
    let truth = &image.picture;
    truth.save(&folder.join("target.png"))?;
    for (quantity, name) in [
        (Quantity::Value, "value.png"),
        (Quantity::Gradient, "gradient.png"),
        (Quantity::Laplacian, "laplacian.png"),
    ] {
        render(field, &image.grid, quantity, &folder.join(name))?;
    }
    let fitted = value_picture(field, &image.grid)?;
    difference(&fitted, truth).save(&folder.join("error_x10.png"))?;
    if let Some(observed) = &image.observed {
        masked(truth, observed).save(&folder.join("observed.png"))?;
    }
    Ok(())
}

/// Ten times the absolute error.
fn difference(fitted: &Picture, truth: &Picture) -> Picture {
    let pairs = fitted.values.iter().zip(&truth.values);
    Picture {
        values: pairs
            .map(|(a, b)| (10.0 * (a - b).abs()).min(1.0))
            .collect(),
        ..truth.clone()
    }
}

/// The picture where it is observed, black elsewhere.
fn masked(truth: &Picture, observed: &[bool]) -> Picture {
    let pixels = truth.values.chunks_exact(truth.channels).zip(observed);
    let shown =
        pixels.flat_map(|(pixel, &on)| pixel.iter().map(move |&v| if on { v } else { 0.0 }));
    Picture {
        values: shown.collect(),
        ..truth.clone()
    }
}
