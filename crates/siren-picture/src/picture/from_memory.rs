//! Pictures from values in memory, and their checks.

use std::path::Path;

use siren_core::{Error, Result};

use super::{Background, ColorMode, MAX_READ_PIXELS, OVERSHOOT, Picture, Values, read};
use crate::canvas::Size;

impl Picture {
    /// Makes a picture of values in [0, 1], row-major `(height, width, channels)`, with 1 (gray) or 3 (RGB) channels. Values outside by
    /// up to half a level of 8 bits are clamped.
    ///
    /// # Errors
    /// [`Error::Shape`] if a side is zero, the picture has more than [`MAX_READ_PIXELS`] pixels, the number of channels is not 1 or 3, or the
    /// number of values is not `height × width × channels`. [`Error::InvalidValue`] if a value is not a number or lies outside [0, 1].
    pub fn from_values(size: Size, channels: usize, values: Vec<f32>) -> Result<Self> {
        let Size { height, width } = size;
        let mut picture = Self {
            height,
            width,
            channels,
            values: values.into(),
        };
        picture.validate()?;
        if let Values::Floats(values) = &mut picture.values {
            for value in values {
                *value = value.clamp(0.0, 1.0);
            }
        }
        Ok(picture)
    }

    /// Makes an RGB picture of bytes, row-major `(height, width, 3)`. Bytes are divided by 255.
    ///
    /// # Errors
    /// [`Error::Shape`] as for [`from_values`](Self::from_values).
    pub fn from_rgb8(size: Size, bytes: &[u8]) -> Result<Self> {
        Self::from_bytes(size, 3, bytes)
    }

    /// Makes a gray picture of bytes, row-major `(height, width)`. Bytes are divided by 255.
    ///
    /// # Errors
    /// [`Error::Shape`] as for [`from_values`](Self::from_values).
    pub fn from_gray8(size: Size, bytes: &[u8]) -> Result<Self> {
        Self::from_bytes(size, 1, bytes)
    }

    fn from_bytes(Size { height, width }: Size, channels: usize, bytes: &[u8]) -> Result<Self> {
        let picture = Self {
            height,
            width,
            channels,
            values: Values::Bytes(bytes.to_vec()),
        };
        picture.check_shape()?;
        Ok(picture)
    }

    /// Decodes the content of a picture file that is in memory, as [`open`](Self::open) does that of a file.
    ///
    /// # Errors
    /// [`Error::Signal`] as for [`open`](Self::open), with the path `picture in memory`.
    pub fn decode(bytes: &[u8], color: ColorMode) -> Result<Self> {
        let origin = Path::new("picture in memory");
        let file = read::decode(origin, bytes, Background::White)?;
        Ok(file.picture.with_color_mode(color))
    }

    /// Returns the size in pixels.
    #[must_use]
    pub fn size(&self) -> Size {
        Size {
            height: self.height,
            width: self.width,
        }
    }

    /// Returns the values of the pixel at a row and a column, one per channel, or `None` outside the picture.
    #[must_use]
    pub fn pixel(&self, row: usize, column: usize) -> Option<Vec<f32>> {
        if row >= self.height || column >= self.width {
            return None;
        }
        let start = (row * self.width + column) * self.channels;
        let end = start + self.channels;
        (end <= self.values.len()).then(|| self.values.part(start..end).into_owned())
    }

