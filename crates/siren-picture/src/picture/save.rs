//! Picture files that are written.

use std::io::{Cursor, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::pnm::{PnmEncoder, PnmSubtype, SampleEncoding};
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use siren_core::file::PartialFile;
use siren_core::{Error, Result};

use super::Picture;
use crate::png_stream::PngRows;

/// Quality, from 1 to 100, of JPEG files that are written.
const JPEG_QUALITY: u8 = 95;

impl Picture {
    /// Writes the picture with 8 bits per channel. Values are multiplied by 255 and rounded to nearest.
    ///
    /// The extension determines the format: `png` (also if there is no extension), `jpg` or `jpeg` (quality 95), `webp` (lossless),
    /// `bmp`, `tif` or `tiff`, `ppm` (color; gray values are repeated), `pgm` (gray), or `pnm` (either). The file is written under a
    /// temporary name and renamed when it is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if the extension is unknown, or if the format cannot represent the picture. [`Error::Shape`] if the number of values
    /// does not fit the size. [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.check_shape()?;
        let format = format_for(path)?;
        if format == ImageFormat::Png {
            return self.save_png(path);
        }
        let bytes = self.values.to_bytes();
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
                let (subtype, bytes, color) = pnm_pixels(path, bytes.into_owned(), color)?;
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
                    "a picture of {}x{} pixels (height x width) cannot be written as {name} ({error}); use the extension .png",
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

    /// Writes the picture as PNG, row by row.
    fn save_png(&self, path: &Path) -> Result<()> {
        let mut rows = PngRows::create(path, self.height, self.width, self.channels)?;
        self.for_each_band(|band| rows.push_rows(band))?;
        rows.finish()
    }
}

/// Converts pixels to the channels of a PNM file: one for `.pgm`, three for `.ppm`.
fn pnm_pixels(
    path: &Path,
    bytes: Vec<u8>,
    color: ExtendedColorType,
) -> Result<(PnmSubtype, Vec<u8>, ExtendedColorType)> {
    let has_extension = |extension: &str| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case(extension))
    };
    let binary = SampleEncoding::Binary;
    Ok(match color {
        ExtendedColorType::L8 if has_extension("ppm") => {
            let repeated = bytes.iter().flat_map(|&byte| [byte; 3]).collect();
            (
                PnmSubtype::Pixmap(binary),
                repeated,
                ExtendedColorType::Rgb8,
            )
        }
        ExtendedColorType::L8 => (PnmSubtype::Graymap(binary), bytes, color),
        _ if has_extension("pgm") => {
            let message = "a .pgm file stores gray values, but the picture has colors; use the extension .ppm or .png";
            return Err(Error::signal(path, message));
        }
        _ => (PnmSubtype::Pixmap(binary), bytes, color),
    })
}

/// Returns whether [`Picture::save`] writes a file of this name as PNG.
///
/// # Errors
/// [`Error::Signal`] if the extension is unknown.
pub(crate) fn is_png(path: &Path) -> Result<bool> {
    Ok(format_for(path)? == ImageFormat::Png)
}

/// Returns the format in which a file of this name is written.
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
                    "pictures cannot be written with the extension `.{extension}`; use .png, .jpg, .jpeg, .webp, .bmp, \
                     .tif, .tiff, .ppm, .pgm or .pnm"
                ),
            ));
        }
    })
}
