//! Scores of a model: how well it reconstructs pictures from some of their pixels, in comparison with two baselines.

use candle_core::{DType, Tensor};
use siren_core::Result;
use siren_core::metrics::{MSE, Metrics, PSNR_DB, psnr_db};
use siren_core::signal::Stream;
use siren_core::train::Model as _;

use crate::context::{ContextBatch, ContextKind};
use crate::dataset::Dataset;
use crate::model::HyperNetwork;
use crate::signal::Hyper;

/// Random numbers of the contexts of an evaluation, which are the same for every seed of a config.
const SCORED: Stream = Stream::named("hyper.scored");
/// Number of pictures that are reconstructed at once.
const BATCH: usize = 64;
/// Context of the headline metric.
const HEADLINE: ContextKind = ContextKind::Pixels(100);

/// Errors of reconstructions without a model: by the mean training picture, and by the training picture that fits the context best.
pub(crate) struct Baselines {
    /// Mean training picture in [0, 1], row-major `(n, c)`.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "drawn by runs only"))]
    pub(crate) mean_picture: Vec<f32>,
    /// Mean squared error of the mean training picture, averaged over the evaluated test pictures.
    mean_picture_mse: f64,
    /// Mean squared error of the best training picture, averaged likewise, for each context.
    nearest_mse: Vec<(ContextKind, f64)>,
}

/// Scores a model.
///
/// The headline is the mean PSNR of the validation pictures reconstructed from 100 pixels; it selects the best parameters. All other
/// metrics are mean squared errors of test pictures, with values clipped to [0, 1], for the contexts of the paper's table.
pub(crate) fn metrics(hyper: &Hyper, model: &HyperNetwork) -> Result<Metrics> {
    let dataset = &hyper.dataset;
    let validation = evaluated(hyper, &dataset.split().validation);
    let headline = if ContextKind::all(dataset.pixels()).contains(&HEADLINE) {
        HEADLINE
    } else {
        ContextKind::Half
    };
    let errors = errors(hyper, model, validation, headline)?;
    let decibels = errors.iter().map(|&mse| psnr_db(mse, 1.0)).sum::<f64>() / errors.len() as f64;
    let mut metrics = vec![PSNR_DB.of(decibels)];
    for context in ContextKind::all(dataset.pixels()) {
        let test = evaluated_test_pictures(hyper);
        let mse = mean(&self::errors(hyper, model, test, context)?);
        metrics.push(MSE.named(format!("mse_{}", context.name())).of(mse));
    }
    let baselines = baselines(hyper);
    let mean_picture = MSE.named("mean_picture_mse");
    metrics.push(mean_picture.of(baselines.mean_picture_mse));
    for (context, mse) in &baselines.nearest_mse {
        let nearest = MSE.named(format!("nearest_mse_{}", context.name()));
        metrics.push(nearest.of(*mse));
    }
    Ok(metrics)
}

/// Returns the test pictures that are evaluated.
pub(crate) fn evaluated_test_pictures(hyper: &Hyper) -> &[usize] {
    evaluated(hyper, &hyper.dataset.split().test)
}

/// Returns the first pictures of a part, `signal.evaluated_pictures` at most.
fn evaluated<'a>(hyper: &Hyper, part: &'a [usize]) -> &'a [usize] {
    &part[..hyper.signal.evaluated_pictures.min(part.len())]
}

/// Returns pictures with their observed pixels for a model. The observed pixels are the same in every evaluation.
pub(crate) fn contexts(
    hyper: &Hyper,
    model: &HyperNetwork,
    pictures: &[usize],
    context: ContextKind,
) -> Result<ContextBatch> {
    let side = hyper.dataset.side();
    let observed = pictures
        .iter()
        .map(|&picture| observed_pixels(side, picture, context));
    let observed = observed.collect();
    let parameters = model.parameters();
    hyper
        .dataset
        .contexts(pictures, observed, parameters.dtype(), parameters.device())
}

fn observed_pixels(side: usize, picture: usize, context: ContextKind) -> Vec<u32> {
    context.draw(side, &mut SCORED.rng(0, picture as u64))
}

