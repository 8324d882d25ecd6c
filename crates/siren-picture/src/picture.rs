//! A picture in memory: floating point values, cropped, resized and saved.

mod read;

use std::io::{Cursor, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::pnm::{PnmEncoder, PnmSubtype, SampleEncoding};
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, ImageBuffer, ImageEncoder, ImageFormat, Luma, Pixel, Rgb};
use serde::{Deserialize, Serialize};
use siren_core::run::{PartialFile, console};
use siren_core::{Error, Result};

use crate::png_stream::to_byte;

/// Longest side of a picture that is read or made by resizing, in pixels.
pub const MAX_SIDE: usize = 16_384;
/// Most pixels of a picture that is read, drawn or made by resizing.
pub const MAX_PIXELS: usize = 100_000_000;
/// What red, green and blue weigh in luma (ITU-R 601-2).
pub const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Quality, 1 to 100, of saved JPEG pictures.
const JPEG_QUALITY: u8 = 95;

/// Number of channels of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ColorMode {
    /// As in the file: 1 channel for a gray file, 3 for a color or palette file, even if all its pixels are gray.
    #[default]
    Auto,
    /// 1 channel: color becomes luma, 0.299 R + 0.587 G + 0.114 B.
    Gray,
    /// 3 channels: gray is repeated.
    Rgb,
}

/// What lies behind transparent pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Background {
    White,
    Black,
}

