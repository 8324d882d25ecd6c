//! How well pictures are reconstructed from some of their pixels.

use candle_core::{DType, Tensor};
use siren_core::Result;
use siren_core::metrics::{MSE, Metrics, PSNR_DB, psnr_db};
use siren_core::signal::Stream;

use crate::context::{Context, Contexts};
use crate::dataset::Dataset;
use crate::model::HyperNetwork;
use crate::signal::Hyper;

/// Random numbers of the contexts that are scored, which are the same for every seed of a config.
const SCORED: Stream = Stream::named("hyper.scored");
/// Pictures that are reconstructed at once.
const BATCH: usize = 64;
/// Context of the headline.
const HEADLINE: Context = Context::Pixels(100);

/// What needs no training: the errors of the mean training picture, and of the training picture that fits the context best.
pub(crate) struct Baselines {
    /// In [0, 1], `(n · c)`.
    mean_picture: Vec<f32>,
    pub(crate) mean_picture_mse: f64,
    /// By context.
    pub(crate) nearest_mse: Vec<(Context, f64)>,
}

/// Mean squared errors of values clipped to [0, 1], a mean over the pictures of the test split, by context as in the paper's table;
/// and the mean PSNR of the validation pictures from 100 pixels, which chooses the best parameters.
pub(crate) fn metrics(hyper: &Hyper, model: &HyperNetwork) -> Result<Metrics> {
    let dataset = &hyper.dataset;
    let limit = hyper.signal.evaluated_pictures;
    let validation = &dataset.validation[..limit.min(dataset.validation.len())];
    let headline = if Context::all(dataset.pixels()).contains(&HEADLINE) {
        HEADLINE
    } else {
        Context::Half
    };
    let errors = errors(hyper, model, validation, headline)?;
    let decibels = errors.iter().map(|&mse| psnr_db(mse, 1.0)).sum::<f64>() / errors.len() as f64;
    let mut metrics = vec![PSNR_DB.of(decibels)];
    for context in Context::all(dataset.pixels()) {
        let mse = mean(&self::errors(hyper, model, tested(hyper), context)?);
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

/// The test pictures that are scored.
pub(crate) fn tested(hyper: &Hyper) -> &[usize] {
    let test = &hyper.dataset.test;
    &test[..hyper.signal.evaluated_pictures.min(test.len())]
}

/// Some pictures with the part of them that a context shows, the same whenever it is asked for.
pub(crate) fn contexts(hyper: &Hyper, pictures: &[usize], context: Context) -> Result<Contexts> {
    let side = hyper.dataset.side;
    let seen = pictures.iter().map(|&at| seen(side, at, context));
    hyper
        .dataset
        .contexts(pictures, seen.collect(), &hyper.device)
}

fn seen(side: usize, picture: usize, context: Context) -> Vec<u32> {
    context.draw(side, &mut SCORED.rng(0, picture as u64))
}

/// Values in [0, 1] of the reconstructions, `(b, n, c)`.
pub(crate) fn reconstructed(
    hyper: &Hyper,
    model: &HyperNetwork,
    contexts: &Contexts,
) -> Result<Tensor> {
    let latents = model.latents(contexts, &hyper.objective)?;
    shown(&model.values(&model.fields(&latents)?, &contexts.coords)?)
}

/// From [−1, 1] to [0, 1], clipped.
pub(crate) fn shown(values: &Tensor) -> Result<Tensor> {
    Ok(values.affine(0.5, 0.5)?.clamp(0.0, 1.0)?)
}

/// Mean squared error of each picture.
fn errors(
    hyper: &Hyper,
    model: &HyperNetwork,
    pictures: &[usize],
    context: Context,
) -> Result<Vec<f64>> {
    let mut errors = Vec::with_capacity(pictures.len());
    for some in pictures.chunks(BATCH) {
        let contexts = contexts(hyper, some, context)?;
        let difference = (reconstructed(hyper, model, &contexts)? - shown(&contexts.pictures)?)?;
        let squares = difference.sqr()?.flatten_from(1)?.to_dtype(DType::F64)?;
        errors.extend(squares.mean(1)?.to_vec1::<f64>()?);
    }
    Ok(errors)
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The baselines, computed at the first call.
pub(crate) fn baselines(hyper: &Hyper) -> &Baselines {
    hyper
        .baselines
        .get_or_init(|| Baselines::new(&hyper.dataset, tested(hyper)))
}

impl Baselines {
    fn new(dataset: &Dataset, test: &[usize]) -> Self {
        let mut sums = vec![0u64; dataset.pixels() * dataset.channels];
        for &at in &dataset.training {
            for (sum, &byte) in sums.iter_mut().zip(dataset.bytes(at)) {
                *sum += u64::from(byte);
            }
        }
        let count = 255.0 * dataset.training.len() as f64;
        let mean_picture: Vec<f32> = sums
            .iter()
            .map(|&sum| (sum as f64 / count) as f32)
            .collect();
        let far: Vec<f64> = test
            .iter()
            .map(|&at| distance(dataset.bytes(at), &mean_picture))
            .collect();
        let contexts = Context::all(dataset.pixels()).into_iter();
        let nearest = contexts.map(|context| {
            let errors: Vec<f64> = test
                .iter()
                .map(|&at| nearest(dataset, at, context))
                .collect();
            (context, mean(&errors))
        });
        Self {
            mean_picture_mse: mean(&far),
            nearest_mse: nearest.collect(),
            mean_picture,
        }
    }

    /// The mean training picture in [0, 1], `(n · c)`.
    pub(crate) fn mean_picture(&self) -> &[f32] {
        &self.mean_picture
    }
}

fn distance(bytes: &[u8], values: &[f32]) -> f64 {
    let squares = bytes.iter().zip(values).map(|(&byte, value)| {
        let difference = f64::from(f32::from(byte) / 255.0 - value);
        difference * difference
    });
    squares.sum::<f64>() / values.len() as f64
}

/// The error of the training picture that differs least from this one where it is seen.
fn nearest(dataset: &Dataset, picture: usize, context: Context) -> f64 {
    let truth = dataset.bytes(picture);
    let seen = seen(dataset.side, picture, context);
    let channels = dataset.channels;
    let differs = |other: &[u8], at: usize| -> u64 {
        let part = at * channels..(at + 1) * channels;
        let pairs = truth[part.clone()].iter().zip(&other[part]);
        pairs.map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
    };
    let misfit = |&at: &usize| -> u64 {
        let other = dataset.bytes(at);
        seen.iter()
            .map(|&pixel| differs(other, pixel as usize))
            .sum()
    };
    let best = dataset
        .training
        .iter()
        .min_by_key(|at| misfit(at))
        .copied()
        .unwrap_or(picture);
    let other: Vec<f32> = dataset
        .bytes(best)
        .iter()
        .map(|&byte| f32::from(byte) / 255.0)
        .collect();
    distance(truth, &other)
}
