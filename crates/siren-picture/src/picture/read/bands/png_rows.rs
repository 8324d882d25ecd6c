//! PNG files, row by row.

use std::io::{BufRead, Seek};
use std::path::Path;

use image::error::DecodingError;
use image::metadata::Orientation;
use image::{ImageError, ImageFormat};
use png::{BitDepth, ColorType, Decoder, Limits, Reader, Transformations};
use siren_core::{Error, Result};

use super::{BandWriter, Bands};
use crate::picture::Values;
use crate::picture::read::samples::{Alpha, Samples};
use crate::picture::read::{DecodedFile, MAX_ALLOC, check_size, decoding_message};

/// Reads a large PNG file; `None` if it is small, damaged before its pixels, interlaced, an animation, or has an orientation.
pub(super) fn read(
    path: &Path,
    file: impl BufRead + Seek,
    bands: &Bands,
) -> Result<Option<DecodedFile>> {
    let limits = Limits {
        bytes: MAX_ALLOC as usize,
    };
    let mut decoder = Decoder::new_with_limits(file, limits);
    decoder.set_transformations(Transformations::EXPAND);
    let Ok(mut reader) = decoder.read_info() else {
        return Ok(None);
    };
    let info = reader.info();
    let (width, height) = info.size();
    check_size(path, height, width)?;
    let exif = info.exif_metadata.as_deref();
    let orientation = exif.and_then(Orientation::from_exif_chunk);
    let is_upright = orientation.is_none_or(|turn| turn == Orientation::NoTransforms);
    if info.interlaced || info.animation_control.is_some() || !is_upright {
        return Ok(None);
    }
    let Some(row) = reader.output_line_size(width).filter(|&bytes| bytes > 0) else {
        return Ok(None);
    };
    if !bands.is_large(row as u64 * u64::from(height)) {
        return Ok(None);
    }
    let mut writer = BandWriter::new(bands, width as usize)?;
    let rows_per_band = (bands.band / row).max(1);
    let mut left = height as usize;
    while left > 0 {
        let rows = left.min(rows_per_band);
        let bytes = read_rows(&mut reader, rows, row).map_err(|error| damaged(path, error))?;
        writer.push(samples(&reader, width as usize, rows, bytes))?;
        left -= rows;
    }
    // The decoder checks the end of the pixels when it is asked for one more row.
    let end = reader.read_row(&mut vec![0; row]);
    end.map_err(|error| damaged(path, error))?;
    Ok(Some(DecodedFile {
        picture: writer.finish(),
        has_more: false,
    }))
}

/// Decodes the next rows, of `row` bytes each.
fn read_rows(
    reader: &mut Reader<impl BufRead + Seek>,
    rows: usize,
    row: usize,
) -> Result<Vec<u8>, png::DecodingError> {
    let mut bytes = vec![0; rows * row];
    for row in bytes.chunks_exact_mut(row) {
        reader.read_row(row)?;
    }
    Ok(bytes)
}

/// Returns decoded rows as samples.
fn samples(
    reader: &Reader<impl BufRead + Seek>,
    width: usize,
    rows: usize,
    bytes: Vec<u8>,
) -> Samples {
    let (color, depth) = reader.output_color_type();
    let (colors, alpha) = match color {
        ColorType::Grayscale => (1, Alpha::None),
        ColorType::GrayscaleAlpha => (1, Alpha::Straight),
        // The decoder expands palettes.
        ColorType::Rgb | ColorType::Indexed => (3, Alpha::None),
        ColorType::Rgba => (3, Alpha::Straight),
    };
    let values = if depth == BitDepth::Sixteen {
        let words = bytes.as_chunks().0.iter();
        Values::Words(words.map(|&word| u16::from_be_bytes(word)).collect())
    } else {
        Values::Bytes(bytes)
    };
    Samples {
        height: rows,
        width,
        colors,
        alpha,
        values,
    }
}

/// Makes the error of damaged or missing pixels, which is that of a file that is decoded as a whole.
fn damaged(path: &Path, error: png::DecodingError) -> Error {
    let error = match error {
        png::DecodingError::IoError(error) => ImageError::IoError(error),
        other => ImageError::Decoding(DecodingError::new(ImageFormat::Png.into(), other)),
    };
    Error::signal(path, decoding_message(ImageFormat::Png, &error))
}