/// A picture; values are the file's own (no color management), 0 for black to 1 for full.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 for gray, 3 for red, green and blue.
    pub channels: usize,
    /// Row-major (height, width, channels), in `[0, 1]`.
    pub values: Vec<f32>,
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, BMP, TIFF, GIF (first frame) or PNM file; the content tells the format, not the name.
    ///
    /// Samples of n bits are divided by 2ⁿ − 1. Float samples of a TIFF file are taken as they are if they lie in [0, 1]
    /// (beyond by half a level of 8 bits they are clamped), whole numbers from 0 to 255 are divided by 255, and any other
    /// range is refused. Transparency is flattened over white: a color c of opacity a becomes `a c + (1 − a)`, a premultiplied
    /// one `c + (1 − a)`. An EXIF orientation is applied, and color profiles are ignored: colors are taken as they are.
    ///
    /// Of an animation the first frame is read, of a TIFF file with several pictures the first one. A JPEG file without its
    /// end marker is read if the whole picture is in it. At most [`MAX_SIDE`] pixels a side and [`MAX_PIXELS`] in all, checked
    /// before anything is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file cannot be read; [`Error::Signal`] if it is a folder, empty, too large, not a picture
    /// of these formats, damaged or cut short, or holds samples whose meaning is not known.
    pub fn open(path: &Path, color: ColorMode) -> Result<Self> {
        Ok(read::read(path, Background::White)?.picture.in_mode(color))
    }

    /// Reads a picture file as [`open`](Self::open) does, and tells the user if the file holds more pictures than the one that
    /// is read.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_first(path: &Path, color: ColorMode) -> Result<Self> {
        let file = read::read(path, Background::White)?;
        if file.more {
            let path = path.display();
            console::note(format_args!(
                "{path} holds more than one picture: the first is taken"
            ));
        }
        Ok(file.picture.in_mode(color))
    }

    /// Reads a mask: gray, and black where it is transparent, so that white counts only as far as it is opaque.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_mask(path: &Path) -> Result<Self> {
        let picture = read::read(path, Background::Black)?.picture;
        Ok(picture.in_mode(ColorMode::Gray))
    }

    fn in_mode(self, color: ColorMode) -> Self {
        match color {
            ColorMode::Auto => self,
            ColorMode::Gray => self.luma(),
            ColorMode::Rgb => self.into_rgb(),
        }
    }

    /// The `height` x `width` pixels in the middle, without resampling: the top row is `(self.height - height) / 2`
    /// and the left column `(self.width - width) / 2`, rounded down.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if a side is zero or larger than the picture's.
    pub fn crop_center(&self, height: usize, width: usize) -> Result<Self> {
        let top = self.height.saturating_sub(height) / 2;
        let left = self.width.saturating_sub(width) / 2;
        self.crop_box(top, left, height, width)
    }

    /// The pixels of rows `top..top + height` and columns `left..left + width`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if a side is zero or the box reaches out of the picture.
    pub fn crop_box(&self, top: usize, left: usize, height: usize, width: usize) -> Result<Self> {
        let fits = |from: usize, length: usize, all: usize| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= all)
        };
        if !fits(top, height, self.height) || !fits(left, width, self.width) {
            return Err(Error::invalid(
                "crop",
                format!("{height}x{width} (height x width) from row {top}, column {left}"),
                &format!(
                    "a box of at least 1x1 inside the picture of {}x{}; choose a smaller one or resize first",
                    self.height, self.width
                ),
            ));
        }
        let row = self.width * self.channels;
        let (start, length) = (left * self.channels, width * self.channels);
        let rows = self.values.chunks_exact(row).skip(top).take(height);
        let values = rows.flat_map(|row| &row[start..start + length]).copied();
        Ok(Self {
            height,
            width,
            channels: self.channels,
            values: values.collect(),
        })
    }

    /// The picture at `height` x `width` pixels, each clamped to 1..=[`MAX_SIDE`].
    ///
    /// Antialiased linear interpolation: a triangle filter about the pixel's center, widened by the factor of a
    /// reduction, as bilinear resizing in PIL. Values stay in `[0, 1]`.
    #[must_use]
    pub fn resize(&self, height: usize, width: usize) -> Self {
        let (height, width) = (height.clamp(1, MAX_SIDE), width.clamp(1, MAX_SIDE));
        let values = if (height, width) == (self.height, self.width) {
            self.values.clone()
        } else if self.channels == 1 {
            self.resample::<Luma<f32>>(height, width)
        } else {
            self.resample::<Rgb<f32>>(height, width)
        };
        Self {
            height,
            width,
            channels: self.channels,
            values,
        }
    }

    fn resample<P: Pixel<Subpixel = f32> + 'static>(
        &self,
        height: usize,
        width: usize,
    ) -> Vec<f32> {
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let (rows, columns) = (side(self.height), side(self.width));
        ImageBuffer::<P, &[f32]>::from_raw(columns, rows, &self.values).map_or_else(
            // Not reached: the fields say how many values there are.
            || vec![0.0; height * width * self.channels],
            |view| {
                let mut values =
                    resize(&view, side(width), side(height), FilterType::Triangle).into_raw();
                for value in &mut values {
                    *value = value.clamp(0.0, 1.0);
                }
                values
            },
        )
    }

    /// The picture resized to have `side` pixels on its shorter side, the longer one in proportion, rounded down as
    /// torchvision's `Resize(side)` rounds it; [`resize`](Self::resize) tells how.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if the result would have a side of zero or above [`MAX_SIDE`], or more than
    /// [`MAX_PIXELS`].
    pub fn resize_shorter_side(&self, side: usize) -> Result<Self> {
        let shorter = self.height.min(self.width).max(1);
        let scaled = |length: usize| side.saturating_mul(length) / shorter;
        let (height, width) = (scaled(self.height), scaled(self.width));
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&height) || !sides.contains(&width) || height * width > MAX_PIXELS {
            let expected = format!(
                "a shorter side that makes of {} × {} pixels a picture of at most {MAX_SIDE} a side and {} million in \
                 all, not {height} × {width} (height × width)",
                self.height,
                self.width,
                MAX_PIXELS / 1_000_000
            );
            return Err(Error::invalid("signal.resize", side, &expected));
        }
        Ok(self.resize(height, width))
    }

    /// Ten times the absolute difference to a picture of the same size, at most 1.
    #[must_use]
    pub fn error_x10(&self, other: &Self) -> Self {
        let pairs = self.values.iter().zip(&other.values);
        let error = |(a, b): (&f32, &f32)| (10.0 * (a - b).abs()).min(1.0);
        Self {
            values: pairs.map(error).collect(),
            ..self.clone()
        }
    }

    /// The picture in gray: `0.299 R + 0.587 G + 0.114 B` (ITU-R 601-2, as `convert('L')` of PIL, but not rounded to
    /// 8 bits); a gray picture unchanged.
    #[must_use]
    pub fn luma(&self) -> Self {
        let values = if self.channels == 1 {
            self.values.clone()
        } else {
            let luma = |rgb: &[f32]| rgb.iter().zip(LUMA).map(|(v, w)| v * w).sum::<f32>();
            let pixels = self.values.chunks_exact(self.channels);
            pixels.map(|rgb| luma(rgb).clamp(0.0, 1.0)).collect()
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
            values: self.values.iter().flat_map(|&v| [v; 3]).collect(),
            ..self
        }
    }

    /// Writes the picture with 8 bits a channel, each value times 255 and rounded to nearest.
    ///
    /// The extension tells the format: `png` (also without one), `jpg` or `jpeg` (quality 95), `webp` (lossless),
    /// `bmp`, `tif` or `tiff`, `ppm` (color; gray is repeated), `pgm` (gray), or `pnm` (either). The file appears under
    /// its name only once it is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] for another extension, or a picture that the format cannot hold; [`Error::Io`] if the file
    /// cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let format = format_for(path)?;
        let bytes: Vec<u8> = self.values.iter().map(|&value| to_byte(value)).collect();
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let (width, height) = (side(self.width), side(self.height));
        let color = if self.channels == 1 {
            ExtendedColorType::L8
        } else {
            ExtendedColorType::Rgb8
        };
        let mut file = Cursor::new(Vec::new());
        let encoded = match format {
            ImageFormat::Jpeg => JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY)
                .encode(&bytes, width, height, color),
            ImageFormat::Pnm => {
                let (subtype, bytes, color) = portable(path, bytes, color)?;
                PnmEncoder::new(&mut file)
                    .with_subtype(subtype)
                    .write_image(&bytes, width, height, color)
            }
            _ => image::write_buffer_with_format(&mut file, &bytes, width, height, color, format),
        };
        encoded.map_err(|error| {
            let name = format.extensions_str().first().unwrap_or(&"this format");
            Error::signal(
                path,
                format!(
                    "{}x{} pixels cannot be written as {name} ({error}); save a PNG (.png) instead",
                    self.height, self.width
                ),
            )
        })?;
        let (partial, mut target) = PartialFile::create(path)?;
        target
            .write_all(file.get_ref())
            .map_err(|error| partial.write_error(error))?;
        partial.keep()
    }
}

