//! A picture in memory: floating point values, cropped, resized and saved.

mod read;

use std::io::{Cursor, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::pnm::{PnmEncoder, PnmSubtype, SampleEncoding};
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, ImageBuffer, ImageEncoder, ImageFormat, Luma, Pixel, Rgb};
use serde::{Deserialize, Serialize};
use siren_core::{Error, Result};

use crate::png_stream::{PartialFile, to_byte};

/// Longest side of a picture that is read or made by resizing, in pixels.
pub const MAX_SIDE: usize = 16_384;
/// Most pixels of a picture that is read, drawn or made by resizing.
pub const MAX_PIXELS: usize = 100_000_000;
/// What red, green and blue weigh in luma (ITU-R 601-2).
pub(crate) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Quality, 1 to 100, of saved JPEG pictures.
const JPEG_QUALITY: u8 = 95;

/// How many channels [`Picture::open`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ColorMode {
    /// As the file says: 1 for a gray file, 3 for a color or palette file, even if all its pixels are gray.
    #[default]
    Auto,
    /// 1; color becomes luma, as [`Picture::luma`] computes it.
    Gray,
    /// 3; gray is repeated.
    Rgb,
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
    /// 8-bit samples are divided by 255 and 16-bit ones by 65535. Transparency is flattened over white, an EXIF
    /// orientation is applied, and color profiles are ignored. At most [`MAX_SIDE`] pixels a side and [`MAX_PIXELS`]
    /// in all, checked before anything is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file cannot be read; [`Error::Signal`] if it is a folder, empty, too large, not a picture
    /// of these formats, damaged or cut short.
    pub fn open(path: &Path, color: ColorMode) -> Result<Self> {
        let picture = read::read(path)?;
        Ok(match color {
            ColorMode::Auto => picture,
            ColorMode::Gray => picture.luma(),
            ColorMode::Rgb => picture.into_rgb(),
        })
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
mod tests {
    use super::*;

    fn ramp(height: usize, width: usize, channels: usize) -> Picture {
        let count = height * width * channels;
        Picture {
            height,
            width,
            channels,
            values: (0..=255)
                .cycle()
                .take(count)
                .map(|v: u8| f32::from(v) / 255.0)
                .collect(),
        }
    }

    #[test]
    fn a_crop_is_centered_and_out_of_bounds_is_an_error() {
        let picture = ramp(5, 8, 3);
        let crop = picture.crop_center(2, 3).unwrap();
        assert_eq!((crop.height, crop.width), (2, 3));
        assert_eq!(crop.values[..9], picture.values[(8 + 2) * 3..(8 + 5) * 3]);
        assert_eq!(picture.crop_center(5, 8).unwrap(), picture);
        for (height, width) in [(6, 8), (5, 9), (0, 3), (usize::MAX, 1)] {
            let error = picture.crop_center(height, width).unwrap_err();
            assert!(matches!(error, Error::InvalidValue { .. }));
            assert!(error.to_string().contains("5x8"), "{error}");
        }
        assert!(picture.crop_box(4, 0, 2, 2).is_err());
        assert!(picture.crop_box(usize::MAX, 0, 2, 2).is_err());
    }

    #[test]
    fn halving_averages_and_flat_pictures_stay_flat() {
        let columns = [0.0, 0.0, 1.0, 1.0];
        let picture = Picture {
            height: 2,
            width: 4,
            channels: 1,
            values: columns.repeat(2),
        };
        // A triangle of half width 2 at centers 1 and 3: weights 1/8, 3/8, 3/8, 1/8, cut at the border.
        let half = picture.resize(1, 2);
        assert!((half.values[0] - 1.0 / 7.0).abs() < 1e-6, "{half:?}");
        assert!((half.values[1] - 6.0 / 7.0).abs() < 1e-6);
        let flat = Picture {
            values: vec![0.7; 63],
            ..ramp(7, 3, 3)
        };
        for value in flat.resize(4, 9).values {
            assert!((value - 0.7).abs() < 1e-6);
        }
        assert_eq!(flat.resize(0, 9).height, 1);
    }

    #[test]
    fn the_shorter_side_is_resized_as_torchvision_does() {
        for ((height, width), side, expected) in [
            ((321, 481), 256, (256, 383)),
            ((481, 321), 256, (383, 256)),
            ((512, 512), 256, (256, 256)),
        ] {
            let picture = ramp(height, width, 1).resize_shorter_side(side).unwrap();
            assert_eq!((picture.height, picture.width), expected);
        }
    }

    #[test]
    fn resizing_never_changes_proportions_to_stay_within_limits() {
        for ((height, width), side) in [((16, 160), 2000), ((9, 9), 10_001), ((9, 9), 0)] {
            let error = ramp(height, width, 1).resize_shorter_side(side);
            let message = error.unwrap_err().to_string();
            assert!(message.contains("`signal.resize`"), "{message}");
        }
    }

    #[test]
    fn luma_has_the_weights_of_itu_601() {
        let picture = Picture {
            height: 1,
            width: 4,
            channels: 3,
            values: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
        };
        let luma = picture.luma();
        assert_eq!((luma.channels, luma.luma() == luma), (1, true));
        for (value, expected) in luma.values.iter().zip([0.299, 0.587, 0.114, 1.0]) {
            assert!((value - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn lossless_formats_give_back_what_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        for extension in ["png", "WEBP", "bmp", "tif", "tiff", "ppm", "pgm", "pnm"] {
            for channels in [1, 3] {
                if (extension, channels) == ("pgm", 3) {
                    continue;
                }
                let picture = ramp(9, 31, channels);
                let path = folder.path().join("a").with_extension(extension);
                picture.save(&path).unwrap();
                let color = [ColorMode::Gray, ColorMode::Rgb][channels / 2];
                let read = Picture::open(&path, color).unwrap();
                assert_eq!(read.channels, channels);
                for (a, b) in read.values.iter().zip(&picture.values) {
                    assert!((a - b).abs() < 1e-6, "{extension} {channels}");
                }
                std::fs::remove_file(path).unwrap();
            }
        }
        for (name, channels, magic) in [("a.pgm", 1, "P5"), ("a.ppm", 3, "P6"), ("b.ppm", 1, "P6")]
        {
            let path = folder.path().join(name);
            ramp(3, 5, channels).save(&path).unwrap();
            assert!(std::fs::read(&path).unwrap().starts_with(magic.as_bytes()));
        }
        let colors = ramp(3, 5, 3).save(&folder.path().join("b.pgm"));
        assert!(colors.unwrap_err().to_string().contains(".ppm"));
        ramp(3, 3, 1).save(&folder.path().join("bare")).unwrap();
        let bare = std::fs::read(folder.path().join("bare")).unwrap();
        assert!(bare.starts_with(b"\x89PNG"));
    }

    #[test]
    fn saving_under_an_unknown_extension_names_the_known_ones() {
        let folder = tempfile::tempdir().unwrap();
        let error = ramp(2, 2, 3)
            .save(&folder.path().join("a.xcf"))
            .unwrap_err();
        assert!(error.to_string().contains(".xcf"), "{error}");
        assert!(error.to_string().contains(".png"), "{error}");
        let missing = ramp(2, 2, 3).save(&folder.path().join("no/a.png"));
        assert!(matches!(missing, Err(Error::Io { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
