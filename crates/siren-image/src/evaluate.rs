//! Scores of a field: PSNR and SSIM of its values, and PSNR of its derivatives.

use siren_core::field::Siren;
use siren_core::metrics::{self, ImageShape, Metrics, PSNR_DB, SSIM, ssim};
use siren_core::{Error, Result};
use siren_picture::draw::{self, derivative_values};
use siren_picture::stencil::PixelShape;
use siren_picture::{Picture, Quantity};

use crate::Image;

/// Side of the window of SSIM, in pixels.
const SSIM_WINDOW: usize = 7;

/// Computes PSNR and SSIM as the authors do: values mapped from [−1, 1] to [0, 1] and clipped, with a peak of 1.
///
/// If pixels are held out, the metrics include the PSNR over the observed pixels and over the held-out ones. If pixels of even row and even
/// column are observed, they also include the PSNR over pixels of odd row and odd column, which have the largest distance to observed ones
/// (Tancik et al. 2020).
///
/// # Errors
/// [`Error::Shape`] if the field does not have the channels of the picture.
pub(crate) fn metrics(image: &Image, field: &Siren) -> Result<Metrics> {
    let truth = &image.picture;
    let fitted = fitted_picture(image, field)?;
    let score = |is_counted: &dyn Fn(usize) -> bool| {
        let channels = truth.channels;
        psnr_where(&fitted.values, &truth.values, |at| {
            is_counted(at / channels)
        })
    };
    let mut metrics = vec![PSNR_DB.of(score(&|_| true))];
    if let Some(observed) = &image.observed {
        let on = score(&|pixel| observed[pixel]);
        let off = score(&|pixel| !observed[pixel]);
        metrics.push(PSNR_DB.named("psnr_observed_db").of(on));
        metrics.push(PSNR_DB.named("psnr_held_out_db").of(off));
        if image.scores_odd_pixels {
            let (odd, width) = (|at: usize| !at.is_multiple_of(2), truth.width);
            let odd = score(&|pixel| odd(pixel / width) && odd(pixel % width));
            metrics.push(PSNR_DB.named("psnr_odd_db").of(odd));
        }
    }
    if truth.height >= SSIM_WINDOW && truth.width >= SSIM_WINDOW {
        let shape = ImageShape {
            height: truth.height,
            width: truth.width,
            channels: truth.channels,
        };
        let similarity = ssim(&fitted.values, &truth.values, shape)?;
        metrics.push(SSIM.of(similarity));
    }
    if image.score_derivatives && truth.height >= 3 && truth.width >= 3 {
        for (name, quantity) in [
            ("gradient_psnr_db", Quantity::Gradient),
            ("laplacian_psnr_db", Quantity::Laplacian),
        ] {
            let fitted = derivative_values(field, &image.canvas(), quantity)?;
            let score = derivative_psnr_db(&fitted, truth, quantity);
            metrics.push(PSNR_DB.named(name).of(score));
        }
    }
    Ok(metrics)
}

/// Computes the PSNR over all pixels, as [`metrics`] does.
///
/// # Errors
/// [`Error::Shape`] if the field does not have the channels of the picture.
pub(crate) fn psnr_db(image: &Image, field: &Siren) -> Result<f64> {
    let fitted = fitted_picture(image, field)?;
    Ok(psnr_where(&fitted.values, &image.picture.values, |_| true))
}

/// Renders the field at the size of the picture.
fn fitted_picture(image: &Image, field: &Siren) -> Result<Picture> {
    if field.out_features() != image.picture.channels {
        return Err(Error::Shape {
            what: "field to score",
            expected: format!("the picture's {} channels", image.picture.channels),
            got: format!("{}", field.out_features()),
        });
    }
    draw::picture(field, &image.canvas(), Quantity::Value)
}

/// Computes the PSNR of the field's derivatives per pixel against finite differences of the picture, without the pixels of the border.
///
/// The gradient is compared with Sobel's differences over 8, the Laplacian with the five-point stencil. The peak is the range of these
/// differences, over both axes. Differences depend on the neighbors of a pixel and derivatives do not, so the PSNR is finite even for a
/// perfect field.
fn derivative_psnr_db(fitted: &[f32], truth: &Picture, quantity: Quantity) -> f64 {
    let expected = differences(truth, quantity);
    let per_point = fitted.len() / (truth.height * truth.width);
    let is_inside = |at: usize| {
        let (row, column) = (at / per_point / truth.width, at / per_point % truth.width);
        (1..truth.height - 1).contains(&row) && (1..truth.width - 1).contains(&column)
    };
    let (mut sum, mut count) = (0.0, 0usize);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let pairs = expected.iter().zip(fitted).enumerate();
    for (_, (expected, &got)) in pairs.filter(|(at, _)| is_inside(*at)) {
        sum += (expected - f64::from(got)).powi(2);
        count += 1;
        low = low.min(*expected);
        high = high.max(*expected);
    }
    metrics::psnr_db(sum / count as f64, high - low)
}

/// Computes finite differences of the luma of the targets `2 y − 1`, per pixel: `(n, 2)` for the gradient, `(n,)` for the Laplacian. For
/// [`Quantity::Value`] it returns the luma itself.
fn differences(picture: &Picture, quantity: Quantity) -> Vec<f64> {
    let luma = picture.luma();
    let targets = luma.values.iter().map(|&y| 2.0 * f64::from(y) - 1.0);
    let values: Vec<f64> = targets.collect();
    let shape = PixelShape {
        height: luma.height,
        width: luma.width,
        channels: 1,
    };
    let both = |[rows, columns]: [Vec<f64>; 2]| rows.into_iter().zip(columns);
    match quantity {
        Quantity::Value => values,
        Quantity::Gradient => both([0, 1].map(|axis| shape.sobel(&values, axis)))
            .flat_map(|(row, column)| [row / 8.0, column / 8.0])
            .collect(),
        Quantity::Laplacian => both([0, 1].map(|axis| shape.second_difference(&values, axis)))
            .map(|(row, column)| row + column)
            .collect(),
    }
}

/// Computes the PSNR over the values whose index is counted; NaN if none is.
fn psnr_where(fitted: &[f32], truth: &[f32], is_counted: impl Fn(usize) -> bool) -> f64 {
    let pairs = fitted.iter().zip(truth).enumerate();
    let (mut sum, mut count) = (0.0, 0usize);
    for (_, (a, b)) in pairs.filter(|(at, _)| is_counted(*at)) {
        sum += f64::from(a - b).powi(2);
        count += 1;
    }
    metrics::psnr_db(sum / count as f64, 1.0)
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

    #[test]
    fn exact_derivatives_of_a_slow_wave_score_high_and_swapped_or_scaled_ones_low() {
        let (picture, gradient, laplacian) = wave(0.1, 0.2);
        let score = |fitted: &[f32], quantity| derivative_psnr_db(fitted, &picture, quantity);
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
            10f64.powf(-derivative_psnr_db(&gradient, &picture, Quantity::Gradient) / 20.0)
        };
        let ratio = error(0.4) / error(0.2);
        assert!((3.2..4.8).contains(&ratio), "{ratio}");
    }
}
