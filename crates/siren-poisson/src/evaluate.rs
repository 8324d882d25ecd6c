//! Scores of a field that was fitted to derivatives: PSNR and SSIM of the recovered picture, and PSNR of the derivatives.

use candle_core::{DType, Tensor};
use siren_core::field::{Order, Siren};
use siren_core::metrics::{self, ImageShape, Metric, Metrics, PSNR_DB, SSIM, ssim};
use siren_core::{Error, Result};
use siren_picture::Picture;

use crate::Poisson;
use crate::solver::PerTerm;

/// Side of the window of SSIM, in pixels.
const SSIM_WINDOW: usize = 7;
/// Number of points evaluated at once.
const BAND_POINTS: usize = 1 << 16;

/// Computes PSNR and SSIM of the recovered picture, PSNR of its derivatives, and the mean squared error of the solver's picture.
///
/// Derivatives do not determine the mean, and Laplacians do not determine harmonic functions. So each channel is replaced by the line
/// `a Φ + b` that is nearest to the picture (least squares over its pixels); then values are mapped to [0, 1] and clipped, with a peak of 1.
/// Derivatives are compared without this correction, in the unit of the targets, with the range of the targets as the peak. For a blend
/// the solver's picture is the one that the field is compared with, so its error is left out.
///
/// # Errors
/// [`Error::Shape`] if the field does not have the channels of the picture.
pub(crate) fn metrics(poisson: &Poisson, field: &Siren) -> Result<Metrics> {
    let truth = &poisson.truth;
    let FieldJets {
        values,
        derivatives,
    } = jets(poisson, field)?;
    let recovered = aligned(truth, &values);
    let reference = aligned(truth, poisson.reference());
    let PerTerm {
        gradient,
        laplacian,
    } = derivative_psnr_db(poisson, &derivatives);
    let mut metrics = vec![
        PSNR_DB.of(picture_psnr_db(&recovered, truth)),
        PSNR_DB.named("gradient_psnr_db").of(gradient),
        PSNR_DB.named("laplacian_psnr_db").of(laplacian),
    ];
    if truth.height >= SSIM_WINDOW && truth.width >= SSIM_WINDOW {
        let shape = ImageShape {
            height: truth.height,
            width: truth.width,
            channels: truth.channels,
        };
        let similarity = ssim(
            &recovered.values.to_floats(),
            &truth.values.to_floats(),
            shape,
        )?;
        metrics.push(SSIM.of(similarity));
    }
    if !poisson.is_blend {
        let solver_mse = Metric::lower("solver_mse", "");
        metrics.push(solver_mse.of(mean_squared_error(&reference, truth)));
    }
    Ok(metrics)
}

/// Computes the PSNR of the recovered picture, as [`metrics`] does.
///
/// # Errors
/// [`Error::Shape`] if the field does not have the channels of the picture.
pub(crate) fn psnr_db(poisson: &Poisson, field: &Siren) -> Result<f64> {
    let recovered = aligned(&poisson.truth, &values(poisson, field)?);
    Ok(picture_psnr_db(&recovered, &poisson.truth))
}

/// Values and derivatives of a field at the pixel centers.
struct FieldJets {
    /// `(n, c)`.
    values: Vec<f64>,
    /// `(n, c, 3)` with respect to the coordinates: downward, to the right, Laplacian.
    derivatives: Vec<f64>,
}

/// Evaluates the field and its derivatives at the pixel centers.
fn jets(poisson: &Poisson, field: &Siren) -> Result<FieldJets> {
    let order = Order::laplacian(2);
    let mut jets = FieldJets {
        values: Vec::new(),
        derivatives: Vec::new(),
    };
    for_each_band(poisson, field, |coords| {
        let jet = field.evaluate(coords, &order)?;
        jets.values.extend(elements(&jet.value()?)?);
        let gradient = elements(&jet.gradient()?)?;
        let laplacian = elements(&jet.traces()?)?;
        for (gradient, laplacian) in gradient.chunks_exact(2).zip(laplacian) {
            jets.derivatives
                .extend([gradient[0], gradient[1], laplacian]);
        }
        Ok(())
    })?;
    Ok(jets)
}

/// Evaluates the field at the pixel centers, `(n, c)`.
fn values(poisson: &Poisson, field: &Siren) -> Result<Vec<f64>> {
    let mut values = Vec::new();
    for_each_band(poisson, field, |coords| {
        let band = field.evaluate(coords, &Order::Value)?.value()?;
        values.extend(elements(&band)?);
        Ok(())
    })?;
    Ok(values)
}

