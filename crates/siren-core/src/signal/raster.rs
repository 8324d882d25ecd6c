//! Values on a regular grid.

use candle_core::{DType, Device, Tensor};

use super::{Grid, Sample};
use crate::error::{Error, Result};

/// Values on a grid: a picture, a sound, a clip.
#[derive(Clone, Debug)]
pub struct Raster {
    grid: Grid,
    channels: usize,
    values: Vec<f32>,
}

impl Raster {
    /// Makes a raster of `values (side₁, …, side_d, c)`, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values is not that of the grid times `channels`, or `channels` is 0; [`Error::NotFinite`] if a
    /// value is not finite.
    pub fn new(grid: Grid, channels: usize, values: Vec<f32>) -> Result<Self> {
        if channels == 0 || values.len() != grid.points() * channels {
            return Err(Error::Shape {
                what: "raster",
                expected: format!("{} × {channels} values", grid.points()),
                got: format!("{}", values.len()),
            });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite {
                column: "values".to_owned(),
                point: at / channels,
            });
        }
        Ok(Self {
            grid,
            channels,
            values,
        })
    }

    /// Returns the grid.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Returns the number of channels per point, `c`.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the values `(side₁, …, side_d, c)`, row-major.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns the coordinates `(n, d)` of all points with their values as targets `(n, c)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn sample(&self, dtype: DType, device: &Device) -> Result<Sample> {
        let points = self.grid.points();
        let coords = self.grid.coords(0, points, dtype)?.to_device(device)?;
        let targets = Tensor::from_slice(&self.values, (points, self.channels), &Device::Cpu)?;
        Sample::with_targets(coords, targets.to_dtype(dtype)?.to_device(device)?)
    }
}
