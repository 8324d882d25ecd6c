//! How well a field fits its picture.

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::run::Metrics;
use siren_core::run::metrics::{ImageShape, psnr_db, ssim};

use crate::Image;
use crate::render::value_picture;

/// SSIM looks through a window of 7 × 7 pixels.
const SSIM_WINDOW: usize = 7;

/// PSNR and SSIM as the authors compute them: values mapped from [−1, 1] to [0, 1] and clipped, peak 1. Where pixels
/// are held out, PSNR on them and on the observed ones as well.
pub(crate) fn metrics(image: &Image, field: &Siren) -> Result<Metrics> {
    let truth = &image.picture;
    let fitted = value_picture(field, &image.own_canvas())?;
    let mut metrics = vec![(
        "psnr_db".to_owned(),
        psnr(&fitted.values, &truth.values, |_| true),
    )];
    if let Some(observed) = &image.observed {
        let channels = truth.channels;
        let on = psnr(&fitted.values, &truth.values, |at| observed[at / channels]);
        let off = psnr(&fitted.values, &truth.values, |at| !observed[at / channels]);
        metrics.push(("psnr_observed_db".to_owned(), on));
        metrics.push(("psnr_held_out_db".to_owned(), off));
    }
    if truth.height >= SSIM_WINDOW && truth.width >= SSIM_WINDOW {
        let shape = ImageShape {
            height: truth.height,
            width: truth.width,
            channels: truth.channels,
        };
        let similarity = ssim(&fitted.values, &truth.values, shape)?;
        metrics.push(("ssim".to_owned(), similarity));
    }
    Ok(metrics)
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
