//! Samples of a clip's voxels, drawn anew for every step.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::signal::{Grid, Sample, Sampler, Sampling, Stream};

use crate::clip::Clip;

/// Draws the voxels of each step from the clip's bytes, so that memory holds only the clip and the sample of one step.
pub(crate) struct VoxelSampler {
    clip: Arc<Clip>,
    /// Coordinates along time, rows and columns.
    axes: [Vec<f64>; 3],
    sampling: Sampling,
    seed: u64,
    dtype: DType,
    device: Device,
}

impl VoxelSampler {
    /// Makes a sampler of single precision on `device`.
    pub(crate) fn new(
        clip: &Arc<Clip>,
        grid: &Grid,
        sampling: &Sampling,
        seed: u64,
        device: &Device,
    ) -> Self {
        let coords = |axis: usize| (0..grid.sides()[axis]).map(move |i| grid.coord(axis, i));
        Self {
            clip: Arc::clone(clip),
            axes: [0, 1, 2].map(|axis| coords(axis).collect()),
            sampling: sampling.clone(),
            seed,
            dtype: DType::F32,
            device: device.clone(),
        }
    }

    /// Returns the same sampler with samples of another type, `f32` or `f64`.
    pub(crate) fn in_type(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// Returns the indices of the voxels of a step, in the order of [`Clip::levels`].
    fn indices(&self, step: u64) -> Vec<usize> {
        let voxels = self.clip.voxels();
        let Some(subset) = self.sampling.subset_of(voxels) else {
            return (0..voxels).collect();
        };
        let mut rng = Stream::SUBSET.rng(self.seed, step);
        subset.indices(voxels, &mut rng)
    }
}

impl Sampler for VoxelSampler {
    fn draw(&self, step: u64) -> Result<Sample> {
        let indices = self.indices(step);
        let (height, width, channels) =
            (self.clip.height(), self.clip.width(), self.clip.channels());
        let mut coords = Vec::with_capacity(3 * indices.len());
        let mut targets = Vec::with_capacity(channels * indices.len());
        for &index in &indices {
            let (row, column) = (index / width % height, index % width);
            let [times, rows, columns] = &self.axes;
            coords.extend([times[index / width / height], rows[row], columns[column]]);
            let color = &self.clip.levels()[index * channels..(index + 1) * channels];
            targets.extend(color.iter().map(|&level| value_from_level(level)));
        }
        let n = indices.len();
        let coords = Tensor::from_vec(coords, (n, 3), &Device::Cpu)?.to_dtype(self.dtype)?;
        let targets = Tensor::from_vec(targets, (n, channels), &Device::Cpu)?;
        let targets = targets.to_dtype(self.dtype)?;
        Sample::with_targets(
            coords.to_device(&self.device)?,
            targets.to_device(&self.device)?,
        )
    }
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

    fn sampler(sampling: &Sampling) -> VoxelSampler {
        let (frames, height, width) = (2, 3, 5);
        let levels = (0..(frames * height * width * CHANNELS) as u8).collect();
        let clip = Clip::new(frames, height, width, CHANNELS, 10.0, levels).unwrap();
        let grid = Grid::new(&[frames, height, width], CoordinateRule::Stretch).unwrap();
        VoxelSampler::new(&Arc::new(clip), &grid, sampling, 7, &Device::Cpu)
    }

    #[test]
    fn a_voxel_has_the_color_of_its_frame_row_and_column_and_levels_survive_a_round_trip() {
        let whole = sampler(&Sampling::Whole).draw(0).unwrap();
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
        let double = sampler(&Sampling::Whole)
            .in_type(DType::F64)
            .draw(0)
            .unwrap();
        let double = double.coords().to_vec2::<f64>().unwrap();
        assert_eq!(double[index], [1.0, 1.0, 0.5]);
        assert!((0..=255).all(|b| level_from_value(value_from_level(b)) == b));
    }

    #[test]
    fn draws_repeat_for_the_same_step_and_differ_between_steps() {
        for replacement in [true, false] {
            let subset = sampler(&Sampling::Subset(SubsetSampling {
                points: 20,
                replacement,
            }));
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
