//! Samplers: the points of each training step.

use candle_core::{DType, Device, Tensor};
use rand::Rng;

use super::{Sample, Stream, SubsetSampling};
use crate::error::{Error, Result};

/// Draws the points of each training step. Closures `|step| …` are samplers.
///
/// A draw must depend on the seed and the number of the step alone, so that a resumed run draws the same points as an uninterrupted one.
pub trait Sampler: Send + Sync {
    /// Returns the sample of a step, counted from 0.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no points to draw from; the errors of candle.
    fn draw(&self, step: u64) -> Result<Sample>;

    /// Returns the same points as a selection from a sample that does not change from step to step, if they are one. A device that keeps that
    /// sample is given indices alone.
    ///
    /// # Errors
    /// As [`draw`](Self::draw).
    fn selection(&self, _step: u64) -> Result<Option<Selection<'_>>> {
        Ok(None)
    }
}

/// Points of a sample.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// The sample.
    pub from: &'a Sample,
    /// Indices of the points, in order.
    pub indices: Vec<u32>,
}

impl<F: Fn(u64) -> Result<Sample> + Send + Sync> Sampler for F {
    fn draw(&self, step: u64) -> Result<Sample> {
        self(step)
    }
}

/// Returns all points of a sample in every step.
#[derive(Clone, Debug)]
pub struct WholeSampler(Sample);

impl WholeSampler {
    /// Makes a sampler of all points of `sample`.
    #[must_use]
    pub fn new(sample: Sample) -> Self {
        Self(sample)
    }
}

impl Sampler for WholeSampler {
    fn draw(&self, _step: u64) -> Result<Sample> {
        Ok(self.0.clone())
    }
}

/// Points to draw from. A [`Sample`] holds them; other types make those that are drawn.
pub trait Points: Send + Sync {
    /// Returns the number of points.
    fn count(&self) -> usize;

    /// Returns the points at these indices, in this order.
    ///
    /// # Errors
    /// If an index is out of range; the errors of candle.
    fn at(&self, indices: &[u32]) -> Result<Sample>;

    /// Returns all points. A device asks for them, to keep them.
    ///
    /// # Errors
    /// Only from candle.
    fn all(&self) -> Result<&Sample>;
}

impl Points for Sample {
    fn count(&self) -> usize {
        self.len()
    }

    fn at(&self, indices: &[u32]) -> Result<Sample> {
        self.select(indices)
    }

    fn all(&self) -> Result<&Sample> {
        Ok(self)
    }
}

/// Draws a new random subset in every step.
#[derive(Clone, Debug)]
pub struct SubsetSampler<P = Sample> {
    /// The points to draw from.
    pub from: P,
    /// How many points a step draws, and how.
    pub subset: SubsetSampling,
    /// Seed of the fit.
    pub seed: u64,
    /// Random stream. Two samplers of one fit need two streams, or both draw the same indices.
    pub stream: Stream,
}

impl<P: Points> SubsetSampler<P> {
    /// Draws the indices of a step.
    fn indices(&self, step: u64) -> Result<Vec<u32>> {
        let mut rng = self.stream.rng(self.seed, step);
        let points = self.from.count();
        if points == 0 || u32::try_from(points).is_err() {
            return Err(Error::Shape {
                what: "sample to draw from",
                expected: format!("1 to {} points", u32::MAX),
                got: format!("{points}"),
            });
        }
        let indices = self.subset.indices(points, &mut rng).into_iter();
        Ok(indices.map(|index| index as u32).collect())
    }
}

impl<P: Points> Sampler for SubsetSampler<P> {
    fn draw(&self, step: u64) -> Result<Sample> {
        self.from.at(&self.indices(step)?)
    }

    fn selection(&self, step: u64) -> Result<Option<Selection<'_>>> {
        Ok(Some(Selection {
            from: self.from.all()?,
            indices: self.indices(step)?,
        }))
    }
}

