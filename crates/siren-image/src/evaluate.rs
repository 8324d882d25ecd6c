//! Scores of a field: PSNR and SSIM of its values, and PSNR of its derivatives.

use std::ops::Range;

use siren_core::field::Siren;
use siren_core::metrics::{self, ImageShape, Measured, Metrics, PSNR_DB, SSIM, SsimRows};
use siren_core::{Error, Result};
use siren_picture::draw;
use siren_picture::stencil::PixelShape;
use siren_picture::{Picture, Quantity};

use crate::Image;

/// Side of the window of SSIM, in pixels.
const SSIM_WINDOW: usize = 7;

/// Pixels whose derivatives are computed at once.
const BAND_PIXELS: usize = 1 << 16;

/// Computes PSNR and SSIM as the authors do: values mapped from [−1, 1] to [0, 1] and clipped, with a peak of 1.
///
/// If pixels are held out, the metrics include the PSNR over the observed pixels and over the held-out ones. If pixels of even row and even
/// column are observed, they also include the PSNR over pixels of odd row and odd column, which have the largest distance to observed ones
/// (Tancik et al. 2020).
///
/// # Errors
/// [`Error::Shape`] if the field does not have the channels of the picture.
pub(crate) fn metrics(image: &Image, field: &Siren) -> Result<Metrics> {
    let truth = &*image.picture;
    let mut scores = vec![Score::new("psnr_db", &|_| true)];
    let observed = image.observed.as_deref();
    let is_observed = |pixel: usize| observed.is_none_or(|observed| observed[pixel]);
    let is_held_out = |pixel: usize| !is_observed(pixel);
    let (is_odd, width) = (|at: usize| !at.is_multiple_of(2), truth.width);
    let is_odd = |pixel: usize| is_odd(pixel / width) && is_odd(pixel % width);
    if observed.is_some() {
        scores.push(Score::new("psnr_observed_db", &is_observed));
        scores.push(Score::new("psnr_held_out_db", &is_held_out));
        if image.scores_odd_pixels {
            scores.push(Score::new("psnr_odd_db", &is_odd));
        }
    }
    let shape = ImageShape {
        height: truth.height,
        width: truth.width,
        channels: truth.channels,
    };
    let has_windows = truth.height >= SSIM_WINDOW && truth.width >= SSIM_WINDOW;
    let mut similarity = has_windows.then(|| SsimRows::new(shape)).transpose()?;
    for_each_band(image, field, |first, fitted, expected| {
        for score in &mut scores {
            score.add(first, fitted, expected, truth.channels);
        }
        match &mut similarity {
            Some(rows) => rows.push(fitted, expected),
            None => Ok(()),
        }
    })?;
    let mut metrics: Metrics = scores.iter().map(Score::measured).collect();
    if let Some(rows) = similarity {
        metrics.push(SSIM.of(rows.finish()?));
    }
    if image.score_derivatives && truth.height >= 3 && truth.width >= 3 {
        for (name, quantity) in [
            ("gradient_psnr_db", Quantity::Gradient),
            ("laplacian_psnr_db", Quantity::Laplacian),
        ] {
            metrics.push(
                PSNR_DB
                    .named(name)
                    .of(derivative_psnr_db(image, field, quantity)?),
            );
        }
    }
    Ok(metrics)
}

/// Computes the PSNR of a derivative of the field, in bands of rows.
fn derivative_psnr_db(image: &Image, field: &Siren, quantity: Quantity) -> Result<f64> {
    let (truth, canvas) = (&*image.picture, image.canvas());
    let rows_per_band = (BAND_PIXELS / truth.width).max(1);
    let mut score = DerivativeScore::default();
    for first in (0..truth.height).step_by(rows_per_band) {
        let rows = first..truth.height.min(first + rows_per_band);
        let pixels = rows.start * truth.width..rows.end * truth.width;
        let fitted = draw::raw_values(field, &canvas, quantity, pixels)?;
        score.add(&fitted, truth, rows, quantity)?;
    }
    Ok(score.psnr_db())
}

/// Computes the PSNR over all pixels, as [`metrics`] does.
///
/// # Errors
/// [`Error::Shape`] if the field does not have the channels of the picture.
pub(crate) fn psnr_db(image: &Image, field: &Siren) -> Result<f64> {
    let mut score = Score::new("psnr_db", &|_| true);
    for_each_band(image, field, |first, fitted, expected| {
        score.add(first, fitted, expected, image.picture.channels);
        Ok(())
    })?;
    Ok(score.measured().value)
}

