//! How well a field that never saw a picture shows it.

use siren_core::Result;
use siren_core::field::{Order, Siren};
use siren_core::metrics::{ImageShape, Metric, Metrics, PSNR_DB, SSIM, psnr_db, ssim};
use siren_picture::Picture;

use crate::Poisson;

/// SSIM looks through a window of 7 × 7 pixels.
const SSIM_WINDOW: usize = 7;
/// Points evaluated at once.
const BAND: usize = 1 << 16;

/// PSNR and SSIM of the recovered picture and of its derivatives, and the mean squared error of the solver's picture, which may be 0.
///
/// Derivatives do not tell the mean, and Laplacians no harmonic function either. So each channel is first put through the line
/// `a Φ + b` that brings it nearest to the picture (least squares over its pixels); then values are mapped to [0, 1] and clipped, with a peak of 1.
/// Derivatives are not: they are compared in the unit of the targets, and their peak is the range of the targets.
pub(crate) fn metrics(poisson: &Poisson, field: &Siren) -> Result<Metrics> {
    let truth = &poisson.truth;
    let (values, derivatives) = jets(poisson, field)?;
    let recovered = aligned(truth, &values);
    let reference = aligned(truth, poisson.reference());
    let [gradient, laplacian] = derivative_psnr(poisson, &derivatives);
    let mut metrics = vec![
        PSNR_DB.of(psnr(&recovered, truth)),
        PSNR_DB.named("gradient_psnr_db").of(gradient),
        PSNR_DB.named("laplacian_psnr_db").of(laplacian),
    ];
    if truth.height >= SSIM_WINDOW && truth.width >= SSIM_WINDOW {
        let shape = ImageShape {
            height: truth.height,
            width: truth.width,
            channels: truth.channels,
        };
        let similarity = ssim(&recovered.values, &truth.values, shape)?;
        metrics.push(SSIM.of(similarity));
    }
    // Of a blend the solver's picture is what the field is compared with.
    if !poisson.is_blend {
        let solver_mse = Metric::lower("solver_mse", "");
        metrics.push(solver_mse.of(mse(&reference, truth)));
    }
    Ok(metrics)
}

/// Values `(n, c)`, and derivatives `(n, c, 3)` as the targets are.
fn jets(poisson: &Poisson, field: &Siren) -> Result<(Vec<f64>, Vec<f64>)> {
    let points = poisson.grid.points();
    let (mut values, mut derivatives) = (Vec::new(), Vec::new());
    for start in (0..points).step_by(BAND) {
        let len = BAND.min(points - start);
        let coords = poisson
            .grid
            .coords(start, len, field.parameters().dtype())?;
        let coords = coords.to_device(field.parameters().device())?;
        let jet = field.evaluate(&coords, &Order::laplacian(2))?;
        let numbers = |tensor: &candle_core::Tensor| -> Result<Vec<f64>> {
            let tensor = tensor.to_dtype(candle_core::DType::F64)?;
            Ok(tensor.flatten_all()?.to_vec1()?)
        };
        values.extend(numbers(&jet.value()?)?);
        let gradient = numbers(&jet.gradient()?)?;
        let laplacian = numbers(&jet.traces()?)?;
        for (gradient, laplacian) in gradient.chunks_exact(2).zip(laplacian) {
            let all = [gradient[0], gradient[1], laplacian];
            derivatives.extend(all);
        }
    }
    Ok((values, derivatives))
}

/// Values `(n, c)`.
fn values(poisson: &Poisson, field: &Siren) -> Result<Vec<f64>> {
    let points = poisson.grid.points();
    let mut values = Vec::new();
    for start in (0..points).step_by(BAND) {
        let len = BAND.min(points - start);
        let coords = poisson
            .grid
            .coords(start, len, field.parameters().dtype())?;
        let coords = coords.to_device(field.parameters().device())?;
        let band = field.evaluate(&coords, &Order::Value)?.value()?;
        let band = band.to_dtype(candle_core::DType::F64)?;
        values.extend(band.flatten_all()?.to_vec1::<f64>()?);
    }
    Ok(values)
}

