//! Voxels of a clip, drawn for every step.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::Rng;
use rand::seq::index;
use siren_core::Result;
use siren_core::signal::{Grid, Sample, Sampler, Sampling, SubsetSampler, step_rng};

use crate::clip::Clip;

/// Draws from the clip's bytes: what is in memory is the clip, and the sample of a step.
pub(crate) struct VoxelSampler {
    clip: Arc<Clip>,
    /// Coordinates of each axis's samples.
    axes: [Vec<f32>; 3],
    sampling: Sampling,
    seed: u64,
    device: Device,
}

impl VoxelSampler {
    pub(crate) fn new(
        clip: &Arc<Clip>,
        grid: &Grid,
        sampling: &Sampling,
        seed: u64,
        device: &Device,
    ) -> Self {
        Self {
            clip: Arc::clone(clip),
            axes: [0, 1, 2].map(|axis| grid.axis(axis)),
            sampling: sampling.clone(),
            seed,
            device: device.clone(),
        }
    }

    fn indices(&self, step: u64) -> Vec<usize> {
        let voxels = self.clip.voxels();
        let Sampling::Subset(subset) = &self.sampling else {
            return (0..voxels).collect();
        };
        let mut rng = step_rng(self.seed, SubsetSampler::PURPOSE, step);
        if subset.replacement {
            let draws = 0..subset.points;
            return draws.map(|_| rng.random_range(0..voxels)).collect();
        }
        index::sample(&mut rng, voxels, subset.points.min(voxels)).into_vec()
    }
}

impl Sampler for VoxelSampler {
    fn draw(&self, step: u64) -> Result<Sample> {
        let indices = self.indices(step);
        let (height, width, channels) = (self.clip.height, self.clip.width, self.clip.channels);
        let mut coords = Vec::with_capacity(3 * indices.len());
        let mut targets = Vec::with_capacity(channels * indices.len());
        for &at in &indices {
            let (row, column) = (at / width % height, at % width);
            let [times, rows, columns] = &self.axes;
            coords.extend([times[at / width / height], rows[row], columns[column]]);
            let color = &self.clip.values[at * channels..(at + 1) * channels];
            targets.extend(color.iter().map(|&byte| target(byte)));
        }
        let n = indices.len();
        let coords = Tensor::from_vec(coords, (n, 3), &self.device)?;
        let targets = Tensor::from_vec(targets, (n, channels), &self.device)?;
        Sample::new(coords, Some(targets), None)
    }
}

/// In [−1, 1], as the authors'.
pub(crate) fn target(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

/// The nearest byte.
pub(crate) fn byte(value: f32) -> u8 {
    (127.5 * (value + 1.0)).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use siren_core::signal::{CoordinateRule, SubsetSampling};

    use super::*;
    use crate::clip::CHANNELS;

    fn sampler(sampling: &Sampling) -> VoxelSampler {
        let (frames, height, width) = (2, 3, 5);
        let values = (0..(frames * height * width * CHANNELS) as u8).collect();
        let clip = Clip {
            frames,
            height,
            width,
            channels: CHANNELS,
            rate: 10.0,
            values,
        };
        let grid = Grid::new(&[frames, height, width], CoordinateRule::Stretch).unwrap();
        VoxelSampler::new(&Arc::new(clip), &grid, sampling, 7, &Device::Cpu)
    }

    #[test]
    fn a_voxel_comes_with_its_own_color_and_bytes_survive_the_way_there_and_back() {
        let whole = sampler(&Sampling::Whole).draw(0).unwrap();
        let coords = whole.coords().to_vec2::<f32>().unwrap();
        let targets = whole.targets().unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(coords.len(), 30);
        // Frame 1, row 2, column 3.
        let at = (3 + 2) * 5 + 3;
        assert_eq!(coords[at], [1.0, 1.0, 0.5]);
        let bytes: Vec<u8> = targets[at].iter().map(|&y| byte(y)).collect();
        assert_eq!(bytes, [3 * at as u8, 3 * at as u8 + 1, 3 * at as u8 + 2]);
        assert!((0..=255).all(|b| byte(target(b)) == b));
    }

    #[test]
    fn draws_depend_on_seed_and_step_alone() {
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