/// Draws `size` points uniformly in a box in every step, without targets: the domain of a prior or a differential equation.
#[derive(Clone, Debug)]
pub struct UniformSampler {
    /// Number of points per step.
    pub size: usize,
    /// Half the side of the box on each axis; the box is centered on 0.
    pub extents: Vec<f64>,
    /// Seed of the fit.
    pub seed: u64,
    /// Random stream. Two samplers of one fit need two streams, or both draw the same points.
    pub stream: Stream,
    /// Element type of the coordinates.
    pub dtype: DType,
    /// Device of the coordinates.
    pub device: Device,
}

impl Sampler for UniformSampler {
    fn draw(&self, step: u64) -> Result<Sample> {
        let mut rng = self.stream.rng(self.seed, step);
        let dims = self.extents.len();
        let numbers = self.size.checked_mul(dims).ok_or_else(|| Error::Shape {
            what: "uniform sample",
            expected: "as many numbers as memory can address".to_owned(),
            got: format!("{} × {dims}", self.size),
        })?;
        let mut coords = Vec::with_capacity(numbers);
        for _ in 0..self.size {
            let point = self
                .extents
                .iter()
                .map(|extent| extent * rng.random_range(-1.0..1.0));
            coords.extend(point);
        }
        let coords = Tensor::from_vec(coords, (self.size, dims), &Device::Cpu)?;
        let coords = coords.to_dtype(self.dtype)?.to_device(&self.device)?;
        Sample::new(coords)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(points: usize) -> Sample {
        let coords: Vec<f64> = (0..points).map(|i| i as f64).collect();
        Sample::new(Tensor::from_vec(coords, (points, 1), &Device::Cpu).unwrap()).unwrap()
    }

    fn drawn(sampler: &SubsetSampler, step: u64) -> Vec<u64> {
        let coords = sampler.draw(step).unwrap().coords().flatten_all().unwrap();
        coords
            .to_vec1::<f64>()
            .unwrap()
            .into_iter()
            .map(|x| x as u64)
            .collect()
    }

    #[test]
    fn subsets_are_a_function_of_seed_and_step_and_repeat_a_point_only_with_replacement() {
        let subset = |replacement, seed| SubsetSampler {
            from: numbered(100),
            subset: SubsetSampling {
                points: 90,
                replacement,
            },
            seed,
            stream: Stream::SUBSET,
        };
        let once = subset(false, 7);
        let mut points = drawn(&once, 3);
        assert_eq!(points, drawn(&once, 3));
        assert_ne!(points, drawn(&once, 4));
        assert_ne!(points, drawn(&subset(false, 8), 3));
        points.sort_unstable();
        points.dedup();
        assert_eq!(points.len(), 90);
        let mut repeated = drawn(&subset(true, 7), 3);
        repeated.sort_unstable();
        repeated.dedup();
        assert!(
            repeated.len() < 75,
            "{} distinct of 90 drawn",
            repeated.len()
        );
    }

    #[test]
    fn samplers_of_different_streams_draw_different_points() {
        let uniform = |stream| UniformSampler {
            size: 8,
            extents: vec![1.0, 0.5],
            seed: 7,
            stream,
            dtype: DType::F64,
            device: Device::Cpu,
        };
        let points = |stream| {
            let sample = uniform(stream).draw(3).unwrap();
            sample.coords().to_vec2::<f64>().unwrap()
        };
        let other = Stream::named("other");
        assert_eq!(points(other), points(other));
        assert_ne!(points(Stream::UNIFORM), points(other));
    }

    #[test]
    fn more_points_than_can_be_addressed_are_an_error() {
        let sampler = UniformSampler {
            size: usize::MAX,
            extents: vec![1.0; 2],
            seed: 0,
            stream: Stream::UNIFORM,
            dtype: DType::F32,
            device: Device::Cpu,
        };
        assert!(sampler.draw(0).is_err());
    }
}