/// Renders the field at the size of the picture, and passes bands of rows to `take`: the index of the first value, the values, and those of the
/// picture.
fn for_each_band(
    image: &Image,
    field: &Siren,
    mut take: impl FnMut(usize, &[f32], &[f32]) -> Result<()>,
) -> Result<()> {
    if field.out_features() != image.picture.channels {
        return Err(Error::Shape {
            what: "field to score",
            expected: format!("the picture's {} channels", image.picture.channels),
            got: format!("{}", field.out_features()),
        });
    }
    let mut first = 0;
    draw::render_bands(field, &image.canvas(), Quantity::Value, |fitted| {
        let end = first + fitted.len();
        take(first, fitted, &image.picture.values.read(first..end)?)?;
        first = end;
        Ok(())
    })
}

/// The PSNR of values over some pixels.
struct Score<'a> {
    name: &'static str,
    is_counted: &'a dyn Fn(usize) -> bool,
    sum: f64,
    count: usize,
}

impl<'a> Score<'a> {
    fn new(name: &'static str, is_counted: &'a dyn Fn(usize) -> bool) -> Self {
        Self {
            name,
            is_counted,
            sum: 0.0,
            count: 0,
        }
    }

    /// Adds values, the first of which has the index `first` among those of the picture.
    fn add(&mut self, first: usize, fitted: &[f32], expected: &[f32], channels: usize) {
        for (at, (a, b)) in (first..).zip(fitted.iter().zip(expected)) {
            if (self.is_counted)(at / channels) {
                self.sum += f64::from(a - b).powi(2);
                self.count += 1;
            }
        }
    }

    /// Returns the PSNR in dB; NaN if no pixel is counted.
    fn measured(&self) -> Measured {
        let psnr = metrics::psnr_db(self.sum / self.count as f64, 1.0);
        PSNR_DB.named(self.name).of(psnr)
    }
}

/// The PSNR of the field's derivatives per pixel against finite differences of the picture, without the pixels of the border.
///
/// The gradient is compared with Sobel's differences over 8, the Laplacian with the five-point stencil. The peak is the range of these
/// differences, over both axes. Differences depend on the neighbors of a pixel and derivatives do not, so the PSNR is finite even for a
/// perfect field.
struct DerivativeScore {
    sum: f64,
    count: usize,
    low: f64,
    high: f64,
}

impl Default for DerivativeScore {
    fn default() -> Self {
        Self {
            sum: 0.0,
            count: 0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }
}

impl DerivativeScore {
    /// Adds the derivatives `fitted` of some rows.
    fn add(
        &mut self,
        fitted: &[f32],
        truth: &Picture,
        rows: Range<usize>,
        quantity: Quantity,
    ) -> Result<()> {
        // A difference has neighbors in the rows above and below.
        let top = rows.start.saturating_sub(1);
        let bottom = truth.height.min(rows.end + 1);
        let expected = differences(truth, top..bottom, quantity)?;
        let per_row = fitted.len() / rows.len();
        let per_point = per_row / truth.width;
        let expected = &expected[(rows.start - top) * per_row..];
        for (at, (expected, &got)) in expected.iter().zip(fitted).enumerate() {
            let (row, column) = (rows.start + at / per_row, at % per_row / per_point);
            if (1..truth.height - 1).contains(&row) && (1..truth.width - 1).contains(&column) {
                self.sum += (expected - f64::from(got)).powi(2);
                self.count += 1;
                self.low = self.low.min(*expected);
                self.high = self.high.max(*expected);
            }
        }
        Ok(())
    }

