//! The voxels of a clip as points.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::signal::{Grid, Points, Sample, Sampler, Sampling};

use crate::clip::Clip;

/// The voxels of a clip as points, in the order of [`Clip::levels`]. Coordinates and targets are made from the clip's bytes when they are asked for.
pub(crate) struct Voxels {
    clip: Arc<Clip>,
    /// Coordinates along time, rows and columns.
    axes: [Vec<f64>; 3],
    dtype: DType,
    device: Device,
    /// All points, once they were asked for.
    kept: OnceLock<Sample>,
}

impl Voxels {
    /// Makes points of type `dtype`, `f32` or `f64`, on `device`.
    pub(crate) fn new(clip: &Arc<Clip>, grid: &Grid, dtype: DType, device: &Device) -> Self {
        let coords = |axis: usize| (0..grid.sides()[axis]).map(move |i| grid.coord(axis, i));
        Self {
            clip: Arc::clone(clip),
            axes: [0, 1, 2].map(|axis| coords(axis).collect()),
            dtype,
            device: device.clone(),
            kept: OnceLock::new(),
        }
    }

    /// Returns the points of some voxels.
    fn sample(&self, voxels: impl ExactSizeIterator<Item = usize>) -> Result<Sample> {
        let (n, [height, width, channels]) = (voxels.len(), self.sizes());
        let mut coords = Vec::with_capacity(3 * n);
        let mut targets = Vec::with_capacity(channels * n);
        for index in voxels {
            let (row, column) = (index / width % height, index % width);
            let [times, rows, columns] = &self.axes;
            coords.extend([times[index / width / height], rows[row], columns[column]]);
            let color = &self.clip.levels()[index * channels..(index + 1) * channels];
            targets.extend(color.iter().map(|&level| value_from_level(level)));
        }
        let coords = Tensor::from_vec(coords, (n, 3), &Device::Cpu)?.to_dtype(self.dtype)?;
        let targets = Tensor::from_vec(targets, (n, channels), &Device::Cpu)?;
        let targets = targets.to_dtype(self.dtype)?;
        let device = &self.device;
        Sample::with_targets(coords.to_device(device)?, targets.to_device(device)?)
    }

    /// Returns the height, the width and the number of channels.
    fn sizes(&self) -> [usize; 3] {
        [self.clip.height(), self.clip.width(), self.clip.channels()]
    }
}

impl Points for Voxels {
    fn count(&self) -> usize {
        self.clip.voxels()
    }

    fn at(&self, indices: &[u32]) -> Result<Sample> {
        self.sample(indices.iter().map(|&index| index as usize))
    }

    fn all(&self) -> Result<&Sample> {
        if let Some(sample) = self.kept.get() {
            return Ok(sample);
        }
        let sample = self.sample(0..self.count())?;
        Ok(self.kept.get_or_init(|| sample))
    }
}

/// Makes a sampler that gives a device the voxels of each step. All of them as points would take eight times the memory of the clip.
///
/// # Errors
/// Those of candle.
pub(crate) fn sampler(
    voxels: Voxels,
    sampling: &Sampling,
    seed: u64,
) -> Result<impl Sampler + use<>> {
    let drawn = sampling.sampler_of(voxels, seed)?;
    Ok(move |step: u64| drawn.draw(step))
}

/// Maps a level of 0 to 255 to a value in [−1, 1], as in the authors' code.
pub(crate) fn value_from_level(level: u8) -> f32 {
    f32::from(level) / 127.5 - 1.0
}

/// Maps a value in [−1, 1] to the nearest level of 0 to 255; values outside are clipped.
pub(crate) fn level_from_value(value: f32) -> u8 {
    (127.5 * (value + 1.0)).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use siren_core::signal::{CoordinateRule, SubsetSampling};

    use super::*;
    use crate::clip::CHANNELS;

    fn voxels(dtype: DType) -> Voxels {
        let (frames, height, width) = (2, 3, 5);
        let levels = (0..(frames * height * width * CHANNELS) as u8).collect();
        let clip = Clip::new(frames, height, width, CHANNELS, 10.0, levels).unwrap();
        let grid = Grid::new(&[frames, height, width], CoordinateRule::Stretch).unwrap();
        Voxels::new(&Arc::new(clip), &grid, dtype, &Device::Cpu)
    }

    fn sampler_of(sampling: &Sampling, dtype: DType) -> impl Sampler + use<> {
        sampler(voxels(dtype), sampling, 7).unwrap()
    }

    #[test]
    fn a_voxel_has_the_color_of_its_frame_row_and_column_and_levels_survive_a_round_trip() {
        let whole = sampler_of(&Sampling::Whole, DType::F32).draw(0).unwrap();
        let coords = whole.coords().to_vec2::<f32>().unwrap();
        let targets = whole.targets().unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(coords.len(), 30);
        // Frame 1, row 2, column 3.
        let index = (3 + 2) * 5 + 3;
        assert_eq!(coords[index], [1.0, 1.0, 0.5]);
        let bytes: Vec<u8> = targets[index]
            .iter()
            .map(|&y| level_from_value(y))
            .collect();
        let first = 3 * index as u8;
        assert_eq!(bytes, [first, first + 1, first + 2]);
        let double = sampler_of(&Sampling::Whole, DType::F64).draw(0).unwrap();
        let double = double.coords().to_vec2::<f64>().unwrap();
        assert_eq!(double[index], [1.0, 1.0, 0.5]);
        let some = voxels(DType::F32).at(&[7, index as u32]).unwrap();
        let some = some.coords().to_vec2::<f32>().unwrap();
        assert_eq!(some, [coords[7].clone(), coords[index].clone()]);
        assert!((0..=255).all(|b| level_from_value(value_from_level(b)) == b));
    }

    #[test]
    fn draws_repeat_for_the_same_step_and_differ_between_steps() {
        for replacement in [true, false] {
            let sampling = Sampling::Subset(SubsetSampling {
                points: 20,
                replacement,
            });
            let subset = sampler_of(&sampling, DType::F32);
            let draw = |step| {
                subset
                    .draw(step)
                    .unwrap()
                    .coords()
                    .to_vec2::<f32>()
                    .unwrap()
            };
            assert_eq!(draw(3).len(), 20);
            assert_eq!(draw(3), draw(3));
            assert_ne!(draw(3), draw(4));
        }
    }
}
