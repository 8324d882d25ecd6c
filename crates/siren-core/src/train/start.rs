//! From a newly drawn model to the first step.

use candle_core::Device;

use super::{Model, Task};
use crate::error::{Error, Result};
use crate::field::{LastBias, Siren};
use crate::signal::{Points, Stream, SubsetSampling};

/// Stream of the points whose mean a last bias starts at.
const MEAN: Stream = Stream::named("last_bias.mean");
/// Number of these points for each tile.
const POINTS_PER_TILE: usize = 256;

/// Checks that a newly drawn model can start as its config says, as [`prepare`] does.
///
/// # Errors
/// [`Error::InvalidValue`] with the key `field.last_bias`; those of reading the signal.
pub fn must_start<T: Task>(task: &T, model: &T::Model) -> Result<()> {
    last_bias_points(task, model).map(drop)
}

/// Prepares a newly drawn model for its training: by [`Task::pretrain`], then by `field.last_bias`.
///
/// # Errors
/// As [`must_start`] and [`Task::pretrain`].
pub fn prepare<T: Task>(task: &T, model: T::Model, seed: u64) -> Result<T::Model> {
    let model = task.pretrain(model)?;
    let Some((field, points)) = last_bias_points(task, &model)? else {
        return Ok(model);
    };
    let subset = SubsetSampling {
        points: POINTS_PER_TILE.saturating_mul(field.network().tiles()),
        replacement: false,
    };
    let indices = subset.indices(points.count(), &mut MEAN.rng(seed, 0));
    let indices: Vec<u32> = indices.into_iter().map(|index| index as u32).collect();
    let sample = points.at(&indices)?;
    field.set_last_bias_to_mean(sample.coords(), sample.targets()?)?;
    Ok(model)
}

/// Returns the field whose last bias is to start at the mean of a signal, and the points of the signal; `None` if it is drawn.
fn last_bias_points<'a, T: Task>(
    task: &T,
    model: &'a T::Model,
) -> Result<Option<(&'a Siren, Box<dyn Points>)>> {
    if model.network().config().last_bias == LastBias::Drawn {
        return Ok(None);
    }
    let points = task.points(model.parameters().dtype(), &Device::Cpu)?;
    let (Some(field), Some(points)) = (model.field(), points) else {
        let expected = "`drawn`: only pictures, sounds and clips have points at which the values of the field are known";
        return Err(Error::invalid("field.last_bias", "mean", expected));
    };
    Ok(Some((field, points)))
}
