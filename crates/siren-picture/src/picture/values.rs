//! The values of a picture, as few bytes as their file has.

mod file;

use std::borrow::Cow;
use std::ops::Range;

use siren_core::Result;

pub use self::file::FileValues;
pub(crate) use self::file::FileWriter;
use crate::png_stream::to_byte;

/// Bytes of values in a file up to which a part of them is kept in memory.
const SMALL: u64 = 1 << 26;

/// Values in [0, 1]. Those of a file stay the samples of the file: 1 byte a value for 8 bits, 2 for 16 bits. They become `f32` where they are used.
///
/// Values are equal if their numbers are, however they are stored.
///
/// Values in memory can always be read; those in a temporary file, [`File`](Self::File), only if the disk works. [`read`](Self::read) and
/// [`gather`](Self::gather) return its errors. The other methods, such as [`at`](Self::at), panic then; pictures in a file come from
/// [`Picture::open_large`](super::Picture::open_large) and [`Picture::into_file`](super::Picture::into_file) alone.
#[derive(Clone, Debug)]
pub enum Values {
    /// Bytes `b`, whose values are `b / 255`.
    Bytes(Vec<u8>),
    /// 16-bit words `w`, whose values are `w / 65535`.
    Words(Vec<u16>),
    /// The values themselves.
    Floats(Vec<f32>),
    /// Any of these in a temporary file.
    File(FileValues),
}

impl Values {
    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => words.len(),
            Self::Floats(values) => values.len(),
            Self::File(values) => values.len(),
        }
    }

    /// Returns whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value at an index.
    ///
    /// # Panics
    /// If the index is out of range, or a temporary file cannot be read.
    #[must_use]
    pub fn at(&self, index: usize) -> f32 {
        match self {
            Self::Bytes(bytes) => of_byte(bytes[index]),
            Self::Words(words) => of_word(words[index]),
            Self::Floats(values) => values[index],
            Self::File(values) => must_read(values.at(index)),
        }
    }

    /// Returns all values, in order.
    ///
    /// # Panics
    /// If a temporary file cannot be read.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = f32> + ExactSizeIterator + Clone + '_ {
        (0..self.len()).map(|index| self.at(index))
    }

    /// Returns the values of a range.
    ///
    /// # Panics
    /// If the range ends after the last value, or a temporary file cannot be read.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        must_read(self.read(range))
    }

    /// Returns the values of a range.
    ///
    /// # Errors
    /// [`Error::Io`](siren_core::Error::Io) if a temporary file cannot be read.
    ///
    /// # Panics
    /// If the range ends after the last value, and the values are in memory.
    pub fn read(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>> {
        Ok(match self {
            Self::Bytes(bytes) => bytes[range].iter().map(|&byte| of_byte(byte)).collect(),
            Self::Words(words) => words[range].iter().map(|&word| of_word(word)).collect(),
            Self::Floats(values) => Cow::Borrowed(&values[range]),
            Self::File(values) => Cow::Owned(values.read(range)?),
        })
    }

    /// Returns the `channels` values of each of some pixels, one pixel after the other: `(pixels, channels)`. Of a file, pixels that ascend are
    /// read in blocks, without a lock.
    ///
    /// # Errors
    /// [`Error::Io`](siren_core::Error::Io) if a temporary file cannot be read.
    ///
    /// # Panics
    /// If a pixel is out of range, and the values are in memory.
    pub fn gather(&self, pixels: impl Iterator<Item = usize>, channels: usize) -> Result<Vec<f32>> {
        fn of<T: Copy>(
            samples: &[T],
            pixels: impl Iterator<Item = usize>,
            channels: usize,
            value: fn(T) -> f32,
        ) -> Vec<f32> {
            let mut values = Vec::with_capacity(pixels.size_hint().0 * channels);
            for pixel in pixels {
                let samples = &samples[pixel * channels..(pixel + 1) * channels];
                values.extend(samples.iter().map(|&sample| value(sample)));
            }
            values
        }
        Ok(match self {
            Self::Bytes(bytes) => of(bytes, pixels, channels, of_byte),
            Self::Words(words) => of(words, pixels, channels, of_word),
            Self::Floats(values) => of(values, pixels, channels, |value| value),
            Self::File(values) => values.gather(pixels, channels)?,
        })
    }

    /// Returns all values, 4 bytes each.
    ///
    /// # Panics
    /// If a temporary file cannot be read.
    #[must_use]
    pub fn to_floats(&self) -> Cow<'_, [f32]> {
        self.part(0..self.len())
    }

    /// Returns all values, 4 bytes each, without a copy if they are stored so.
    pub(crate) fn into_floats(self) -> Vec<f32> {
        match self {
            Self::Floats(values) => values,
            other => other.to_floats().into_owned(),
        }
    }

    /// Returns all values, multiplied by 255 and rounded to nearest.
    ///
    /// # Panics
    /// If a temporary file cannot be read.
    #[must_use]
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            _ => self.iter().map(to_byte).collect(),
        }
    }

    /// Returns the values of some ranges, one after the other, stored as these are; a small part of a file is in memory.
    ///
    /// # Errors
    /// [`Error::Io`](siren_core::Error::Io) if a temporary file cannot be read or written.
    pub(crate) fn select(
        &self,
        ranges: impl Iterator<Item = Range<usize>> + Clone,
    ) -> Result<Self> {
        fn parts<T: Copy>(values: &[T], ranges: impl Iterator<Item = Range<usize>>) -> Vec<T> {
            ranges.flat_map(|range| &values[range]).copied().collect()
        }
        Ok(match self {
            Self::Bytes(bytes) => Self::Bytes(parts(bytes, ranges)),
            Self::Words(words) => Self::Words(parts(words, ranges)),
            Self::Floats(values) => Self::Floats(parts(values, ranges)),
            Self::File(values) => {
                let selected: usize = ranges.clone().map(|range| range.len()).sum();
                let share = selected as f64 / values.len().max(1) as f64;
                if share * values.bytes() as f64 <= SMALL as f64 {
                    values.load(ranges)?
                } else {
                    Self::File(values.copy(ranges)?)
                }
            }
        })
    }

    /// Returns the values in memory, stored as these are.
    ///
    /// # Errors
    /// [`Error::Io`](siren_core::Error::Io) if a temporary file cannot be read.
    pub(crate) fn loaded(&self) -> Result<Cow<'_, Self>> {
        Ok(match self {
            Self::File(values) => Cow::Owned(values.load(std::iter::once(0..values.len()))?),
            _ => Cow::Borrowed(self),
        })
    }

    /// Returns every value `count` times in a row, stored as these are.
    pub(crate) fn repeated(&self, count: usize) -> Self {
        fn each<T: Copy>(values: &[T], count: usize) -> Vec<T> {
            let repeated = values
                .iter()
                .map(|&value| std::iter::repeat_n(value, count));
            repeated.flatten().collect()
        }
        match self {
            Self::Bytes(bytes) => Self::Bytes(each(bytes, count)),
            Self::Words(words) => Self::Words(each(words, count)),
            Self::Floats(values) => Self::Floats(each(values, count)),
            Self::File(_) => Self::Floats(each(&self.to_floats(), count)),
        }
    }
}

