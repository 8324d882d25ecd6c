//! Signals: the data that a field is fitted to.
//!
//! A [`Sample`] holds coordinates with named columns, such as targets; a [`Sampler`] draws one for every training step. A [`Raster`] holds
//! values on a regular [`Grid`] (a picture, a sound, a clip), from which samples are taken. [`Stream`] gives reproducible random numbers,
//! and [`Spectrum`] measures how fast a raster varies.

mod grid;
mod metadata;
mod raster;
mod sampler;
mod sampling;
mod spectrum;

use std::borrow::Cow;

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};

pub use self::grid::{CoordinateRule, Grid};
pub use self::metadata::{KeptMetadata, NoMetadata, SignalMetadata};
pub use self::raster::Raster;
pub use self::sampler::{Points, Sampler, Selection, SubsetSampler, UniformSampler, WholeSampler};
pub use self::sampling::{Sampling, SubsetSampling};
pub use self::spectrum::Spectrum;
pub use crate::random::Stream;

/// Returns the CRC-32C checksum of values in order, by which a resumed run recognizes its signal.
#[must_use]
pub fn checksum(values: impl IntoIterator<Item = f32>) -> u32 {
    append_checksum(0, values)
}

/// Returns the checksum of the values of which `checksum` is that, followed by `values`.
#[must_use]
pub fn append_checksum(checksum: u32, values: impl IntoIterator<Item = f32>) -> u32 {
    let append = |crc, value: f32| crc32c::crc32c_append(crc, &value.to_le_bytes());
    values.into_iter().fold(checksum, append)
}

/// Name of the column that holds the targets: the values or derivatives that a field is fitted to.
pub const TARGETS: &str = "targets";

/// Coordinates `(n, d)` of `n` points with named columns `(n, …)`, such as targets.
#[derive(Clone, Debug)]
pub struct Sample {
    coords: Tensor,
    columns: Vec<(Cow<'static, str>, Tensor)>,
}

impl Sample {
    /// Makes a sample of `coords (n, d)` without columns.
    ///
    /// # Errors
    /// [`Error::Shape`] if `coords` does not have two axes.
    pub fn new(coords: Tensor) -> Result<Self> {
        if coords.rank() != 2 {
            return Err(Error::Shape {
                what: "coordinates of a sample",
                expected: "(n, d)".to_owned(),
                got: format!("{:?}", coords.dims()),
            });
        }
        Ok(Self {
            coords,
            columns: Vec::new(),
        })
    }

    /// Makes a sample of `coords (n, d)` with `targets (n, …)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the numbers of points differ.
    pub fn with_targets(coords: Tensor, targets: Tensor) -> Result<Self> {
        Self::new(coords)?.with_column(TARGETS, targets)
    }

    /// Makes a sample in single precision on the CPU from row-major slices: `coords (n · dims)` and `targets (n · channels)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `dims` or `channels` is 0, or the lengths are not those of the same number of points.
    pub fn from_slices(
        coords: &[f32],
        dims: usize,
        targets: &[f32],
        channels: usize,
    ) -> Result<Self> {
        let points = coords.len().checked_div(dims).unwrap_or(0);
        let fits = |len: usize, width: usize| width > 0 && points.checked_mul(width) == Some(len);
        if !fits(coords.len(), dims) || !fits(targets.len(), channels) {
            return Err(Error::Shape {
                what: "slices of a sample",
                expected: format!(
                    "n · {dims} coordinates and n · {channels} targets, both widths at least 1"
                ),
                got: format!("{} and {}", coords.len(), targets.len()),
            });
        }
        let coords = Tensor::from_slice(coords, (points, dims), &Device::Cpu)?;
        let targets = Tensor::from_slice(targets, (points, channels), &Device::Cpu)?;
        Self::with_targets(coords, targets)
    }

    /// Returns the sample with one more column `(n, …)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the column has another number of points; [`Error::Duplicate`] if there is a column of that name.
    pub fn with_column(
        mut self,
        name: impl Into<Cow<'static, str>>,
        column: Tensor,
    ) -> Result<Self> {
        let name = name.into();
        let points = self.len();
        if column.rank() == 0 || column.dim(0)? != points {
            return Err(Error::Shape {
                what: "column of a sample",
                expected: format!("`{name}` of shape ({points}, …), one row per point"),
                got: format!("{:?}", column.dims()),
            });
        }
        if self.columns.iter().any(|(own, _)| *own == name) {
            return Err(Error::Duplicate {
                what: "columns of a sample",
                name: name.into_owned(),
            });
        }
        self.columns.push((name, column));
        Ok(self)
    }

