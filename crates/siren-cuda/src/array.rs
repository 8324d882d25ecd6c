//! Arrays on a device.

use std::ops::Range;
use std::sync::Arc;

use crate::arguments::{Gather, SumOfSquares};
use crate::device::{Buffer, Device};
use crate::error::{Error, Result};
use crate::gradient::check_length;
use crate::kernels::{PtxFile, THREADS};

/// Elements that a thread of a sum of squares adds, at least.
const MIN_SQUARES: usize = 8;
/// Largest number of blocks of a sum of squares.
const MAX_SQUARE_BLOCKS: usize = 256;

/// Elements on a device, such as the coordinates of a sample or parameters that an optimizer changes. Clones share them.
#[derive(Clone)]
pub struct DeviceArray {
    pub(crate) device: Device,
    pub(crate) buffer: Arc<Buffer<f32>>,
}

/// Indices of rows on a device. Clones share them.
#[derive(Clone)]
pub struct DeviceIndices {
    buffer: Arc<Buffer<u32>>,
    /// Rows that an array needs: the largest index plus 1.
    needed: usize,
}

impl Device {
    /// Uploads elements once for many calls.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn array(&self, elements: &[f32]) -> Result<DeviceArray> {
        Ok(self.array_of(self.upload(elements)?))
    }

    /// Makes an array of `len` zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn zero_array(&self, len: usize) -> Result<DeviceArray> {
        Ok(self.array_of(self.zeros(len, "an array of zeros")?))
    }

    /// Uploads indices of rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn indices(&self, indices: &[u32]) -> Result<DeviceIndices> {
        Ok(DeviceIndices {
            buffer: Arc::new(self.upload(indices)?),
            needed: indices.iter().max().map_or(0, |&most| most as usize + 1),
        })
    }

    /// Returns the rows `indices` of `from (n, width)`: an array `(indices.len(), width)`. An index may occur several times.
    ///
    /// # Errors
    /// [`Error::Length`] if `from` is no multiple of `width` or has too few rows; [`Error::OutOfMemory`].
    pub fn gather(
        &self,
        from: &DeviceArray,
        width: usize,
        indices: &DeviceIndices,
    ) -> Result<DeviceArray> {
        if width == 0 || !from.len().is_multiple_of(width) {
            return Err(Error::Length {
                what: "elements of rows to gather from",
                expected: format!("a multiple of the width {width}, which is at least 1"),
                got: from.len(),
            });
        }
        let rows = from.len() / width;
        if rows < indices.needed {
            return Err(Error::Length {
                what: "rows to gather from",
                expected: format!("more than the largest index, {}", indices.needed - 1),
                got: rows,
            });
        }
        let length = indices.len() * width;
        let out = self.array_of(self.uninitialized(length, "gathered rows")?);
        let argument = Gather {
            from: self.address(&from.buffer),
            indices: self.address(&indices.buffer),
            out: self.address(&out.buffer),
            length: length as i64,
            width: width as i64,
        };
        let grid = [length.div_ceil(THREADS), 1, 1];
        self.launch(PtxFile::Training, grid, &argument)?;
        Ok(out)
    }

    /// Returns a copy of adjacent elements.
    ///
    /// # Errors
    /// [`Error::Length`] if the range exceeds the array; [`Error::OutOfMemory`].
    pub fn part(&self, from: &DeviceArray, elements: Range<usize>) -> Result<DeviceArray> {
        if elements.start > elements.end || elements.end > from.len() {
            return Err(Error::Length {
                what: "elements to copy from",
                expected: format!("at least the end of the range {elements:?}"),
                got: from.len(),
            });
        }
        let mut part = self.uninitialized(elements.len(), "a part of an array")?;
        self.copy_part(&from.buffer, elements, &mut part)?;
        Ok(self.array_of(part))
    }

    /// Makes an array of a buffer.
    pub(crate) fn array_of(&self, buffer: Buffer<f32>) -> DeviceArray {
        DeviceArray {
            device: self.clone(),
            buffer: Arc::new(buffer),
        }
    }

    /// Returns the sum of the squares of all elements.
    pub(crate) fn sum_of_squares(&self, elements: &Buffer<f32>) -> Result<f64> {
        let blocks = elements.len().div_ceil(MIN_SQUARES * THREADS);
        let blocks = blocks.min(MAX_SQUARE_BLOCKS);
        let sums: Buffer<f64> = self.uninitialized(blocks, "sums of squares")?;
        let argument = SumOfSquares {
            elements: self.address(elements),
            length: elements.len() as i64,
            sums: self.address(&sums),
        };
        self.launch(PtxFile::Training, [blocks, 1, 1], &argument)?;
        let mut total = 0.0;
        for sum in self.download(&sums)? {
            total += sum;
        }
        Ok(total)
    }
}

impl DeviceArray {
    /// Returns the number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a copy of the elements.
    ///
    /// # Errors
    /// [`Error::Driver`] if a kernel failed.
    pub fn read(&self) -> Result<Vec<f32>> {
        self.device.download(&self.buffer)
    }

    /// Replaces all elements.
    ///
    /// # Errors
    /// [`Error::Length`] if there are more or fewer than before; [`Error::Driver`].
    pub fn write(&self, elements: &[f32]) -> Result<()> {
        check_length("elements of an array", self.len(), elements.len())?;
        self.device.overwrite(elements, &self.buffer)
    }

    /// Returns the sum of the squares of all elements, computed on the device in double precision, which no square of a finite `f32` exceeds.
    /// The order of additions depends on the length alone. NaN if an element is NaN.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Driver`] if a kernel failed.
    pub fn sum_of_squares(&self) -> Result<f64> {
        self.device.sum_of_squares(&self.buffer)
    }
}

impl DeviceIndices {
    /// Returns the number of indices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether there is no index.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