/// Returns what was read from a temporary file.
pub(super) fn must_read<T>(read: Result<T>) -> T {
    read.unwrap_or_else(|error| panic!("{error}"))
}

fn of_byte(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

fn of_word(word: u16) -> f32 {
    f32::from(word) / 65535.0
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        Self::Floats(values)
    }
}

impl FromIterator<f32> for Values {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        Self::Floats(values.into_iter().collect())
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(own), Self::Bytes(other)) => own == other,
            (Self::Words(own), Self::Words(other)) => own == other,
            _ => self.iter().eq(other.iter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_division_however_they_are_stored() {
        let bytes = Values::Bytes((0..=255).collect());
        let words = Values::Words((0..=255).map(|byte| byte * 257).collect());
        let floats: Values = (0..=255).map(|byte: u8| f32::from(byte) / 255.0).collect();
        assert_eq!(bytes, floats);
        assert_eq!(bytes, words);
        assert_eq!(*bytes.to_bytes(), *floats.to_bytes());
        assert_eq!(*words.to_bytes(), *floats.to_bytes());
        assert_eq!(*bytes.part(3..7), *floats.part(3..7));
        assert_ne!(bytes, Values::Bytes(vec![0; 256]));
        assert_ne!(bytes, bytes.select(std::iter::once(0..255)).unwrap());
        assert_eq!(
            bytes.select([4..6, 1..2].into_iter()).unwrap(),
            Values::Bytes(vec![4, 5, 1])
        );
        let repeated = Values::Bytes(vec![4, 4, 4, 5, 5, 5]);
        assert_eq!(Values::Bytes(vec![4, 5]).repeated(3), repeated);
    }
}
