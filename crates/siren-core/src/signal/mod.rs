//! Signals: coordinates, targets, and how a training step draws from them.

mod grid;
mod raster;
mod sampler;
mod sampling;
mod spectrum;

use candle_core::Tensor;

use crate::error::{Error, Result};

pub use self::grid::{CoordinateRule, Grid};
pub use self::raster::Raster;
pub use self::sampler::{Sampler, SubsetSampler, UniformSampler, WholeSampler, step_rng};
pub use self::sampling::{Sampling, SubsetSampling};
pub use self::spectrum::Spectrum;

/// CRC-32C of values in order, to tell one signal from another.
#[must_use]
pub fn checksum(values: impl IntoIterator<Item = f32>) -> u32 {
    let append = |crc, value: f32| crc32c::crc32c_append(crc, &value.to_le_bytes());
    values.into_iter().fold(0, append)
}

/// Coordinates with what the field should be there, for one step.
#[derive(Clone, Debug)]
pub struct Sample {
    coords: Tensor,
    targets: Option<Tensor>,
    mask: Option<Tensor>,
}

impl Sample {
    /// `coords (n, d)`, optionally `targets (n, …)` and a `mask (n,)` of 0 and 1.
    ///
    /// # Errors
    /// If the numbers of points differ.
    pub fn new(coords: Tensor, targets: Option<Tensor>, mask: Option<Tensor>) -> Result<Self> {
        let points = coords.dim(0)?;
        for (what, tensor) in [("targets", &targets), ("mask", &mask)] {
            if let Some(tensor) = tensor
                && tensor.dim(0)? != points
            {
                return Err(Error::Shape {
                    what,
                    expected: format!("({points}, …), one row a point"),
                    got: format!("{:?}", tensor.dims()),
                });
            }
        }
        Ok(Self {
            coords,
            targets,
            mask,
        })
    }

    /// How many points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.coords.dims()[0]
    }

    /// Whether there is no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `(n, d)`.
    #[must_use]
    pub fn coords(&self) -> &Tensor {
        &self.coords
    }

    /// `(n, …)`.
    ///
    /// # Errors
    /// If this sample has none.
    pub fn targets(&self) -> Result<&Tensor> {
        self.targets.as_ref().ok_or_else(|| Error::Shape {
            what: "sample",
            expected: "targets".to_owned(),
            got: "coordinates only".to_owned(),
        })
    }

    /// `(n,)`, 1 where a point counts.
    #[must_use]
    pub fn mask(&self) -> Option<&Tensor> {
        self.mask.as_ref()
    }

    /// Points `start .. start + len`, without copying.
    ///
    /// # Errors
    /// If out of range.
    pub fn narrow(&self, start: usize, len: usize) -> Result<Self> {
        let part = |tensor: &Tensor| tensor.narrow(0, start, len);
        Ok(Self {
            coords: part(&self.coords)?,
            targets: self.targets.as_ref().map(part).transpose()?,
            mask: self.mask.as_ref().map(part).transpose()?,
        })
    }

    /// The points at these indices, in this order.
    ///
    /// # Errors
    /// If out of range.
    pub fn select(&self, indices: &Tensor) -> Result<Self> {
        let part = |tensor: &Tensor| tensor.index_select(indices, 0);
        Ok(Self {
            coords: part(&self.coords)?,
            targets: self.targets.as_ref().map(part).transpose()?,
            mask: self.mask.as_ref().map(part).transpose()?,
        })
    }
}