/// `[a, b]` of the line that brings each channel of `values (n, c)` nearest to the picture in [−1, 1].
pub(crate) fn alignment(truth: &Picture, values: &[f64]) -> Vec<[f64; 2]> {
    let channels = truth.channels;
    let line = |channel: usize| {
        let own = || values.iter().skip(channel).step_by(channels);
        let wanted = || {
            let pixels = truth.values.iter().skip(channel).step_by(channels);
            pixels.map(|&y| 2.0 * f64::from(y) - 1.0)
        };
        let n = own().count() as f64;
        let (x, y) = (own().sum::<f64>() / n, wanted().sum::<f64>() / n);
        let spread: f64 = own().map(|v| (v - x).powi(2)).sum();
        let common: f64 = own().zip(wanted()).map(|(v, w)| (v - x) * (w - y)).sum();
        let gain = if spread > 0.0 { common / spread } else { 0.0 };
        [gain, y - gain * x]
    };
    (0..channels).map(line).collect()
}

/// The picture that `values (n, c)` are once they are aligned.
pub(crate) fn aligned(truth: &Picture, values: &[f64]) -> Picture {
    let lines = alignment(truth, values);
    let shown = values.iter().enumerate().map(|(at, v)| {
        let [gain, offset] = lines[at % truth.channels];
        (0.5 + 0.5 * (gain * v + offset)).clamp(0.0, 1.0) as f32
    });
    Picture {
        values: shown.collect(),
        ..truth.clone()
    }
}

/// The line for every channel of a field.
pub(crate) fn tone(poisson: &Poisson, field: &Siren) -> Result<Vec<[f32; 2]>> {
    let values = values(poisson, field)?;
    let lines = alignment(&poisson.truth, &values).into_iter();
    Ok(lines.map(|line| line.map(|x| x as f32)).collect())
}

/// Of the gradient and of the Laplacian. Those that were not fitted have the contrast of the field, not the unit of their own targets.
fn derivative_psnr(poisson: &Poisson, derivatives: &[f64]) -> [f64; 2] {
    let targets = poisson.field_targets();
    let scale = poisson.own_scale();
    let score = |is_counted: fn(usize) -> bool, scale: f64| {
        let (mut sum, mut count) = (0.0, 0usize);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (at, (target, got)) in targets.iter().zip(derivatives).enumerate() {
            if is_counted(at % 3) {
                let target = scale * target;
                sum += (target - got).powi(2);
                count += 1;
                (low, high) = (low.min(target), high.max(target));
            }
        }
        psnr_db(sum / count as f64, high - low)
    };
    [score(|k| k < 2, scale[0]), score(|k| k == 2, scale[1])]
}

fn psnr(picture: &Picture, truth: &Picture) -> f64 {
    psnr_db(mse(picture, truth), 1.0)
}

fn mse(picture: &Picture, truth: &Picture) -> f64 {
    let pairs = picture.values.iter().zip(&truth.values);
    let sum: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
    sum / truth.values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_and_contrast_of_every_channel_are_aligned_away() {
        let truth = Picture {
            height: 3,
            width: 4,
            channels: 2,
            values: (0..24)
                .map(|i| ((i * i) as f32 * 0.37).sin().abs())
                .collect(),
        };
        let own = truth.values.iter().enumerate().map(|(at, &y)| {
            let y = 2.0 * f64::from(y) - 1.0;
            if at % 2 == 0 {
                0.3 * y + 5.0
            } else {
                -2.0 * y - 1.0
            }
        });
        let recovered = aligned(&truth, &own.collect::<Vec<f64>>());
        assert!(psnr(&recovered, &truth) > 100.0);
        let flat = aligned(&truth, &[7.0; 24]);
        let mean = truth.values.iter().step_by(2).sum::<f32>() / 12.0;
        assert!((flat.values[0] - mean).abs() < 1e-6);
    }
}