/// Calls `visit` with the coordinates `(m, 2)` of at most [`BAND_POINTS`] pixels at a time, in the type and on the device of the field.
fn for_each_band(
    poisson: &Poisson,
    field: &Siren,
    mut visit: impl FnMut(&Tensor) -> Result<()>,
) -> Result<()> {
    let channels = poisson.truth.channels;
    if field.out_features() != channels {
        return Err(Error::Shape {
            what: "field to score",
            expected: format!("the picture's {channels} channels"),
            got: format!("{}", field.out_features()),
        });
    }
    let (dtype, device) = (field.parameters().dtype(), field.parameters().device());
    let points = poisson.grid.points();
    for start in (0..points).step_by(BAND_POINTS) {
        let len = BAND_POINTS.min(points - start);
        let coords = poisson.grid.coords(start, len, dtype)?;
        visit(&coords.to_device(device)?)?;
    }
    Ok(())
}

/// Returns the elements of a tensor in double precision, row-major.
fn elements(tensor: &Tensor) -> Result<Vec<f64>> {
    let tensor = tensor.to_dtype(DType::F64)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// The line `gain · y + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    gain: f64,
    offset: f64,
}

/// Returns, for each channel of `values (n, c)`, the line that brings them nearest to the picture in [−1, 1].
fn alignment(truth: &Picture, values: &[f64]) -> Vec<Line> {
    let channels = truth.channels;
    let line = |channel: usize| {
        let own = || values.iter().skip(channel).step_by(channels);
        let wanted = || {
            let pixels = truth.values.iter().skip(channel).step_by(channels);
            pixels.map(|y| 2.0 * f64::from(y) - 1.0)
        };
        let n = own().count() as f64;
        let (x, y) = (own().sum::<f64>() / n, wanted().sum::<f64>() / n);
        let variance: f64 = own().map(|v| (v - x).powi(2)).sum();
        let covariance: f64 = own().zip(wanted()).map(|(v, w)| (v - x) * (w - y)).sum();
        let gain = if variance > 0.0 {
            covariance / variance
        } else {
            0.0
        };
        Line {
            gain,
            offset: y - gain * x,
        }
    };
    (0..channels).map(line).collect()
}

/// Returns the picture of `values (n, c)` after their [`alignment`].
pub(crate) fn aligned(truth: &Picture, values: &[f64]) -> Picture {
    let lines = alignment(truth, values);
    let shown = values.iter().enumerate().map(|(at, v)| {
        let Line { gain, offset } = lines[at % truth.channels];
        (0.5 + 0.5 * (gain * v + offset)).clamp(0.0, 1.0) as f32
    });
    Picture {
        values: shown.collect(),
        ..*truth
    }
}

/// Returns the [`alignment`] of a field as the tone of its renderings, `[gain, offset]` for each channel.
///
/// # Errors
/// [`Error::Shape`] if the field does not have the channels of the picture.
pub(crate) fn tone(poisson: &Poisson, field: &Siren) -> Result<Vec<[f32; 2]>> {
    let lines = alignment(&poisson.truth, &values(poisson, field)?);
    let lines = lines.into_iter();
    Ok(lines
        .map(|line| [line.gain as f32, line.offset as f32])
        .collect())
}

/// Computes the PSNR of the gradient and of the Laplacian. A term that was not fitted has the contrast of the field, which may differ from
/// the unit of its targets.
fn derivative_psnr_db(poisson: &Poisson, derivatives: &[f64]) -> PerTerm<f64> {
    let targets = poisson.field_targets();
    let factors = poisson.target_factors();
    let score = |is_counted: fn(usize) -> bool, factor: f64| {
        let (mut sum, mut count) = (0.0, 0usize);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (at, (target, got)) in targets.iter().zip(derivatives).enumerate() {
            if is_counted(at % 3) {
                let target = factor * target;
                sum += (target - got).powi(2);
                count += 1;
                (low, high) = (low.min(target), high.max(target));
            }
        }
        metrics::psnr_db(sum / count as f64, high - low)
    };
    PerTerm {
        gradient: score(|k| k < 2, factors.gradient),
        laplacian: score(|k| k == 2, factors.laplacian),
    }
}

fn picture_psnr_db(picture: &Picture, truth: &Picture) -> f64 {
    metrics::psnr_db(mean_squared_error(picture, truth), 1.0)
}

fn mean_squared_error(picture: &Picture, truth: &Picture) -> f64 {
    let pairs = picture.values.iter().zip(truth.values.iter());
    let sum: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
    sum / truth.values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_removes_differences_in_brightness_and_contrast_of_every_channel() {
        let truth = Picture {
            height: 3,
            width: 4,
            channels: 2,
            values: (0..24)
                .map(|i| ((i * i) as f32 * 0.37).sin().abs())
                .collect(),
        };
        let own = truth.values.iter().enumerate().map(|(at, y)| {
            let y = 2.0 * f64::from(y) - 1.0;
            if at % 2 == 0 {
                0.3 * y + 5.0
            } else {
                -2.0 * y - 1.0
            }
        });
        let recovered = aligned(&truth, &own.collect::<Vec<f64>>());
        assert!(picture_psnr_db(&recovered, &truth) > 100.0);
        let flat = aligned(&truth, &[7.0; 24]);
        let mean = truth.values.iter().step_by(2).sum::<f32>() / 12.0;
        assert!((flat.values.at(0) - mean).abs() < 1e-6);
    }
}
