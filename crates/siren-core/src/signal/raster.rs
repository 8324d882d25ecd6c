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
    /// `values` are row-major, channels last: `(side₁, …, side_d, c)`.
    ///
    /// # Errors
    /// If the number of values does not fit, or one of them is not finite.
    pub fn new(grid: Grid, channels: usize, values: Vec<f32>) -> Result<Self> {
        if channels == 0 || values.len() != grid.points() * channels {
            return Err(Error::Shape {
                what: "raster",
                expected: format!("{} × {channels} values", grid.points()),
                got: format!("{}", values.len()),
            });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Shape {
                what: "raster",
                expected: "finite values".to_owned(),
                got: format!("{} at point {}", values[at], at / channels),
            });
        }
        Ok(Self {
            grid,
            channels,
            values,
        })
    }

    /// Where the values are.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Channels per point, `c`.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Row-major, channels last.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns every point with its value as target `(n, c)`.
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
