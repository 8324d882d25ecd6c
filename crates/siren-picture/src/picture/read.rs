//! Reading a picture file: the header is judged before anything is decoded, and errors say what to do.

mod jpeg;
mod samples;
mod tiff;

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
};
use siren_core::{Error, Result};

use self::samples::Samples;
use super::{Background, MAX_PIXELS, MAX_SIDE, Picture};

/// Largest file that is read, in bytes: an uncompressed picture of `MAX_PIXELS` 16-bit RGBA pixels fits.
const MAX_FILE: u64 = 1 << 30;
/// What a decoder may allocate, in bytes.
const MAX_ALLOC: u64 = 1 << 31;
/// How a TIFF file of more than 4 GiB may begin, and any other that a program writes so.
const BIG_TIFF: [&[u8; 4]; 2] = [b"II+\0", b"MM\0+"];
const FORMATS: &str = "PNG, JPEG, WebP, BMP, TIFF, GIF or PNM";

/// A picture file.
pub(super) struct File {
    /// The picture, gray or RGB as the file is; the first one if there are several.
    pub(super) picture: Picture,
    /// Whether the file holds more pictures.
    pub(super) more: bool,
}

/// Reads the first picture of a file.
pub(super) fn read(path: &Path, background: Background) -> Result<File> {
    let bytes = contents(path)?;
    let mut reader = ImageReader::new(Cursor::new(bytes.as_slice()))
        .with_guessed_format()
        .map_err(Error::io("read", path))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let is_big_tiff = BIG_TIFF.iter().any(|start| bytes.starts_with(*start));
    let known = reader.format().or(is_big_tiff.then_some(ImageFormat::Tiff));
    let Some(format) = known else {
        let message = format!("not a picture in a known format; give a {FORMATS} file");
        return Err(Error::signal(path, message));
    };
    if format == ImageFormat::Tiff {
        let tiff = tiff::decode(path, &bytes)?;
        return Ok(File {
            picture: tiff.samples.into_picture(background, tiff.orientation),
            more: tiff.more,
        });
    }
    let failed = |error: ImageError| Error::signal(path, decoding_message(format, &error));
    let mut decoder = reader.into_decoder().map_err(failed)?;
    check_size(path, decoder.dimensions())?;
    // A damaged EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = match format {
        ImageFormat::Jpeg => jpeg::decode(path, &bytes)?,
        _ => DynamicImage::from_decoder(decoder),
    };
    let samples = Samples::from_image(path, &image.map_err(failed)?)?;
    Ok(File {
        picture: samples.into_picture(background, orientation),
        more: is_animated(format, &bytes),
    })
}

/// Whether the file holds more than one frame.
fn is_animated(format: ImageFormat, bytes: &[u8]) -> bool {
    let bytes = Cursor::new(bytes);
    match format {
        ImageFormat::Gif => {
            GifDecoder::new(bytes).is_ok_and(|gif| gif.into_frames().nth(1).is_some())
        }
        ImageFormat::Png => PngDecoder::new(bytes)
            .and_then(|png| png.is_apng())
            .unwrap_or(false),
        ImageFormat::WebP => WebPDecoder::new(bytes).is_ok_and(|webp| webp.has_animation()),
        _ => false,
    }
}

/// The bytes of a file that may be a picture.
fn contents(path: &Path) -> Result<Vec<u8>> {
    let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        let message = format!("is a folder, expected a picture; give a {FORMATS} file");
        return Err(Error::signal(path, message));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
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

#[cfg(test)]
mod tests;