    fn psnr_db(&self) -> f64 {
        metrics::psnr_db(self.sum / self.count as f64, self.high - self.low)
    }
}

/// Computes finite differences of the luma of the targets `2 y − 1`, per pixel: `(n, 2)` for the gradient, `(n,)` for the Laplacian. For
/// [`Quantity::Value`] it returns the luma itself. Beyond the first and the last of the `rows` the edge is repeated.
fn differences(picture: &Picture, rows: Range<usize>, quantity: Quantity) -> Result<Vec<f64>> {
    let per_row = picture.width * picture.channels;
    let values = picture
        .values
        .read(rows.start * per_row..rows.end * per_row)?;
    let luma = Picture {
        height: rows.len(),
        values: values.into_owned().into(),
        ..*picture
    };
    let luma = luma.luma();
    let targets = luma.values.iter().map(|y| 2.0 * f64::from(y) - 1.0);
    let values: Vec<f64> = targets.collect();
    let shape = PixelShape {
        height: luma.height,
        width: luma.width,
        channels: 1,
    };
    let both = |[rows, columns]: [Vec<f64>; 2]| rows.into_iter().zip(columns);
    Ok(match quantity {
        Quantity::Value => values,
        Quantity::Gradient => both([0, 1].map(|axis| shape.sobel(&values, axis)))
            .flat_map(|(row, column)| [row / 8.0, column / 8.0])
            .collect(),
        Quantity::Laplacian => both([0, 1].map(|axis| shape.second_difference(&values, axis)))
            .map(|(row, column)| row + column)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the picture `y = (1 + sin(a·row + b·column)) / 2`, and the gradient and the Laplacian of `2 y − 1` per pixel.
    fn wave(a: f32, b: f32) -> (Picture, Vec<f32>, Vec<f32>) {
        let (height, width) = (20, 30);
        let phase = |at: usize| a * (at / width) as f32 + b * (at % width) as f32;
        let all = 0..height * width;
        let picture = Picture {
            height,
            width,
            channels: 1,
            values: all.clone().map(|at| 0.5 + 0.5 * phase(at).sin()).collect(),
        };
        let slope = |at: usize| phase(at).cos();
        let gradient = all.clone().flat_map(|at| [a * slope(at), b * slope(at)]);
        let laplacian = all.clone().map(|at| -(a * a + b * b) * phase(at).sin());
        (picture, gradient.collect(), laplacian.collect())
    }

    /// Computes the PSNR of given derivatives from bands of `rows` rows.
    fn psnr_of_bands(fitted: &[f32], truth: &Picture, quantity: Quantity, rows: usize) -> f64 {
        let mut score = DerivativeScore::default();
        let per_row = fitted.len() / truth.height;
        for first in (0..truth.height).step_by(rows) {
            let rows = first..truth.height.min(first + rows);
            let band = &fitted[rows.start * per_row..rows.end * per_row];
            score.add(band, truth, rows, quantity).unwrap();
        }
        score.psnr_db()
    }

    #[test]
    fn bands_of_any_height_give_the_same_bits() {
        let (picture, gradient, laplacian) = wave(0.3, 0.2);
        for (fitted, quantity) in [
            (gradient, Quantity::Gradient),
            (laplacian, Quantity::Laplacian),
        ] {
            let score = |rows| psnr_of_bands(&fitted, &picture, quantity, rows).to_bits();
            assert_eq!([1, 2, 7, 19].map(score), [score(20); 4]);
        }
    }

    #[test]
    fn exact_derivatives_of_a_slow_wave_score_high_and_swapped_or_scaled_ones_low() {
        let (picture, gradient, laplacian) = wave(0.1, 0.2);
        let score = |fitted: &[f32], quantity| psnr_of_bands(fitted, &picture, quantity, 7);
        let exact = score(&gradient, Quantity::Gradient);
        assert!(exact > 40.0, "{exact}");
        let swapped: Vec<f32> = gradient.chunks(2).flat_map(|d| [d[1], d[0]]).collect();
        assert!(score(&swapped, Quantity::Gradient) < 25.0);
        let exact = score(&laplacian, Quantity::Laplacian);
        assert!(exact > 40.0, "{exact}");
        let half: Vec<f32> = laplacian.iter().map(|y| 0.5 * y).collect();
        assert!(score(&half, Quantity::Laplacian) < 25.0);
    }

    #[test]
    fn the_error_of_differences_falls_as_the_square_of_the_spacing() {
        let error = |a: f32| {
            let (picture, gradient, _) = wave(a, a);
            10f64.powf(-psnr_of_bands(&gradient, &picture, Quantity::Gradient, 7) / 20.0)
        };
        let ratio = error(0.4) / error(0.2);
        assert!((3.2..4.8).contains(&ratio), "{ratio}");
    }
}