/// Reconstructs pictures from their contexts: values in [0, 1], `(b, n, c)`.
pub(crate) fn reconstructed(
    hyper: &Hyper,
    model: &HyperNetwork,
    contexts: &ContextBatch,
) -> Result<Tensor> {
    let latents = model.latents(contexts, &hyper.objective)?;
    to_unit_range(&model.values(&model.fields(&latents)?, &contexts.coords)?)
}

/// Maps values from [−1, 1] to [0, 1], and clips them.
pub(crate) fn to_unit_range(values: &Tensor) -> Result<Tensor> {
    Ok(values.affine(0.5, 0.5)?.clamp(0.0, 1.0)?)
}

/// Returns the mean squared error of each picture.
fn errors(
    hyper: &Hyper,
    model: &HyperNetwork,
    pictures: &[usize],
    context: ContextKind,
) -> Result<Vec<f64>> {
    let mut errors = Vec::with_capacity(pictures.len());
    for batch in pictures.chunks(BATCH) {
        let contexts = contexts(hyper, model, batch, context)?;
        let truth = to_unit_range(&contexts.pictures)?;
        let difference = (reconstructed(hyper, model, &contexts)? - truth)?;
        let squares = difference.sqr()?.flatten_from(1)?.to_dtype(DType::F64)?;
        errors.extend(squares.mean(1)?.to_vec1::<f64>()?);
    }
    Ok(errors)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the baselines, which the first call computes.
pub(crate) fn baselines(hyper: &Hyper) -> &Baselines {
    hyper
        .baselines
        .get_or_init(|| Baselines::new(&hyper.dataset, evaluated_test_pictures(hyper)))
}

impl Baselines {
    fn new(dataset: &Dataset, test: &[usize]) -> Self {
        let training = &dataset.split().training;
        let mut sums = vec![0u64; dataset.pixels() * dataset.channels()];
        for &picture in training {
            for (sum, &byte) in sums.iter_mut().zip(dataset.bytes(picture)) {
                *sum += u64::from(byte);
            }
        }
        let count = 255.0 * training.len() as f64;
        let mean_picture: Vec<f32> = sums
            .iter()
            .map(|&sum| (sum as f64 / count) as f32)
            .collect();
        let errors: Vec<f64> = test
            .iter()
            .map(|&picture| mean_squared_error(dataset.bytes(picture), &mean_picture))
            .collect();
        let contexts = ContextKind::all(dataset.pixels()).into_iter();
        let nearest = contexts.map(|context| {
            let errors: Vec<f64> = test
                .iter()
                .map(|&picture| nearest_error(dataset, picture, context))
                .collect();
            (context, mean(&errors))
        });
        Self {
            mean_picture_mse: mean(&errors),
            nearest_mse: nearest.collect(),
            mean_picture,
        }
    }
}

/// Returns the mean squared error of `values` in [0, 1] with respect to a picture of bytes.
fn mean_squared_error(bytes: &[u8], values: &[f32]) -> f64 {
    let squares = bytes.iter().zip(values).map(|(&byte, value)| {
        let difference = f64::from(f32::from(byte) / 255.0 - value);
        difference * difference
    });
    squares.sum::<f64>() / values.len() as f64
}

/// Returns the mean squared error of the training picture that differs least from this picture at the observed pixels.
fn nearest_error(dataset: &Dataset, picture: usize, context: ContextKind) -> f64 {
    let truth = dataset.bytes(picture);
    let observed = observed_pixels(dataset.side(), picture, context);
    let channels = dataset.channels();
    let pixel_error = |other: &[u8], pixel: usize| -> u64 {
        let part = pixel * channels..(pixel + 1) * channels;
        let pairs = truth[part.clone()].iter().zip(&other[part]);
        pairs.map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
    };
    let context_error = |&other: &usize| -> u64 {
        let other = dataset.bytes(other);
        observed
            .iter()
            .map(|&pixel| pixel_error(other, pixel as usize))
            .sum()
    };
    let training = dataset.split().training.iter().copied();
    let nearest = training.min_by_key(context_error).unwrap_or(picture);
    let values: Vec<f32> = dataset
        .bytes(nearest)
        .iter()
        .map(|&byte| f32::from(byte) / 255.0)
        .collect();
    mean_squared_error(truth, &values)
}
