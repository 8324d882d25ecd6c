//! Reading a picture file: the header is judged before anything is decoded, and errors say what to do.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use siren_core::{Error, Result};

use super::{MAX_PIXELS, MAX_SIDE, Picture};

/// Largest file that is read, in bytes: an uncompressed picture of `MAX_PIXELS` 16-bit RGBA pixels fits.
const MAX_FILE: u64 = 1 << 30;
/// What a decoder may allocate, in bytes.
const MAX_ALLOC: u64 = 1 << 31;
const FORMATS: &str = "PNG, JPEG, WebP, BMP, TIFF, GIF or PNM";

/// The picture in the file, gray or RGB as the file is.
pub(super) fn read(path: &Path) -> Result<Picture> {
    let bytes = contents(path)?;
    let mut reader = ImageReader::new(Cursor::new(bytes.as_slice()))
        .with_guessed_format()
        .map_err(Error::io("read", path))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let Some(format) = reader.format() else {
        let message = format!("not a picture in a known format; give a {FORMATS} file");
        return Err(Error::signal(path, message));
    };
    let failed = |error: ImageError| Error::signal(path, decoding_message(format, &error));
    let mut decoder = reader.into_decoder().map_err(failed)?;
    check_size(path, decoder.dimensions())?;
    if format == ImageFormat::Jpeg && !jpeg_ends(&bytes) {
        let message = "the JPEG data stop before the end-of-image marker: the file is cut short; \
                       copy or download it again";
        return Err(Error::signal(path, message));
    }
    // A damaged EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    picture(path, image)
}

/// The bytes of a file that may be a picture.
fn contents(path: &Path) -> Result<Vec<u8>> {
    let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        let message = format!("is a folder, expected a picture; give a {FORMATS} file");
        return Err(Error::signal(path, message));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(Error::io("open", path))?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    if bytes.is_empty() {
        let message = format!("the file is empty (0 bytes); give a {FORMATS} file");
        return Err(Error::signal(path, message));
    }
    if bytes.len() as u64 > MAX_FILE {
        let message = "the file has more than 1 GiB, expected a smaller one; reduce the picture, or save it as PNG";
        return Err(Error::signal(path, message));
    }
    Ok(bytes)
}

fn check_size(path: &Path, (width, height): (u32, u32)) -> Result<()> {
    let (rows, columns) = (height as usize, width as usize);
    if rows == 0 || columns == 0 {
        let message = format!("the picture has no pixels ({height}x{width}); export it again");
        return Err(Error::signal(path, message));
    }
    if rows > MAX_SIDE || columns > MAX_SIDE || rows.saturating_mul(columns) > MAX_PIXELS {
        let message = format!(
            "the header claims {height}x{width} pixels (height x width), expected at most {MAX_SIDE} on a side and \
             {} million in all; reduce the picture first",
            MAX_PIXELS / 1_000_000
        );
        return Err(Error::signal(path, message));
    }
    Ok(())
}

fn decoding_message(format: ImageFormat, error: &ImageError) -> String {
    let name = format!("{format:?}").to_uppercase();
    match error {
        ImageError::Unsupported(_) => format!(
            "a {name} file of a kind that is not read here ({error}); convert it to an 8- or 16-bit PNG"
        ),
        ImageError::Limits(_) => format!(
            "decoding this {name} file would take too much memory ({error}); convert it to an 8- or 16-bit PNG, or \
             reduce it"
        ),
        _ => format!(
            "cannot be decoded as {name} ({error}): the file is damaged or cut short; copy or download it again"
        ),
    }
}

/// Whether a JPEG reaches its end-of-image marker; the decoder itself fills what is missing with gray.
///
/// Walks the segments, so that neither a thumbnail's end counts nor bytes after the end matter.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(offset) = bytes
        .get(at..)
        .and_then(|b| b.iter().position(|&b| b == 0xFF))
    {
        at += offset + 1;
        match bytes.get(at) {
            Some(0xD9) => return true,
            // Stuffing, fill bytes and restart markers belong to the scan; markers 01 and D8 stand alone.
            Some(0xFF) => {}
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(_) => {
                let Some([high, low]) = bytes.get(at + 1..at + 3) else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes([*high, *low]));
            }
            None => return false,
        }
    }
    false
}

/// Decoded samples in `[0, 1]`, transparency flattened.
fn picture(path: &Path, image: DynamicImage) -> Result<Picture> {
    let (height, width) = (image.height() as usize, image.width() as usize);
    let (stored, mut values) = match image {
        DynamicImage::ImageLuma8(image) => (1, from_bytes(&image)),
        DynamicImage::ImageLumaA8(image) => (2, from_bytes(&image)),
        DynamicImage::ImageRgb8(image) => (3, from_bytes(&image)),
        DynamicImage::ImageRgba8(image) => (4, from_bytes(&image)),
        DynamicImage::ImageLuma16(image) => (1, from_words(&image)),
        DynamicImage::ImageLumaA16(image) => (2, from_words(&image)),
        DynamicImage::ImageRgb16(image) => (3, from_words(&image)),
        DynamicImage::ImageRgba16(image) => (4, from_words(&image)),
        DynamicImage::ImageRgb32F(image) => (3, image.into_raw()),
        DynamicImage::ImageRgba32F(image) => (4, image.into_raw()),
        other => {
            let message = format!(
                "pixels of type {:?} are not read here; convert the picture to an 8- or 16-bit PNG",
                other.color()
            );
            return Err(Error::signal(path, message));
        }
    };
    if values.iter().any(|value| !value.is_finite()) {
        let message = "the picture holds values that are not finite numbers; convert it to an 8- or 16-bit PNG";
        return Err(Error::signal(path, message));
    }
    for value in &mut values {
        *value = value.clamp(0.0, 1.0);
    }
    if stored % 2 == 0 {
        flatten(&mut values, stored);
    }
    Ok(Picture {
        height,
        width,
        channels: if stored < 3 { 1 } else { 3 },
        values,
    })
}

fn from_bytes(samples: &[u8]) -> Vec<f32> {
    samples.iter().map(|&v| f32::from(v) / 255.0).collect()
}

fn from_words(samples: &[u16]) -> Vec<f32> {
    samples.iter().map(|&v| f32::from(v) / 65535.0).collect()
}

/// Over white: `v * alpha + (1 - alpha)`, in place, dropping the alpha that ends each pixel of `stored` values.
fn flatten(values: &mut Vec<f32>, stored: usize) {
    let colors = stored - 1;
    for pixel in 0..values.len() / stored {
        let alpha = values[pixel * stored + colors];
        for k in 0..colors {
            values[pixel * colors + k] = values[pixel * stored + k] * alpha + (1.0 - alpha);
        }
    }
    values.truncate(values.len() / stored * colors);
}

#[cfg(test)]
mod tests;
