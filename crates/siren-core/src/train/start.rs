//! From a newly drawn model to the first step.

use candle_core::Device;

use super::{Model, Task};
use crate::error::{Error, Result};
use crate::field::LastBias;
use crate::signal::{Stream, SubsetSampling};

/// Stream of the points whose mean a last bias starts at.
const MEAN: Stream = Stream::named("last_bias.mean");
/// Number of these points for each tile.
const POINTS_PER_TILE: usize = 256;

/// Prepares a newly drawn model for its training: by [`Task::pretrain`], then by `field.last_bias`.
///
/// # Errors
/// [`Error::InvalidValue`] if the last bias is to start at the mean of the signal, and the model is no field or the task has no
/// [`points`](Task::points); as [`Task::pretrain`].
pub fn prepare<T: Task>(task: &T, model: T::Model, seed: u64) -> Result<T::Model> {
    let model = task.pretrain(model)?;
    if model.network().config().last_bias == LastBias::Drawn {
        return Ok(model);
    }
    let points = task.points(model.parameters().dtype(), &Device::Cpu)?;
    let (Some(field), Some(points)) = (model.field(), points) else {
        let expected =
            "`drawn`: only pictures have points at which the values of the field are known";
        return Err(Error::invalid("field.last_bias", "mean", expected));
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