/// Pixels as the portable formats hold them: a `.pgm` is gray, a `.ppm` has three channels.
fn portable(
    path: &Path,
    bytes: Vec<u8>,
    color: ExtendedColorType,
) -> Result<(PnmSubtype, Vec<u8>, ExtendedColorType)> {
    let is = |extension: &str| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case(extension))
    };
    let binary = SampleEncoding::Binary;
    Ok(match color {
        ExtendedColorType::L8 if is("ppm") => {
            let repeated = bytes.iter().flat_map(|&byte| [byte; 3]).collect();
            (
                PnmSubtype::Pixmap(binary),
                repeated,
                ExtendedColorType::Rgb8,
            )
        }
        ExtendedColorType::L8 => (PnmSubtype::Graymap(binary), bytes, color),
        _ if is("pgm") => {
            let message =
                "a .pgm file is gray and this picture has colors; give a .ppm or a .png file";
            return Err(Error::signal(path, message));
        }
        _ => (PnmSubtype::Pixmap(binary), bytes, color),
    })
}

/// Whether a picture of this name is written as PNG; an extension of no known format is an error.
pub(crate) fn is_png(path: &Path) -> Result<bool> {
    Ok(format_for(path)? == ImageFormat::Png)
}

/// The format that a file name asks for.
fn format_for(path: &Path) -> Result<ImageFormat> {
    let Some(extension) = path.extension() else {
        return Ok(ImageFormat::Png);
    };
    let extension = extension.to_string_lossy().to_ascii_lowercase();
    Ok(match extension.as_str() {
        "png" => ImageFormat::Png,
        "jpg" | "jpeg" => ImageFormat::Jpeg,
        "webp" => ImageFormat::WebP,
        "bmp" => ImageFormat::Bmp,
        "tif" | "tiff" => ImageFormat::Tiff,
        "ppm" | "pgm" | "pnm" => ImageFormat::Pnm,
        _ => {
            return Err(Error::signal(
                path,
                format!(
                    "pictures are not written with the extension `.{extension}`; use .png, .jpg, .jpeg, .webp, .bmp, \
                     .tif, .tiff, .ppm, .pgm or .pnm"
                ),
            ));
        }
    })
}

#[cfg(test)]
mod tests;
