//! The values of a picture, as few bytes as their file has.

use std::borrow::Cow;
use std::ops::Range;

use crate::png_stream::to_byte;

/// Values in [0, 1]. Those of a file stay the samples of the file: 1 byte a value for 8 bits, 2 for 16 bits. They become `f32` where they are used.
///
/// Values are equal if their numbers are, however they are stored.
#[derive(Clone, Debug)]
pub enum Values {
    /// Bytes `b`, whose values are `b / 255`.
    Bytes(Vec<u8>),
    /// 16-bit words `w`, whose values are `w / 65535`.
    Words(Vec<u16>),
    /// The values themselves.
    Floats(Vec<f32>),
}

impl Values {
    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => words.len(),
            Self::Floats(values) => values.len(),
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
    /// If the index is out of range.
    #[must_use]
    pub fn at(&self, index: usize) -> f32 {
        match self {
            Self::Bytes(bytes) => of_byte(bytes[index]),
            Self::Words(words) => of_word(words[index]),
            Self::Floats(values) => values[index],
        }
    }

    /// Returns all values, in order.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = f32> + ExactSizeIterator + Clone + '_ {
        (0..self.len()).map(|index| self.at(index))
    }

    /// Returns the values of a range.
    ///
    /// # Panics
    /// If the range ends after the last value.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        match self {
            Self::Bytes(bytes) => bytes[range].iter().map(|&byte| of_byte(byte)).collect(),
            Self::Words(words) => words[range].iter().map(|&word| of_word(word)).collect(),
            Self::Floats(values) => Cow::Borrowed(&values[range]),
        }
    }

    /// Returns all values, 4 bytes each.
    #[must_use]
    pub fn to_floats(&self) -> Cow<'_, [f32]> {
        self.part(0..self.len())
    }

    /// Returns all values, multiplied by 255 and rounded to nearest.
    #[must_use]
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            _ => self.iter().map(to_byte).collect(),
        }
    }

    /// Returns the values of some ranges, one after the other, stored as these are.
    pub(crate) fn select(&self, ranges: impl Iterator<Item = Range<usize>>) -> Self {
        fn parts<T: Copy>(values: &[T], ranges: impl Iterator<Item = Range<usize>>) -> Vec<T> {
            ranges.flat_map(|range| &values[range]).copied().collect()
        }
        match self {
            Self::Bytes(bytes) => Self::Bytes(parts(bytes, ranges)),
            Self::Words(words) => Self::Words(parts(words, ranges)),
            Self::Floats(values) => Self::Floats(parts(values, ranges)),
        }
    }
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
        assert_ne!(bytes, bytes.select(std::iter::once(0..255)));
        assert_eq!(
            bytes.select([4..6, 1..2].into_iter()),
            Values::Bytes(vec![4, 5, 1])
        );
    }
}