    /// Converts the values to bytes, row-major `(height, width, channels)`: multiplied by 255 and rounded to nearest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.to_bytes().into_owned()
    }

    /// Checks sides, channels, the number of values and every value, for pictures that were made by writing the fields. Every function that
    /// fits a field to a picture calls it.
    ///
    /// # Errors
    /// As [`from_values`](Self::from_values).
    pub fn validate(&self) -> Result<()> {
        self.check_shape()?;
        let Values::Floats(values) = &self.values else {
            return Ok(());
        };
        let is_in_range = |value: &f32| (-OVERSHOOT..=1.0 + OVERSHOOT).contains(value);
        let Some(at) = values.iter().position(|value| !is_in_range(value)) else {
            return Ok(());
        };
        let (pixel, channel) = (at / self.channels, at % self.channels);
        let (row, column) = (pixel / self.width, pixel % self.width);
        let key = format!("value of the picture at row {row}, column {column}, channel {channel}");
        let expected = "a number from 0 (black) to 1 (full intensity)";
        Err(Error::invalid(&key, values[at], expected))
    }

    /// Checks sides, channels and the number of values.
    pub(crate) fn check_shape(&self) -> Result<()> {
        let Self {
            height,
            width,
            channels,
            ref values,
        } = *self;
        let error = |expected: String, got: String| {
            let what = "picture";
            Err(Error::Shape {
                what,
                expected,
                got,
            })
        };
        let pixels = height.saturating_mul(width);
        if !(1..=MAX_READ_PIXELS).contains(&pixels) {
            let expected = format!("1 to {MAX_READ_PIXELS} pixels");
            return error(expected, format!("{height} × {width} (height × width)"));
        }
        if channels != 1 && channels != 3 {
            let expected = "1 channel (gray) or 3 (RGB)".to_owned();
            return error(expected, format!("{channels}"));
        }
        if values.len() != pixels * channels {
            let expected = format!(
                "{} values, {height} × {width} × {channels} (height × width × channels)",
                pixels * channels
            );
            return error(expected, format!("{}", values.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        height: 2,
        width: 3,
    };

    #[test]
    fn bytes_become_values_and_values_become_the_same_bytes() {
        let bytes: Vec<u8> = (0..18).map(|i| 14 * i).collect();
        let picture = Picture::from_rgb8(SIZE, &bytes).unwrap();
        assert_eq!(picture.to_bytes(), bytes);
        assert_eq!(picture.size(), SIZE);
        assert!((picture.pixel(1, 2).unwrap()[0] - 210.0 / 255.0).abs() < 1e-6);
        assert_eq!((picture.pixel(2, 0), picture.pixel(0, 3)), (None, None));
        let gray = Picture::from_gray8(SIZE, &bytes[..6]).unwrap();
        assert_eq!(
            (gray.channels, gray.to_bytes().as_slice()),
            (1, &bytes[..6])
        );
    }

    #[test]
    fn a_wrong_number_of_values_or_channels_and_a_zero_side_are_errors() {
        let flat = Size {
            height: 0,
            width: 3,
        };
        for (size, channels, count, word) in [
            (SIZE, 3, 17, "18 values"),
            (SIZE, 2, 12, "1 channel (gray) or 3 (RGB)"),
            (flat, 1, 0, "0 × 3"),
        ] {
            let error = Picture::from_values(size, channels, vec![0.5; count]).unwrap_err();
            assert!(matches!(error, Error::Shape { .. }), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn values_that_are_no_numbers_or_out_of_range_are_named_with_their_pixel() {
        for value in [f32::NAN, f32::INFINITY, 1.1, -0.1, 255.0] {
            let mut values = vec![0.5; 18];
            values[13] = value;
            let error = Picture::from_values(SIZE, 3, values).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("row 1, column 1, channel 1"), "{message}");
        }
        let rounded = Picture::from_values(SIZE, 1, vec![1.000_001; 6]).unwrap();
        assert_eq!(*rounded.values.to_floats(), [1.0; 6]);
    }

    #[test]
    fn the_bytes_of_a_file_are_decoded_as_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let picture = Picture::from_gray8(SIZE, &[0, 50, 100, 150, 200, 250]).unwrap();
        picture.save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let decoded = Picture::decode(&bytes, ColorMode::Auto).unwrap();
        assert_eq!(decoded, Picture::open(&path, ColorMode::Auto).unwrap());
        let error = Picture::decode(&bytes[..40], ColorMode::Auto).unwrap_err();
        assert!(error.to_string().contains("picture in memory"), "{error}");
        let empty = Picture::decode(&[], ColorMode::Auto).unwrap_err();
        assert!(empty.to_string().contains("0 bytes"), "{empty}");
    }
}
