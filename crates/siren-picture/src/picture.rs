//! Images in memory with floating-point values: reading, cropping, resizing and saving.

mod from_memory;
mod read;
mod save;
mod values;

use std::marker::PhantomData;
use std::path::Path;

use image::imageops::{FilterType, resize};
use image::{GenericImageView, Luma, Pixel, Rgb};
use serde::{Deserialize, Serialize};
use siren_core::{Error, Result};

pub(crate) use self::save::is_png;
use self::values::must_read;
pub use self::values::{FileValues, Values};
pub use crate::png_stream::to_byte;

/// Longest side, in pixels, of a picture that is read.
pub const MAX_READ_SIDE: usize = 65_535;
/// Largest number of pixels of a picture that is read or fitted.
pub const MAX_READ_PIXELS: usize = 1_000_000_000;
/// Longest side, in pixels, of a picture that results from resizing.
pub const MAX_SIDE: usize = 16_384;
/// Largest number of pixels of a picture that is rendered in memory, or that results from resizing.
pub const MAX_PIXELS: usize = 100_000_000;
/// Weights of red, green and blue in the luma (ITU-R 601-2).
pub const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Largest distance from [0, 1] at which values are clamped: half a level of 8 bits, which rounding and resampling may cause.
const OVERSHOOT: f32 = 0.5 / 255.0;
/// Bytes of the samples of a picture from which [`Picture::open_large`] keeps them in a temporary file.
pub const LARGE_PICTURE: u64 = 1 << 28;
/// Values of a band of rows, about 1 MiB.
const BAND_VALUES: usize = 1 << 18;

/// Number of channels of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ColorMode {
    /// As in the file: 1 channel for a grayscale file, 3 for a color or palette file, even if all its pixels are gray.
    #[default]
    Auto,
    /// 1 channel: colors are converted to luma, 0.299 R + 0.587 G + 0.114 B.
    Gray,
    /// 3 channels: a gray value is repeated for red, green and blue.
    Rgb,
}

/// Background color that transparent pixels are composited over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Background {
    White,
    Black,
}

