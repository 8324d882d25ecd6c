//! Signals: coordinates, targets, and how a training step draws from them.

mod grid;
mod metadata;
mod random;
mod raster;
mod sampler;
mod sampling;
mod spectrum;

use std::borrow::Cow;

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};

pub use self::grid::{CoordinateRule, Grid};
pub use self::metadata::{KeptMetadata, NoMetadata, SignalMetadata};
pub use self::random::Stream;
pub use self::raster::Raster;
pub use self::sampler::{Sampler, SubsetSampler, UniformSampler, WholeSampler};
pub use self::sampling::{Sampling, SubsetSampling};
pub use self::spectrum::Spectrum;

/// CRC-32C of values in order, to tell one signal from another.
#[must_use]
pub fn checksum(values: impl IntoIterator<Item = f32>) -> u32 {
    let append = |crc, value: f32| crc32c::crc32c_append(crc, &value.to_le_bytes());
    values.into_iter().fold(0, append)
}

/// Name of the column that most objectives compare a field's values or derivatives with.
pub const TARGETS: &str = "targets";

/// Coordinates `(n, d)` with named columns `(n, …)`, such as targets, for one step.
#[derive(Clone, Debug)]
pub struct Sample {
    coords: Tensor,
    columns: Vec<(Cow<'static, str>, Tensor)>,
}

impl Sample {
    /// Makes a sample of `coords (n, d)` without columns.
    ///
    /// # Errors
    /// [`Error::Shape`] if `coords` has not two axes.
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

    /// Returns the sample with one more column `(n, …)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the column has another number of points, or there is a column of that name.
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
            return Err(Error::Shape {
                what: "columns of a sample",
                expected: "different names".to_owned(),
                got: format!("`{name}` twice"),
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
    /// [`Error::Shape`] if there is none of that name.
    pub fn column(&self, name: &str) -> Result<&Tensor> {
        let column = self.columns.iter().find(|(own, _)| own == name);
        column.map(|(_, column)| column).ok_or_else(|| {
            let names: Vec<String> = self.columns.iter().map(|(n, _)| format!("`{n}`")).collect();
            Error::Shape {
                what: "sample",
                expected: format!("a column `{name}`"),
                got: match names.as_slice() {
                    [] => "coordinates only".to_owned(),
                    names => names.join(", "),
                },
            }
        })
    }

    /// Returns the column of the targets.
    ///
    /// # Errors
    /// [`Error::Shape`] if this sample has none.
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
    pub fn select(&self, indices: &Tensor) -> Result<Self> {
        self.map(|tensor| tensor.index_select(indices, 0))
    }

    fn map(&self, part: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> Result<Self> {
        let columns = self.columns.iter();
        let columns = columns.map(|(name, column)| Ok((name.clone(), part(column)?)));
        Ok(Self {
            coords: part(&self.coords)?,
            columns: columns.collect::<Result<_>>()?,
        })
    }

    /// Checks that every number is finite.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the column and the first point whose number is not.
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
