//! How well a field fits its picture.

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{ImageShape, Metrics, PSNR_DB, SSIM, psnr_db, ssim};

use siren_picture::draw::{derivative_values, value_picture};
use siren_picture::stencil::PixelShape;
use siren_picture::{Picture, Quantity};

use crate::Image;

/// SSIM looks through a window of 7 × 7 pixels.
const SSIM_WINDOW: usize = 7;

/// PSNR and SSIM as the authors compute them: values mapped from [−1, 1] to [0, 1] and clipped, peak 1. Where pixels
/// are held out, PSNR on them and on the observed ones as well; where those of even row and even column are observed, also on those
/// of odd row and odd column, which lie farthest from them (Tancik et al. 2020).
pub(crate) fn metrics(image: &Image, field: &Siren) -> Result<Metrics> {
    let truth = &image.picture;
    let canvas = image.canvas();
    let fitted = value_picture(field, &canvas)?;
    let whole = psnr(&fitted.values, &truth.values, |_| true);
    let mut metrics = vec![PSNR_DB.of(whole)];
    if let Some(observed) = &image.observed {
        let channels = truth.channels;
        let on = psnr(&fitted.values, &truth.values, |at| observed[at / channels]);
        let off = psnr(&fitted.values, &truth.values, |at| !observed[at / channels]);
        metrics.push(PSNR_DB.named("psnr_observed_db").of(on));
        metrics.push(PSNR_DB.named("psnr_held_out_db").of(off));
        if image.between {
            let odd = |at: usize| !at.is_multiple_of(2);
            let between = |at: usize| odd(at / truth.width) && odd(at % truth.width);
            let between = psnr(&fitted.values, &truth.values, |at| between(at / channels));
            metrics.push(PSNR_DB.named("psnr_odd_db").of(between));
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
            let fitted = derivative_values(field, &canvas, quantity)?;
            let score = derivative_psnr(&fitted, truth, quantity);
            metrics.push(PSNR_DB.named(name).of(score));
        }
    }
    Ok(metrics)
}

/// PSNR of derivatives per pixel, as the field has them, against differences of the picture's pixels: Sobel's (over 8)
/// for the gradient, the five-point stencil for the Laplacian, inside the border; the peak is the range of those
/// differences, over both axes. Differences see one pixel to each side, derivatives none, so even a perfect field has
/// a finite PSNR.
fn derivative_psnr(fitted: &[f32], truth: &Picture, quantity: Quantity) -> f64 {
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
    psnr_db(sum / count as f64, high - low)
}

/// Of the luma of `2 y − 1`, per pixel: `(n, 2)` for the gradient, `(n)` for the Laplacian and the value.
fn differences(picture: &Picture, quantity: Quantity) -> Vec<f64> {
    let luma = picture.luma();
    let values: Vec<f64> = luma
        .values
        .iter()
        .map(|&y| 2.0 * f64::from(y) - 1.0)
        .collect();
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

/// PSNR over the values whose index is `counted`; NaN if none is.
fn psnr(fitted: &[f32], truth: &[f32], counted: impl Fn(usize) -> bool) -> f64 {
    let pairs = fitted.iter().zip(truth).enumerate();
    let (mut sum, mut count) = (0.0, 0usize);
    for (_, (a, b)) in pairs.filter(|(at, _)| counted(*at)) {
        sum += f64::from(a - b).powi(2);
        count += 1;
    }
    psnr_db(sum / count as f64, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(1 + sin(a·row + b·column)) / 2`, and its derivatives per pixel as of `2 y − 1`.
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
    fn derivatives_of_a_slow_wave_score_high_and_swapped_or_scaled_ones_low() {
        let (picture, gradient, laplacian) = wave(0.1, 0.2);
        let score = |fitted: &[f32], quantity| derivative_psnr(fitted, &picture, quantity);
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
    fn the_error_against_differences_falls_as_the_square_of_the_spacing() {
        let error = |a: f32| {
            let (picture, gradient, _) = wave(a, a);
            10f64.powf(-derivative_psnr(&gradient, &picture, Quantity::Gradient) / 20.0)
        };
        let ratio = error(0.4) / error(0.2);
        assert!((3.2..4.8).contains(&ratio), "{ratio}");
    }
}