    /// Returns the number of points, `n`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.coords.dims()[0]
    }

    /// Returns whether there are no points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the coordinates `(n, d)`.
    #[must_use]
    pub fn coords(&self) -> &Tensor {
        &self.coords
    }

    /// Returns a column `(n, …)`.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none of that name.
    pub fn column(&self, name: &str) -> Result<&Tensor> {
        let column = self.columns.iter().find(|(own, _)| own == name);
        let names = self.columns.iter().map(|(own, _)| own.as_ref());
        let missing = || Error::missing("column of the sample", name, names);
        column.map(|(_, column)| column).ok_or_else(missing)
    }

    /// Returns the targets, the column named [`TARGETS`].
    ///
    /// # Errors
    /// [`Error::Missing`] if the sample has no targets.
    pub fn targets(&self) -> Result<&Tensor> {
        self.column(TARGETS)
    }

    /// Returns the points `start .. start + len`, without copying.
    ///
    /// # Errors
    /// If out of range.
    pub fn narrow(&self, start: usize, len: usize) -> Result<Self> {
        self.map(|tensor| tensor.narrow(0, start, len))
    }

    /// Returns the points at these indices, in this order.
    ///
    /// # Errors
    /// If out of range.
    pub fn select(&self, indices: &[u32]) -> Result<Self> {
        let indices = Tensor::new(indices, self.coords.device())?;
        self.map(|tensor| tensor.index_select(&indices, 0))
    }

    /// Applies `part` to the coordinates and to every column.
    fn map(&self, part: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> Result<Self> {
        let columns = self.columns.iter();
        let columns = columns.map(|(name, column)| Ok((name.clone(), part(column)?)));
        Ok(Self {
            coords: part(&self.coords)?,
            columns: columns.collect::<Result<_>>()?,
        })
    }

    /// Checks that every coordinate and every value of a column is finite.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the column and its first point that is not finite.
    pub(crate) fn must_be_finite(&self) -> Result<()> {
        let coords = std::iter::once(("coordinates", &self.coords));
        let columns = self
            .columns
            .iter()
            .map(|(name, tensor)| (name.as_ref(), tensor));
        for (name, tensor) in coords.chain(columns) {
            let rows = tensor.flatten_from(1)?.to_dtype(DType::F64)?;
            let sums = if rows.rank() == 1 { rows } else { rows.sum(1)? };
            let sums = sums.to_vec1::<f64>()?;
            if let Some(point) = sums.iter().position(|sum| !sum.is_finite()) {
                return Err(Error::NotFinite {
                    column: name.to_owned(),
                    point,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_become_tensors_of_one_row_per_point() {
        let sample = Sample::from_slices(&[0.0, 0.5, 1.0, 1.5], 2, &[3.0, 4.0], 1).unwrap();
        let coords = sample.coords().to_vec2::<f32>().unwrap();
        assert_eq!(coords, [[0.0, 0.5], [1.0, 1.5]]);
        let targets = sample.targets().unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(targets, [[3.0], [4.0]]);
    }

    #[test]
    fn slices_of_different_numbers_of_points_are_refused() {
        for (coords, dims, targets, channels) in
            [(4, 2, 3, 1), (3, 2, 1, 1), (2, 0, 2, 1), (2, 1, 0, 0)]
        {
            let (coords, targets) = (vec![0.0; coords], vec![0.0; targets]);
            let refused = Sample::from_slices(&coords, dims, &targets, channels);
            assert!(
                matches!(refused, Err(Error::Shape { .. })),
                "{dims} {channels}"
            );
        }
    }

    #[test]
    fn a_missing_column_is_an_error_that_lists_the_columns() {
        let sample = Sample::from_slices(&[0.0], 1, &[3.0], 1).unwrap();
        let error = sample.column("mask").unwrap_err();
        assert!(matches!(&error, Error::Missing { name, .. } if name == "mask"));
        assert!(error.to_string().ends_with("found `targets`"), "{error}");
        let again = sample.clone().with_column(TARGETS, sample.coords().clone());
        assert!(matches!(again, Err(Error::Duplicate { .. })));
    }
}
