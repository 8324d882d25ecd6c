//! Reading picture files. The size in the header is checked before pixels are decoded.

mod bands;
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
use super::{Background, ColorMode, MAX_READ_PIXELS, MAX_READ_SIDE, Picture, Values};
use crate::memory::available_memory;
use crate::picture::values::FileWriter;

/// Largest file that is read, in bytes. An uncompressed picture of `MAX_READ_PIXELS` 16-bit RGBA pixels is smaller.
const MAX_FILE: u64 = 1 << 31;
/// Limit of the memory that a decoder may allocate, in bytes.
const MAX_ALLOC: u64 = 1 << 31;
/// Signatures of `BigTIFF`, a variant of TIFF for files of more than 4 GiB that some programs also use for smaller files.
const BIG_TIFF: [&[u8; 4]; 2] = [b"II+\0", b"MM\0+"];
/// Bytes of a decoded picture from which the free memory is compared with them.
const SMALL: u64 = 1 << 27;
const FORMATS: &str = "PNG, JPEG, WebP, BMP, TIFF, GIF or PNM";

/// Content of a picture file.
pub(super) struct DecodedFile {
    /// The picture, gray or RGB as in the file; the first one if the file contains several.
    pub(super) picture: Picture,
    /// Whether the file contains further pictures.
    pub(super) has_more: bool,
}

impl DecodedFile {
    /// Adds a note to `notes` if the file contains further pictures.
    pub(super) fn add_note(&self, path: &Path, notes: &mut Vec<String>) {
        if self.has_more {
            let path = path.display();
            notes.push(format!(
                "{path} contains more than one picture; only the first is read"
            ));
        }
    }
}

/// Reads the first picture of a file like [`read`], in a color mode; a large one into a temporary file.
pub(super) fn read_large(
    path: &Path,
    background: Background,
    color: ColorMode,
) -> Result<DecodedFile> {
    let bands = bands::Bands::new(background, color);
    if let Some(file) = bands.read(path)? {
        return Ok(file);
    }
    let file = read(path, background)?;
    Ok(DecodedFile {
        picture: file.picture.with_color_mode(color),
        ..file
    })
}

/// Reads the first picture of a file and composites transparent pixels over the background.
pub(super) fn read(path: &Path, background: Background) -> Result<DecodedFile> {
    decode(path, &read_bytes(path)?, background)
}

/// Decodes the first picture of the content of a file. `path` is used in messages alone.
pub(super) fn decode(path: &Path, bytes: &[u8], background: Background) -> Result<DecodedFile> {
    if bytes.is_empty() {
        let message = format!("the file is empty (0 bytes); use a {FORMATS} file");
        return Err(Error::signal(path, message));
    }
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(Error::io("read", path))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let is_big_tiff = BIG_TIFF.iter().any(|start| bytes.starts_with(*start));
    let format = reader.format().or(is_big_tiff.then_some(ImageFormat::Tiff));
    let Some(format) = format else {
        let message = format!("is not a picture in a supported format; use a {FORMATS} file");
        return Err(Error::signal(path, message));
    };
    if format == ImageFormat::Tiff {
        let tiff = tiff::decode(path, bytes)?;
        return Ok(DecodedFile {
            picture: tiff.samples.into_picture(background, tiff.orientation),
            has_more: tiff.has_more,
        });
    }
    let decoding_error = |error: ImageError| Error::signal(path, decoding_message(format, &error));
    let mut decoder = reader.into_decoder().map_err(decoding_error)?;
    let (width, height) = decoder.dimensions();
    check_size(path, height, width)?;
    check_memory(path, decoder.total_bytes(), available_memory)?;
    // A damaged EXIF block is ignored.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = match format {
        ImageFormat::Jpeg => jpeg::decode(path, bytes)?,
        _ => DynamicImage::from_decoder(decoder),
    };
    let samples = Samples::from_image(path, image.map_err(decoding_error)?)?;
    Ok(DecodedFile {
        picture: samples.into_picture(background, orientation),
        has_more: is_animated(format, bytes),
    })
}

/// Returns whether the file contains more than one frame.
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

/// Reads the bytes of a file, at most [`MAX_FILE`].
fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        let message = format!("is a folder, expected a picture; use a {FORMATS} file");
        return Err(Error::signal(path, message));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(Error::io("open", path))?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    if bytes.len() as u64 > MAX_FILE {
        let message = "the file is larger than the limit of 2 GiB; reduce the size of the picture, or save it as PNG";
        return Err(Error::signal(path, message));
    }
    Ok(bytes)
}

/// Checks the size of a picture in pixels.
fn check_size(path: &Path, height: u32, width: u32) -> Result<()> {
    let (rows, columns) = (height as usize, width as usize);
    if rows == 0 || columns == 0 {
        let message =
            format!("the picture has no pixels ({height}x{width}, height x width); save it again");
        return Err(Error::signal(path, message));
    }
    if rows > MAX_READ_SIDE
        || columns > MAX_READ_SIDE
        || rows.saturating_mul(columns) > MAX_READ_PIXELS
    {
        let message = format!(
            "the picture has {height}x{width} pixels (height x width) according to its header, expected at most \
             {MAX_READ_SIDE} per side and {} million in total; reduce its size first",
            MAX_READ_PIXELS / 1_000_000
        );
        return Err(Error::signal(path, message));
    }
    Ok(())
}

/// Checks that the decoded samples of a picture fit into memory. `available` returns the free bytes; it is asked for large pictures alone.
fn check_memory(path: &Path, bytes: u64, available: impl FnOnce() -> u64) -> Result<()> {
    if bytes < SMALL {
        return Ok(());
    }
    let free = available();
    if bytes <= free {
        return Ok(());
    }
    let message = format!(
        "the picture needs {} MiB of memory, of which {} MiB are free; reduce its size first, or close other programs",
        bytes >> 20,
        free >> 20
    );
    Err(Error::signal(path, message))
}

impl Picture {
    /// Moves the values to a temporary file without a name, [`Values::File`], as [`open_large`](Self::open_large) reads those of large files.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn into_file(self) -> Result<Self> {
        if matches!(self.values, Values::File(_)) {
            return Ok(self);
        }
        let mut writer = FileWriter::create()?;
        writer.push(&self.values)?;
        Ok(Self {
            values: Values::File(writer.finish()),
            ..self
        })
    }

    /// Reads values in a temporary file into memory. `path` is the picture's, for messages.
    ///
    /// # Errors
    /// [`Error::Signal`] if they do not fit; [`Error::Io`] if the temporary file cannot be read.
    pub(crate) fn into_memory(self, path: &Path) -> Result<Self> {
        let Values::File(values) = &self.values else {
            return Ok(self);
        };
        check_memory(path, values.bytes(), available_memory)?;
        Ok(Self {
            values: self.values.loaded()?.into_owned(),
            ..self
        })
    }
}

fn decoding_message(format: ImageFormat, error: &ImageError) -> String {
    let name = format!("{format:?}").to_uppercase();
    match error {
        ImageError::Unsupported(_) => format!(
            "this kind of {name} file is not supported ({error}); convert it to an 8- or 16-bit PNG"
        ),
        ImageError::Limits(_) => format!(
            "decoding this {name} file would need too much memory ({error}); convert it to an 8- or 16-bit PNG, or \
             reduce its size"
        ),
        _ => format!(
            "cannot be decoded as {name} ({error}): the file is damaged or cut short; copy or download it again"
        ),
    }
}

#[cfg(test)]
mod tests;