/// An image. Values are those of the file, without color management, from 0 (black) to 1 (full intensity).
///
/// [`open`](Self::open) reads a file into memory, [`open_large`](Self::open_large) one that may be larger than memory;
/// [`from_rgb8`](Self::from_rgb8), [`from_gray8`](Self::from_gray8), [`from_values`](Self::from_values) and [`decode`](Self::decode) take what is
/// in memory, and check it.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// 1 for gray, 3 for red, green and blue.
    pub channels: usize,
    /// Row-major `(height, width, channels)`, in `[0, 1]`.
    pub values: Values,
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, BMP, TIFF, GIF or PNM file. The format is recognized by the content, not by the file name.
    ///
    /// Samples of n bits are divided by 2ⁿ − 1. Float samples of a TIFF file are used unchanged if they lie in [0, 1] (an excess of
    /// up to half a level of 8 bits is clamped). Whole numbers from 0 to 255 are divided by 255. Any other range is an error.
    ///
    /// Transparent pixels are composited over white: a color c of opacity a becomes `a c + (1 − a)`, a premultiplied color becomes
    /// `c + (1 − a)`. An EXIF orientation is applied. Color profiles are ignored.
    ///
    /// An animation gives its first frame, a TIFF file with several pictures gives the first one. A JPEG file without an
    /// end-of-image marker is read if all its pixels are present. The size, at most [`MAX_READ_SIDE`] pixels per side and [`MAX_READ_PIXELS`]
    /// in total, is checked before pixels are decoded, and so is the memory for their samples. The samples are kept as they are stored: [`Values`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file cannot be read. [`Error::Signal`] if it is a folder, empty, too large, not in one of these formats,
    /// damaged or truncated, or if it contains samples whose meaning is unknown.
    pub fn open(path: impl AsRef<Path>, color: ColorMode) -> Result<Self> {
        Ok(read::read(path.as_ref(), Background::White)?
            .picture
            .with_color_mode(color))
    }

    /// Reads a picture file like [`open`](Self::open), and adds a note to `notes` if the file contains further pictures.
    ///
    /// # Errors
    ///
    /// Same as [`open`](Self::open).
    pub fn open_first(path: &Path, color: ColorMode, notes: &mut Vec<String>) -> Result<Self> {
        let file = read::read(path, Background::White)?;
        file.add_note(path, notes);
        Ok(file.picture.with_color_mode(color))
    }

    /// Reads a picture file like [`open_first`](Self::open_first), with the same values. A large PNG or TIFF file is decoded in bands of rows into
    /// a file without a name in the folder for temporary files, [`Values::File`], so that the picture may be larger than memory. The system removes
    /// this file however the program ends.
    ///
    /// A file is large if its samples need [`LARGE_PICTURE`] bytes, or half of the free memory. Interlaced PNG files, animations, pictures with an
    /// orientation, and TIFF files of few large strips or of planes of floats are decoded in memory.
    ///
    /// # Errors
    ///
    /// Same as [`open`](Self::open). [`Error::Io`] if the temporary file cannot be written.
    pub fn open_large(path: &Path, color: ColorMode, notes: &mut Vec<String>) -> Result<Self> {
        let file = read::read_large(path, Background::White, color)?;
        file.add_note(path, notes);
        Ok(file.picture)
    }

    /// Reads a mask: a gray picture, composited over black, so that transparent pixels count as black.
    ///
    /// # Errors
    ///
    /// Same as [`open`](Self::open).
    pub fn open_mask(path: &Path) -> Result<Self> {
        let picture = read::read(path, Background::Black)?.picture;
        Ok(picture.with_color_mode(ColorMode::Gray))
    }

    /// Returns the picture in a color mode: gray by its luma, RGB from gray by repetition.
    #[must_use]
    pub fn with_color_mode(self, color: ColorMode) -> Self {
        match color {
            ColorMode::Auto => self,
            ColorMode::Gray => self.luma(),
            ColorMode::Rgb => self.into_rgb(),
        }
    }

    /// Crops the picture to `height` × `width` pixels at its center. The top row is `(self.height - height) / 2` and the left column
    /// is `(self.width - width) / 2`, both rounded down.
    ///
    /// # Errors
    ///
    /// As [`crop_box`](Self::crop_box).
    pub fn crop_center(&self, height: usize, width: usize) -> Result<Self> {
        let top = self.height.saturating_sub(height) / 2;
        let left = self.width.saturating_sub(width) / 2;
        self.crop_box(top, left, height, width)
    }

    /// Crops the picture to rows `top..top + height` and columns `left..left + width`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if a side is zero or the box extends beyond the picture. [`Error::Io`] if a temporary file cannot be read or written.
    pub fn crop_box(&self, top: usize, left: usize, height: usize, width: usize) -> Result<Self> {
        let fits = |start: usize, length: usize, side: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
        };
        if !fits(top, height, self.height) || !fits(left, width, self.width) {
            return Err(Error::invalid(
                "crop",
                format!("{height}x{width} (height x width) from row {top}, column {left}"),
                &format!(
                    "a box of at least 1x1 inside the picture of {}x{}; choose a smaller box or resize the picture first",
                    self.height, self.width
                ),
            ));
        }
        let row = self.width * self.channels;
        let (start, length) = (left * self.channels, width * self.channels);
        let rows = (top..top + height).map(|at| at * row + start..at * row + start + length);
        Ok(Self {
            height,
            width,
            channels: self.channels,
            values: self.values.select(rows)?,
        })
    }

    /// Resizes the picture to `height` × `width` pixels, each clamped to 1..=[`MAX_SIDE`].
    ///
    /// The interpolation is linear with antialiasing: a triangle filter around the center of the pixel, widened by the reduction
    /// factor, as in bilinear resizing of PIL. Values stay in `[0, 1]`. Values in a temporary file are read into memory.
    ///
    /// # Panics
    ///
    /// If a temporary file cannot be read.
    #[must_use]
    pub fn resize(&self, height: usize, width: usize) -> Self {
        let (height, width) = (height.clamp(1, MAX_SIDE), width.clamp(1, MAX_SIDE));
        let values = if (height, width) == (self.height, self.width) {
            self.values.clone()
        } else if self.channels == 1 {
            self.resample::<Luma<f32>>(height, width).into()
        } else {
            self.resample::<Rgb<f32>>(height, width).into()
        };
        Self {
            height,
            width,
            channels: self.channels,
            values,
        }
    }

    /// Resizes with pixels of type `P`, which must have as many channels as the picture.
    fn resample<P: Pixel<Subpixel = f32> + 'static>(
        &self,
        height: usize,
        width: usize,
    ) -> Vec<f32> {
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let values = must_read(self.values.loaded());
        let view = View::<P> {
            values: &values,
            width: side(self.width),
            height: side(self.height),
            pixel: PhantomData,
        };
        let mut values = resize(&view, side(width), side(height), FilterType::Triangle).into_raw();
        for value in &mut values {
            *value = value.clamp(0.0, 1.0);
        }
        values
    }

    /// Resizes the picture, as [`resize`](Self::resize) does, so that its shorter side has `side` pixels. The longer side is scaled in
    /// proportion and rounded down, as in torchvision's `Resize(side)`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if a side of the result would be zero or above [`MAX_SIDE`], or if the result would have more than
    /// [`MAX_PIXELS`] pixels.
    pub fn resize_shorter_side(&self, side: usize) -> Result<Self> {
        let shorter = self.height.min(self.width).max(1);
        let scaled = |length: usize| side.saturating_mul(length) / shorter;
        let (height, width) = (scaled(self.height), scaled(self.width));
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&height) || !sides.contains(&width) || height * width > MAX_PIXELS {
            let expected = format!(
                "a shorter side that scales {} × {} pixels (height × width) to at most {MAX_SIDE} pixels per side and {} \
                 million pixels in total; the result would have {height} × {width} pixels",
                self.height,
                self.width,
                MAX_PIXELS / 1_000_000
            );
            return Err(Error::invalid("signal.resize", side, &expected));
        }
        Ok(self.resize(height, width))
    }

    /// Returns ten times the absolute difference to a picture of the same size, clamped to 1.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the pictures differ in size or in the number of channels.
    pub fn error_x10(&self, other: &Self) -> Result<Self> {
        let shape = |picture: &Self| {
            let (height, width) = (picture.height, picture.width);
            format!("{height} × {width} × {}", picture.channels)
        };
        if (self.size(), self.channels) != (other.size(), other.channels) {
            return Err(Error::Shape {
                what: "picture to compare with",
                expected: format!("{} (height × width × channels)", shape(self)),
                got: shape(other),
            });
        }
        let pairs = self.values.iter().zip(other.values.iter());
        let error = |(a, b): (f32, f32)| (10.0 * (a - b).abs()).min(1.0);
        Ok(Self {
            values: pairs.map(error).collect(),
            ..*self
        })
    }

    /// Converts the picture to gray: `0.299 R + 0.587 G + 0.114 B` (ITU-R 601-2, as `convert('L')` of PIL, but not rounded to
    /// 8 bits). A gray picture is returned unchanged.
    #[must_use]
    pub fn luma(&self) -> Self {
        let values = if self.channels == 1 {
            self.values.clone()
        } else {
            let luma = |rgb: &[f32]| rgb.iter().zip(LUMA).map(|(v, w)| v * w).sum::<f32>();
            let pixels = 0..self.values.len() / self.channels;
            let pixels = pixels.map(|at| [0, 1, 2].map(|k| self.values.at(at * self.channels + k)));
            pixels.map(|rgb| luma(&rgb).clamp(0.0, 1.0)).collect()
        };
        Self {
            channels: 1,
            values,
            ..*self
        }
    }

    fn into_rgb(self) -> Self {
        if self.channels == 3 {
            return self;
        }
        Self {
            channels: 3,
            values: self.values.repeated(3),
            ..self
        }
    }

    /// Passes all values to `take`, in order, in bands of whole rows.
    ///
    /// # Errors
    ///
    /// Those of `take`; [`Error::Io`] if a temporary file cannot be read.
    pub fn for_each_band(&self, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        let row = (self.width * self.channels).max(1);
        let per_band = row * (BAND_VALUES / row).max(1);
        let all = self.values.len();
        for first in (0..all).step_by(per_band) {
            take(&self.values.read(first..all.min(first + per_band))?)?;
        }
        Ok(())
    }
}

/// A picture as pixels of type `P`, which has as many channels, for functions of the crate `image`: it is not copied as `f32`.
struct View<'a, P> {
    values: &'a Values,
    width: u32,
    height: u32,
    pixel: PhantomData<P>,
}

impl<P: Pixel<Subpixel = f32>> GenericImageView for View<'_, P> {
    type Pixel = P;

    fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn get_pixel(&self, x: u32, y: u32) -> P {
        let channels = usize::from(P::CHANNEL_COUNT);
        let start = (y as usize * self.width as usize + x as usize) * channels;
        let mut samples = [0.0; LUMA.len()];
        for (k, sample) in samples[..channels].iter_mut().enumerate() {
            *sample = self.values.at(start + k);
        }
        *P::from_slice(&samples[..channels])
    }
}

#[cfg(test)]
mod tests;
